//! The product on a simulated clock, network and store, where one number decides everything that is left to chance.
//!
//! What runs is the real thing: messaging with its writers, keeper, relay and user logs; realtime with its hub, feeds,
//! sessions and sockets; the reference client. What they stand on is made up: the store, the bus, the mesh and the
//! lines to clients delay, refuse, lose, double and reorder, within what their ports promise; processes die at any of
//! their ports and start again, ways are parted, lines are cut, clocks are wrong.
//!
//! Promises: [`run`] of the same seed and options is the same run to the last event, which its hash says; a run
//! takes no time but that of its work. What is held true is in [`mod@verdict`] and `witness`: acknowledged is durable, logs
//! are gapless, nothing is shown that is not committed, or twice, or out of order; clients converge; unread
//! equals a count, in conversations and in threads; every entry becomes an event; what disappears is told to nobody who asks
//! afterwards; in slow mode nobody hurries; who is there is told as it is, and to nobody who shares nothing with them.
//!
//! Failures: a run that finds something wrong says what, and the command that shows it again.

mod books;
mod bus;
mod cache;
mod chance;
mod clocks;
mod gone;
mod house;
mod network;
mod person;
mod store;
mod stream;
mod trace;
mod verdict;
mod witness;
mod world;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tertulia_contracts::{UserId, events::UserRegistered};
use tertulia_runtime::Event;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    house::House,
    person::{Common, Device, Person},
    world::spawn,
};

/// How many people there are.
const PEOPLE: usize = 4;
/// How long everybody has to come to rest after the storm, by the simulated clock.
const REST: Duration = Duration::from_mins(2);
/// What is one's own, changed by a process that died before it told of it, is heard with the next change or when a client
/// comes again, and so is who is there, says the product: so long nobody comes again.
const ALONE: Duration = Duration::from_secs(20);
/// It is looked so seldom at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// How long what people do may take, by the simulated clock.
const LONGEST: Duration = Duration::from_mins(2);

/// A fault that is planted, to see whether it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    /// Entries are told to whoever listens before they are committed.
    PublishBeforeCommit,
    /// A node begins to listen to a log only after it has read it.
    SubscribeAfterRead,
    /// The store forgets that a message is posted once.
    MissingDedupe,
    /// Every message in a thread is counted as its first.
    MiscountedThread,
    /// The store never finds a message whose time is over.
    NothingIsOver,
    /// The store does not find what somebody posted last.
    NoPace,
    /// The store takes that entry for the newest which says the latest time.
    NewestByTime,
    /// A stream of server-sent events goes live where its logs are, not where its client was.
    LiveWithoutGap,
    /// Everybody is told who is there, whom they know or not.
    ToldToStrangers,
}

/// What sort of run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Without trouble of any sort.
    pub calm: bool,
    /// With this fault.
    pub planted: Option<Planted>,
    /// Every line of what happened is kept, for a person to read.
    pub keep_lines: bool,
    /// How many things each person does; none for the usual.
    pub deeds: Option<usize>,
}

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub seed: u64,
    /// The fingerprint of everything that happened.
    pub hash: u64,
    /// How much that was.
    pub events: u64,
    /// How long it took by the simulated clock.
    pub took: Duration,
    /// How many messages were acknowledged.
    pub acked: usize,
    /// What is wrong; nothing is what the product promises.
    pub faults: Vec<String>,
    /// What happened, if it was to be kept.
    pub lines: Vec<String>,
}

/// The run of a seed.
///
/// # Panics
/// When a runtime cannot be made, which takes memory alone.
pub fn run(seed: u64, options: &Options) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O takes nothing but memory");
    runtime.block_on(play(seed, options))
}

