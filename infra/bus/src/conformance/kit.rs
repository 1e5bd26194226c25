//! What the cases are written with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tertulia_runtime::{
    Ambient, Event, EventBody,
    testkit::{eventually_true, seeded},
};

use super::Rig;
use crate::{Bus, Consumer, DeadLetter, Group, Handler, Outcome, RetryPolicy, Subscription, Topology};

pub(super) const FIRST: &str = "first";
pub(super) const SECOND: &str = "second.of_two";
/// What the cases open their buses with.
pub(super) const TOPOLOGY: Topology = Topology {
    topics: &[Note::TYPE, "unclaimed.noted"],
    groups: &[Group { name: FIRST, topics: &[Note::TYPE] }, Group { name: SECOND, topics: &[Note::TYPE] }],
};

/// Quick, so that the suite is.
pub(super) const QUICK: RetryPolicy =
    RetryPolicy { attempts: 4, first_delay: Duration::from_millis(60), max_delay: Duration::from_secs(1) };

/// The body of the events the cases publish.
#[derive(Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) key: String,
    pub(super) text: String,
}

impl EventBody for Note {
    const TYPE: &'static str = "note.taken";
    fn partition_key(&self) -> String {
        self.key.clone()
    }
}

/// A rig with an open bus.
pub(super) struct Stage {
    pub(super) rig: Arc<dyn Rig>,
    /// Away only during a restart, which must be able to drop it.
    bus: Option<Arc<dyn Bus>>,
    ambient: Ambient,
}

impl Stage {
    pub(super) async fn open(rig: Arc<dyn Rig>) -> Self {
        let bus = Some(rig.open(TOPOLOGY).await);
        Self { rig, bus, ambient: seeded(1) }
    }

    /// The same stage as another node sees it.
    pub(super) async fn another_node(&self) -> Self {
        let here = self.bus.as_ref().expect("the bus is only away during a restart");
        let there = self.rig.another_node(here, TOPOLOGY).await;
        Self { rig: self.rig.clone(), bus: Some(there), ambient: seeded(2) }
    }

    pub(super) fn bus(&self) -> &dyn Bus {
        self.bus.as_deref().expect("the bus is only away during a restart")
    }

    pub(super) async fn restart(&mut self) {
        let bus = self.bus.take().expect("the bus is only away during a restart");
        self.bus = Some(self.rig.restart(bus, TOPOLOGY).await);
    }

    pub(super) fn note(&self, key: &str, text: &str) -> Event {
        Event::new(&self.ambient, "/test", &Note { key: key.to_owned(), text: text.to_owned() })
    }

    /// Publishes notes of one key, in order, and returns their texts.
    pub(super) async fn publish(&self, key: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
        let texts: Vec<String> = numbers.map(|number| format!("{key}/{number}")).collect();
        let notes: Vec<Event> = texts.iter().map(|text| self.note(key, text)).collect();
        self.bus().publish(&notes).await.expect("the bus accepts events");
        texts
    }

    pub(super) async fn subscribe(&self, group: &'static str, reader: &Arc<Reader>) -> Box<dyn Consumer> {
        self.subscribe_with(group, 16, reader.clone()).await
    }

    pub(super) async fn subscribe_with(
        &self,
        group: &'static str,
        prefetch: u16,
        handler: Arc<dyn Handler>,
    ) -> Box<dyn Consumer> {
        let subscription = Subscription { group, prefetch, retry: QUICK };
        self.bus().subscribe(subscription, handler).await.expect("the group is in the topology")
    }

    pub(super) async fn letters(&self, group: &str) -> Vec<DeadLetter> {
        self.bus().dead_letters(group, 100).await.expect("the bus lists dead letters")
    }

    /// The group's only dead letter, when it has come.
    pub(super) async fn letter(&self, group: &str) -> DeadLetter {
        self.until(async || self.letters(group).await.len() == 1).await;
        self.letters(group).await.pop().expect("there is one")
    }

    pub(super) async fn depth(&self, group: &str) -> u64 {
        let depths = self.bus().depths().await.expect("the bus tells its depths");
        depths.into_iter().find_map(|(name, depth)| (name == group).then_some(depth)).unwrap_or(0)
    }

    /// Waits for what must happen.
    pub(super) async fn until(&self, condition: impl AsyncFn() -> bool) {
        eventually_true(self.rig.patience(), || condition()).await;
    }

    /// Waits until a reader has read so many notes.
    pub(super) async fn until_read(&self, reader: &Reader, count: usize) {
        self.until(async || reader.read().len() >= count).await;
    }

    /// Publishes one more note to the group and waits until it is read, so that whatever should not come
    /// would have come before it.
    pub(super) async fn flush(&self, key: &str, reader: &Reader) {
        let last = self.note(key, "last");
        self.bus().publish(&[last]).await.expect("the bus accepts events");
        self.until(async || reader.read().iter().any(|text| text == "last")).await;
    }
}

type Answer = Box<dyn Fn(&Note, u32) -> Outcome + Send + Sync>;

/// A handler that writes down what it read and answers as it is told.
pub(super) struct Reader {
    read: Mutex<Vec<String>>,
    calls: Mutex<HashMap<String, u32>>,
    answer: Answer,
}

impl Reader {
    /// Is done with everything at once.
    pub(super) fn content() -> Arc<Self> {
        Self::answering(|_, _| Outcome::Done)
    }

    /// Answers by the note and by how often it has come, the first time 1.
    pub(super) fn answering(answer: impl Fn(&Note, u32) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { read: Mutex::default(), calls: Mutex::default(), answer: Box::new(answer) })
    }

    /// The texts it was done with, in order.
    pub(super) fn read(&self) -> Vec<String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a text came.
    pub(super) fn calls(&self, text: &str) -> u32 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(text).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Handler for Reader {
    async fn handle(&self, event: &Event) -> Outcome {
        let note: Note = match crate::consume(event) {
            Ok(note) => note,
            Err(outcome) => return outcome,
        };
        let call = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let call = calls.entry(note.text.clone()).or_default();
            *call += 1;
            *call
        };
        let outcome = (self.answer)(&note, call);
        if outcome == Outcome::Done {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).push(note.text);
        }
        outcome
    }
}

/// A handler that does not come back before it is let go.
pub(super) struct Stuck {
    pub(super) entered: Mutex<Vec<String>>,
    pub(super) left: Mutex<Vec<String>>,
    pub(super) gate: tokio::sync::Semaphore,
}

impl Stuck {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            entered: Mutex::default(),
            left: Mutex::default(),
            gate: tokio::sync::Semaphore::new(0),
        })
    }

    pub(super) fn entered(&self) -> usize {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn left(&self) -> Vec<String> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn let_go(&self) {
        self.gate.add_permits(1_000);
    }
}

#[async_trait]
impl Handler for Stuck {
    async fn handle(&self, event: &Event) -> Outcome {
        let id = event.id.to_string();
        self.entered.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone());
        self.gate.acquire().await.expect("the gate is never closed").forget();
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Outcome::Done
    }
}
