//! Processes of the product, started and waited for with a deadline. None outlives its test.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tertulia_client::Api;
use tertulia_contracts::auth::Account;

/// Longer than anything takes on a machine that is busy with other things.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

const BINARY: &str = env!("CARGO_BIN_EXE_tertulia");
/// Passwords that cost little, logs that programs read.
const QUICK: [&str; 6] = [
    "--set",
    "auth.password.memory_kib=64",
    "--set",
    "auth.password.passes=1",
    "--set",
    "telemetry.format=json",
];

/// The lines a process writes, as they come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let heard = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                heard.note(|it| it.lines.extend(line.ok()));
            }
            heard.note(|it| it.ended = true);
        });
        lines
    }

    fn note(&self, change: impl FnOnce(&mut Heard)) {
        // A test that failed while it looked has nothing left to be told.
        if let Ok(mut heard) = self.0.0.lock() {
            change(&mut heard);
        }
        self.0.1.notify_all();
    }

    /// The first line that `pick` makes something of.
    pub(crate) fn wait_for<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let (heard, news) = &*self.0;
        let unheard = |it: &mut Heard| !it.ended && !it.lines.iter().any(|line| pick(line).is_some());
        let (heard, _) = news.wait_timeout_while(heard.lock().unwrap(), DEADLINE, unheard).unwrap();
        let found = heard.lines.iter().find_map(|line| pick(line));
        found.unwrap_or_else(|| panic!("{what} was not written:\n{}", heard.lines.join("\n")))
    }

    /// Everything, once the process has ended.
    pub(crate) fn whole(&self) -> String {
        let (heard, news) = &*self.0;
        let (heard, late) = news.wait_timeout_while(heard.lock().unwrap(), DEADLINE, |it| !it.ended).unwrap();
        assert!(!late.timed_out(), "the process still writes");
        heard.lines.join("\n")
    }
}

/// A process. It is killed when this is dropped.
pub(crate) struct Running {
    pid: Pid,
    exit: mpsc::Receiver<ExitStatus>,
    ended: Option<ExitStatus>,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (out, err) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
        let (tell, exit) = mpsc::channel();
        thread::spawn(move || tell.send(child.wait().unwrap()));
        Self { pid, exit, ended: None, out, err }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// How it ended; it must, within the deadline.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let ended = self.exit.recv_timeout(DEADLINE);
        let ended = ended.unwrap_or_else(|_| panic!("{} does not end", self.pid));
        self.ended = Some(ended);
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its number is ours until it has been waited for.
        if self.ended.is_none() && self.exit.try_recv().is_err() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary with nothing of this process' environment.
pub(crate) fn tertulia(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.env_clear().args(arguments);
    command
}

/// Runs a command to its end.
pub(crate) fn outcome_of(command: &mut Command) -> Outcome {
    let mut running = Running::start(command);
    let success = running.end().success();
    Outcome { success, out: running.out.whole(), err: running.err.whole() }
}

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    outcome_of(&mut tertulia(arguments))
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder for data that is not there yet.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// One command about this folder.
    pub(crate) fn run(&self, command: &[&str]) -> Outcome {
        outcome_of(tertulia(command).args(["--data", text(&self.data())]))
    }
}

/// The whole product on one folder.
pub(crate) struct Product {
    pub(crate) process: Running,
    pub(crate) url: String,
}

impl Product {
    /// Starts it, and waits until it says that it is ready.
    pub(crate) fn up(folder: &Folder, arguments: &[&str]) -> Self {
        Self::of(tertulia(&[]).args(Self::arguments(folder, arguments)))
    }

    /// What `up` is started with.
    pub(crate) fn arguments(folder: &Folder, arguments: &[&str]) -> Vec<String> {
        let data = folder.data();
        let always = ["up", "--data", text(&data), "--listen", "127.0.0.1:0"];
        always.iter().chain(&QUICK).chain(arguments).map(ToString::to_string).collect()
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let process = Running::start(command);
        let ready = |line: &str| line.strip_prefix("Tertulia is ready on ").map(ToOwned::to_owned);
        let url = process.out.wait_for("that it is ready", ready);
        Self { process, url }
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(&self.url)
    }

    /// Somebody who has just made an account.
    pub(crate) async fn member(&self, handle: &str) -> (Api, Account) {
        let api = self.api();
        let account = api.sign_up(handle, PASSWORD).await.unwrap();
        (api, account)
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        let ended = self.process.end();
        assert!(ended.success(), "{ended}:\n{}", self.process.err.whole());
    }
}

pub(crate) const PASSWORD: &str = "correct horse battery";
