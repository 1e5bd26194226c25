//! What everything in a run shares: its dice, its clock, its weather, its record, and what was found wrong.

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tertulia_runtime::{Ambient, Clock};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Planted,
    chance::Chance,
    clocks::{Clocks, MOST_WRONG},
    trace::Trace,
};

/// One run.
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) trace: Trace,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) planted: Option<Planted>,
    climate: Climate,
    stormy: AtomicBool,
    wrong: Mutex<Vec<String>>,
    /// When each entry was truly committed, whatever it says itself.
    committed: Mutex<HashMap<String, Instant>>,
}

/// Which troubles there are in a run and how often, per mille of the occasions. Each run has some of them only, so that
/// one does not hide another.
#[derive(Debug, Default, Clone)]
pub(crate) struct Climate {
    /// The longest usual delay of anything.
    pub(crate) delay_ms: u64,
    /// The store refuses, and nothing happened.
    pub(crate) store_away: u64,
    /// The store did it, and its answer is lost.
    pub(crate) store_mute: u64,
    /// The store said that it is away, and does it later all the same.
    pub(crate) store_late: u64,
    /// The bus refuses events; of these, half were taken.
    pub(crate) bus_away: u64,
    /// An event comes once more.
    pub(crate) redelivered: u64,
    /// A broadcast is refused: nobody hears it.
    pub(crate) broadcast_refused: u64,
    /// A listener loses a broadcast, and is told so later.
    pub(crate) broadcast_lost: u64,
    /// A broadcast takes its time to one listener: later ones overtake it.
    pub(crate) broadcast_late: u64,
    /// A listener hears a broadcast twice.
    pub(crate) broadcast_doubled: u64,
    /// A request between services, or from a client, gets no answer; half of them had their effect.
    pub(crate) request_lost: u64,
    /// A client's line stops carrying for a while.
    pub(crate) line_stalls: u64,
    /// How many times the weather strikes: crashes, partitions, cut lines, clocks.
    pub(crate) strikes: u64,
    /// By how much clocks are wrong at most, when that strikes.
    pub(crate) clocks_wrong_ms: u64,
}

impl Climate {
    /// Some of the troubles.
    fn drawn(chance: &Chance) -> Self {
        let some = |most: u64| if chance.happens(500) { 1 + chance.below(most) } else { 0 };
        Self {
            delay_ms: 1 + chance.below(20),
            store_away: some(20),
            store_mute: some(30),
            store_late: some(20),
            bus_away: some(100),
            redelivered: some(200),
            broadcast_refused: some(100),
            broadcast_lost: some(100),
            broadcast_late: some(400),
            broadcast_doubled: some(200),
            request_lost: some(40),
            line_stalls: some(10),
            strikes: some(16),
            clocks_wrong_ms: some(u64::try_from(MOST_WRONG.as_millis()).expect("it is seconds")),
        }
    }
}

impl World {
    /// The run of a seed.
    pub(crate) fn new(seed: u64, options: &crate::Options) -> Arc<Self> {
        let chance = Chance::new(seed);
        let climate = if options.calm { Climate::default() } else { Climate::drawn(&chance) };
        let world = Self {
            chance,
            trace: Trace::new(options.keep_lines),
            clocks: Clocks::new(),
            planted: options.planted,
            climate,
            stormy: AtomicBool::new(!options.calm),
            wrong: Mutex::default(),
            committed: Mutex::default(),
        };
        world.note(format_args!("seed {seed}, {:?}", world.climate));
        Arc::new(world)
    }

    /// Surroundings in which the clock is right.
    pub(crate) fn ambient(&self) -> Ambient {
        self.ambient_by(self.clocks.clone())
    }

