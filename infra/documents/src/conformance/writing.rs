//! Commits: compare and swap, unique keys, atomicity, runs, races.

use std::sync::Arc;

use futures_util::future::join_all;

use super::{
    Store,
    fixture::{Fixture, GROUP, NAME, PLACE, THINGS, key, keyed, thing},
};
use crate::{Error, PendingScope, Write, port::MAX_PAGE};

/// How many times two writers race for one revision.
const RACES: u64 = 1000;

fn is_conflict<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Conflict { collection: "things", .. }))
}

fn duplicate_of<T>(result: &Result<T, Error>) -> Option<&'static str> {
    match result {
        Err(Error::Duplicate { collection: "things", index }) => Some(index),
        _ => None,
    }
}

pub(super) async fn stale_revisions_conflict(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    fixture.insert(thing("a", 1)).await.expect("it is new");
    fixture.replace(thing("a", 2), 1).await.expect("the revision is right");
    for stale in [0, 1, 3, u64::MAX] {
        assert!(is_conflict(&fixture.replace(thing("a", 9), stale).await), "replacing revision {stale}");
        assert!(is_conflict(&fixture.delete("a", stale).await), "deleting revision {stale}");
    }
    assert_eq!(fixture.number("a").await, Some(2), "a refused write changes nothing");
    assert!(is_conflict(&fixture.replace(thing("nobody", 9), 1).await), "what is not there has no revision");
    assert!(is_conflict(&fixture.delete("nobody", 1).await), "what is not there has no revision");
    assert!(fixture.get("nobody").await.is_none(), "replacing does not insert");
}

pub(super) async fn an_id_is_taken_once(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    fixture.insert(thing("a", 1)).await.expect("it is new");
    let again = fixture.insert(thing("a", 2)).await;
    assert!(matches!(again, Err(Error::Conflict { collection: "things", ref id }) if id == "a"), "{again:?}");
    assert_eq!(fixture.number("a").await, Some(1));
}

pub(super) async fn revisions_grow_by_one(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    assert_eq!(fixture.insert(thing("a", 0)).await.expect("it is new"), 1);
    for revision in 1..5 {
        let next = fixture.replace(thing("a", revision), revision).await.expect("the revision is right");
        assert_eq!(next, revision + 1);
        assert_eq!(fixture.get("a").await.expect("it is there").revision, next);
    }
    fixture.delete("a", 5).await.expect("the revision is right");
    assert_eq!(fixture.insert(thing("a", 0)).await.expect("it is free again"), 1);
    assert_eq!(fixture.get("a").await.expect("it is there").revision, 1);
}

pub(super) async fn a_unique_violation_names_its_index(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    fixture.insert(keyed("a", 1, &[(NAME, key("n")), (PLACE, key("p"))])).await.expect("it is new");
    fixture.insert(keyed("b", 2, &[(NAME, key("m"))])).await.expect("it is new");
    let same_name = fixture.insert(keyed("c", 3, &[(NAME, key("n"))])).await;
    assert_eq!(duplicate_of(&same_name), Some("name"), "{same_name:?}");
    let same_place = fixture.insert(keyed("c", 3, &[(NAME, key("other")), (PLACE, key("p"))])).await;
    assert_eq!(duplicate_of(&same_place), Some("place"), "{same_place:?}");
    assert!(fixture.get("c").await.is_none());
    let replaced = fixture.replace(keyed("b", 4, &[(NAME, key("m")), (PLACE, key("p"))]), 1).await;
    assert_eq!(duplicate_of(&replaced), Some("place"), "{replaced:?}");
    assert_eq!(fixture.number("b").await, Some(2), "a refused replacement changes nothing");
}

