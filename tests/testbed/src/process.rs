//! A server's processes: the one that we started and all that it started.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

const POLL_EVERY: Duration = Duration::from_millis(10);

/// One process, told apart from a later one of the same number by its time of start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Process {
    pid: Pid,
    started_ticks: u64,
}

struct Row {
    process: Process,
    parent: Pid,
}

/// The process and all its descendants, itself first. A group would not do: PostgreSQL gives each of its
/// workers one of its own.
pub(crate) fn family(root: Pid) -> Vec<Process> {
    let rows = all();
    let mut found: Vec<Process> =
        rows.iter().filter(|row| row.process.pid == root).map(|row| row.process).collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.pid) {
        found.extend(rows.iter().filter(|row| row.parent == parent).map(|row| row.process));
        next += 1;
    }
    found
}

/// Signals each of them that is still there.
pub(crate) fn signal(processes: &[Process], signal: Signal) {
    for process in processes.iter().filter(|process| process.is_alive()) {
        // It may have ended since; that is no failure.
        let _ = kill(process.pid, signal);
    }
}

/// Stops the process, so that it starts no more children, and then all the children that it has by now.
pub(crate) fn freeze(root: Pid) -> Vec<Process> {
    let _ = kill(root, Signal::SIGSTOP);
    let processes = family(root);
    signal(&processes, Signal::SIGSTOP);
    processes
}

/// Waits until none of them runs any more, so that their ports and files are free.
pub(crate) async fn ended(processes: &[Process], within: Duration) -> Result<()> {
    let deadline = Instant::now() + within;
    while processes.iter().any(Process::is_alive) {
        if Instant::now() > deadline {
            bail!("still running after {within:?}: {processes:?}");
        }
        sleep(POLL_EVERY).await;
    }
    Ok(())
}

impl Process {
    /// One that has ended counts as gone even before its parent has taken note.
    fn is_alive(&self) -> bool {
        row(self.pid).is_some_and(|row| row.process == *self)
    }
}

fn all() -> Vec<Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter_map(row)
        .collect()
}

/// Reads /proc/PID/stat (proc(5)): after the name in parentheses come state, parent and, as the 22nd field of
/// all, the time of start.
fn row(pid: Pid) -> Option<Row> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let is_over = matches!(*fields.first()?, "Z" | "X");
    let parent = Pid::from_raw(fields.get(1)?.parse().ok()?);
    let started_ticks = fields.get(19)?.parse().ok()?;
    (!is_over).then_some(Row { process: Process { pid, started_ticks }, parent })
}
