//! The counts a process gives to the entries it writes, and how far they are decided.
//!
//! Writers of many conversations append at once, so counts are not committed in their order. The relay must
//! not pass a count whose append is still under way, or a crash just then would leave that entry unpublished
//! for ever. The ledger knows which counts are under way.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use crate::{Error, store::entries::WriterId};

/// Gives out counts for one writer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger {
    writer: WriterId,
    counts: Arc<Mutex<Counts>>,
    moved: Arc<Notify>,
}

struct Counts {
    /// The next count to give out; the first is 1.
    next: u64,
    /// Ranges whose appends are under way, by their first count.
    open: BTreeMap<u64, Range<u64>>,
    /// Ranges whose appends ended in an unknown outcome, and since when.
    doubtful: Vec<(Range<u64>, Instant)>,
    /// No more counts are given out.
    is_closed: bool,
}

impl Ledger {
    /// The ledger of a writer that has written nothing yet.
    pub(crate) fn new(writer: WriterId) -> Self {
        let counts = Counts { next: 1, open: BTreeMap::new(), doubtful: Vec::new(), is_closed: false };
        Self { writer, counts: Arc::new(Mutex::new(counts)), moved: Arc::new(Notify::new()) }
    }

    /// Whose counts these are.
    pub(crate) fn writer(&self) -> WriterId {
        self.writer
    }

    /// Takes the next so many counts. They are under way until the reservation ends.
    ///
    /// # Errors
    /// [`Error::Stopped`] once the ledger is closed: nobody would publish what is written.
    pub(crate) fn reserve(&self, count: usize) -> Result<Reservation, Error> {
        let mut counts = self.lock();
        if counts.is_closed {
            return Err(Error::Stopped);
        }
        let range = counts.next..counts.next + count as u64;
        counts.next = range.end;
        counts.open.insert(range.start, range.clone());
        Ok(Reservation { ledger: self.clone(), range, decided: false })
    }

    /// Closes the ledger if everything it gave out is below `next`, decided and without a doubt. Tells whether it did.
    pub(crate) fn close_at(&self, next: u64) -> bool {
        let mut counts = self.lock();
        counts.is_closed = counts.next == next && counts.open.is_empty() && counts.doubtful.is_empty();
        counts.is_closed
    }

    /// The first count that is still under way or not given out: everything below it is decided.
    pub(crate) fn undecided(&self) -> u64 {
        let counts = self.lock();
        counts.open.first_key_value().map_or(counts.next, |(first, _)| *first)
    }

    /// The smallest count whose outcome is in doubt.
    pub(crate) fn first_doubt(&self) -> Option<u64> {
        self.lock().doubtful.iter().map(|(range, _)| range.start).min()
    }

    /// The ranges that have been in doubt for longer than this: by now the store shows what became of them. What counts
    /// is the time that has passed, whatever the clock was set to meanwhile.
    pub(crate) fn doubts_older_than(&self, age: Duration) -> Vec<Range<u64>> {
        let counts = self.lock();
        let old = counts.doubtful.iter().filter(|(_, since)| since.elapsed() > age);
        old.map(|(range, _)| range.clone()).collect()
    }

    /// Forgets a doubt: what there was of the range is published.
    pub(crate) fn resolve(&self, range: &Range<u64>) {
        self.lock().doubtful.retain(|(doubtful, _)| doubtful != range);
    }

    /// Waits until an append has ended since the last call.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts for one append. Dropped before it is [decided](Reservation::decided), by an error, a panic or a task
/// that was cancelled, it leaves a doubt: the store may show its entries later.
pub(crate) struct Reservation {
    ledger: Ledger,
    range: Range<u64>,
    decided: bool,
}

impl Reservation {
    /// Who writes, and the counts, in order.
    pub(crate) fn stamps(&self) -> impl Iterator<Item = (WriterId, u64)> + use<> {
        let writer = self.ledger.writer;
        self.range.clone().map(move |n| (writer, n))
    }

    /// Ends an append of which it is known what was committed: the relay may pass these counts.
    pub(crate) fn decided(mut self) {
        self.decided = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut counts = self.ledger.lock();
        counts.open.remove(&self.range.start);
        if !self.decided {
            counts.doubtful.push((self.range.clone(), Instant::now()));
        }
        drop(counts);
        self.ledger.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_runtime::Id;
    use ulid::Ulid;

    fn ledger() -> Ledger {
        Ledger::new(Id::from_ulid(Ulid::nil()))
    }

    #[test]
    fn nothing_is_decided_past_an_append_that_is_under_way() {
        let ledger = ledger();
        let slow = ledger.reserve(2).unwrap();
        ledger.reserve(3).unwrap().decided();
        assert_eq!(ledger.undecided(), 1);
        slow.decided();
        assert_eq!(ledger.undecided(), 6);
        assert_eq!(ledger.first_doubt(), None);
    }

    #[test]
    fn a_doubt_stays_until_it_is_resolved() {
        let ledger = ledger();
        drop(ledger.reserve(2).unwrap());
        assert_eq!(ledger.undecided(), 3, "it is not waited for");
        assert_eq!(ledger.first_doubt(), Some(1), "but remembered");
        assert!(ledger.doubts_older_than(Duration::from_hours(1)).is_empty());
        let old = ledger.doubts_older_than(Duration::ZERO);
        assert_eq!((old.len(), &old[0]), (1, &(1..3)));
        ledger.resolve(&old[0]);
        assert_eq!(ledger.first_doubt(), None);
    }

    /// Found by the simulation: a process that left while a conversation was being founded took its checkpoint along,
    /// and nobody ever published the first entries.
    #[test]
    fn a_ledger_closes_only_when_nothing_is_left_to_publish() {
        let ledger = ledger();
        let slow = ledger.reserve(2).unwrap();
        assert!(!ledger.close_at(1), "an append is under way");
        slow.decided();
        assert!(!ledger.close_at(1), "it is decided, and not published yet");
        assert!(ledger.close_at(3));
        assert!(ledger.reserve(1).is_err(), "nobody would publish it");
    }
}
