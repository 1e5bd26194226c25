//! Ends every server with the test process, however that ends.
//!
//! The watchdog is a small shell process that reads from a pipe which only the test process can write to.
//! When the test process is gone, by whatever cause, the pipe ends; the watchdog then kills the process
//! groups it was told of and removes the folder. It works by a pipe because the kernel's own parent-death
//! signal follows the thread that started the child, and test threads end early.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// Removing the folder is tried again for a moment, since what a killed server still had in hand may yet be
/// written.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r verb group; do
    case $verb in
        guard) groups="$groups$group " ;;
        release) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" 2>/dev/null && break
    sleep 0.1
done
"#;

pub(crate) struct Watchdog {
    child: Child,
    /// `None` only while it is being dropped.
    pipe: Mutex<Option<ChildStdin>>,
}

impl Watchdog {
    /// Starts watching; `folder` is removed at the end.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        // A group of its own keeps the terminal's Ctrl-C from it.
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT, "testbed-watchdog"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .context("starting the test bed's watchdog")?;
        let pipe = child.stdin.take();
        Ok(Self { child, pipe: Mutex::new(pipe) })
    }

    /// From now on this process group ends with us.
    pub(crate) fn guard(&self, group: Pid) -> Result<()> {
        self.tell("guard", group)
    }

    /// To be called when the group has ended and before its leader is reaped, so that its number cannot
    /// belong to another by then.
    pub(crate) fn release(&self, group: Pid) -> Result<()> {
        self.tell("release", group)
    }

    fn tell(&self, verb: &str, group: Pid) -> Result<()> {
        let mut pipe = self.pipe.lock().expect("no holder of this lock panics");
        let pipe = pipe.as_mut().expect("the pipe is closed only by the drop");
        writeln!(pipe, "{verb} {group}").context("telling the test bed's watchdog")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Ok(mut pipe) = self.pipe.lock() {
            pipe.take();
        }
        // It cleans up and ends by itself; a failure to wait would leave nothing to do about it.
        let _ = self.child.wait();
    }
}
