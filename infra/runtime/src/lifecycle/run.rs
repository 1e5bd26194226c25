//! The end of a process: the first signal drains it within a deadline, the second stops it at once.

use std::{io, time::Duration};

use futures_util::{Stream, StreamExt, stream::BoxStream};
use tokio::signal::unix::{SignalKind, signal};

use super::supervisor::Supervisor;

/// Requests to stop, each by its name.
pub struct Signals(BoxStream<'static, &'static str>);

impl Signals {
    /// SIGTERM and SIGINT of this process, which no longer end it by themselves.
    pub fn of_process() -> io::Result<Self> {
        let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stream = futures_util::stream::unfold(signals, |(mut terminate, mut interrupt)| async {
            let name = tokio::select! {
                Some(()) = terminate.recv() => "SIGTERM",
                Some(()) = interrupt.recv() => "SIGINT",
                else => return None,
            };
            Some((name, (terminate, interrupt)))
        });
        Ok(Self(stream.boxed()))
    }

    /// Requests that come from somewhere else: a test, an operator's call.
    pub fn from_stream(stream: impl Stream<Item = &'static str> + Send + 'static) -> Self {
        Self(stream.boxed())
    }

    /// The next request; never, when there can be none.
    pub async fn next(&mut self) -> &'static str {
        match self.0.next().await {
            Some(name) => name,
            None => std::future::pending().await,
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every task stopped by itself.
    Clean,
    /// These stages had tasks left at the deadline.
    Late(Vec<&'static str>),
    /// A second request came before that.
    AtOnce,
}

/// Waits for a request to stop, then shuts the supervisor down within `deadline`.
pub async fn run_until_signal(supervisor: &Supervisor, mut signals: Signals, deadline: Duration) -> Ending {
    let signal = signals.next().await;
    tracing::info!(signal, deadline_ms = deadline.as_millis(), "stopping; once more to stop at once");
    tokio::select! {
        late = supervisor.shutdown(deadline) => if late.is_empty() { Ending::Clean } else { Ending::Late(late) },
        signal = signals.next() => {
            tracing::warn!(signal, "stopping at once");
            Ending::AtOnce
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use futures_util::stream;

    use super::*;
    use crate::telemetry;

    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn the_first_signal_drains() {
        let supervisor = Supervisor::default();
        let token = supervisor.shutdown_token();
        supervisor.spawn("polite", async move { token.cancelled().await });
        let signals = Signals::from_stream(stream::iter(["SIGTERM"]));
        assert_eq!(run_until_signal(&supervisor, signals, LONG).await, Ending::Clean);
    }

    #[tokio::test]
    async fn the_second_signal_stops_at_once() {
        let supervisor = Supervisor::default();
        supervisor.spawn("deaf", pending());
        let signals = Signals::from_stream(stream::iter(["SIGTERM", "SIGTERM"]));
        assert_eq!(run_until_signal(&supervisor, signals, LONG).await, Ending::AtOnce);
    }

    #[tokio::test]
    async fn the_deadline_names_who_was_late() {
        let supervisor = Supervisor::default();
        supervisor.stage("edge").spawn("deaf", pending());
        let signals = Signals::from_stream(stream::iter(["SIGINT"]));
        let ending = run_until_signal(&supervisor, signals, Duration::from_millis(10)).await;
        assert_eq!(ending, Ending::Late(vec!["edge"]));
    }

    /// What the next test runs as a process of its own: it panics in a task, then waits to be stopped.
    #[tokio::test]
    async fn a_process_to_stop() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let settings = telemetry::Settings {
            log: "info".to_owned(),
            format: telemetry::Format::Auto,
            otlp_endpoint: None,
            trace_ratio: 0.0,
            service_name: "child".to_owned(),
        };
        let _guard = telemetry::install(&settings).unwrap();
        let signals = Signals::of_process().unwrap();
        let supervisor = Supervisor::default();
        let token = supervisor.shutdown_token();
        supervisor.spawn("clumsy", async { panic!("dropped the pot") });
        supervisor.spawn("polite", async move { token.cancelled().await });
        assert_eq!(run_until_signal(&supervisor, signals, LONG).await, Ending::Clean);
    }

    const CHILD: &str = "TERTULIA_RUNTIME_TEST_CHILD";

    #[test]
    fn a_process_logs_its_panics_as_json_and_drains_at_sigterm() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lifecycle::run::tests::a_process_to_stop", "--nocapture"])
            .env(CHILD, "1")
            .env_remove("RUST_BACKTRACE")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().expect("a line")).unwrap();
        let panicked = next();
        assert_eq!(
            (&panicked["message"], &panicked["panic"]),
            (&"panicked".into(), &"dropped the pot".into())
        );
        assert!(panicked["place"].as_str().unwrap().contains("run.rs:"), "{panicked}");
        assert_eq!(next()["task"], "clumsy");
        let id = i32::try_from(child.id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::SIGTERM).unwrap();
        assert_eq!(next()["signal"], "SIGTERM");
        assert!(child.wait().unwrap().success());
    }
}
