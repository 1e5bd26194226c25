//! Threads: posting in them, reading them, following them, and what is unread in them.

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{
        Conversation, Entry, Fact, FollowedThreads, Following, MAX_FOLLOWED_THREADS, Message, Messages,
        Posted, Purged, Thread, UserFact, UserLog,
    },
};
use tertulia_runtime::testkit::{TestClient, TestResponse, eventually};

use crate::{
    harness::{
        DEADLINE, House, all_messages, handle_of, make, make_group, message_path, now, reaction_path, reason,
        whole_log,
    },
    replay::Dice,
};

fn thread_path(root: &Message) -> String {
    format!("{}/thread", message_path(root))
}

async fn try_comment(house: &House, client: &TestClient, root: &Message, body: &str) -> TestResponse {
    let post = json!({"client_id": house.client_id(), "body": body, "thread_id": root.id});
    client.post(&format!("/v1/conversations/{}/messages", root.conversation_id), &post).await
}

async fn comment(house: &House, client: &TestClient, root: &Message, body: &str) -> Message {
    try_comment(house, client, root, body).await.expect(201).read::<Posted>().message
}

async fn read(client: &TestClient, root: &Message) -> Vec<Message> {
    all_messages(client, &thread_path(root)).await
}

async fn unread(client: &TestClient, conversation: ConversationId) -> u64 {
    let seen: Conversation =
        client.get(&format!("/v1/conversations/{conversation}")).await.expect(200).read();
    seen.membership.unwrap().unread
}

async fn followed(client: &TestClient, conversation: ConversationId, query: &str) -> FollowedThreads {
    client.get(&format!("/v1/conversations/{conversation}/threads{query}")).await.expect(200).read()
}

/// The threads that somebody follows, by the bodies of what they stand below, and what is unread in each.
async fn summary(client: &TestClient, conversation: ConversationId) -> Vec<(String, u64)> {
    let items = followed(client, conversation, "").await.items;
    items.into_iter().map(|thread| (thread.message.body, thread.unread)).collect()
}

/// Waits until somebody's threads are these: whoever a message concerns follows its thread once an event has told.
async fn until(client: &TestClient, conversation: ConversationId, expected: &[(&str, u64)]) {
    let expected: Vec<(String, u64)> =
        expected.iter().map(|(body, unread)| ((*body).to_owned(), *unread)).collect();
    eventually(DEADLINE, || async { (summary(client, conversation).await == expected).then_some(()) }).await;
}

#[tokio::test]
async fn a_comment_stands_in_its_thread_and_in_the_one_log() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let root = house.post(&anns, group, "Who comes?").await;
    assert!(read(&bens, &root).await.is_empty(), "there is nothing yet");
    // Two instances write the thread by turns.
    let first = comment(&house, &bens, &root, "I").await;
    let second = comment(&house, &anns, &root, "Good").await;
    let third = comment(&house, &bens, &root, "With cake").await;
    let main = house.post(&anns, group, "Elsewhere").await;
    assert_eq!((first.thread_id, first.seq + 3), (Some(root.id), main.seq), "one log");
    assert_eq!(read(&anns, &root).await, [first.clone(), second, third.clone()]);

    let shown = all_messages(&bens, &format!("/v1/conversations/{group}/messages")).await;
    let thread = Thread { messages: 3, last_seq: third.seq, last_at: third.created_at };
    assert_eq!(shown, [Message { thread: Some(thread), ..root.clone() }, main]);
    // Comments are not unread in the conversation, and whoever comments has not read it.
    assert_eq!((unread(&bens, group).await, unread(&anns, group).await), (2, 0));
    let log = whole_log(&anns, group).await;
    let posts = log.iter().filter(|entry| matches!(entry.e, Fact::MessagePosted { .. })).count();
    assert_eq!(posts, 5);
    // It is paged like any messages.
    let page: Messages = anns.get(&format!("{}?limit=2", thread_path(&root))).await.expect(200).read();
    assert_eq!((page.items.len(), page.items[1].seq), (2, third.seq));
    let before = format!("{}?limit=2&cursor={}", thread_path(&root), page.next_cursor.unwrap());
    let page: Messages = anns.get(&before).await.expect(200).read();
    assert_eq!((page.items, page.next_cursor), (vec![first], None));
}

