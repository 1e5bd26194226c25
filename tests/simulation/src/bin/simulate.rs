//! Runs seeds and says which of them fail: `simulate --seed 1 --seeds 500`; one of them with its trace: `simulate --seed
//! 7 --seeds 1 --trace`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use clap::Parser;
use tertulia_simulation::{Options, Outcome, run};

/// Simulates the product, seed by seed.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints everything that happens.
    #[arg(long)]
    trace: bool,
    /// Without trouble of any sort.
    #[arg(long)]
    calm: bool,
    /// How many things each person does; the usual, if it is left out.
    #[arg(long)]
    deeds: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { trace: keep_lines, calm, deeds, .. } = arguments;
    let options = Options { calm, keep_lines, deeds, planted: None };
    let (began, next, failed) = (Instant::now(), AtomicU64::new(arguments.seed), AtomicU64::new(0));
    let end = arguments.seed + arguments.seeds;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= end {
                        return;
                    }
                    let outcome = run(seed, &options);
                    tell(&outcome);
                    failed.fetch_add(u64::from(!outcome.faults.is_empty()), Relaxed);
                }
            });
        }
    });
    let failed = failed.into_inner();
    println!("{} seeds, {failed} failed, {:.1?}", arguments.seeds, began.elapsed());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(outcome: &Outcome) {
    for line in &outcome.lines {
        println!("{line}");
    }
    if !outcome.lines.is_empty() {
        let Outcome { seed, hash, events, took, acked, .. } = outcome;
        println!("seed {seed}: {events} events in {took:.1?}, {acked} acknowledged, hash {hash:016x}");
    }
    if !outcome.faults.is_empty() {
        let seed = outcome.seed;
        println!("seed {seed} failed; again, with its trace: make simulate SEED={seed} SEEDS=1 TRACE=1");
        for fault in &outcome.faults {
            println!("    {fault}");
        }
    }
}
