//! The port itself: what discovery promises.
//!
//! * **Healthy only.** A [`View`] holds instances that passed their last check; one that stops renewing is
//!   gone after its time to live.
//! * **Within a second** a watcher sees a change.
//! * **Drain.** Deregistering takes an instance out at once, before it stops serving.
//! * **Never blind.** While the agent is away the last known answer stands and says that it is stale; an
//!   agent that comes back without its memory is told again of every live registration.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tertulia_runtime::{Fault, Kind};
use tokio::sync::watch;

/// One process that serves a role.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance {
    /// The role: `messaging`.
    pub role: String,
    /// Unique among all instances: the role and a node's id.
    pub id: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Who serves a role, as far as this node knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Healthy instances, in the order of their ids.
    pub instances: Arc<[Instance]>,
    /// Whether this is an old answer, or none yet, because the agent is away or has not answered so far.
    pub stale: bool,
}

/// What can go wrong with discovery.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The agent is away.
    #[error("discovery is unavailable: {0}")]
    Unavailable(String),
    /// The agent refused: a configuration that can never work.
    #[error("discovery refused: {0}")]
    Refused(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Refused(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "discovery_unavailable",
            Self::Refused(_) => "discovery_refused",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed("It is not known just now who serves this. Try again in a moment.")
    }
}

/// A live registration. It is renewed in the background until it is deregistered. Dropping it without that
/// is a crash in small: renewing ends, and the instance is gone after its time to live.
#[async_trait]
pub trait Registration: Send + Sync {
    /// Takes the instance out of every view.
    async fn deregister(self: Box<Self>) -> Result<(), Error>;
}

/// Who serves what.
#[async_trait]
pub trait Discovery: Send + Sync {
    /// Announces an instance and keeps it announced.
    async fn register(&self, instance: Instance) -> Result<Box<dyn Registration>, Error>;

    /// The present and every later view of a role. Watching one role twice costs once.
    fn watch(&self, role: &str) -> watch::Receiver<View>;

    /// Whether the agent answers, for readiness.
    async fn check(&self) -> Result<(), Error>;
}