#[tokio::test]
async fn a_comment_is_posted_once_and_only_where_it_can_stand() {
    let house = House::open().await;
    let service = house.service().await;
    let ben = house.user();
    let (anns, bens) = (house.client(&service, house.user()), house.client(&service, ben));
    let (group, elsewhere) = (make_group(&anns, &[ben]).await, make_group(&anns, &[ben]).await);
    let (root, foreign) = (house.post(&anns, group, "A").await, house.post(&anns, elsewhere, "B").await);
    let other = house.post(&anns, group, "C").await;
    let reply = comment(&house, &anns, &root, "D").await;
    let path = format!("/v1/conversations/{group}/messages");
    let post =
        json!({"client_id": house.client_id(), "body": "E", "thread_id": root.id, "reply_to": reply.id});
    let posted: Posted = anns.post(&path, &post).await.expect(201).read();
    assert_eq!(posted.message.reply_to, Some(reply.id));
    assert_eq!(anns.post(&path, &post).await.expect(200).read::<Posted>(), posted);
    // A name is one message's, wherever in the conversation that stands.
    let elsewise = json!({"client_id": post["client_id"], "body": "E"});
    assert_eq!(anns.post(&path, &elsewise).await.expect(409).code(), "client_id_reused");

    for (thread, reply_to, wrong) in [
        (json!(reply.id), Value::Null, "thread_id"),
        (json!(foreign.id), Value::Null, "thread_id"),
        (json!("msg_1"), Value::Null, "thread_id"),
        (json!(root.id), json!(other.id), "reply_to"),
        (json!(other.id), json!(reply.id), "reply_to"),
        (Value::Null, json!(reply.id), "reply_to"),
    ] {
        let post =
            json!({"client_id": house.client_id(), "body": "F", "thread_id": thread, "reply_to": reply_to});
        assert_eq!(anns.post(&path, &post).await.expect(422).wrong_fields(), [wrong], "{post}");
        let wish =
            json!({"message": post, "send_at": house.ambient.now().plus(std::time::Duration::from_hours(1))});
        let later = anns.post(&format!("/v1/conversations/{group}/scheduled"), &wish).await.expect(422);
        assert!(later.wrong_fields()[0].ends_with(wrong), "{:?}", later.wrong_fields());
    }
    for path in [thread_path(&reply), format!("{}/follow", thread_path(&reply))] {
        let refused =
            if path.ends_with("follow") { bens.put(&path, &()).await } else { bens.get(&path).await };
        assert_eq!(refused.expect(422).wrong_fields(), ["message_id"]);
    }
    // A deleted message keeps its thread, and takes no more.
    anns.delete(&message_path(&root)).await.expect(204);
    assert_eq!(try_comment(&house, &anns, &root, "G").await.expect(409).code(), "message_deleted");
    assert_eq!(read(&bens, &root).await.len(), 2);
    assert_eq!(now(&bens, &root).await.thread.unwrap().messages, 2);
}

#[tokio::test]
async fn in_a_channel_few_post_and_many_comment() {
    let house = House::open().await;
    let service = house.service().await;
    let ben = house.user();
    let (owners, bens) = (house.client(&service, house.user()), house.client(&service, ben));
    let strangers = house.client(&service, house.user());
    let request = json!({"kind": "channel", "title": "News", "visibility": "public", "members": [ben]});
    let channel = make(&owners, request).await.id;
    let news = house.post(&owners, channel, "News").await;
    let post = json!({"client_id": house.client_id(), "body": "Mine"});
    let refused = bens.post(&format!("/v1/conversations/{channel}/messages"), &post).await.expect(403);
    assert_eq!(reason(&refused.json()), "role_lacks_it");
    comment(&house, &bens, &news, "Well said").await;
    // Strangers read a public channel, its threads too, and follow nothing.
    assert_eq!(read(&strangers, &news).await.len(), 1);
    assert_eq!(try_comment(&house, &strangers, &news, "I too").await.expect(403).code(), "not_allowed");
    strangers.put(&format!("{}/follow", thread_path(&news)), &()).await.expect(403);
    // What is told of posts is not told of comments.
    let told = |kind: &str| house.bus.published().iter().filter(|event| event.kind == kind).count();
    eventually(DEADLINE, || async { (told("thread.posted") == 1).then_some(()) }).await;
    assert_eq!(told("message.posted"), 1);
}

