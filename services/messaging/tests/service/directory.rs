//! The directory: what stands in it, how it is searched, and what it keeps to itself.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tertulia_contracts::messaging::{Directory, DirectoryEntry};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, make_group};

/// All pages of a search, two at a time, by title.
async fn found(client: &TestClient, query: &str) -> Vec<String> {
    let (mut titles, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Directory =
            client.get(&format!("/v1/directory?limit=2&{query}{cursor}")).await.expect(200).read();
        assert!(page.items.len() <= 2);
        titles.extend(page.items.into_iter().map(|entry| entry.title.unwrap()));
        let Some(next) = page.next_cursor else { return titles };
        cursor = format!("&cursor={next}");
    }
}

/// A channel, with tags if there are any.
async fn channel(client: &TestClient, title: &str, handle: Option<&str>, tags: &[&str]) -> String {
    let wish = json!({"kind": "channel", "title": title, "handle": handle, "visibility": "public"});
    let path = format!("/v1/conversations/{}", make(client, wish).await.id);
    if !tags.is_empty() {
        client.patch(&path, &json!({"tags": tags})).await.expect(200);
    }
    path
}

#[tokio::test]
async fn it_is_read_by_name_by_age_by_tag_and_by_the_beginnings_of_words() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, reader) = (house.client(&service, house.user()), house.client(&service, house.user()));
    for (title, handle, tags) in [
        ("Rust news", Some("rust-news"), &["lang", "news"][..]),
        ("Books about books", None, &["reading"]),
        ("The Rustic kitchen", Some("a-kitchen"), &[]),
        ("Newest books", Some("zz-top"), &["reading", "news"]),
    ] {
        channel(&ann, title, handle, tags).await;
        house.clock.advance(std::time::Duration::from_secs(1));
    }
    make_group(&ann, &[]).await;
    make(&ann, json!({"kind": "channel", "title": "Hidden books", "visibility": "private"})).await;
    let paid = json!({"kind": "channel", "title": "Paid", "visibility": "paid", "handle": "paid"});
    make(&ann, paid).await;

    let by_name = ["The Rustic kitchen", "Books about books", "Paid", "Rust news", "Newest books"];
    assert_eq!(found(&reader, "").await, by_name);
    assert_eq!(found(&reader, "order=name").await, by_name);
    let by_age = ["Paid", "Newest books", "The Rustic kitchen", "Books about books", "Rust news"];
    assert_eq!(found(&reader, "order=newest").await, by_age);
    assert_eq!(found(&reader, "tag=News").await, ["Rust news", "Newest books"]);
    assert_eq!(found(&reader, "tag=reading&order=newest").await, ["Newest books", "Books about books"]);
    // Each once, however many of its words begin so, in the order of the word.
    assert_eq!(found(&reader, "q=rust").await, ["Rust news", "The Rustic kitchen"]);
    assert_eq!(found(&reader, "q=B").await, ["Books about books", "Newest books"]);
    assert_eq!(found(&reader, "q=book%20NEW").await, ["Newest books"]);
    assert_eq!(found(&reader, "q=new&tag=lang").await, ["Rust news"]);
    assert_eq!(found(&reader, "q=hidden").await, [""; 0]);
    assert_eq!(found(&reader, "q=ooks").await, [""; 0]);
    assert_eq!(found(&reader, "tag=none").await, [""; 0]);
}

#[tokio::test]
async fn it_follows_every_change_at_once() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let path = channel(&anns, "Old name", None, &["old"]).await;
    assert_eq!(found(&bens, "q=old").await, ["Old name"]);
    anns.patch(&path, &json!({"title": "New name", "tags": ["new"]})).await.expect(200);
    for (query, expected) in
        [("", 1), ("q=old", 0), ("tag=old", 0), ("q=new", 1), ("tag=new", 1), ("q=name", 1)]
    {
        assert_eq!(found(&bens, query).await.len(), expected, "{query}");
    }
    anns.patch(&path, &json!({"description": "About it"})).await.expect(200);
    bens.put(&format!("{path}/members/{ben}"), &()).await.expect(200);
    let page: Directory = bens.get("/v1/directory").await.expect(200).read();
    let [DirectoryEntry { description, tags, member_count, .. }] = &page.items[..] else {
        panic!("{page:?}")
    };
    assert_eq!((description.as_deref(), tags.len(), *member_count), (Some("About it"), 1, Some(2)));

    for (hide, show) in [
        (json!({"visibility": "private"}), json!({"visibility": "paid"})),
        (json!({"visibility": "private"}), json!({"visibility": "public"})),
    ] {
        anns.patch(&path, &hide).await.expect(200);
        assert_eq!(found(&bens, "").await, [""; 0]);
        assert_eq!(found(&bens, "q=new").await, [""; 0]);
        anns.patch(&path, &show).await.expect(200);
        assert_eq!(found(&bens, "q=new").await, ["New name"]);
    }
    anns.put(&format!("{path}/archive"), &()).await.expect(200);
    assert_eq!(found(&bens, "tag=new").await, [""; 0]);
    anns.delete(&format!("{path}/archive")).await.expect(200);
    assert_eq!(found(&bens, "tag=new").await, ["New name"]);
}

