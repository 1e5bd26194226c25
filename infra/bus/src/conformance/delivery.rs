//! What is published arrives: everywhere it should, in order, within bounds.

use std::{collections::HashSet, sync::Arc};

use serde_json::value::to_raw_value;
use tertulia_runtime::Event;

use super::{
    Rig,
    kit::{FIRST, Note, Reader, SECOND, Stage, Stuck},
};
use crate::{Error, Handler, Outcome, Subscription, port::MAX_MESSAGE_BYTES};

pub(super) async fn every_group_gets_every_event(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let (first, second) = (Reader::content(), Reader::content());
    let _consumers = [stage.subscribe(FIRST, &first).await, stage.subscribe(SECOND, &second).await];
    let sent = stage.publish("a", 0..20).await;
    stage.until_read(&first, 20).await;
    stage.until_read(&second, 20).await;
    assert_eq!((first.read(), second.read()), (sent.clone(), sent));
}

pub(super) async fn competing_consumers_share_a_group(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let readers = [Reader::content(), Reader::content()];
    let elsewhere = stage.another_node().await;
    let _consumers =
        [stage.subscribe(FIRST, &readers[0]).await, elsewhere.subscribe(FIRST, &readers[1]).await];
    // Both get a part of the work sooner or later; who gets what may have to be found out first.
    stage
        .until(async || {
            for key in 0..8 {
                stage.publish(&format!("early{key}"), 0..1).await;
            }
            readers.iter().all(|reader| !reader.read().is_empty())
        })
        .await;
    let mut sent = 0;
    for key in 0..8 {
        sent += stage.publish(&format!("shared{key}"), 0..10).await.len();
    }
    let both = || readers.iter().flat_map(|reader| reader.read()).filter(|text| text.starts_with("shared"));
    stage.until(async || both().count() >= sent).await;
    assert_eq!(both().count(), sent, "an event went to both");
    assert_eq!(both().collect::<HashSet<_>>().len(), sent);
}

pub(super) async fn events_wait_for_a_group_that_has_never_run(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let sent = stage.publish("a", 0..50).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(SECOND, &reader).await;
    stage.until_read(&reader, sent.len()).await;
    assert_eq!(reader.read(), sent);
}

pub(super) async fn events_of_a_key_keep_their_order(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let mut sent = Vec::new();
    for round in 0..10 {
        for key in ["a", "b", "c", "d", "e"] {
            sent.extend(stage.publish(key, round * 10..round * 10 + 10).await);
        }
    }
    stage.until_read(&reader, sent.len()).await;
    for key in ["a/", "b/", "c/", "d/", "e/"] {
        let of_key = |texts: &[String]| -> Vec<String> {
            texts.iter().filter(|text| text.starts_with(key)).cloned().collect()
        };
        assert_eq!(of_key(&reader.read()), of_key(&sent));
    }
}

pub(super) async fn prefetch_bounds_what_is_in_hand(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let stuck = Stuck::new();
    for key in 0..60 {
        stage.publish(&format!("key{key}"), 0..1).await;
    }
    let _consumer = stage.subscribe_with(FIRST, 8, stuck.clone()).await;
    stage.until(async || stuck.entered() >= 8 && stage.depth(FIRST).await == 52).await;
    assert_eq!(stuck.entered(), 8);
    stuck.let_go();
    stage.until(async || stuck.left().len() == 60).await;
}

pub(super) async fn a_slow_consumer_blocks_no_other_group(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let (stuck, reader) = (Stuck::new(), Reader::content());
    let _slow = stage.subscribe_with(FIRST, 1, stuck.clone()).await;
    let sent = stage.publish("a", 0..1).await;
    stage.until(async || stuck.entered() == 1).await;
    let _quick = stage.subscribe(SECOND, &reader).await;
    let sent = [sent, stage.publish("a", 1..100).await].concat();
    stage.until_read(&reader, sent.len()).await;
    assert_eq!(reader.read(), sent);
    assert_eq!(stuck.left(), Vec::<String>::new());
    stuck.let_go();
}

pub(super) async fn depths_tell_what_waits(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    stage.publish("a", 0..7).await;
    stage.until(async || stage.depth(FIRST).await == 7 && stage.depth(SECOND).await == 7).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    stage.until(async || stage.depth(FIRST).await == 0).await;
    assert_eq!(stage.depth(SECOND).await, 7);
    stage.bus().check().await.expect("the bus answers");
}

pub(super) async fn a_trace_travels_with_its_event(rig: Arc<dyn Rig>) {
    struct Traces(tokio::sync::mpsc::UnboundedSender<Option<String>>);
    #[async_trait::async_trait]
    impl Handler for Traces {
        async fn handle(&self, event: &Event) -> Outcome {
            let _ = self.0.send(event.traceparent.clone());
            Outcome::Done
        }
    }
    let stage = Stage::open(rig).await;
    let (traces, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let _consumer = stage.subscribe_with(FIRST, 1, Arc::new(Traces(traces))).await;
    let mut note = stage.note("a", "traced");
    note.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    stage.bus().publish(std::slice::from_ref(&note)).await.expect("the bus accepts events");
    let trace = tokio::time::timeout(stage.rig.patience(), heard.recv()).await.expect("the event comes");
    assert_eq!(trace.flatten(), note.traceparent);
}

pub(super) async fn what_is_not_in_the_topology_is_an_error(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let mut stranger = stage.note("a", "unknown");
    "nobody.knows".clone_into(&mut stranger.kind);
    let refused = stage.bus().publish(&[stranger]).await;
    assert!(matches!(refused, Err(Error::Unknown(_))), "{refused:?}");
    let subscription = Subscription { group: "nobody", prefetch: 1, retry: super::kit::QUICK };
    let refused = stage.bus().subscribe(subscription, Reader::content()).await;
    assert!(matches!(refused.map(drop), Err(Error::Unknown(_))));
    assert!(matches!(stage.bus().dead_letters("nobody", 1).await, Err(Error::Unknown(_))));
    let mut owed_to_nobody = stage.note("a", "unclaimed");
    "unclaimed.noted".clone_into(&mut owed_to_nobody.kind);
    stage.bus().publish(&[owed_to_nobody]).await.expect("a topic that no group takes is accepted");
}

pub(super) async fn an_oversized_event_is_refused(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let reader = Reader::content();
    let _consumer = stage.subscribe(FIRST, &reader).await;
    let mut note = stage.note("a", "");
    let envelope = serde_json::to_vec(&note).expect("an event encodes").len();
    let fill = |event: &mut Event, bytes: usize| {
        let body = Note { key: "a".to_owned(), text: "x".repeat(bytes) };
        event.data = to_raw_value(&body).expect("a note encodes");
    };
    fill(&mut note, MAX_MESSAGE_BYTES - envelope + 1);
    let refused = stage.bus().publish(std::slice::from_ref(&note)).await;
    let bytes = MAX_MESSAGE_BYTES + 1;
    assert!(matches!(refused, Err(Error::TooLarge { bytes: found, .. }) if found == bytes), "{refused:?}");
    fill(&mut note, MAX_MESSAGE_BYTES - envelope);
    stage.bus().publish(&[note]).await.expect("the largest event is accepted");
    stage.until_read(&reader, 1).await;
    assert_eq!(reader.read()[0].len(), MAX_MESSAGE_BYTES - envelope);
}