#[tokio::test]
async fn whom_a_comment_concerns_follows_and_has_it_unread_until_they_read_it() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cem, dov] = [(); 4].map(|()| house.user());
    let [anns, bens, cems, dovs] = [ann, ben, cem, dov].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cem, dov]).await;
    let (one, two) = (house.post(&anns, group, "One").await, house.post(&anns, group, "Two").await);
    comment(&house, &bens, &one, "First").await;
    comment(&house, &bens, &one, "Second").await;
    let calling = comment(&house, &bens, &one, &format!("Come, @{}", handle_of(cem))).await;
    // Whose it is has all of it before them, who was named what names them, and who wrote it nothing.
    until(&anns, group, &[("One", 3)]).await;
    until(&cems, group, &[("One", 1)]).await;
    until(&bens, group, &[("One", 0)]).await;
    until(&dovs, group, &[]).await;
    // Who joins in by themselves begins where the thread is.
    let follow = format!("{}/follow", thread_path(&one));
    let begun: Following = dovs.put(&follow, &()).await.expect(200).read();
    assert_eq!(begun, Following { message_id: one.id, cursor_seq: calling.seq, unread: 0 });
    let last = comment(&house, &anns, &one, "Fine").await;
    comment(&house, &anns, &two, "And here").await;
    until(&anns, group, &[("Two", 0), ("One", 0)]).await;
    until(&bens, group, &[("One", 1)]).await;
    until(&cems, group, &[("One", 2)]).await;
    until(&dovs, group, &[("One", 1)]).await;

    // The cursor stops at a message of the thread, and never goes back.
    let cursor = format!("{}/cursor", thread_path(&one));
    for (seq, stands, unread) in [(calling.seq, calling.seq, 1), (1, calling.seq, 1), (u64::MAX, last.seq, 0)]
    {
        let moved: Following = cems.put(&cursor, &json!({"seq": seq})).await.expect(200).read();
        assert_eq!(moved, Following { message_id: one.id, cursor_seq: stands, unread });
    }
    let log: UserLog = cems.get("/v1/me/log").await.expect(200).read();
    let told = UserFact::ThreadChanged {
        conversation_id: group,
        message_id: one.id,
        follows: true,
        cursor_seq: last.seq,
        unread: 0,
    };
    assert_eq!(log.items.last().unwrap().e, told, "other devices hear of it");
    // Who lets go is not bothered, until they are named or join in again.
    dovs.delete(&follow).await.expect(204);
    dovs.delete(&follow).await.expect(204);
    assert_eq!(dovs.put(&cursor, &json!({"seq": 1})).await.expect(409).code(), "thread_not_followed");
    let more = comment(&house, &bens, &one, "More").await;
    until(&cems, group, &[("One", 1)]).await;
    until(&dovs, group, &[]).await;
    comment(&house, &dovs, &one, "Still here").await;
    until(&dovs, group, &[("One", 0)]).await;
    let mentions = |client: TestClient| async move {
        let seen: Conversation = client.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
        seen.membership.unwrap().mentions
    };
    assert_eq!(mentions(cems.clone()).await, 1, "being named in a thread counts as anywhere");
    cems.put(&format!("/v1/conversations/{group}/cursor"), &json!({"seq": more.seq})).await.expect(200);
    assert_eq!(mentions(cems).await, 0);
}

#[tokio::test]
async fn what_becomes_of_messages_becomes_of_comments() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let root = house.post(&anns, group, "Root").await;
    let mut comments = Vec::new();
    for body in ["SECRET 1", "SECRET 2", "SECRET 3"] {
        comments.push(comment(&house, &bens, &root, body).await);
        house.post(&bens, group, "SECRET too").await;
    }
    bens.patch(&message_path(&comments[0]), &json!({"body": "SECRET edit"})).await.expect(200);
    anns.put(&reaction_path(&comments[0], "👍"), &()).await.expect(204);
    anns.put(&format!("{}/pin", message_path(&comments[1])), &()).await.expect(204);
    anns.put(&format!("{}/saved", message_path(&comments[1])), &()).await.expect(200);
    let report = json!({"message_id": comments[1].id, "category": "spam"});
    anns.post(&format!("/v1/conversations/{group}/reports"), &report).await.expect(201);
    let shown = read(&anns, &root).await;
    assert_eq!((shown[0].body.as_str(), shown[0].reactions[0].me), ("SECRET edit", true));
    bens.delete(&message_path(&comments[2])).await.expect(204);
    assert!(read(&anns, &root).await[2].deleted_at.is_some());
    // All that he wrote goes, wherever it stands, the newest first.
    let path = format!("/v1/conversations/{group}/members/{ben}/purge");
    let purged: Purged = anns.post(&path, &json!({})).await.expect(200).read();
    assert_eq!((purged.deleted, purged.more), (5, false));
    let kept = read(&anns, &root).await;
    assert!(kept.len() == 3 && kept.iter().all(|message| message.body.is_empty()));
    let log = serde_json::to_string(&whole_log(&anns, group).await).unwrap();
    assert!(!log.contains("SECRET"), "{log}");
}

