//! Many sockets that send as fast as they are acknowledged, each with a few messages in hand.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use anyhow::{Context as _, Result, bail};
use tertulia_contracts::{ConversationId, frames::ClientFrame};
use tertulia_runtime::Ambient;
use tokio::task::JoinSet;

use crate::wire::{Ear, Mouth, write_frame};

/// Messages of one socket that wait for their acknowledgement.
const IN_HAND: usize = 8;
/// What a message says: 100 bytes, as people write.
pub(crate) const BODY: &str = "The meeting is moved to Thursday at ten, same room as last time; bring \
                               the drawings if you have any.";

/// A pump at work.
pub(crate) struct Pump {
    shared: Arc<Shared>,
    tasks: JoinSet<Result<()>>,
}

struct Shared {
    ambient: Ambient,
    to_send: AtomicI64,
    acknowledged: AtomicU64,
}

impl Pump {
    /// Sends so many messages in all.
    pub(crate) fn start(sockets: Vec<(Ear, Mouth, ConversationId)>, messages: u64) -> Result<Self> {
        let to_send = AtomicI64::new(i64::try_from(messages).context("too many messages")?);
        let shared =
            Arc::new(Shared { ambient: Ambient::system(), to_send, acknowledged: AtomicU64::new(0) });
        let mut tasks = JoinSet::new();
        for (ear, mouth, conversation) in sockets {
            tasks.spawn(send(shared.clone(), ear, mouth, conversation));
        }
        Ok(Self { shared, tasks })
    }

    /// Messages acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Relaxed)
    }

    /// Sends nothing new.
    pub(crate) fn enough(&self) {
        self.shared.to_send.store(0, Relaxed);
    }

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// A socket ended, or a message was refused.
    pub(crate) async fn finish(mut self) -> Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a sender panicked")??;
        }
        Ok(())
    }
}

async fn send(shared: Arc<Shared>, mut ear: Ear, mut mouth: Mouth, c: ConversationId) -> Result<()> {
    let mut in_hand = 0;
    let mut frames = Vec::new();
    loop {
        while in_hand < IN_HAND && shared.to_send.fetch_sub(1, Relaxed) > 0 {
            write_frame(&mut frames, &message(&shared.ambient, c, BODY));
            in_hand += 1;
        }
        if !frames.is_empty() {
            mouth.write(&frames).await?;
            frames.clear();
        }
        if in_hand == 0 {
            return Ok(());
        }
        let (mut acknowledged, mut refused) = (0, None);
        ear.hear(|payload| {
            if payload.starts_with(br#"{"t":"ack""#) {
                acknowledged += 1;
            } else if payload.starts_with(br#"{"t":"error""#) {
                refused = Some(String::from_utf8_lossy(payload).into_owned());
            }
        })
        .await?;
        if let Some(refused) = refused {
            bail!("a message was refused: {refused}");
        }
        in_hand -= acknowledged;
        shared.acknowledged.fetch_add(acknowledged as u64, Relaxed);
    }
}

/// A message that was never sent before.
pub(crate) fn message(ambient: &Ambient, c: ConversationId, body: &str) -> ClientFrame {
    let (reference, body) = ("1".to_owned(), body.to_owned());
    ClientFrame::Send {
        reference,
        c,
        client_id: ambient.ids.next_ulid(),
        body,
        reply_to: None,
        thread_id: None,
        silent: false,
    }
}
