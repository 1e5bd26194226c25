//! A running server, and the ways to hurt it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};

use crate::Testbed;
use crate::probe::Probe;
use crate::process::{self, Process};

const POLL_EVERY: Duration = Duration::from_millis(20);
/// Generous: a test machine may be busy with builds.
const READY_WITHIN: Duration = Duration::from_secs(90);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
const KILLED_WITHIN: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 20;

/// The server proper begins only when it is told to, so that it never runs unguarded: if we end before that,
/// it ends at once.
const WAIT_TO_BE_GUARDED: &str = r#"read -r go && exec "$@" </dev/null"#;

/// How a server is started, each time alike.
pub(crate) struct Launch {
    /// Its folder, below the test bed's.
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// What makes it end in good order.
    pub(crate) stop_signal: Signal,
    pub(crate) probe: Probe,
}

/// A real server, running. Dropping it kills it; its data stay in its folder until the test bed goes.
pub struct Server {
    url: String,
    launch: Launch,
    bed: Testbed,
    running: Option<Child>,
    /// The server that keeps this one's data. It shares this one's fate in all that follows.
    beneath: Option<Box<Server>>,
}

impl Server {
    /// Starts the server and waits until it is ready.
    pub(crate) async fn start(
        bed: &Testbed,
        url: String,
        launch: Launch,
        beneath: Option<Self>,
    ) -> Result<Self> {
        let mut server =
            Self { url, launch, bed: bed.clone(), running: None, beneath: beneath.map(Box::new) };
        server.spawn()?;
        server.ready().await?;
        Ok(server)
    }

    /// Where clients find it, for instance `redis://127.0.0.1:20017`. The same after every start.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens; see [`Toxiproxy`](crate::toxiproxy::Toxiproxy) for standing in between.
    pub fn address(&self) -> SocketAddr {
        self.launch.probe.address
    }

    /// The number of its main process.
    ///
    /// # Errors
    /// It has been stopped or killed.
    pub fn pid(&self) -> Result<i32> {
        Ok(self.leader()?.as_raw())
    }

    /// Its data, its log and its configuration.
    pub(crate) fn folder(&self) -> &Path {
        &self.launch.folder
    }

    /// What it has written to its standard output and error.
    pub fn log_path(&self) -> PathBuf {
        self.launch.folder.join("log")
    }

    /// `kill -9` of all its processes at once. Its port is free when this returns.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(child) = self.running.take() {
            let leader = leader_of(&child);
            let processes = process::freeze(leader);
            self.finish(child, &processes, KILLED_WITHIN).await?;
        }
        match &mut self.beneath {
            Some(beneath) => Box::pin(beneath.kill()).await,
            None => Ok(()),
        }
    }

    /// Asks it to end in good order.
    ///
    /// # Errors
    /// It has not ended within 20 seconds. It is killed then.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.running.take() {
            let leader = leader_of(&child);
            let processes = process::family(leader);
            kill(leader, self.launch.stop_signal).with_context(|| format!("signalling {}", self.url))?;
            let exited = exit_within(&mut child, STOPPED_WITHIN).await?;
            self.finish(child, &processes, KILLED_WITHIN).await?;
            if exited.is_none() {
                bail!(
                    "{} did not stop within {STOPPED_WITHIN:?} and was killed\n{}",
                    self.url,
                    self.log_tail()
                );
            }
        }
        match &mut self.beneath {
            Some(beneath) => Box::pin(beneath.stop()).await,
            None => Ok(()),
        }
    }

    /// Starts it after a [`kill`](Self::kill) or a [`stop`](Self::stop): the same port, the same data.
    pub async fn start_again(&mut self) -> Result<()> {
        if self.running.is_some() {
            bail!("{} is running already", self.url);
        }
        if let Some(beneath) = &mut self.beneath {
            Box::pin(beneath.start_again()).await?;
        }
        self.spawn()?;
        self.ready().await
    }

    /// Freezes it: connections stay open and nothing is answered, as behind a failed network or on an
    /// overloaded machine.
    pub fn pause(&self) -> Result<()> {
        process::freeze(self.leader()?);
        self.beneath.as_ref().map_or(Ok(()), |beneath| beneath.pause())
    }

    /// Goes on where it was paused.
    pub fn resume(&self) -> Result<()> {
        if let Some(beneath) = &self.beneath {
            beneath.resume()?;
        }
        process::signal(&process::family(self.leader()?), Signal::SIGCONT);
        Ok(())
    }

    fn leader(&self) -> Result<Pid> {
        self.running.as_ref().map(leader_of).with_context(|| format!("{} is not running", self.url))
    }

    fn spawn(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut child = Command::new("sh")
            .args(["-c", WAIT_TO_BE_GUARDED, "testbed"])
            .arg(&self.launch.program)
            .args(&self.launch.arguments)
            .envs(self.launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.launch.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", self.launch.program.display()))?;
        let mut pipe = child.stdin.take().expect("its standard input is a pipe");
        let group = leader_of(&child);
        self.running = Some(child);
        self.bed.watchdog().guard(group)?;
        pipe.write_all(b"go\n").with_context(|| format!("starting {}", self.launch.program.display()))
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let child = self.running.as_mut().expect("it was spawned just before");
            if let Some(status) = child.try_wait()? {
                bail!("{} ended with {status} instead of getting ready\n{}", self.url, self.log_tail());
            }
            if self.launch.probe.ask().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} was not ready within {READY_WITHIN:?}\n{}", self.url, self.log_tail());
            }
            sleep(POLL_EVERY).await;
        }
    }

    /// Kills what is left of a server's processes and takes note of their end.
    async fn finish(&self, mut child: Child, processes: &[Process], within: Duration) -> Result<()> {
        kill_all(leader_of(&child), processes);
        process::ended(processes, within).await.with_context(|| format!("killing {}", self.url))?;
        self.bed.watchdog().release(leader_of(&child))?;
        child.wait()?;
        Ok(())
    }

    fn log_tail(&self) -> String {
        let path = self.log_path();
        let text = std::fs::read(&path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(LOG_TAIL_LINES)..).unwrap_or_default().join("\n");
        format!("the end of its log {}:\n{tail}", path.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        let leader = leader_of(&child);
        kill_all(leader, &process::freeze(leader));
        // Nobody is left to hear of a failure here, and the watchdog still knows the group.
        let _ = self.bed.watchdog().release(leader);
        let _ = child.wait();
    }
}

/// The group is signalled too, for what was orphaned in it before we looked.
fn kill_all(leader: Pid, processes: &[Process]) {
    process::signal(processes, Signal::SIGKILL);
    let _ = killpg(leader, Signal::SIGKILL);
}

fn leader_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("Linux numbers processes below 2^22"))
}

async fn exit_within(child: &mut Child, within: Duration) -> Result<Option<ExitStatus>> {
    let deadline = Instant::now() + within;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            return Ok(status);
        }
        sleep(POLL_EVERY).await;
    }
}

/// A configuration file's path in a server's folder, written.
pub(crate) fn write_file(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
