//! Publishes what is written. An entry is its own event, so nothing has to be stored beside it.
//!
//! The relay reads its process's entries in the order of their counts, publishes them, awaits the confirm, and
//! moves a checkpoint forward now and then. After a crash the checkpoint stands still; relays of other processes,
//! or of the same one started again, see that, publish what lies behind it, and delete it. What was published
//! already is published again with the same event ids. Nothing here is in the way of posting: while the bus is
//! away entries are written all the same, and published when it is back.
//!
//! How long something lasts is measured by the time that passes here, never by clocks: a clock that leaps makes nobody
//! dead who lives, and settles no doubt.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use tertulia_bus::Bus;
use tertulia_contracts::{UserId, live::RawEntry};
use tertulia_documents::{Error as StoreError, Revision, Versioned};
use tertulia_runtime::Ambient;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{keeper::Keeper, ledger::Ledger, live::Live, user_logs::entry};
use crate::{
    Error,
    events::event_of,
    store::{CheckpointRecord, EntryRecord, Store, entries::WriterId},
    telemetry::Telemetry,
};

/// How many entries are published at once.
const PAGE: usize = 256;
/// How many other writers' checkpoints are watched at once; more are seen when those are gone.
const MAX_WATCHED: usize = 256;

/// How patient the relay is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How often the checkpoint is moved, failures are tried again and others are looked after.
    pub tick: Duration,
    /// How often a writer without news says that it lives.
    pub heartbeat: Duration,
    /// A writer whose checkpoint stood still for so long is taken for dead.
    pub lease: Duration,
}

/// Publishes this process's entries, and those of dead ones.
pub(crate) struct Relay {
    /// The tables.
    pub store: Store,
    /// Where events go.
    pub bus: Arc<dyn Bus>,
    /// This process's counts.
    pub ledger: Ledger,
    /// Tells again what listeners may have missed.
    pub live: Live,
    /// Applies what a dead writer left unapplied.
    pub keeper: Keeper,
    /// The clock.
    pub ambient: Ambient,
    /// What is measured.
    pub telemetry: Telemetry,
    /// How patient.
    pub pace: Pace,
}

/// What one run of the relay remembers.
struct Progress {
    /// Every own entry below this count is published, but for those in doubt.
    next: u64,
    /// Every own entry below this count was told to listeners as well.
    told: u64,
    /// When this process last said that it lives.
    seen: Option<Instant>,
    /// Other writers' checkpoints, and when each was first seen as it is.
    watched: HashMap<WriterId, (Revision, Instant)>,
}

impl Relay {
    /// Says that this process may write: from now on, whatever it writes is published, by itself or another.
    pub(crate) async fn register(&self) -> Result<(), Error> {
        let (writer, seen_at) = (self.ledger.writer(), self.ambient.now());
        self.store
            .checkpoints
            .insert(&CheckpointRecord { writer, published_n: 0, seen_at }, Vec::new())
            .await?;
        Ok(())
    }

