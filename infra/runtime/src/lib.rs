//! What every service stands on: time, ids and randomness handed in rather than reached for, one
//! vocabulary of failure, the event envelope, configuration, telemetry and the life of a process.
//!
//! Nothing here knows a service or a back end. Whatever a part needs of this crate is passed to it as a
//! value, so two whole systems can run in one process; the only process-wide thing is the `tracing`
//! subscriber, which the binary installs once.

pub mod config;
pub mod entropy;
pub mod event;
pub mod extract;
pub mod fault;
pub mod hash;
pub mod id;
pub mod lifecycle;
pub mod metrics;
pub mod problem;
pub mod secret;
pub mod telemetry;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod time;
pub mod trace;

use std::sync::Arc;

pub use entropy::{Entropy, SystemEntropy};
pub use event::{Event, EventBody};
pub use fault::{Fault, FieldError, Kind};
pub use id::{Id, IdKind, Ids};
pub use lifecycle::Supervisor;
pub use metrics::Metrics;
pub use problem::Problem;
pub use time::{Clock, SystemClock, Timestamp};

/// The three things a program must not take from its surroundings if its runs are to be repeatable.
/// Cheap to clone; every service is handed one.
#[derive(Clone)]
pub struct Ambient {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where secrets and nonces come from.
    pub entropy: Arc<dyn Entropy>,
    /// Issues identifiers, monotonic within this process.
    pub ids: Arc<Ids>,
}

impl Ambient {
    /// Joins a clock and a source of randomness, and derives the id issuer from them.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let ids = Arc::new(Ids::new(clock.clone(), entropy.clone()));
        Self { clock, entropy, ids }
    }

    /// The real clock and the operating system's randomness.
    pub fn system() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
    }

    /// The present moment by the injected clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
