//! Discovery through a Consul agent (1.7 or newer), over its HTTP API.
//!
//! * An instance is a service with a TTL check, passed three times in each [`ConsulConfig::ttl`]. An agent that
//!   has lost it answers 404 to that, and is told again.
//! * A role that is watched has one poller, however many watch it: blocking queries as Consul documents them
//!   (<https://developer.hashicorp.com/consul/api-docs/features/blocking>). It ends when nobody watches.
//! * A poller that gets no answer says so in its view, keeps what it knew, and tries again with growing, jittered delay.

mod agent;
mod poller;
mod registration;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use tertulia_runtime::{Entropy, Supervisor, entropy::random_below};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::agent::Agent;
use crate::{Discovery, Error, Instance, Registration, View};

/// Where the agent is, and how patient to be with it.
#[derive(Debug, Clone)]
pub struct ConsulConfig {
    /// The agent on this machine: `http://127.0.0.1:8500`.
    pub url: String,
    /// An ACL token that may write and read this system's services.
    pub token: Option<SecretString>,
    /// Stands before every role to make a service's name, so that several systems can share a Consul.
    pub prefix: String,
    /// How long an instance counts as healthy after it last said so.
    pub ttl: Duration,
    /// How long the agent keeps an instance that is not healthy; at least a minute, says Consul.
    pub forget_after: Duration,
    /// How long a blocking query waits for a change. A silent agent is noticed soon after that.
    pub wait: Duration,
    /// How long every other request may take.
    pub timeout: Duration,
}

impl ConsulConfig {
    /// The usual patience.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            prefix: "tertulia-".to_owned(),
            ttl: Duration::from_secs(10),
            forget_after: Duration::from_mins(2),
            wait: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
        }
    }
}

/// Discovery through a Consul agent. Clones share everything; when the last is dropped, watching ends.
#[derive(Clone)]
pub struct ConsulDiscovery {
    shared: Arc<Shared>,
    _pollers_end: Arc<DropGuard>,
}

struct Shared {
    agent: Agent,
    ttl: Duration,
    wait: Duration,
    entropy: Arc<dyn Entropy>,
    supervisor: Supervisor,
    ending: CancellationToken,
    /// The roles that have a poller.
    watched: Mutex<HashMap<String, Arc<watch::Sender<View>>>>,
}

impl ConsulDiscovery {
    /// Speaks to this agent from now on. It is first asked when something is registered or watched.
    ///
    /// # Errors
    /// The configuration can never work.
    pub fn new(
        config: ConsulConfig,
        entropy: Arc<dyn Entropy>,
        supervisor: Supervisor,
    ) -> Result<Self, Error> {
        let (ttl, wait) = (config.ttl, config.wait);
        let ending = supervisor.shutdown_token().child_token();
        let pollers_end = Arc::new(ending.clone().drop_guard());
        let agent = Agent::new(config)?;
        let watched = Mutex::default();
        let shared = Arc::new(Shared { agent, ttl, wait, entropy, supervisor, ending, watched });
        Ok(Self { shared, _pollers_end: pollers_end })
    }
}

#[async_trait]
impl Discovery for ConsulDiscovery {
    async fn register(&self, instance: Instance) -> Result<Box<dyn Registration>, Error> {
        Ok(Box::new(registration::register(&self.shared, instance).await?))
    }

    fn watch(&self, role: &str) -> watch::Receiver<View> {
        let mut watched = self.shared.watched();
        if let Some(sender) = watched.get(role) {
            return sender.subscribe();
        }
        // Stale, for nothing is known yet.
        let (sender, receiver) = watch::channel(View { stale: true, ..View::default() });
        let sender = Arc::new(sender);
        watched.insert(role.to_owned(), sender.clone());
        drop(watched);
        poller::start(&self.shared, role.to_owned(), sender);
        receiver
    }

    async fn check(&self) -> Result<(), Error> {
        self.shared.agent.leader().await
    }
}

impl Shared {
    fn watched(&self) -> MutexGuard<'_, HashMap<String, Arc<watch::Sender<View>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait after so many failures in a row: doubling from a tenth of a second up to about two,
    /// and up to half as long again, so that nodes do not return to an agent in step.
    fn delay(&self, failures: u32) -> Duration {
        let base_ms = 100_u64 << failures.min(5).saturating_sub(1);
        Duration::from_millis(base_ms + random_below(&*self.entropy, base_ms / 2))
    }
}