    /// Publishes until shutdown. Started again after a panic, it goes on from the checkpoint.
    pub(crate) async fn run(&self, shutdown: CancellationToken) -> Result<(), Error> {
        let checkpoint = self.store.checkpoints.get(&self.ledger.writer().to_string()).await?;
        let next = checkpoint.map_or(1, |checkpoint| checkpoint.value.published_n + 1);
        let mut progress = Progress { next, told: next, seen: None, watched: HashMap::new() };
        let mut tick = tokio::time::interval(self.pace.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        while !shutdown.is_cancelled() {
            let ticked = tokio::select! {
                // Appends may end without a pause: last, or the tick would wait for one.
                biased;
                () = shutdown.cancelled() => false,
                _ = tick.tick() => true,
                // After a failure only the tick tries again: a bus that is away is not asked at every post.
                () = self.ledger.moved(), if !failed => false,
            };
            let result = self.work(&mut progress, ticked).await;
            self.telemetry.unpublished(self.ledger.undecided().saturating_sub(progress.next));
            failed = result.is_err();
            if let Err(error) = result {
                tracing::warn!(%error, "entries could not be published; they wait in their logs");
            }
        }
        self.retire(progress).await
    }

    /// Publishes the last of a process whose writers have ended. Without a checkpoint nobody has to wait until
    /// this process may be taken for dead; while anything is left, the checkpoint stays and says so.
    async fn retire(&self, mut progress: Progress) -> Result<(), Error> {
        self.publish_own(&mut progress).await?;
        self.tell_again(&mut progress).await;
        self.move_checkpoint(&mut progress).await?;
        let writer = self.ledger.writer().to_string();
        if progress.told == progress.next
            && self.ledger.close_at(progress.next)
            && let Some(checkpoint) = self.store.checkpoints.get(&writer).await?
        {
            self.store.checkpoints.delete(&writer, checkpoint.revision, Vec::new()).await?;
        }
        Ok(())
    }

    async fn work(&self, progress: &mut Progress, ticked: bool) -> Result<(), Error> {
        self.publish_own(progress).await?;
        if ticked {
            self.resolve_doubts().await?;
            self.tell_again(progress).await;
            self.move_checkpoint(progress).await?;
            self.take_over(progress).await?;
            self.finish_foundings().await?;
        }
        Ok(())
    }

    async fn publish_own(&self, progress: &mut Progress) -> Result<(), Error> {
        let end = self.ledger.undecided();
        if progress.next < end {
            self.publish(self.ledger.writer(), progress.next..end, |_, next| progress.next = next).await?;
            progress.next = end;
        }
        Ok(())
    }

    /// Publishes a writer's entries of these counts, in order, and tells of each page that is accepted.
    async fn publish(
        &self,
        writer: WriterId,
        counts: Range<u64>,
        mut accepted: impl FnMut(&[EntryRecord], u64),
    ) -> Result<(), Error> {
        let mut from = counts.start;
        while from < counts.end {
            let entries = self.store.written(writer, from, counts.end, PAGE).await?;
            let Some((_, last)) = entries.last().and_then(|entry| entry.written) else { return Ok(()) };
            let changes = entries.iter().filter(|entry| entry.is_change()).map(EntryRecord::conversation);
            for changed in changes.collect::<Result<BTreeSet<_>, _>>()? {
                // Whoever is told of a change finds it applied, also when its writer died before applying it.
                self.keeper.settle(changed).await?;
            }
            let events = entries.iter().map(event_of).collect::<Result<Vec<_>, _>>()?;
            self.bus.publish(&events).await?;
            self.telemetry.published(events.len());
            from = last + 1;
            accepted(&entries, from);
        }
        Ok(())
    }

    /// Publishes entries that listeners may never have been told of, and owes them the telling.
    async fn publish_untold(&self, writer: WriterId, counts: Range<u64>) -> Result<(), Error> {
        let owe = |entries: &[EntryRecord], _| {
            for entry in entries {
                self.live.owe(entry.owner.clone());
            }
        };
        self.publish(writer, counts, owe).await
    }

    /// Tells the newest entry of each log that is owed a telling: who missed more of it sees the hole. At the first
    /// that fails it stops until the next tick, and the checkpoint waits: should this process die, its successor tells.
    async fn tell_again(&self, progress: &mut Progress) {
        let next = progress.next;
        let mut owed = self.live.take_owed();
        while let Some(owner) = owed.pop_first() {
            let is_told = match self.newest_of(&owner).await {
                Ok(Some(newest)) => self.live.is_told(&owner, vec![newest]).await,
                Ok(None) => true,
                Err(_) => false,
            };
            if !is_told {
                owed.insert(owner);
                break;
            }
        }
        if owed.is_empty() {
            progress.told = next;
        }
        for owner in owed {
            self.live.owe(owner);
        }
    }

    /// The newest entry of a conversation's log, or of a user's.
    async fn newest_of(&self, owner: &str) -> Result<Option<RawEntry>, Error> {
        if owner.parse::<UserId>().is_ok() {
            let head = self.store.user_heads.get(owner).await?;
            return Ok(head.map(|head| entry(&head.value.newest)));
        }
        Ok(self.store.newest(owner).await?.map(EntryRecord::into_raw))
    }

    /// Publishes what there is of appends whose outcome was unknown, once it must have become visible.
    async fn resolve_doubts(&self) -> Result<(), Error> {
        for range in self.ledger.doubts_older_than(self.pace.lease) {
            self.publish_untold(self.ledger.writer(), range.clone()).await?;
            self.ledger.resolve(&range);
        }
        Ok(())
    }

    async fn move_checkpoint(&self, progress: &mut Progress) -> Result<(), Error> {
        let writer = self.ledger.writer();
        let published_n =
            self.ledger.first_doubt().unwrap_or(u64::MAX).min(progress.next).min(progress.told) - 1;
        let checkpoint = CheckpointRecord { writer, published_n, seen_at: self.ambient.now() };
        match self.store.checkpoints.get(&writer.to_string()).await? {
            Some(Versioned { value, revision }) => {
                let is_seen = progress.seen.is_some_and(|seen| seen.elapsed() < self.pace.heartbeat);
                if value.published_n == published_n && is_seen {
                    return Ok(());
                }
                self.store.checkpoints.replace(&checkpoint, revision, Vec::new()).await?;
            }
            // Another took this process for dead, while it was paused.
            None => {
                self.store.checkpoints.insert(&checkpoint, Vec::new()).await?;
            }
        }
        progress.seen = Some(Instant::now());
        Ok(())
    }

    /// Publishes what dead writers left behind. Two processes may do it at once; events are then published twice.
    async fn take_over(&self, progress: &mut Progress) -> Result<(), Error> {
        let mut watched = HashMap::new();
        for Versioned { value: checkpoint, revision } in self.store.checkpoints(MAX_WATCHED).await? {
            let writer = checkpoint.writer;
            if writer == self.ledger.writer() {
                continue;
            }
            let seen = progress.watched.get(&writer).filter(|(seen, _)| *seen == revision);
            let (_, since) = seen.copied().unwrap_or((revision, Instant::now()));
            watched.insert(writer, (revision, since));
            if since.elapsed() < self.pace.lease {
                continue;
            }
            tracing::info!(%writer, published_n = checkpoint.published_n, "publishing what a dead writer left behind");
            self.publish_untold(writer, checkpoint.published_n + 1..u64::MAX).await?;
            match self.store.checkpoints.delete(&writer.to_string(), revision, Vec::new()).await {
                Ok(()) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            watched.remove(&writer);
        }
        progress.watched = watched;
        Ok(())
    }

    /// Founds conversations whose maker died between the charter and the first entries.
    async fn finish_foundings(&self) -> Result<(), Error> {
        for conversation in self.store.unfounded(PAGE).await? {
            self.keeper.settle(conversation.id).await?;
        }
        Ok(())
    }
}
