//! The suite that every adapter of the cache passes, one list of named cases.
//!
//! Each case names a [`Fault`], and must fail on an adapter that has it.

mod keeping;
mod losing;
mod sabotage;
mod tallying;

use std::{convert::Infallible, sync::Arc, time::Duration};

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

tertulia_conformance::cases! {
    on dyn Rig, broken by Fault:
    keeping::what_is_set_is_found_on_every_node by ForgetsAtOnce,
    keeping::what_is_removed_is_gone by RemovesNothing,
    keeping::values_counters_and_quotas_have_keys_of_their_own by MixesKeys,
    keeping::an_entry_expires by NeverExpires,
    keeping::memory_is_bounded by Unbounded,
    keeping::reads_are_counted by CountsNothing,
    keeping::callers_that_miss_together_fill_once by FillsEach,
    tallying::a_counter_is_exact_under_many_callers by LosesUpdates,
    tallying::a_counter_expires_so_long_after_it_began by NeverExpires,
    tallying::a_quota_allows_exactly_its_burst by QuotaPerNode,
    tallying::a_quota_refills_one_a_period by RefillsTooFast,
    tallying::a_refusal_says_when_to_come_back by SaysNothingOfWhen,
    losing::without_its_server_it_degrades_and_never_fails by CountsNothing,
    losing::without_its_server_a_quota_is_kept_by_the_node by AllowsAllWhileAway,
    losing::a_silent_server_costs_little by WaitsWhileAway,
    losing::it_finds_its_server_again by StaysAway,
}
