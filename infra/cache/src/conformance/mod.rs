//! The suite that every adapter of the cache passes, one list of named cases.
//!
//! A case panics when the adapter breaks the promise it is named after. So that a case which cannot fail is
//! found out, each names a [`Fault`], and must panic when it is run on an adapter with that fault.

mod keeping;
mod losing;
mod sabotage;
mod tallying;

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;

pub use sabotage::{Fault, SabotagedRig};

use crate::{Cache, SingleFlight};

/// So long that no case sees the end of it.
const LONG: Duration = Duration::from_hours(1);

/// How a server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is killed: connections break and new ones are refused.
    Killed,
    /// It is silent: connections stay and nothing is answered.
    Silent,
}

/// An adapter, its server, and the ways to hurt it. Every case gets its own, empty.
#[async_trait]
pub trait Rig: Send + Sync {
    /// The cache as another node has it. All nodes of a rig share one server.
    async fn node(&self) -> Arc<dyn Cache>;

    /// How many bytes the server is configured to hold.
    fn capacity_bytes(&self) -> usize;

    /// Takes the server away.
    async fn lose_server(&self, loss: Loss);

    /// Brings it back.
    async fn return_server(&self);

    /// How long a case waits for what must happen; generous, since a test machine may be busy.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// What reads through a node's cache.
    fn read_through(&self, cache: Arc<dyn Cache>) -> Arc<dyn ReadThrough> {
        Arc::new(SingleFlight::<Infallible>::new(cache))
    }
}

/// [`SingleFlight`], so that a case can be shown one that is not single.
#[async_trait]
pub trait ReadThrough: Send + Sync {
    /// [`SingleFlight::get_or_fill`], with a filling that never fails.
    async fn get_or_fill(&self, key: &str, fill: BoxFuture<'static, Bytes>) -> Bytes;
}

#[async_trait]
impl ReadThrough for SingleFlight<Infallible> {
    async fn get_or_fill(&self, key: &str, fill: BoxFuture<'static, Bytes>) -> Bytes {
        let Ok(value) = Self::get_or_fill(self, key, LONG, || async { Ok(fill.await) }).await;
        value
    }
}

type Run = fn(Arc<dyn Rig>) -> Pin<Box<dyn Future<Output = ()>>>;

/// One promise.
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// Whether it is about a server that can be lost, which an adapter without one keeps by having none.
    pub needs_server: bool,
    /// Panics when it is broken.
    pub run: Run,
    /// What breaks it on purpose.
    pub broken_by: Fault,
}

macro_rules! cases {
    ($($module:ident :: $name:ident breaks by $fault:ident,)*) => {
        /// Every promise of the port.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            needs_server: matches!(stringify!($module).as_bytes(), b"losing"),
            run: |rig| Box::pin($module::$name(rig)),
            broken_by: Fault::$fault,
        }),*];
    };
}

cases! {
    keeping::what_is_set_is_found_on_every_node breaks by ForgetsAtOnce,
    keeping::what_is_removed_is_gone breaks by RemovesNothing,
    keeping::values_counters_and_quotas_have_keys_of_their_own breaks by MixesKeys,
    keeping::an_entry_expires breaks by NeverExpires,
    keeping::memory_is_bounded breaks by Unbounded,
    keeping::reads_are_counted breaks by CountsNothing,
    keeping::callers_that_miss_together_fill_once breaks by FillsEach,
    tallying::a_counter_is_exact_under_many_callers breaks by LosesUpdates,
    tallying::a_counter_expires_so_long_after_it_began breaks by NeverExpires,
    tallying::a_quota_allows_exactly_its_burst breaks by QuotaPerNode,
    tallying::a_quota_refills_one_a_period breaks by RefillsTooFast,
    tallying::a_refusal_says_when_to_come_back breaks by SaysNothingOfWhen,
    losing::without_its_server_it_degrades_and_never_fails breaks by CountsNothing,
    losing::without_its_server_a_quota_is_kept_by_the_node breaks by AllowsAllWhileAway,
    losing::a_silent_server_costs_little breaks by WaitsWhileAway,
    losing::it_finds_its_server_again breaks by StaysAway,
}
