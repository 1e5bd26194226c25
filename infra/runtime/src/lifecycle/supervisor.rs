//! Tasks that somebody watches.
//!
//! Promises: a panic never goes unseen; a supervised task that panics or fails runs again after a growing
//! delay, and its state is readable; shutdown ends the stages in reverse order of their making, each
//! asked first and, when the deadline is over, dropped at its next await point.

use std::{
    fmt::Display,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::problem::panic_text;

/// How long a failed task waits before it runs again: `first`, doubled with each failure, at most `most`.
/// A run longer than `most` counts as recovered.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), most: Duration::from_secs(30) }
    }
}

/// What a supervised task is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It runs.
    Running,
    /// It failed and waits to run again.
    Restarting,
    /// It has done what it had to, or was told to stop.
    Finished,
}

/// One supervised task, as it was when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    /// The name it was started under.
    pub name: &'static str,
    /// What it is doing.
    pub state: TaskState,
    /// How often it failed since it last recovered.
    pub failures: u32,
    /// What it failed of last.
    pub last_failure: Option<String>,
}

/// Starts tasks and answers for them. Cheap to clone; clones are the same supervisor.
#[derive(Clone)]
pub struct Supervisor {
    stage: Arc<Stage>,
    house: Arc<House>,
}

/// What all stages of one supervisor share.
struct House {
    backoff: Backoff,
    /// Cancelled when shutdown begins, before the first stage is asked to stop.
    stopping: CancellationToken,
    stages: Mutex<Vec<Arc<Stage>>>,
    tasks: Mutex<Vec<Arc<Mutex<TaskReport>>>>,
}

/// Tasks that stop together.
struct Stage {
    name: &'static str,
    /// Asks the stage's tasks to stop.
    stopping: CancellationToken,
    /// Drops those that did not.
    dropping: CancellationToken,
    tracker: TaskTracker,
}

impl Stage {
    fn new(name: &'static str) -> Arc<Self> {
        let (stopping, dropping) = (CancellationToken::new(), CancellationToken::new());
        Arc::new(Self { name, stopping, dropping, tracker: TaskTracker::new() })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new(Backoff::default())
    }
}

impl Supervisor {
    /// A supervisor with one stage, `main`.
    pub fn new(backoff: Backoff) -> Self {
        let stage = Stage::new("main");
        let stages = Mutex::new(vec![stage.clone()]);
        let stopping = CancellationToken::new();
        Self { stage, house: Arc::new(House { backoff, stopping, stages, tasks: Mutex::default() }) }
    }

    /// A handle to a new stage, which shutdown ends before every stage that was there already.
    #[must_use]
    pub fn stage(&self, name: &'static str) -> Self {
        let stage = Stage::new(name);
        let mut stages = lock(&self.house.stages);
        // Too late to be ended in its turn, so it never begins.
        if self.is_stopping() {
            stage.stopping.cancel();
        }
        stages.push(stage.clone());
        drop(stages);
        Self { stage, house: self.house.clone() }
    }

    /// Is cancelled when this stage's tasks should stop; a task that holds nothing may ignore it.
    pub fn shutdown_token(&self) -> CancellationToken {
        self.stage.stopping.clone()
    }

    /// Is cancelled when shutdown begins, before any stage is asked to stop: for what takes its time to leave
    /// and would hold up the stages that are asked before its own.
    pub fn stopping_token(&self) -> CancellationToken {
        self.house.stopping.clone()
    }

    /// Runs a task once. A panic is logged; the task should end soon after the shutdown token is cancelled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                tracing::error!(task = name, panic = panic_text(panic.as_ref()), "a task panicked");
            }
        });
    }

    /// Runs what `make` makes until it returns `Ok`, again after each panic or error, until shutdown. Its
    /// state is in [`Supervisor::tasks`] as long as the supervisor lives, so this is for the few tasks that
    /// live as long; the many short ones are spawned.
    pub fn supervise<M, F, E>(&self, name: &'static str, mut make: M)
    where
        M: FnMut() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let report = TaskReport { name, state: TaskState::Running, failures: 0, last_failure: None };
        let report = Arc::new(Mutex::new(report));
        lock(&self.house.tasks).push(report.clone());
        let (backoff, stopping) = (self.house.backoff, self.shutdown_token());
        self.start(async move {
            loop {
                let started = Instant::now();
                // Making the future may panic as well as polling it.
                let outcome = AssertUnwindSafe(async { make().await }).catch_unwind().await;
                let failure = match outcome {
                    Ok(Ok(())) => break,
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => format!("panicked: {}", panic_text(panic.as_ref())),
                };
                if stopping.is_cancelled() {
                    tracing::warn!(task = name, failure, "a task failed while stopping");
                    break;
                }
                let delay = note_failure(&report, &failure, started.elapsed(), backoff);
                tracing::error!(
                    task = name,
                    failure,
                    delay_ms = delay.as_millis(),
                    "a task failed and will run again"
                );
                tokio::select! {
                    biased;
                    () = stopping.cancelled() => break,
                    () = tokio::time::sleep(delay) => lock(&report).state = TaskState::Running,
                }
            }
            lock(&report).state = TaskState::Finished;
        });
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place tasks are spawned from")]
    fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let dropping = self.stage.dropping.clone();
        let task = async move {
            tokio::select! {
                // What is done is not dropped.
                biased;
                () = task => {}
                () = dropping.cancelled() => {}
            }
        };
        tokio::spawn(self.stage.tracker.track_future(task));
    }

    /// Whether shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.house.stopping.is_cancelled()
    }

    /// Every supervised task, in order of start.
    pub fn tasks(&self) -> Vec<TaskReport> {
        lock(&self.house.tasks).iter().map(|report| lock(report).clone()).collect()
    }

    /// Ends every stage, the newest first, all within `deadline`. Returns the names of the stages that had
    /// tasks left when their time was over; those tasks have been dropped.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<&'static str> {
        let end = Instant::now() + deadline;
        self.house.stopping.cancel();
        let stages: Vec<_> = lock(&self.house.stages).drain(..).collect();
        let mut late = Vec::new();
        for stage in stages.into_iter().rev() {
            stage.stopping.cancel();
            stage.tracker.close();
            if tokio::time::timeout_at(end, stage.tracker.wait()).await.is_err() {
                tracing::warn!(
                    stage = stage.name,
                    tasks = stage.tracker.len(),
                    "tasks did not stop in time and are dropped"
                );
                late.push(stage.name);
                stage.dropping.cancel();
            }
        }
        late
    }
}

