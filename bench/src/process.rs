//! What the kernel says about a process, and ending it.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{process::Child, time::timeout};

/// How long a process may take to leave after it was asked to.
const GRACE: Duration = Duration::from_secs(40);

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