    /// Surroundings of one process: its machine's clock, and randomness of its own.
    pub(crate) fn ambient_by(&self, clock: Arc<dyn Clock>) -> Ambient {
        Ambient::new(clock, Arc::new(self.chance.fork()))
    }

    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        self.trace.note(what);
    }

    /// Something that must never happen did.
    pub(crate) fn violation(&self, what: String) {
        self.note(format_args!("WRONG {what}"));
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < 20 {
            wrong.push(what);
        }
    }

    /// What happened that must not.
    pub(crate) fn violations(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The entry of this id is committed now.
    pub(crate) fn commits(&self, id: String) {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
    }

    /// When the entry of this id was committed.
    pub(crate) fn committed(&self, id: &str) -> Option<Instant> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }

    /// How often the weather strikes.
    pub(crate) fn strikes(&self) -> u64 {
        self.climate.strikes
    }

    /// By how much a clock is wrong from now on.
    pub(crate) fn wrong_ms(&self) -> i64 {
        let most = self.climate.clocks_wrong_ms;
        let drawn = i64::try_from(self.chance.below(2 * most + 1)).expect("it is seconds");
        drawn - i64::try_from(most).expect("it is seconds")
    }

    /// The longest usual delay just now.
    pub(crate) fn longest_delay_ms(&self) -> u64 {
        if self.stormy.load(Relaxed) { self.climate.delay_ms } else { self.climate.delay_ms.min(2) }
    }

    /// Whether a trouble happens here and now.
    pub(crate) fn happens(&self, trouble: impl FnOnce(&Climate) -> u64) -> bool {
        self.stormy.load(Relaxed) && self.chance.happens(trouble(&self.climate))
    }

    /// Ends the storm.
    pub(crate) fn calm_down(&self) {
        self.note(format_args!("the storm is over"));
        self.stormy.store(false, Relaxed);
    }

    /// The time something takes: often none at all.
    pub(crate) async fn delay(&self) {
        let most = self.longest_delay_ms();
        if most > 0 && self.chance.happens(400) {
            tokio::time::sleep(self.chance.between(1, most)).await;
        }
    }
}

/// Runs something that nobody takes back: what is on its way arrives although its sender has died.
#[expect(clippy::disallowed_methods, reason = "what is on its way ends by itself, or with the run")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// The life of one process. What it does to the world it does through ports, so a process whose ports have fallen silent
/// is dead to everybody: the death falls before a port's work or between that and its answer, wherever the process was.
pub(crate) struct Life {
    pub(crate) name: String,
    dead: CancellationToken,
    /// So many uses of ports are left, when its end is near.
    fuse: AtomicU32,
}

impl Life {
    pub(crate) fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, dead: CancellationToken::new(), fuse: AtomicU32::new(u32::MAX) })
    }

    /// It ends now.
    pub(crate) fn end(&self) {
        self.dead.cancel();
    }

    /// It ends within so many uses of its ports.
    pub(crate) fn end_within(&self, uses: u32) {
        self.fuse.store(uses, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Waits for its end.
    pub(crate) async fn over(&self) {
        self.dead.cancelled().await;
    }

    /// A token that is cancelled at its end at the latest.
    pub(crate) fn token(&self) -> CancellationToken {
        self.dead.child_token()
    }

    /// One use of a port. Never comes back to the dead.
    pub(crate) async fn uses<T>(&self, port: impl Future<Output = T>) -> T {
        self.burn().await;
        let answer = port.await;
        self.burn().await;
        answer
    }

    /// What a process does for somebody else, unless it dies of it.
    pub(crate) async fn while_it_lasts<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.dead.run_until_cancelled(work).await
    }

    async fn burn(&self) {
        let left = self.fuse.load(Relaxed);
        if left == 0 {
            self.end();
        } else if left < u32::MAX {
            self.fuse.store(left - 1, Relaxed);
        }
        if self.is_over() {
            pending::<()>().await;
        }
    }
}

/// Sleeps until a moment, if that lies ahead.
pub(crate) async fn until(moment: Instant) {
    if moment > Instant::now() {
        tokio::time::sleep_until(moment).await;
    }
}

/// How long a client waits for an answer over HTTP.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);