pub(super) async fn unique_keys_are_sparse_and_freed(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    for id in ["a", "b"] {
        fixture.insert(keyed(id, 1, &[(GROUP, key("g"))])).await.expect("absent keys do not clash");
    }
    fixture.insert(keyed("c", 1, &[(NAME, key("n"))])).await.expect("it is new");
    fixture
        .replace(keyed("c", 1, &[(NAME, key("n")), (PLACE, key("p"))]), 1)
        .await
        .expect("its own key is no clash");
    fixture.delete("c", 2).await.expect("the revision is right");
    fixture.insert(keyed("d", 1, &[(NAME, key("n"))])).await.expect("deleting frees the key");
    fixture.replace(keyed("d", 1, &[(NAME, key("m"))]), 1).await.expect("the revision is right");
    fixture.insert(keyed("e", 1, &[(NAME, key("n"))])).await.expect("so does taking another");
    fixture.replace(keyed("d", 1, &[]), 2).await.expect("the revision is right");
    fixture.insert(keyed("f", 1, &[(NAME, key("m"))])).await.expect("so does taking none");
}

async fn pending_numbers(fixture: &Fixture) -> Vec<String> {
    let pending = fixture.documents.pending(PendingScope::Mine, MAX_PAGE).await.expect("it answers");
    pending.into_iter().map(|pending| pending.event.data.get().to_owned()).collect()
}

pub(super) async fn events_commit_with_their_document(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let events = |from: u64, to: u64| (from..=to).map(|number| fixture.event(number)).collect::<Vec<_>>();
    let writes = [
        (Write::Insert(thing("a", 1)), events(1, 3)),
        (Write::Replace(thing("a", 2), 1), events(4, 5)),
        (Write::Insert(thing("b", 1)), Vec::new()),
        (Write::Delete("a".to_owned(), 2), events(6, 7)),
        (Write::Insert(thing("a", 3)), events(8, 8)),
    ];
    for (write, events) in writes {
        fixture.documents.commit(&THINGS, write, events).await.expect("each write is right");
    }
    let expected: Vec<_> = (1..=8).map(|number| format!("{{\"number\":{number}}}")).collect();
    assert_eq!(pending_numbers(&fixture).await, expected);
    let survivor = fixture.another_handle().await;
    let left = PendingScope::LeftBehind(fixture.ambient.now().plus(std::time::Duration::from_secs(1)));
    let survived = survivor.pending(left, MAX_PAGE).await.expect("it answers");
    assert_eq!(survived.len(), expected.len(), "another handle finds them as well");
}

pub(super) async fn a_refused_write_leaves_no_events(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    fixture.insert(keyed("a", 1, &[(NAME, key("n"))])).await.expect("it is new");
    fixture.insert(thing("b", 1)).await.expect("it is new");
    let refused = [
        Write::Insert(thing("a", 2)),
        Write::Insert(keyed("c", 2, &[(NAME, key("n"))])),
        Write::Replace(thing("a", 2), 7),
        Write::Replace(keyed("b", 2, &[(NAME, key("n"))]), 1),
        Write::Delete("a".to_owned(), 7),
        Write::Delete("nobody".to_owned(), 1),
    ];
    for write in refused {
        let result = fixture.documents.commit(&THINGS, write, vec![fixture.event(1)]).await;
        assert!(result.is_err());
    }
    assert_eq!(pending_numbers(&fixture).await, Vec::<String>::new());
}

