//! What goes wrong on the way, and what must not be lost by it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tertulia_runtime::Event;
use tokio::time::Instant;

use super::{
    Rig,
    kit::{FIRST, QUICK, Reader, SECOND, Stage, Stuck},
};
use crate::{Error, Handler, Outcome};

pub(super) async fn a_consumer_crash_loses_nothing(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let stuck = Stuck::new();
    let doomed = stage.subscribe_with(FIRST, 16, stuck.clone()).await;
    let sent = [stage.publish("a", 0..5).await, stage.publish("b", 0..5).await].concat();
    stage.until(async || stuck.entered() >= 2).await;
    // Dropped without being stopped: nothing in hand was ever finished.
    drop(doomed);
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    stage.until_read(&reader, sent.len()).await;
    assert_eq!(sorted(reader.read()), sorted(sent));
}

pub(super) async fn order_holds_when_a_consumer_dies(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let elsewhere = stage.another_node().await;
    let reader = Reader::content();
    let mut doomed = Some(stage.subscribe(FIRST, &reader).await);
    let _survivor = elsewhere.subscribe(FIRST, &reader).await;
    let mut sent = Vec::new();
    for round in 0..20 {
        for key in ["a", "b", "c", "d"] {
            sent.extend(stage.publish(key, round * 5..round * 5 + 5).await);
        }
        if round == 10 {
            stage.until_read(&reader, 1).await;
            drop(doomed.take());
        }
    }
    stage.until(async || sent.iter().all(|text| reader.read().contains(text))).await;
    let read = reader.read();
    for key in ["a/", "b/", "c/", "d/"] {
        // What was in hand comes again; what matters is when each came first.
        let mut firsts: Vec<&String> = Vec::new();
        for text in read.iter().filter(|text| text.starts_with(key)) {
            if !firsts.contains(&text) {
                firsts.push(text);
            }
        }
        let expected: Vec<&String> = sent.iter().filter(|text| text.starts_with(key)).collect();
        assert_eq!(firsts, expected);
    }
}

pub(super) async fn a_restart_loses_nothing(rig: Arc<dyn Rig>) {
    let mut stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, _| match note.text.as_str() {
        "dead/0" => Outcome::Reject("beyond hope".to_owned()),
        _ => Outcome::Done,
    });
    let before = stage.subscribe(FIRST, &reader).await;
    let mut sent = stage.publish("a", 0..10).await;
    stage.publish("dead", 0..1).await;
    stage.letter(FIRST).await;
    stage.until_read(&reader, 10).await;
    drop(before);
    sent.extend(stage.publish("a", 10..20).await);
    stage.restart().await;
    let _after = stage.subscribe(FIRST, &reader).await;
    stage.until_read(&reader, 20).await;
    // What was in hand may come twice; order and completeness hold all the same.
    let mut read = reader.read();
    read.dedup();
    assert_eq!(read, sent);
    assert_eq!(stage.letter(FIRST).await.reason, "beyond hope");
    let (second, in_all) = (Reader::content(), sent.len() + 1);
    let _second = stage.subscribe(SECOND, &second).await;
    stage.until_read(&second, in_all).await;
}

pub(super) async fn a_lost_connection_loses_nothing(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let mut accepted = stage.publish("a", 0..5).await;
    stage.until_read(&reader, 5).await;
    stage.rig.cut().await;
    let unsure = stage.note("a", "unsure");
    let while_cut = stage.bus().publish(&[unsure]).await;
    assert_eq!(while_cut.is_err(), stage.rig.has_connections(), "{while_cut:?}");
    stage.rig.restore().await;
    // Both the publisher and the consumer find back by themselves.
    for number in 5..10 {
        let text = format!("a/{number}");
        stage.until(async || stage.bus().publish(&[stage.note("a", &text)]).await.is_ok()).await;
        accepted.push(text);
    }
    stage.until(async || accepted.iter().all(|text| reader.read().contains(text))).await;
    let mut read = reader.read();
    read.retain(|text| text != "unsure");
    read.dedup();
    assert_eq!(read, accepted);
    stage.until(async || stage.bus().check().await.is_ok()).await;
}

