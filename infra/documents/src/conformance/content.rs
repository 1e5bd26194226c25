//! What is stored, and what is refused.

use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};

use super::{
    Store,
    fixture::{Fixture, GROUP, NAME, OTHERS, THINGS, key, keyed, thing},
};
use crate::{
    Collection, Draft, Error, Index, Key, Scan, Write,
    port::{
        MAX_BODY_BYTES, MAX_DEPTH, MAX_EVENT_BYTES, MAX_EVENTS, MAX_ID_BYTES, MAX_KEY_BYTES, MAX_PAGE,
        MAX_RUN,
    },
};

fn draft(id: &str, body: String) -> Draft {
    Draft {
        id: id.to_owned(),
        keys: Vec::new(),
        body: RawValue::from_string(body).expect("a case's body is JSON"),
    }
}

pub(super) async fn bodies_come_back_as_they_went_in(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let body = json!({
        "integers": [0, 1, -1, i64::MAX, i64::MIN, 2_147_483_648_i64, 9_007_199_254_740_993_i64],
        "floats": [0.0, 1.0, -1.5, 1e300, 5e-324, 0.1],
        "texts": ["", " ", "ñ", "日本語", "👩‍👩‍👧", "\u{1}\u{2}\u{7f}\u{ffff}", "\"\\/\n\r\t", "$set", "a.b"],
        "words": [true, false, null],
        "nested": { "empty": {}, "list": [], "deep": [[[{ "x": [{}] }]]] },
        "$set": 1, "a.b": { "$oid": "000000000000000000000000" }, "": "empty name", "%24": 2, "%": 3, "_id": 4,
        "$numberLong": "5", "$date": { "$numberLong": "0" }, "ключ": 6
    });
    fixture.insert(draft("a", body.to_string())).await.expect("it is within bounds");
    let stored = fixture.get("a").await.expect("it was inserted");
    // Compared as text too: for a number type 1.0 and 1 may be equal.
    let read: Value = serde_json::from_str(stored.body.get()).expect("a body is JSON");
    assert_eq!(read.to_string(), body.to_string());
    fixture.replace(draft("a", "{}".to_owned()), 1).await.expect("the revision is right");
    assert_eq!(fixture.get("a").await.expect("it is there").body.get(), "{}");
}

pub(super) async fn missing_is_not_an_error(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let documents = &fixture.documents;
    assert!(documents.get(&THINGS, "nobody").await.expect("missing is not an error").is_none());
    let many = documents.get_many(&THINGS, &["nobody".to_owned()]).await;
    assert!(many.expect("missing is not an error").is_empty());
    let page = documents.scan(&THINGS, Scan::of(NAME, key("nobody"), 10)).await;
    assert!(page.expect("an empty page is not an error").items.is_empty());
    assert!(documents.get_many(&THINGS, &[]).await.expect("nor is nothing").is_empty());
}

pub(super) async fn undecodable_is_an_error(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    for id in ["a", "b", "c"] {
        fixture.insert(keyed(id, 1, &[(GROUP, key("g"))])).await.expect("they are new");
    }
    fixture.store.damage(&THINGS, "b").await;
    let documents = &fixture.documents;
    let is_corrupt = |error: Error| matches!(error, Error::Corrupt { ref id, .. } if id == "b");
    assert!(is_corrupt(documents.get(&THINGS, "b").await.expect_err("it is damaged")));
    let all = ["a", "b", "c"].map(str::to_owned);
    assert!(is_corrupt(documents.get_many(&THINGS, &all).await.expect_err("one is damaged")));
    assert!(is_corrupt(
        documents.scan(&THINGS, Scan::of(GROUP, key("g"), 10)).await.expect_err("one is damaged")
    ));
    assert_eq!(fixture.number("a").await, Some(1), "the others can still be read");
}

