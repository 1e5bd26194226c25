//! What the figures were measured on.

use std::fs;

use anyhow::Result;
use tertulia_runtime::Ambient;

/// The machine and the moment, as a paragraph.
pub(crate) fn describe() -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&processors, "model name").unwrap_or("an unnamed processor").to_owned();
    let cores = std::thread::available_parallelism()?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 =
        field(&memory, "MemTotal").and_then(|total| total.split(' ').next()?.parse().ok()).unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let at = Ambient::system().now().to_string();
    let date = at.split('T').next().unwrap_or(&at);
    Ok(format!(
        "Measured {date} on {model}, {cores} processors for both sides, {} GiB of memory, Linux {}.",
        kib >> 20,
        kernel.trim()
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
