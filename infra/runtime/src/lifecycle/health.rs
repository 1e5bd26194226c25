//! What `/health/live` and `/health/ready` answer.
//!
//! Live: the process answers at all. Ready: every vital dependency answers and no supervised task waits to
//! run again, or 503. Both say which, in words. The checks run at most once a second however often they
//! are asked for, and none holds the answer up for longer than [`CHECK_TIMEOUT`].

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use futures_util::future::{BoxFuture, join_all};
use http::StatusCode;
use serde::Serialize;
use tokio::time::Instant;

use super::supervisor::{Supervisor, TaskReport, TaskState};
use crate::{Clock, Timestamp};

/// A check that takes longer has failed.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
const CACHED_FOR: Duration = Duration::from_secs(1);

/// What a dependency's absence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Without it nothing useful can be answered.
    Vital,
    /// Without it answers are slower or poorer, but right.
    Helpful,
}

/// How a process or one of its dependencies is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Up,
    /// Something helpful is away.
    Degraded,
    /// Something vital is away.
    Down,
    /// It is stopping: send it nothing new.
    Draining,
}

/// The answer of `/health/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The process as a whole.
    pub status: Status,
    /// Each dependency and supervised task by name.
    pub checks: BTreeMap<String, Check>,
}

/// One dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// How it is.
    pub status: Status,
    /// What is wrong, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when it is as it is.
    pub since: Timestamp,
}

type CheckFn = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

struct Dependency {
    name: String,
    need: Need,
    check: CheckFn,
}

struct Inner {
    clock: Arc<dyn Clock>,
    supervisor: Supervisor,
    dependencies: Mutex<Vec<Arc<Dependency>>>,
    /// Held while the checks run, so that many askers cause one round of them.
    last: tokio::sync::Mutex<Option<(Instant, Readiness)>>,
}

/// The registry of checks. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

impl Health {
    /// Watches the tasks of `supervisor`; dependencies are added by those who have them.
    pub fn new(clock: Arc<dyn Clock>, supervisor: Supervisor) -> Self {
        let (dependencies, last) = (Mutex::default(), tokio::sync::Mutex::default());
        Self(Arc::new(Inner { clock, supervisor, dependencies, last }))
    }

    /// Adds a dependency. `check` says in words what is wrong; it is cheap and changes nothing.
    pub fn check<C, F>(&self, name: impl Into<String>, need: Need, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: CheckFn = Arc::new(move || Box::pin(check()));
        let dependency = Arc::new(Dependency { name: name.into(), need, check });
        self.0.dependencies.lock().unwrap_or_else(PoisonError::into_inner).push(dependency);
    }

    /// How everything is, at most a second old.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.0.last.lock().await;
        let mut readiness = match last.as_ref() {
            Some((at, readiness)) if at.elapsed() < CACHED_FOR => readiness.clone(),
            previous => {
                let fresh = self.examine(previous.map(|(_, readiness)| readiness)).await;
                *last = Some((Instant::now(), fresh.clone()));
                fresh
            }
        };
        // Draining is told at once: a load balancer that still sends work gets refusals.
        if self.0.supervisor.is_stopping() {
            readiness.status = Status::Draining;
        }
        readiness
    }

    async fn examine(&self, before: Option<&Readiness>) -> Readiness {
        let dependencies = self.0.dependencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let examined = join_all(dependencies.iter().map(|dependency| async move {
            let late = || Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs()));
            let outcome = tokio::time::timeout(CHECK_TIMEOUT, (dependency.check)()).await;
            (dependency, outcome.unwrap_or_else(|_| late()))
        }));
        let now = self.0.clock.now();
        let mut readiness = Readiness { status: Status::Up, checks: BTreeMap::new() };
        let mut note = |name: String, need: Need, status: Status, detail: Option<String>| {
            readiness.status = match (status, need) {
                (Status::Up, _) => readiness.status,
                (_, Need::Vital) => Status::Down,
                (_, Need::Helpful) if readiness.status == Status::Down => Status::Down,
                (_, Need::Helpful) => Status::Degraded,
            };
            let same =
                before.and_then(|before| before.checks.get(&name)).filter(|check| check.status == status);
            let since = same.map_or(now, |check| check.since);
            readiness.checks.insert(name, Check { status, detail, since });
        };
        for (dependency, outcome) in examined.await {
            let status = if outcome.is_ok() { Status::Up } else { Status::Down };
            note(dependency.name.clone(), dependency.need, status, outcome.err());
        }
        for task in self.0.supervisor.tasks() {
            let status = if task.state == TaskState::Restarting { Status::Down } else { Status::Up };
            note(format!("task:{}", task.name), Need::Vital, status, describe(&task));
        }
        readiness
    }

    /// `/health/live` and `/health/ready`.
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/health/live", get(async || Json(serde_json::json!({"status": Status::Up}))))
            .route("/health/ready", get(ready))
            .with_state(self.clone())
    }
}