/// Notes a failure and tells how long to wait.
fn note_failure(report: &Mutex<TaskReport>, failure: &str, ran: Duration, backoff: Backoff) -> Duration {
    let mut report = lock(report);
    report.failures = if ran > backoff.most { 1 } else { report.failures.saturating_add(1) };
    report.state = TaskState::Restarting;
    report.last_failure = Some(failure.to_owned());
    backoff.first.saturating_mul(1 << (report.failures - 1).min(20)).min(backoff.most)
}

#[cfg(test)]
mod tests {
    use std::{
        future::pending,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::testkit::eventually_true;

    const SOON: Duration = Duration::from_secs(5);
    const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_secs(1) };

    #[tokio::test]
    async fn a_task_that_fails_or_panics_runs_again_and_its_state_says_so() {
        let supervisor = Supervisor::new(QUICK);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = runs.clone();
        supervisor.supervise("flaky", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => Err("the first run fails"),
                    1 => panic!("the second panics"),
                    _ => pending().await,
                }
            }
        });
        eventually_true(SOON, async || runs.load(Ordering::SeqCst) == 3).await;
        let report = supervisor.tasks().remove(0);
        assert_eq!((report.name, report.state, report.failures), ("flaky", TaskState::Running, 2));
        assert_eq!(report.last_failure.as_deref(), Some("panicked: the second panics"));
        assert_eq!(supervisor.shutdown(Duration::from_millis(20)).await, ["main"]);
    }

    #[tokio::test]
    async fn a_task_that_is_done_is_not_run_again() {
        let supervisor = Supervisor::new(QUICK);
        supervisor.supervise("once", || async { Ok::<(), String>(()) });
        eventually_true(SOON, async || supervisor.tasks()[0].state == TaskState::Finished).await;
        assert!(supervisor.shutdown(SOON).await.is_empty());
    }

    #[tokio::test]
    async fn stages_end_in_reverse_order_and_a_panic_does_not_hold_them_up() {
        let supervisor = Supervisor::new(QUICK);
        let ended = Arc::new(Mutex::new(Vec::new()));
        for name in ["database", "service", "edge"] {
            let (stage, ended) = (supervisor.stage(name), ended.clone());
            let token = stage.shutdown_token();
            stage.spawn("panics", async { panic!("seen, logged, forgotten") });
            stage.spawn(name, async move {
                token.cancelled().await;
                lock(&ended).push(name);
            });
        }
        assert!(supervisor.shutdown(SOON).await.is_empty());
        assert_eq!(*lock(&ended), ["edge", "service", "database"]);
    }

    #[tokio::test]
    async fn a_task_that_will_not_stop_is_dropped_at_the_deadline() {
        let supervisor = Supervisor::new(QUICK);
        let held = Arc::new(());
        let weak = Arc::downgrade(&held);
        supervisor.stage("deaf").spawn("deaf", async move {
            pending::<()>().await;
            drop(held);
        });
        assert_eq!(supervisor.shutdown(Duration::from_millis(20)).await, ["deaf"]);
        eventually_true(SOON, async || weak.upgrade().is_none()).await;
    }

    #[test]
    fn the_delay_doubles_up_to_its_cap_and_starts_over_after_a_long_run() {
        let report = TaskReport { name: "t", state: TaskState::Running, failures: 0, last_failure: None };
        let report = Mutex::new(report);
        let fails = |ran| note_failure(&report, "x", ran, QUICK);
        let delays: Vec<_> = (0..40).map(|_| fails(Duration::ZERO).as_millis()).collect();
        assert_eq!(delays[..4], [1, 2, 4, 8]);
        assert_eq!(delays[10..], [1_000; 30]);
        assert_eq!(fails(SOON), QUICK.first);
    }
}
