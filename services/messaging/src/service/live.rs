//! Tells realtime nodes what was just committed. Whoever misses it finds it in the log; but they have to hear that there
//! is something, so a log whose newest entry could not be told is owed a telling until one succeeds.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tertulia_bus::{Broadcast, Bus};
use tertulia_contracts::{
    ConversationId, UserId,
    live::{
        Control, Glance, LookAgain, Narrowed, RawEntry, Read, Receipt, Tail, control_channel, log_channel,
        presence_channel,
    },
};

/// A broadcast holds at most about so many bytes of facts, well below the bus's bound for a message.
const MAX_TAIL_BYTES: usize = 128 << 10;
/// A bus that does not take a broadcast in this time is not waited for: posting goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most logs that are remembered as owed a telling. When the lane is away for so long that there are more, listeners
/// of the rest hear of them with their next entry.
const MAX_OWED: usize = 10_000;

/// The lossy lane, from messaging's side. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    bus: Arc<dyn Bus>,
    owed: Arc<Mutex<BTreeSet<String>>>,
}

impl Live {
    /// The lossy lane of this bus.
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus, owed: Arc::default() }
    }

    /// Tells a log's listeners of entries that were just committed, ascending. If that fails, they are owed it.
    pub(crate) async fn tell(&self, owner: &str, entries: Vec<RawEntry>) {
        if !self.is_told(owner, entries).await {
            self.owe(owner.to_owned());
        }
    }

    /// The same, and whether it succeeded; nothing is owed if it did not.
    pub(crate) async fn is_told(&self, owner: &str, entries: Vec<RawEntry>) -> bool {
        let channel = log_channel(owner);
        let mut entries = entries.into_iter().peekable();
        let mut is_told = true;
        while entries.peek().is_some() {
            let mut tail = Tail { entries: Vec::new() };
            let mut bytes = 0;
            while let Some(entry) =
                entries.next_if(|entry| bytes == 0 || bytes + entry.e.get().len() <= MAX_TAIL_BYTES)
            {
                bytes += entry.e.get().len();
                tail.entries.push(entry);
            }
            is_told &= self.broadcast(channel.clone(), &tail).await;
        }
        is_told
    }

    /// A log's listeners may have missed its newest entry.
    pub(crate) fn owe(&self, owner: String) {
        let mut owed = self.owed();
        if owed.len() < MAX_OWED {
            owed.insert(owner);
        }
    }

    /// The logs that are owed a telling; whoever takes them tells.
    pub(crate) fn take_owed(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.owed())
    }

    fn owed(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a log's listeners that fewer may read it from now on.
    pub(crate) async fn narrowed(&self, owner: &str) {
        self.broadcast(log_channel(owner), &Narrowed { narrowed: true }).await;
    }

    /// Tells those who look at a conversation, and are named, that somebody has read on.
    pub(crate) async fn read(&self, conversation: ConversationId, read: Read) {
        self.broadcast(log_channel(conversation), &Receipt { read }).await;
    }

    /// Tells those who serve a direct conversation that its two may have begun or ceased to keep apart.
    pub(crate) async fn look_again(&self, conversation: ConversationId) {
        self.broadcast(log_channel(conversation), &LookAgain { look_again: true }).await;
    }

    /// Tells whoever watches how a user is seen to look again.
    pub(crate) async fn glance(&self, user: UserId, glance: Glance) {
        self.broadcast(presence_channel(user), &glance).await;
    }

    /// Tells a user's sockets what no log holds.
    pub(crate) async fn control(&self, user: UserId, control: &Control) {
        self.broadcast(control_channel(user), control).await;
    }

    async fn broadcast(&self, channel: String, message: &impl Serialize) -> bool {
        let payload = serde_json::to_vec(message).expect("a broadcast is plain data and encodes").into();
        match tokio::time::timeout(PATIENCE, self.bus.broadcast(Broadcast { channel, payload })).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => tracing::debug!(%error, "a broadcast was lost"),
            Err(_) => tracing::debug!("a broadcast was not taken in time"),
        }
        false
    }
}