pub(super) async fn what_exceeds_a_bound_is_invalid(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    let too_long = "x".repeat(MAX_BODY_BYTES);
    let drafts = [
        draft("body", format!("{{\"x\":\"{too_long}\"}}")),
        draft("depth", nested(MAX_DEPTH + 1)),
        draft("zero", r#"{"x":"a\u0000b"}"#.to_owned()),
        draft("no_object", "[1]".to_owned()),
        thing(&"i".repeat(MAX_ID_BYTES + 1), 1),
        thing("", 1),
        thing("zero\0", 1),
        keyed("key", 1, &[(NAME, Key::from_encoded("k".repeat(MAX_KEY_BYTES + 1)))]),
        keyed("index", 1, &[(Index::unique("nobody_knows"), key("x"))]),
        keyed("twice", 1, &[(NAME, key("x")), (NAME, key("y"))]),
    ];
    for draft in drafts {
        let id = draft.id.clone();
        let inserted = fixture.insert(draft.clone()).await;
        assert!(matches!(inserted, Err(Error::Invalid(_))), "inserting {id:.20}: {inserted:?}");
        let appended = fixture.documents.append_many(&THINGS, vec![thing("fine", 1), draft]).await;
        assert!(matches!(appended, Err(Error::Invalid(_))), "appending {id:.20}: {appended:?}");
    }
    assert!(fixture.get("fine").await.is_none(), "a run that is not valid is not begun");

    let documents = &fixture.documents;
    let run = (0..=MAX_RUN as u64).map(|number| thing(&number.to_string(), number)).collect();
    assert!(matches!(documents.append_many(&THINGS, run).await, Err(Error::Invalid(_))));
    for limit in [0, MAX_PAGE + 1] {
        let page = documents.scan(&THINGS, Scan::of(NAME, Key::new(), limit)).await;
        assert!(matches!(page, Err(Error::Invalid(_))), "a page of {limit}");
    }
    let unknown_index = documents.scan(&THINGS, Scan::of(Index::ordered("name"), Key::new(), 1)).await;
    assert!(matches!(unknown_index, Err(Error::Invalid(_))));
    let ids = vec!["a".to_owned(); MAX_PAGE + 1];
    assert!(matches!(documents.get_many(&THINGS, &ids).await, Err(Error::Invalid(_))));
    let unknown = Collection { name: "undeclared", indexes: &[] };
    assert!(matches!(documents.get(&unknown, "a").await, Err(Error::Invalid(_))));

    let mut large = fixture.event(1);
    large.partitionkey = "k".repeat(MAX_EVENT_BYTES);
    let many = (0..=MAX_EVENTS as u64).map(|number| fixture.event(number)).collect();
    for events in [vec![large], many] {
        let committed = documents.commit(&THINGS, Write::Insert(thing("events", 1)), events).await;
        assert!(matches!(committed, Err(Error::Invalid(_))), "{committed:?}");
    }
    assert!(fixture.get("events").await.is_none());
}

pub(super) async fn what_fits_a_bound_is_stored(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let body = format!("{{\"x\":\"{}\"}}", "x".repeat(MAX_BODY_BYTES - 8));
    assert_eq!(body.len(), MAX_BODY_BYTES);
    fixture.insert(draft("body", body.clone())).await.expect("it fits");
    assert_eq!(fixture.get("body").await.expect("it is there").body.get(), body);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(MAX_DEPTH - 1), "]".repeat(MAX_DEPTH - 1));
    fixture.insert(draft("depth", deep.clone())).await.expect("it fits");
    assert_eq!(fixture.get("depth").await.expect("it is there").body.get(), deep);

    let id = "i".repeat(MAX_ID_BYTES);
    let long_key = Key::from_encoded("k".repeat(MAX_KEY_BYTES));
    fixture
        .insert(keyed(&id, 1, &[(NAME, long_key.clone()), (GROUP, long_key.clone())]))
        .await
        .expect("it fits");
    let found = fixture.documents.scan(&THINGS, Scan::of(NAME, long_key, 1)).await.expect("it is indexed");
    assert_eq!(found.items[0].id, id);

    let run = (0..MAX_RUN as u64).map(|number| thing(&number.to_string(), number)).collect();
    let appended = fixture.documents.append_many(&THINGS, run).await.expect("it fits");
    assert_eq!(appended.committed, MAX_RUN);
    let events = (0..MAX_EVENTS as u64).map(|number| fixture.event(number)).collect();
    fixture.documents.commit(&THINGS, Write::Insert(thing("events", 1)), events).await.expect("they fit");
}

pub(super) async fn collections_are_apart(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let other = || keyed("a", 2, &[(NAME, key("n"))]);
    fixture.insert(keyed("a", 1, &[(NAME, key("n"))])).await.expect("it is new");
    assert!(fixture.documents.get(&OTHERS, "a").await.expect("it answers").is_none());
    let inserted = fixture.documents.commit(&OTHERS, Write::Insert(other()), Vec::new()).await;
    assert_eq!(inserted.expect("the same id and key in another collection clash with nothing"), 1);
    assert_eq!(fixture.number("a").await, Some(1));
}

pub(super) async fn a_store_that_answers_is_ready(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    fixture.documents.check().await.expect("it answers");
}