fn describe(task: &TaskReport) -> Option<String> {
    let failure = task.last_failure.as_ref()?;
    Some(format!("failed {} times, last: {failure}", task.failures))
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Readiness>) {
    let readiness = health.readiness().await;
    let status = match readiness.status {
        Status::Up | Status::Degraded => StatusCode::OK,
        Status::Down | Status::Draining => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use super::*;
    use crate::testkit::{FrozenClock, TestClient};

    struct Bench {
        health: Health,
        supervisor: Supervisor,
        client: TestClient,
    }

    fn bench() -> Bench {
        let supervisor = Supervisor::default();
        let health = Health::new(Arc::new(FrozenClock::new()), supervisor.clone());
        Bench { client: TestClient::new(health.router()), health, supervisor }
    }

    #[tokio::test]
    async fn a_vital_dependency_decides_and_a_helpful_one_only_degrades() {
        let bench = bench();
        bench.health.check("cache", Need::Helpful, async || Err("connection refused".to_owned()));
        let answer = bench.client.get("/health/ready").await.expect(200).json();
        assert_eq!(answer["status"], "degraded");
        let cache = serde_json::json!({"status": "down", "detail": "connection refused", "since": "2026-01-01T00:00:00.000Z"});
        assert_eq!(answer["checks"]["cache"], cache);

        let other = self::bench();
        other.health.check("documents", Need::Vital, async || Err("the disk is full".to_owned()));
        other.health.check("cache", Need::Helpful, async || Err("connection refused".to_owned()));
        assert_eq!(other.client.get("/health/ready").await.expect(503).json()["status"], "down");
        other.client.get("/health/live").await.expect(200);
    }

    #[tokio::test]
    async fn many_askers_cause_one_round_of_checks_and_draining_shows_at_once() {
        let bench = bench();
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = rounds.clone();
        bench.health.check("documents", Need::Vital, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        });
        join_all((0..20).map(|_| bench.client.get("/health/ready"))).await;
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
        bench.supervisor.shutdown(Duration::from_secs(1)).await;
        assert_eq!(bench.client.get("/health/ready").await.expect(503).json()["status"], "draining");
    }

    #[tokio::test]
    async fn a_task_that_waits_to_run_again_shows_and_since_moves_only_with_a_change() {
        let clock = Arc::new(FrozenClock::new());
        let backoff = super::super::Backoff { first: Duration::from_mins(1), most: Duration::from_mins(1) };
        let supervisor = Supervisor::new(backoff);
        let health = Health::new(clock.clone(), supervisor.clone());
        let failing = Arc::new(AtomicBool::new(false));
        let answer = failing.clone();
        health.check("bus", Need::Vital, move || {
            let failing = answer.load(Ordering::SeqCst);
            async move { if failing { Err("away".to_owned()) } else { Ok(()) } }
        });
        let first = health.examine(None).await;
        clock.advance(Duration::from_secs(5));
        let second = health.examine(Some(&first)).await;
        assert_eq!(second.checks["bus"], first.checks["bus"]);
        failing.store(true, Ordering::SeqCst);
        let third = health.examine(Some(&second)).await;
        assert_eq!(third.checks["bus"].since, clock.now());

        supervisor.supervise("relay", || async { Err("no such queue") });
        crate::testkit::eventually_true(Duration::from_secs(5), async || {
            supervisor.tasks()[0].state == TaskState::Restarting
        })
        .await;
        let fourth = health.examine(Some(&third)).await;
        assert_eq!(
            fourth.checks["task:relay"].detail.as_deref(),
            Some("failed 1 times, last: no such queue")
        );
        assert_eq!(fourth.checks["task:relay"].status, Status::Down);
        supervisor.shutdown(Duration::from_secs(1)).await;
    }
}