#[tokio::test]
async fn what_was_hidden_is_not_shown_by_a_list_that_is_behind() {
    let house = House::open().await;
    let dying = house.service().await;
    let anns = house.client(&dying, house.user());
    let path = channel(&anns, "A secret", None, &[]).await;
    // The channel becomes private, says the log, and the process dies before anything else is written.
    dying.store.break_commits();
    anns.patch(&path, &json!({"visibility": "private"})).await.expect(503);
    // Begun only now: one that had just seen the channel be founded could have applied what became of it since.
    let other = house.service().await;
    let bens = house.client(&other, house.user());
    assert_eq!(found(&bens, "").await, [""; 0]);
    assert_eq!(found(&bens, "q=secret").await, [""; 0]);
}

#[tokio::test]
async fn its_pages_stay_where_they_are_while_things_change() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    for number in 0..9 {
        channel(&ann, &format!("Channel {number}"), Some(&format!("c{number}")), &[]).await;
    }
    for query in ["", "order=newest", "q=channel"] {
        let first: Directory = ann.get(&format!("/v1/directory?limit=5&{query}")).await.expect(200).read();
        let before: BTreeSet<_> = first.items.iter().map(|entry| entry.id).collect();
        // One that was shown goes.
        let gone = format!("/v1/conversations/{}", first.items[2].id);
        ann.put(&format!("{gone}/archive"), &()).await.expect(200);
        house.clock.advance(std::time::Duration::from_secs(1));
        let cursor = first.next_cursor.unwrap();
        let rest: Directory =
            ann.get(&format!("/v1/directory?limit=5&{query}&cursor={cursor}")).await.expect(200).read();
        let after: BTreeSet<_> = rest.items.iter().map(|entry| entry.id).collect();
        assert!(before.is_disjoint(&after), "{query}: something is shown twice");
        assert_eq!(before.len() + after.len(), 9, "{query}: something is left out");
        ann.delete(&format!("{gone}/archive")).await.expect(200);
    }
}

#[tokio::test]
async fn a_channel_is_found_by_its_handle_by_whoever_may_find_it() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.client(&service, house.user()), house.client(&service, house.user()));
    channel(&ann, "News", Some("news"), &[]).await;
    let hidden = json!({"kind": "channel", "title": "Hidden", "handle": "hidden", "visibility": "private"});
    make(&ann, hidden).await;
    for client in [&ann, &ben] {
        let entry: DirectoryEntry = client.get("/v1/directory/news").await.expect(200).read();
        assert_eq!(entry.title.as_deref(), Some("News"));
    }
    ann.get("/v1/directory/hidden").await.expect(200);
    let refused = ["hidden", "nothing", "NEWS"].map(|handle| format!("/v1/directory/{handle}"));
    for path in refused {
        let problem: Value = ben.get(&path).await.expect(404).read();
        assert_eq!(problem["code"], "conversation_not_found");
    }
}

#[tokio::test]
async fn every_bound_of_a_search_holds_at_it_and_one_past_it() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    for (query, status) in [
        (format!("q={}", "x".repeat(64)), 200),
        (format!("q={}", "x".repeat(65)), 422),
        ("q=".to_owned(), 422),
        ("q=%21".to_owned(), 422),
        ("q=x&order=newest".to_owned(), 422),
        (format!("tag={}", "x".repeat(32)), 200),
        (format!("tag={}", "x".repeat(33)), 422),
        ("limit=200".to_owned(), 200),
        ("limit=201".to_owned(), 422),
        ("cursor=%21".to_owned(), 422),
        ("order=size".to_owned(), 422),
    ] {
        ann.get(&format!("/v1/directory?{query}")).await.expect(status);
    }
    // The last of the words that count, and one past it.
    let words: Vec<String> = (10..27).map(|number| format!("w{number}")).collect();
    channel(&ann, &words.join(" "), None, &[]).await;
    assert_eq!(found(&ann, "q=w25").await.len(), 1);
    assert_eq!(found(&ann, "q=w26").await.len(), 0);
}
