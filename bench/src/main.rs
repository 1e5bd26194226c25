//! Measures the product as a program from outside: the release binary beside this one, on a temporary folder and
//! a free port of loopback. Where a figure is a ratio, its ceiling is measured in the same run with the same
//! reader, so that the machine and what else it does cancel out.
//!
//! Promises: everything it starts ends with it; what it sends is bounded in count and time; a run in which a
//! recipient missed, doubled or reordered anything gives no figure but an error. A missed goal is a result, not a
//! failure.

mod commits;
mod crowd;
mod figures;
mod loopback;
mod machine;
mod people;
mod process;
mod product;
mod pump;
mod report;
mod timetable;
mod uwebsockets;
mod wire;
mod xmpp;

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{figures::GROUPS, report::Report};

/// Measures Tertulia and prints a table of ratios.
#[derive(Debug, Parser)]
#[command(name = "tertulia-bench")]
struct Cli {
    #[command(flatten)]
    plan: Plan,
    #[command(subcommand)]
    helper: Option<Helper>,
}

/// What to measure, and how large.
#[derive(Debug, Clone, Args)]
struct Plan {
    /// Only figures whose name begins so; docs/benchmarks.md is written when all of them ran.
    #[arg(long, default_value = "")]
    only: String,
    /// How many entries the large log has.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// How many subscribers the large channel has.
    #[arg(long, default_value_t = 1_000_000)]
    subscribers: u64,
    /// A folder to keep data in while measuring, on the disk in question [default: the system's].
    #[arg(long)]
    scratch: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Helper {
    /// The bare server that a fan-out is held against; started by the fan-out itself.
    #[command(hide = true)]
    Loopback(loopback::LoopbackArgs),
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    process::raise_open_files()?;
    if let Some(Helper::Loopback(args)) = cli.helper {
        return loopback::serve(&args).await;
    }
    let plan = cli.plan;
    let chosen: Vec<_> = GROUPS.iter().filter(|group| group.is_wanted(&plan.only)).collect();
    ensure!(!chosen.is_empty(), "no figure begins with {:?}", plan.only);
    let below = plan.scratch.clone().unwrap_or_else(std::env::temp_dir);
    // A peer that refuses to be root passes through it as another user.
    let scratch = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o711))
        .tempdir_in(below)
        .context("making a folder to measure in")?;
    let mut report = Report::default();
    for group in &chosen {
        eprintln!("measuring {} ...", group.names.join(", "));
        let folder = scratch.path().join(group.names[0]);
        let measured = (group.measure)(plan.clone(), folder.clone()).await;
        report.extend(measured.with_context(|| format!("measuring {}", group.names[0]))?);
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    report.write(&plan, chosen.len() == GROUPS.len())
}