pub(super) async fn a_run_stops_at_the_first_conflict(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let documents = &fixture.documents;
    fixture.insert(keyed("taken", 0, &[(NAME, key("n"))])).await.expect("it is new");

    let run = vec![thing("a", 1), thing("b", 2), thing("taken", 3), thing("c", 4)];
    let appended = documents.append_many(&THINGS, run).await.expect("it is valid");
    assert_eq!(appended.committed, 2);
    assert!(
        matches!(appended.stopped_by, Some(Error::Conflict { ref id, .. }) if id == "taken"),
        "{appended:?}"
    );

    let run = vec![keyed("d", 5, &[(NAME, key("n"))]), thing("e", 6)];
    let appended = documents.append_many(&THINGS, run).await.expect("it is valid");
    assert_eq!(appended.committed, 0);
    assert!(matches!(appended.stopped_by, Some(Error::Duplicate { index: "name", .. })), "{appended:?}");

    let run = vec![
        thing("f", 7),
        keyed("g", 8, &[(PLACE, key("p"))]),
        keyed("h", 9, &[(PLACE, key("p"))]),
        thing("i", 10),
    ];
    let appended = documents.append_many(&THINGS, run).await.expect("it is valid");
    assert_eq!(appended.committed, 2, "a run clashes with itself as with others");
    assert!(matches!(appended.stopped_by, Some(Error::Duplicate { index: "place", .. })), "{appended:?}");

    let appended =
        documents.append_many(&THINGS, vec![thing("j", 11), thing("k", 12)]).await.expect("it is valid");
    assert!(appended.committed == 2 && appended.stopped_by.is_none(), "{appended:?}");
    let appended = documents.append_many(&THINGS, Vec::new()).await.expect("nothing is valid too");
    assert!(appended.committed == 0 && appended.stopped_by.is_none(), "{appended:?}");

    let mut found = Vec::new();
    for id in ["a", "b", "taken", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
        found.extend(fixture.number(id).await);
    }
    assert_eq!(found, [1, 2, 0, 7, 8, 11, 12], "what came before is there, what came after is not");
}

pub(super) async fn racing_writers_win_once_a_revision(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let rival = fixture.another_handle().await;
    fixture.insert(thing("a", 0)).await.expect("it is new");
    for revision in 1..=RACES {
        let (mine, theirs) = tokio::join!(
            fixture.replace(thing("a", 1), revision),
            rival.commit(&THINGS, Write::Replace(thing("a", 2), revision), Vec::new()),
        );
        let winner = match (&mine, &theirs) {
            (Ok(_), refused) if is_conflict(refused) => 1,
            (refused, Ok(_)) if is_conflict(refused) => 2,
            both => panic!("exactly one wins revision {revision}: {both:?}"),
        };
        assert_eq!(fixture.number("a").await, Some(winner));
    }
    assert_eq!(fixture.get("a").await.expect("it is there").revision, RACES + 1);
}

pub(super) async fn racing_inserts_win_once_a_key(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    let rival = fixture.another_handle().await;
    for round in 0..20_u64 {
        let name = key(&round.to_string());
        let inserts = (0..10_u64).map(|writer| {
            let documents = if writer % 2 == 0 { &fixture.documents } else { &rival };
            let draft = keyed(&format!("{round}.{writer}"), writer, &[(NAME, name.clone())]);
            async move { documents.commit(&THINGS, Write::Insert(draft), Vec::new()).await }
        });
        let results = join_all(inserts).await;
        let winners = results.iter().filter(|result| result.is_ok()).count();
        let refused = results.iter().filter(|result| duplicate_of(result) == Some("name")).count();
        assert_eq!((winners, refused), (1, 9), "{results:?}");
    }
}

pub(super) async fn commits_that_arrive_together_do_not_share_refusals(store: Arc<dyn Store>) {
    let fixture = Fixture::new(store).await;
    for number in (0..200).step_by(2) {
        fixture.insert(thing(&number.to_string(), 7)).await.expect("it is new");
    }
    let inserts =
        (0..200).map(|number| {
            let events = vec![fixture.event(number)];
            let documents = &fixture.documents;
            async move {
                documents.commit(&THINGS, Write::Insert(thing(&number.to_string(), number)), events).await
            }
        });
    for (number, result) in join_all(inserts).await.iter().enumerate() {
        assert_eq!(is_conflict(result), number % 2 == 0, "{number}: {result:?}");
        assert_eq!(result.is_ok(), number % 2 == 1, "{number}: {result:?}");
    }
    assert_eq!(pending_numbers(&fixture).await.len(), 100, "each that went in brought its event");
}
