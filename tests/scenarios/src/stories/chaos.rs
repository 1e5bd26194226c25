//! Rounds of trouble under load: in each, one thing goes wrong for a while and is mended.
//!
//! The kinds of trouble take turns; whom one hits is drawn from a seed. `make chaos ROUNDS=N SEED=S` tells it for as long
//! as one likes.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tertulia_runtime::{
    entropy::{SeededEntropy, random_below},
    testkit::eventually_true,
};
use tokio::{process::Command, time::sleep};

use super::crowd::{more_is_acked, talk_through};
use crate::{
    journal::Journal,
    person::PATIENCE,
    system::{System, Topology},
};

const ROUNDS: &str = "TERTULIA_CHAOS_ROUNDS";
const SEED: &str = "TERTULIA_CHAOS_SEED";
/// So that each kind has had its turn.
const DEFAULT_ROUNDS: u64 = 5;

/// How long a frozen process stays frozen.
const FROZEN: Duration = Duration::from_secs(5);
/// How long the database is out of everyone's reach.
const DATABASE_AWAY: Duration = Duration::from_secs(30);
/// How long one process has no network.
const NODE_AWAY: Duration = Duration::from_secs(10);
/// How long the disk takes nothing.
const DISK_FULL: Duration = Duration::from_secs(5);

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// A process is killed with -9 and starts again.
    Killed,
    /// A process is stopped by SIGSTOP: its connections stay and it says nothing.
    Frozen,
    /// The message broker is killed with -9 and starts again.
    BrokerRestarted,
    /// No process reaches the database.
    DatabaseAway,
    /// One process reaches none of its servers.
    NodeAway,
    /// The process's files may not grow.
    DiskFull,
}

impl Trouble {
    fn is_everyones(self) -> bool {
        matches!(self, Self::BrokerRestarted | Self::DatabaseAway)
    }
}

const SINGLE: &[Trouble] = &[Trouble::Killed, Trouble::Frozen, Trouble::DiskFull];
const SPLIT: &[Trouble] =
    &[Trouble::Frozen, Trouble::BrokerRestarted, Trouble::NodeAway, Trouble::DatabaseAway, Trouble::Killed];

/// Trouble of every kind, in turn, under load.
pub(super) async fn rounds_of_trouble(system: &mut System) -> Result<()> {
    talk_through("chaos", |system, journal| Box::pin(rounds(system, journal)), system).await
}

async fn rounds(system: &mut System, journal: &Journal) -> Result<()> {
    let (rounds, seed) = (from_environment(ROUNDS, DEFAULT_ROUNDS)?, from_environment(SEED, 1)?);
    let kinds = match system.topology {
        Topology::Single => SINGLE,
        Topology::Split => SPLIT,
    };
    let entropy = SeededEntropy::new(seed);
    for (round, kind) in (1..=rounds).zip(kinds.iter().cycle()) {
        let names: Vec<String> = system.processes.keys().cloned().collect();
        let whom = &names[usize::try_from(random_below(&entropy, names.len() as u64))?];
        let before = journal.acked_count();
        let mended = strike(*kind, whom, system).await.with_context(|| format!("{kind:?}, {whom}"))?;
        let acked = journal.acked_count();
        let meanwhile = acked - before;
        eventually_true(PATIENCE, async || journal.acked_count() > acked).await;
        let recovered_ms = mended.elapsed().as_millis();
        let whom = if kind.is_everyones() { "everyone" } else { whom };
        println!(
            "round {round} of seed {seed}: {kind:?}, {whom}; {meanwhile} acknowledged meanwhile, the next {recovered_ms} ms \
             after it was mended"
        );
        more_is_acked(journal).await;
    }
    Ok(())
}

/// Lets it go wrong, for as long as it is to, and mends it. Returns when that was.
async fn strike(kind: Trouble, whom: &str, system: &mut System) -> Result<Instant> {
    match kind {
        Trouble::Killed => {
            let process = system.process(whom)?;
            process.kill().await?;
            process.start_again().await?;
        }
        Trouble::Frozen => {
            let process = system.process(whom)?;
            process.pause()?;
            sleep(FROZEN).await;
            process.resume()?;
        }
        Trouble::BrokerRestarted => {
            let broker = system.back_ends.get_mut("bus").context("there is no broker")?;
            broker.kill().await?;
            broker.start_again().await?;
        }
        Trouble::DatabaseAway => {
            system.ways()?.cut(|way| way.back_end == "documents").await?;
            sleep(DATABASE_AWAY).await;
            system.ways()?.restore().await?;
        }
        Trouble::NodeAway => {
            system.ways()?.cut(|way| way.process == whom).await?;
            sleep(NODE_AWAY).await;
            system.ways()?.restore().await?;
        }
        Trouble::DiskFull => {
            limit_files(system.process(whom)?.pid()?, "4096").await?;
            sleep(DISK_FULL).await;
            limit_files(system.process(whom)?.pid()?, "unlimited").await?;
        }
    }
    Ok(Instant::now())
}

/// Bounds how far a running process may write into its files, in bytes; it ignores the signal that would end it.
async fn limit_files(process: i32, bytes: &str) -> Result<()> {
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={bytes}:")).args(["--pid", &process.to_string()]).stdin(Stdio::null());
    ensure!(command.status().await.context("running prlimit")?.success(), "the limit was not set");
    Ok(())
}

fn from_environment(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(number) => number.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(default),
    }
}