pub(super) async fn an_event_without_a_queue_is_an_error(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    stage.publish("a", 0..1).await;
    stage.rig.break_routing(SECOND).await;
    let refused = stage.bus().publish(&[stage.note("a", "lost")]).await;
    assert!(matches!(refused, Err(Error::Unroutable { .. } | Error::Unavailable(_))), "{refused:?}");
}

pub(super) async fn stop_waits_for_what_is_in_hand_and_returns_the_rest(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let stuck = Stuck::new();
    let stopping = stage.subscribe_with(FIRST, 1, stuck.clone()).await;
    let sent = stage.publish("a", 0..10).await;
    stage.until(async || stuck.entered() == 1).await;
    let stopped = stopping.stop();
    let release = async { stuck.gate.add_permits(1) };
    tokio::join!(stopped, release);
    assert_eq!(stuck.left().len(), 1, "the event in hand was cut off");
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    stage.until_read(&reader, 9).await;
    stage.flush("b", &reader).await;
    assert_eq!(reader.read().iter().filter(|text| *text != "last").count(), 9);
    assert_eq!(reader.calls(&sent[0]), 0, "a finished event came again");
}

pub(super) async fn a_failed_event_is_retried_with_growing_delay(rig: Arc<dyn Rig>) {
    struct Timed(Mutex<Vec<Instant>>);
    #[async_trait]
    impl Handler for Timed {
        async fn handle(&self, _: &Event) -> Outcome {
            let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Instant::now());
            if calls.len() < 4 { Outcome::Retry("not yet".to_owned()) } else { Outcome::Done }
        }
    }
    let stage = Stage::open(rig).await;
    let timed = Arc::new(Timed(Mutex::default()));
    let _consumer = stage.subscribe_with(FIRST, 4, timed.clone()).await;
    stage.publish("a", 0..1).await;
    let calls = || timed.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    stage.until(async || calls().len() == 4).await;
    let waits: Vec<Duration> = calls().windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (failed, wait) in (1..).zip(&waits) {
        assert!(*wait >= QUICK.delay(failed), "attempt {} came after {wait:?}", failed + 1);
    }
    assert_eq!(stage.letters(FIRST).await.len(), 0);
}

pub(super) async fn a_panic_is_a_failure(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|_, call| {
        assert!(call > 2, "a planted panic");
        Outcome::Done
    });
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let sent = stage.publish("a", 0..1).await;
    stage.until_read(&reader, 1).await;
    assert_eq!((reader.read(), reader.calls(&sent[0])), (sent, 3));
}

pub(super) async fn order_holds_through_failures(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, call| match note.text.as_str() {
        "a/2" | "a/5" if call < 3 => Outcome::Retry("later".to_owned()),
        "a/3" => Outcome::Reject("never".to_owned()),
        _ => Outcome::Done,
    });
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let mut sent = stage.publish("a", 0..8).await;
    stage.until_read(&reader, 7).await;
    sent.remove(3);
    assert_eq!(reader.read(), sent);
}

pub(super) async fn a_failing_key_holds_up_no_other(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::answering(|note, call| match note.key.as_str() {
        // Fails as long as its attempts last, and its wait is as long as everybody else's work.
        "failing" if call < 4 => Outcome::Retry("not yet".to_owned()),
        _ => Outcome::Done,
    });
    let _consumer = stage.subscribe(FIRST, &reader).await;
    stage.publish("failing", 0..1).await;
    stage.until(async || reader.calls("failing/0") == 2).await;
    let mut others = 0;
    for key in 0..10 {
        others += stage.publish(&format!("key{key}"), 0..3).await.len();
    }
    stage.until_read(&reader, others + 1).await;
    assert_eq!(reader.read().last().map(String::as_str), Some("failing/0"), "the others waited for it");
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
