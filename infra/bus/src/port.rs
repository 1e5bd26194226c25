//! The port itself: what a bus promises.
//!
//! * **Accepted means delivered.** When [`Bus::publish`] returns `Ok`, each event is stored durably for every
//!   group of the topology that takes its topic, and reaches that group at least once, whatever crashes.
//!   A topic that no group takes is accepted and owed to nobody. If a queue that should exist is gone, the
//!   call fails with [`Error::Unroutable`]: an event is never lost silently.
//! * **Groups.** Consumers that subscribe with the same group share its events; groups do not share.
//! * **Order.** Events of one partition key reach a group's handler one at a time, in the order published
//!   (by one publisher), also through failures: a later event waits until the earlier one is done or dead.
//! * **Failure.** A handler that answers [`Outcome::Retry`] (or panics) is called again with a growing delay,
//!   up to the policy's attempts, then the event becomes a dead letter with its reason. [`Outcome::Reject`]
//!   makes it one at once. A key that waits for a retry does not hold up other keys.
//! * **Bounds.** At most `prefetch` events of a subscription are in hand; a message is at most
//!   [`MAX_MESSAGE_BYTES`].
//! * **Broadcast.** A message reaches every listener that has joined its channel and is connected; a listener
//!   that falls behind loses messages and is told so by [`Heard::Gap`], as it is after a lost connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tertulia_runtime::{Event, EventBody, Timestamp};

use crate::Error;

/// The largest encoded event or broadcast message: 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// How much of a reason is kept with a dead letter.
pub const MAX_REASON_CHARS: usize = 1_000;

/// A set of consumers that share one copy of each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `messaging`: by convention the service, or the service and a purpose, `subscriptions.mail`.
    pub name: &'static str,
    /// The topics it takes.
    pub topics: &'static [&'static str],
}

/// Every topic and every group there is. All queues are declared from it before anything is published, so
/// an event is kept for a group whose consumers have never run yet.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// Every topic that may be published.
    pub topics: &'static [&'static str],
    /// Every group that may subscribe.
    pub groups: &'static [Group],
}

impl Topology {
    /// The groups that take a topic.
    pub(crate) fn takers(&self, topic: &str) -> Result<impl Iterator<Item = &'static Group>, Error> {
        if !self.topics.contains(&topic) {
            return Err(Error::Unknown(format!("the topic {topic}")));
        }
        let topic = topic.to_owned();
        Ok(self.groups.iter().filter(move |group| group.topics.contains(&topic.as_str())))
    }

    /// Where a group stands in [`Self::groups`].
    pub(crate) fn position(&self, group: &str) -> Result<usize, Error> {
        let position = self.groups.iter().position(|known| known.name == group);
        position.ok_or_else(|| Error::Unknown(format!("the group {group}")))
    }
}

/// How often and how fast a failed event is tried again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub attempts: u32,
    /// The delay before the second attempt; it doubles from there.
    pub first_delay: Duration,
    /// The longest delay.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    /// Ten attempts over about three minutes.
    fn default() -> Self {
        Self { attempts: 10, first_delay: Duration::from_millis(200), max_delay: Duration::from_mins(1) }
    }
}

impl RetryPolicy {
    /// The delay after so many failed attempts.
    pub fn delay(&self, failed: u32) -> Duration {
        let doubled = self.first_delay.saturating_mul(1 << failed.saturating_sub(1).min(20));
        doubled.min(self.max_delay)
    }
}

/// A wish to consume.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// A group of the topology.
    pub group: &'static str,
    /// How many events may be in hand at once; at least 1.
    pub prefetch: u16,
    /// What happens when the handler fails.
    pub retry: RetryPolicy,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done with; it will not come again.
    Done,
    /// It could not be handled now: try again. Carries the reason, for the log and the dead letter.
    Retry(String),
    /// It can never be handled: a malformed body, a version of the future. Carries the reason.
    Reject(String),
}

/// Consumes events. Must be idempotent: the same event may come twice.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one event.
    async fn handle(&self, event: &Event) -> Outcome;
}

/// A running subscription.
#[async_trait]
pub trait Consumer: Send + Sync {
    /// Takes no more events, waits for those in hand, and returns the rest to the group.
    async fn stop(self: Box<Self>);
}

/// Reads an event's body for a handler. What cannot be read now can never be read by this release, so the
/// error is the outcome to answer with: a rejection that says why.
pub fn consume<B: EventBody>(event: &Event) -> Result<B, Outcome> {
    event.body().map_err(|unreadable| Outcome::Reject(unreadable.to_string()))
}

/// Names a dead letter. Opaque.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeadLetterId(pub String);

/// An event that a group gave up on, or something in its queue that was no event at all.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What names it for show, replay and drop.
    pub id: DeadLetterId,
    /// The group that gave up on it.
    pub group: String,
    /// Why: the handler's last words, cut off at [`MAX_REASON_CHARS`].
    pub reason: String,
    /// How often it was tried; 0 for what could not even be decoded.
    pub attempts: u32,
    /// When it was given up on.
    pub at: Timestamp,
    /// What was queued, as text: the event's JSON unless it is [unreadable](Self::event). Bytes that are not
    /// UTF-8 are shown as replacement characters here and kept as they are for a replay.
    pub body: String,
}

impl DeadLetter {
    /// The event.
    ///
    /// # Errors
    /// What was queued is not an event.
    pub fn event(&self) -> Result<Event, Error> {
        serde_json::from_str(&self.body).map_err(|error| Error::Corrupt(error.to_string()))
    }
}

/// A message on the lossy lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// What listeners join: `cnv_…`.
    pub channel: String,
    /// Anything.
    pub payload: Bytes,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A message of a channel it has joined. Shared by all listeners of a process.
    Message(Arc<Broadcast>),
    /// Messages may have been lost since the last one heard, on any joined channel.
    Gap,
}

/// One node's ear on the lossy lane.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Hears a channel from now on: when this returns, whatever is broadcast later is heard or is a gap.
    async fn join(&self, channel: &str) -> Result<(), Error>;

    /// Stops hearing a channel.
    async fn leave(&self, channel: &str) -> Result<(), Error>;

    /// The next message or gap. Cancelling the call loses nothing. One caller at a time.
    async fn hear(&self) -> Heard;
}

/// The bus.
#[async_trait]
pub trait Bus: Send + Sync {
    /// Stores events durably for every group that takes them, in order. After an error some of them may be
    /// stored all the same.
    async fn publish(&self, events: &[Event]) -> Result<(), Error>;

    /// Starts to consume.
    async fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error>;

    /// Sends a message to whoever listens. Not stored.
    async fn broadcast(&self, message: Broadcast) -> Result<(), Error>;

    /// An ear that has joined nothing yet.
    async fn listen(&self) -> Result<Arc<dyn Listener>, Error>;

    /// The dead letters of a group, oldest first, at most `limit`.
    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error>;

    /// Gives a dead letter to its group again, behind what is queued.
    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error>;

    /// Forgets a dead letter.
    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error>;

    /// How many events wait, per group, without those in hand: for metrics and the doctor.
    async fn depths(&self) -> Result<Vec<(String, u64)>, Error>;

    /// Whether the bus answers, for readiness.
    async fn check(&self) -> Result<(), Error>;
}
