//! Five hundred seeds that must be clean, seeds that must repeat, and planted faults that must be found.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::{
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use tertulia_simulation::{Options, Outcome, Planted, run};

const SEEDS: u64 = 500;
/// A planted fault that is not found in so many seeds is as good as not found.
const ENOUGH: u64 = 40;
/// Who listens only after reading is found by the 84th: nodes soon look for themselves whether they are behind.
const ENOUGH_FOR_LATE_LISTENERS: u64 = 120;

/// Runs seeds on every core until they are through, or one is what is looked for.
fn first(seeds: u64, options: &Options, is_it: impl Fn(&Outcome) -> bool + Sync) -> Option<Outcome> {
    let (next, found) = (AtomicU64::new(1), Mutex::new(None::<Outcome>));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while found.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed > seeds {
                        return;
                    }
                    let outcome = run(seed, options);
                    if is_it(&outcome) {
                        found.lock().unwrap().get_or_insert(outcome);
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[test]
fn five_hundred_seeds_find_nothing_wrong() {
    let acked = AtomicU64::new(0);
    let failed = first(SEEDS, &Options::default(), |outcome| {
        acked.fetch_add(outcome.acked as u64, Relaxed);
        !outcome.faults.is_empty()
    });
    if let Some(Outcome { seed, faults, .. }) = failed {
        panic!(
            "seed {seed} failed; see it again with: make simulate SEED={seed} SEEDS=1 TRACE=1\n{faults:#?}"
        );
    }
    assert!(acked.into_inner() > SEEDS * 10, "people hardly said anything");
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 1..=6 {
        let [once, again] = std::thread::scope(|scope| {
            let one = || scope.spawn(|| run(seed, &Options::default()));
            [one(), one()].map(|running| running.join().unwrap())
        });
        let tell = |outcome: &Outcome| (outcome.hash, outcome.events, outcome.took, outcome.acked);
        assert_eq!(tell(&once), tell(&again), "seed {seed}");
        assert!(once.events > 300, "something happened in seed {seed}");
        assert_ne!(once.hash, run(seed + 1_000, &Options::default()).hash, "and it depends on the seed");
    }
}

/// The first seed that shows a planted fault by one of these words.
fn found(planted: Planted, words: &[&str]) {
    found_within(ENOUGH, planted, words);
}

fn found_within(seeds: u64, planted: Planted, words: &[&str]) {
    let options = Options { planted: Some(planted), ..Options::default() };
    let shows = |outcome: &Outcome| {
        outcome.faults.iter().any(|fault| words.iter().any(|words| fault.contains(words)))
    };
    let Outcome { seed, faults, .. } = first(seeds, &options, shows).expect("it is found");
    println!("{planted:?} was found by seed {seed}: {faults:#?}");
}

#[test]
fn finds_publish_before_commit() {
    found(Planted::PublishBeforeCommit, &["before it was committed", "where the log says"]);
}

#[test]
fn finds_subscribe_after_read() {
    // A client is behind its log.
    found_within(ENOUGH_FOR_LATE_LISTENERS, Planted::SubscribeAfterRead, &[" of "]);
}

#[test]
fn finds_a_missing_dedupe() {
    found(Planted::MissingDedupe, &["stands twice"]);
}

#[test]
fn finds_a_miscounted_thread() {
    found(Planted::MiscountedThread, &["unread in its thread", "messages stand in the thread"]);
}

#[test]
fn finds_what_does_not_disappear() {
    found(Planted::NothingIsOver, &["was told what had disappeared"]);
    found(Planted::NothingIsOver, &["still says what"]);
}

#[test]
fn finds_who_does_not_wait_in_slow_mode() {
    found(Planted::NoPace, &["did not wait in slow mode"]);
}

#[test]
fn finds_a_stream_that_is_live_before_it_has_read_the_gap() {
    found(Planted::LiveWithoutGap, &["entries of", " after "]);
}

#[test]
fn finds_presence_that_is_told_to_strangers() {
    found(Planted::ToldToStrangers, &["shares nothing with anybody and was told"]);
}

/// Two machines' clocks differ, and that is what shows it: without trouble nobody could tell.
#[test]
fn finds_who_trusts_the_clocks() {
    found(Planted::NewestByTime, &["did not come to an end", " of "]);
    let calm = Options { planted: Some(Planted::NewestByTime), calm: true, ..Options::default() };
    let told = first(5, &calm, |outcome| !outcome.faults.is_empty());
    assert!(told.is_none(), "clocks that agree hide it: {told:?}");
}
