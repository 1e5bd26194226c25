//! What the kernel says about a process, and ending it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
    },
    unistd::Pid,
};
use tokio::{process::Child, time::timeout};

/// How long a process may take to leave after it was asked to.
const GRACE: Duration = Duration::from_secs(40);

/// What this process and those that it starts may open, where root runs it.
const OPEN_FILES: u64 = 65_536;

/// Raises the number of open files as far as it goes; children inherit it.
pub(crate) fn raise_open_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = most.max(OPEN_FILES);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, most, most))
        .context("raising the number of open files")
}

/// Fails with the remedy if so many sockets cannot be open at once.
pub(crate) fn require_sockets(sockets: usize) -> Result<()> {
    let (most, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let needed = sockets as u64 + 1_000;
    ensure!(
        most >= needed,
        "{sockets} sockets need {needed} open files and the limit is {most}: raise it, as root: \
         prlimit --nofile={OPEN_FILES} --pid $$"
    );
    Ok(())
}

fn pid_of(child: &Child) -> Result<u32> {
    child.id().context("the process has ended")
}

/// Its resident memory, in bytes (proc(5), `VmRSS`).
pub(crate) fn resident_bytes(child: &Child) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid_of(child)?))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}

/// Kills it and waits until it is gone.
pub(crate) async fn kill_now(mut child: Child) -> Result<()> {
    Ok(child.kill().await?)
}

/// Asks it to stop and waits until it has.
pub(crate) async fn stop(mut child: Child) -> Result<()> {
    let pid = i32::try_from(pid_of(&child)?)?;
    kill(Pid::from_raw(pid), Signal::SIGTERM)?;
    match timeout(GRACE, child.wait()).await {
        Ok(status) => {
            let status = status?;
            if !status.success() {
                bail!("the process ended with {status}");
            }
            Ok(())
        }
        // Dropping the child kills it.
        Err(_) => bail!("the process did not leave within {} s", GRACE.as_secs()),
    }
}
