//! The outbox: pending events, whose they are, and how they are forgotten.

use std::{sync::Arc, time::Duration};

use tertulia_runtime::Event;

use super::{
    Store,
    fixture::{Fixture, THINGS, thing},
};
use crate::{Documents, Pending, PendingScope, Write, port::MAX_PAGE};

async fn pending(documents: &dyn Documents, scope: PendingScope) -> Vec<Pending> {
    documents.pending(scope, MAX_PAGE).await.expect("it answers")
}

fn numbers(pending: &[Pending]) -> Vec<u64> {
    let number = |pending: &Pending| {
        let data: serde_json::Value = serde_json::from_str(pending.event.data.get()).expect("it is JSON");
        data["number"].as_u64().expect("the event carries a number")
    };
    pending.iter().map(number).collect()
}

fn tokens(pending: &[Pending]) -> Vec<String> {
    pending.iter().map(|pending| pending.token.clone()).collect()
}

async fn insert(documents: &dyn Documents, id: &str, events: Vec<Event>) {
    documents.commit(&THINGS, Write::Insert(thing(id, 0)), events).await.expect("it is new");
}

pub(super) async fn pending_events_come_oldest_first(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let documents = &*fixture.documents;
    // Ids that are in no order, so that an order of ids is not taken for the order of commits.
    let mut sent = Vec::new();
    for (number, id) in (0_u64..).zip(["m", "c", "x", "a", "z", "b"]) {
        let events = vec![fixture.event(2 * number), fixture.event(2 * number + 1)];
        sent.extend(events.iter().map(|event| serde_json::to_string(event).expect("an event encodes")));
        insert(documents, id, events).await;
    }
    let read = pending(documents, PendingScope::Mine).await;
    assert_eq!(numbers(&read), (0..12).collect::<Vec<_>>());
    let read: Vec<_> =
        read.iter().map(|p| serde_json::to_string(&p.event).expect("an event encodes")).collect();
    assert_eq!(read, sent, "an event comes out as it went in");
    let first = documents.pending(PendingScope::Mine, 3).await.expect("it answers");
    assert_eq!(numbers(&first), [0, 1, 2], "the limit leaves out the newest");
}

pub(super) async fn a_handle_sees_its_own_events(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let other = fixture.another_handle().await;
    insert(&*fixture.documents, "a", vec![fixture.event(1)]).await;
    insert(&*other, "b", vec![fixture.event(2)]).await;
    assert_eq!(numbers(&pending(&*fixture.documents, PendingScope::Mine).await), [1]);
    assert_eq!(numbers(&pending(&*other, PendingScope::Mine).await), [2]);
}

pub(super) async fn events_left_behind_are_found_by_age(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let survivor = fixture.another_handle().await;
    insert(&*fixture.documents, "a", vec![fixture.event(1)]).await;
    fixture.clock.advance(Duration::from_mins(1));
    insert(&*fixture.documents, "b", vec![fixture.event(2)]).await;
    let since = |age: u64| PendingScope::LeftBehind(fixture.ambient.now().minus(Duration::from_secs(age)));
    assert_eq!(numbers(&pending(&*survivor, since(30)).await), [1]);
    assert_eq!(numbers(&pending(&*survivor, since(90)).await), Vec::<u64>::new());
    fixture.clock.advance(Duration::from_mins(1));
    let left = pending(&*survivor, since(30)).await;
    assert_eq!(numbers(&left), [1, 2]);
    survivor.settle(&tokens(&left)).await.expect("anybody may settle");
    assert!(pending(&*fixture.documents, PendingScope::Mine).await.is_empty());
}

pub(super) async fn settled_events_are_gone(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let documents = &*fixture.documents;
    insert(documents, "a", vec![fixture.event(1), fixture.event(2)]).await;
    insert(documents, "b", vec![fixture.event(3)]).await;
    let read = tokens(&pending(documents, PendingScope::Mine).await);
    documents.settle(&read[..1]).await.expect("it answers");
    assert_eq!(numbers(&pending(documents, PendingScope::Mine).await), [2, 3]);
    documents.settle(&read).await.expect("settling twice is harmless");
    assert!(pending(documents, PendingScope::Mine).await.is_empty());
    let far = PendingScope::LeftBehind(fixture.ambient.now().plus(Duration::from_secs(1)));
    assert!(pending(documents, far).await.is_empty());
    insert(documents, "c", vec![fixture.event(4)]).await;
    documents.settle(&read).await.expect("settling late is harmless");
    assert_eq!(
        numbers(&pending(documents, PendingScope::Mine).await),
        [4],
        "an old token names no new event"
    );
    assert_eq!(fixture.number("a").await, Some(0), "settling leaves the document alone");
    assert_eq!(fixture.replace(thing("a", 1), 1).await.expect("and its revision too"), 2);
}

pub(super) async fn deleting_keeps_the_events(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let documents = &*fixture.documents;
    insert(documents, "a", vec![fixture.event(1)]).await;
    let delete = Write::Delete("a".to_owned(), 1);
    documents.commit(&THINGS, delete, vec![fixture.event(2)]).await.expect("the revision is right");
    assert_eq!(numbers(&pending(documents, PendingScope::Mine).await), [1, 2]);
    insert(documents, "a", vec![fixture.event(3)]).await;
    let read = pending(documents, PendingScope::Mine).await;
    assert_eq!(numbers(&read), [1, 2, 3], "nor does inserting it again");
    fixture.delete("a", 1).await.expect("the revision is right");
    let read_again = pending(documents, PendingScope::Mine).await;
    assert_eq!(numbers(&read_again), [1, 2, 3], "nor deleting it without a word");
    documents.settle(&tokens(&read)).await.expect("it answers");
    assert!(pending(documents, PendingScope::Mine).await.is_empty());
    assert!(fixture.get("a").await.is_none());
    insert(documents, "a", Vec::new()).await;
    assert_eq!(fixture.number("a").await, Some(0));
}

pub(super) async fn a_commit_with_events_nudges(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let mut nudges = fixture.documents.committed();
    nudges.mark_unchanged();
    fixture.insert(thing("quiet", 0)).await.expect("it is new");
    let refused =
        fixture.documents.commit(&THINGS, Write::Insert(thing("quiet", 1)), vec![fixture.event(1)]).await;
    assert!(refused.is_err());
    assert!(!nudges.has_changed().expect("the handle is open"), "nothing was committed that has events");
    let told = fixture.event(2);
    insert(&*fixture.documents, "loud", vec![told.clone()]).await;
    let nudge = tokio::time::timeout(Duration::from_secs(5), nudges.changed()).await;
    nudge.expect("a commit nudges").expect("the handle is open");
    assert_eq!(*nudges.borrow(), Some(told.id));
}