#[tokio::test]
async fn threads_are_listed_by_their_newest_message_and_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let posts = (0..=MAX_FOLLOWED_THREADS).map(|number| {
        let (house, anns) = (&house, &anns);
        async move { house.post(anns, group, &format!("Root {number}")).await }
    });
    let mut roots = futures_util::future::join_all(posts).await;
    roots.sort_by_key(|root| root.seq);
    let one_too_many = roots.pop().unwrap();
    for root in &roots {
        anns.put(&format!("{}/follow", thread_path(root)), &()).await.expect(200);
    }
    let follow = format!("{}/follow", thread_path(&one_too_many));
    assert_eq!(anns.put(&follow, &()).await.expect(409).code(), "too_many_threads");
    let last = comment(&house, &anns, &roots[7], "Newest").await;
    // Nobody can be made to follow more than they can.
    comment(&house, &anns, &one_too_many, "Newer").await;
    let posted = || house.bus.published().iter().filter(|event| event.kind == "thread.posted").count();
    eventually(DEADLINE, || async { (posted() == 2).then_some(()) }).await;

    let all = followed(&anns, group, "?limit=200").await;
    assert_eq!((all.items.len(), all.next_cursor), (MAX_FOLLOWED_THREADS, None));
    assert_eq!((all.items[0].message.id, all.items[0].cursor_seq), (roots[7].id, 0));
    assert_eq!(all.items[0].message.thread.as_ref().unwrap().last_seq, last.seq);
    let mut paged = Vec::new();
    let mut query = "?limit=90".to_owned();
    loop {
        let page = followed(&anns, group, &query).await;
        paged.extend(page.items);
        let Some(cursor) = page.next_cursor else { break };
        query = format!("?limit=90&cursor={cursor}");
    }
    assert_eq!(paged, all.items);
    for query in ["?cursor=a1", "?cursor=x", "?limit=0", "?limit=201"] {
        anns.get(&format!("/v1/conversations/{group}/threads{query}")).await.expect(422);
    }
    anns.delete(&format!("{}/follow", thread_path(&roots[0]))).await.expect(204);
    anns.put(&follow, &()).await.expect(200);
}

/// Counts one by one what is unread in a thread to somebody who has read up to a position.
fn counted(log: &[Entry], root: &Message, reader: UserId, cursor: u64) -> u64 {
    let posts: Vec<&Message> = log
        .iter()
        .filter_map(|entry| match &entry.e {
            Fact::MessagePosted { message } if message.thread_id == Some(root.id) => Some(message),
            _ => None,
        })
        .collect();
    let own = posts.iter().filter(|post| post.author_id == reader).map(|post| post.seq).max();
    let read = cursor.max(own.unwrap_or(0));
    posts.iter().filter(|post| post.seq > read).count() as u64
}

#[tokio::test]
async fn unread_is_what_one_counts() {
    for seed in 1..=4 {
        let (house, mut dice) = (House::open().await, Dice(seed));
        let services = [house.service().await, house.service().await];
        let users = [(); 3].map(|()| house.user());
        let client = |dice: &mut Dice, user: usize| house.client(&services[dice.roll(2)], users[user]);
        let group = make_group(&client(&mut dice, 0), &users[1..]).await;
        let mut roots = Vec::new();
        for _ in 0..3 {
            roots.push(house.post(&client(&mut dice, 0), group, "Root").await);
        }
        for number in 0..120 {
            let (user, root) = (dice.roll(3), dice.roll(3));
            let (client, root) = (client(&mut dice, user), &roots[root]);
            let thread = thread_path(root);
            match dice.roll(8) {
                0..4 => drop(comment(&house, &client, root, "Words").await),
                4 => drop(house.post(&client, group, "Words").await),
                5 => drop(client.put(&format!("{thread}/follow"), &()).await.expect(200)),
                6 => drop(client.delete(&format!("{thread}/follow")).await.expect(204)),
                _ => {
                    let seq = dice.roll(number + 10);
                    let status =
                        client.put(&format!("{thread}/cursor"), &json!({"seq": seq})).await.status.as_u16();
                    assert!([200, 409].contains(&status), "{status}");
                }
            }
        }
        let reader = house.client(&services[0], users[0]);
        let log = whole_log(&reader, group).await;
        let mut compared = 0;
        for user in users {
            let items = followed(&house.client(&services[0], user), group, "").await.items;
            for thread in items {
                let naive = counted(&log, &thread.message, user, thread.cursor_seq);
                assert_eq!(thread.unread, naive, "seed {seed}, {user} below {}", thread.message.seq);
                compared += 1;
            }
        }
        assert!(compared > 3, "seed {seed}: {compared} threads are followed");
    }
}
