//! Events that a group gave up on.

use std::sync::Arc;

use super::{
    Rig,
    kit::{FIRST, QUICK, Reader, SECOND, Stage},
};
use crate::{DeadLetterId, Error, Outcome};

fn failing(reason: &'static str) -> Arc<Reader> {
    Reader::answering(move |note, _| match note.key.as_str() {
        "bad" => Outcome::Retry(reason.to_owned()),
        _ => Outcome::Done,
    })
}

pub(super) async fn what_fails_too_often_is_a_dead_letter_with_its_reason(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = failing("the mail server is gone");
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let note = stage.note("bad", "x");
    stage.bus().publish(std::slice::from_ref(&note)).await.expect("the bus accepts events");
    let letter = stage.letter(FIRST).await;
    assert_eq!((letter.reason.as_str(), letter.attempts), ("the mail server is gone", QUICK.attempts));
    assert_eq!(reader.calls("x"), QUICK.attempts);
    assert_eq!(letter.group, FIRST);
    assert!(letter.at >= note.time, "it died after it was published");
    let event = letter.event().expect("the letter holds the event");
    assert_eq!((event.id, event.data.get()), (note.id, note.data.get()));
    assert_eq!(stage.letters(SECOND).await.len(), 0, "the other group gave up on nothing");
}

pub(super) async fn a_rejected_event_is_dead_at_once(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|_, _| Outcome::Reject("é".repeat(3_000)));
    let _consumer = stage.subscribe(FIRST, &reader).await;
    stage.publish("a", 0..1).await;
    let letter = stage.letter(FIRST).await;
    assert_eq!((letter.reason, letter.attempts), ("é".repeat(crate::port::MAX_REASON_CHARS), 1));
    assert_eq!(reader.calls("a/0"), 1);
}

pub(super) async fn an_event_of_an_unknown_version_is_dead_at_once(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let mut note = stage.note("a", "from the future");
    note.schemaversion = 99;
    stage.bus().publish(&[note]).await.expect("the bus accepts events");
    let letter = stage.letter(FIRST).await;
    assert!(letter.reason.contains("version 99"), "{}", letter.reason);
    assert_eq!(reader.read(), Vec::<String>::new());
}

pub(super) async fn poison_becomes_a_dead_letter(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    stage.rig.plant(FIRST, b"{\"not\": \"an event\"}").await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let sent = stage.publish("a", 0..3).await;
    stage.until_read(&reader, 3).await;
    assert_eq!(reader.read(), sent);
    let letter = stage.letter(FIRST).await;
    assert_eq!((letter.body.as_str(), letter.attempts), ("{\"not\": \"an event\"}", 0));
    assert!(letter.reason.contains("not an event"), "{}", letter.reason);
    assert!(matches!(letter.event(), Err(Error::Corrupt(_))));
}

pub(super) async fn letters_are_listed_oldest_first_within_the_limit(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, _| Outcome::Reject(note.text.clone()));
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let sent = stage.publish("a", 0..5).await;
    stage.until(async || stage.letters(FIRST).await.len() == 5).await;
    let reasons = |letters: Vec<crate::DeadLetter>| -> Vec<String> {
        letters.into_iter().map(|letter| letter.reason).collect()
    };
    // Looking changes nothing, however often.
    for _ in 0..3 {
        assert_eq!(reasons(stage.letters(FIRST).await), sent);
        let some = stage.bus().dead_letters(FIRST, 2).await.expect("the bus lists dead letters");
        assert_eq!(reasons(some), sent[..2]);
    }
}

pub(super) async fn a_replayed_letter_is_handled_again(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, call| match note.key.as_str() {
        "bad" if call == 1 => Outcome::Reject("the first time".to_owned()),
        _ => Outcome::Done,
    });
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let sent = stage.publish("bad", 0..3).await;
    stage.until(async || stage.letters(FIRST).await.len() == 3).await;
    let middle = stage.letters(FIRST).await.remove(1);
    stage.bus().replay(FIRST, &middle.id).await.expect("the letter is replayed");
    stage.until_read(&reader, 1).await;
    assert_eq!(reader.read(), sent[1..2]);
    assert_eq!(stage.letters(FIRST).await.len(), 2);
    let again = stage.bus().replay(FIRST, &middle.id).await;
    assert!(matches!(again, Err(Error::NoSuchLetter(_))), "{again:?}");
}

pub(super) async fn a_dropped_letter_is_gone(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, _| match note.key.as_str() {
        "bad" => Outcome::Reject(note.text.clone()),
        _ => Outcome::Done,
    });
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let sent = stage.publish("bad", 0..2).await;
    stage.until(async || stage.letters(FIRST).await.len() == 2).await;
    let first = stage.letters(FIRST).await.remove(0);
    stage.bus().drop_letter(FIRST, &first.id).await.expect("the letter is dropped");
    assert_eq!(stage.letter(FIRST).await.reason, sent[1]);
    for id in [first.id, DeadLetterId("nonsense".to_owned())] {
        let again = stage.bus().drop_letter(FIRST, &id).await;
        assert!(matches!(again, Err(Error::NoSuchLetter(_))), "{again:?}");
    }
    stage.flush("good", &reader).await;
    assert_eq!(reader.calls(&sent[0]), 1, "a dropped letter came again");
}
