//! Tells realtime nodes what was just committed. Best effort: whoever misses it finds it in the log.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tertulia_bus::{Broadcast, Bus};
use tertulia_contracts::{
    ConversationId, UserId,
    live::{Control, Narrowed, RawEntry, Read, Receipt, Tail, control_channel, log_channel},
};

/// A broadcast holds at most about so many bytes of facts, well below the bus's bound for a message.
const MAX_TAIL_BYTES: usize = 128 << 10;
/// A bus that does not take a broadcast in this time is not waited for: posting goes on.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lossy lane, from messaging's side. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Live {
    bus: Arc<dyn Bus>,
}

impl Live {
    /// The lossy lane of this bus.
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self { bus }
    }

    /// Tells a log's listeners of entries that were just committed, ascending.
    pub(crate) async fn tell(&self, owner: &str, entries: Vec<RawEntry>) {
        let channel = log_channel(owner);
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            let mut tail = Tail { entries: Vec::new() };
            let mut bytes = 0;
            while let Some(entry) =
                entries.next_if(|entry| bytes == 0 || bytes + entry.e.get().len() <= MAX_TAIL_BYTES)
            {
                bytes += entry.e.get().len();
                tail.entries.push(entry);
            }
            self.broadcast(channel.clone(), &tail).await;
        }
    }

    /// Tells a log's listeners that fewer may read it from now on.
    pub(crate) async fn narrowed(&self, owner: &str) {
        self.broadcast(log_channel(owner), &Narrowed { narrowed: true }).await;
    }

    /// Tells those who look at a conversation, and are named, that somebody has read on.
    pub(crate) async fn read(&self, conversation: ConversationId, read: Read) {
        self.broadcast(log_channel(conversation), &Receipt { read }).await;
    }

    /// Tells a user's sockets what no log holds.
    pub(crate) async fn control(&self, user: UserId, control: &Control) {
        self.broadcast(control_channel(user), control).await;
    }

    async fn broadcast(&self, channel: String, message: &impl Serialize) {
        let payload = serde_json::to_vec(message).expect("a broadcast is plain data and encodes").into();
        match tokio::time::timeout(PATIENCE, self.bus.broadcast(Broadcast { channel, payload })).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a broadcast was lost"),
            Err(_) => tracing::debug!("a broadcast was not taken in time"),
        }
    }
}