async fn play(seed: u64, options: &Options) -> Outcome {
    let began = Instant::now();
    let house = House::new(seed, options);
    let world = house.world.clone();
    house.open().await;
    let mut people = gather(&house);
    let ids: Vec<UserId> = people.iter().map(|person| person.id).collect();
    // In some runs people watch each other, each on one device: what all may show, few show as well.
    let watch = world.chance.happens(300);
    let device = |person: &Person, number: usize| {
        let others = ids.iter().copied().filter(|id| watch && number == 0 && *id != person.id);
        person.device(number, others.collect())
    };
    let devices = people.iter().map(|person| {
        let most = if person.id == ids[PEOPLE] { 1 } else { 2 };
        Arc::new((0..=world.chance.index(most)).map(|number| device(person, number)).collect())
    });
    let devices: Vec<Arc<Vec<Device>>> = devices.collect();
    // The last does nothing and belongs nowhere: to them nobody is ever there.
    people.truncate(PEOPLE);
    let storm = spawn(storm(house.clone()));
    let everybody = lives(&people, &devices, options);
    let all = async {
        for life in everybody {
            let _ = life.await;
        }
    };
    if timeout_at(began + LONGEST, all).await.is_err() {
        world.violation("people did not come to an end".to_owned());
    }
    let _ = storm.await;
    world.calm_down();
    house.set_clocks();
    let mut faults =
        rest(&house, &people, &devices.iter().flat_map(|own| own.iter()).collect::<Vec<_>>()).await;
    faults.extend(world.violations());
    let acked = people.first().map_or(0, |person| person.common().acked.len());
    let (hash, events, lines) = world.trace.read();
    Outcome { seed, hash, events, took: began.elapsed(), acked, faults, lines }
}

/// People, and one more who watches them; messaging hears of them as it does: by an event.
fn gather(house: &Arc<House>) -> Vec<Person> {
    let ambient = house.world.ambient();
    let common: Arc<Mutex<Common>> = Arc::default();
    let person = |number: usize| {
        let user_id: UserId = ambient.ids.next();
        let handle = format!("p{number}");
        let registered = UserRegistered { user_id, handle: handle.clone(), display_name: handle.clone() };
        house.broker.accept(&[Event::new(&ambient, "/auth", &registered)]);
        Person::new(house, &handle, user_id, &common)
    };
    (0..=PEOPLE).map(person).collect()
}

/// Everybody begins to live at once; two of them make the conversations first.
fn lives(
    people: &[Person],
    devices: &[Arc<Vec<Device>>],
    options: &Options,
) -> Vec<tokio::task::JoinHandle<()>> {
    let deeds = options.deeds.unwrap_or(17);
    let ids: Vec<UserId> = people.iter().map(|person| person.id).collect();
    let beginnings: [(&str, &[usize]); PEOPLE] =
        [("group", &[1, 2, 3]), ("group", &[0, 2]), ("direct", &[3]), ("", &[])];
    let live = |(number, person): (usize, &Person)| {
        let (person, own) = (person.clone(), devices[number].clone());
        let others: Vec<UserId> = ids.iter().copied().filter(|id| *id != person.id).collect();
        let (kind, with) = beginnings[number];
        let with: Vec<UserId> = with.iter().map(|number| ids[*number]).collect();
        spawn(async move {
            if !kind.is_empty() {
                person.start(kind, &with).await;
            }
            person.live(deeds, own, others).await;
        })
    };
    people.iter().enumerate().map(live).collect()
}

/// Strikes now and then, as often as the climate has it.
async fn storm(house: Arc<House>) {
    for _ in 0..house.world.strikes() {
        sleep(house.world.chance.between(20, 1_500)).await;
        house.strike();
    }
}

/// Waits until everybody has come to rest, and says what is not as it must be then.
async fn rest(house: &House, people: &[Person], devices: &[&Device]) -> Vec<String> {
    let (began, mut come_again) = (Instant::now(), false);
    let mut pause = Duration::from_millis(500);
    loop {
        sleep(pause).await;
        // Who is still behind mostly waits for something to run out.
        pause = (pause * 2).min(LONGEST_PAUSE);
        let logs = house.books.logs();
        let mut faults = verdict::unrest(house, &logs, devices);
        let behind = verdict::behind(&logs, devices);
        if faults.is_empty() && !behind.is_empty() && !come_again && began.elapsed() > ALONE {
            come_again = true;
            house.network.cut_every_line();
        }
        faults.extend(behind);
        if faults.is_empty() && house.books.lasting() > 0 && house.may_leap() {
            // What is to disappear does so now.
            house.leap();
            continue;
        }
        if faults.is_empty() {
            faults = verdict::faults(house, people, devices).await;
        }
        if faults.is_empty() || began.elapsed() > REST || !house.world.violations().is_empty() {
            return faults;
        }
    }
}
