//! Keeps one instance announced.

use std::{convert::Infallible, sync::Arc};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::{Shared, agent::Pass};
use crate::{Error, Instance, Registration};

/// So often an instance is passed in each TTL: two may be lost before it is taken for dead.
const PASSES_PER_TTL: u32 = 3;
const DEREGISTER_ATTEMPTS: u32 = 3;

/// Announces the instance and starts to renew it.
pub(super) async fn register(shared: &Arc<Shared>, instance: Instance) -> Result<Registered, Error> {
    shared.agent.register(&instance).await?;
    let dropped = shared.supervisor.shutdown_token().child_token();
    let renewal = Arc::new(Renewal { shared: shared.clone(), instance, is_live: Mutex::new(true) });
    shared.supervisor.supervise("discovery renewal", {
        let (renewal, dropped) = (renewal.clone(), dropped.clone());
        move || {
            let (renewal, dropped) = (renewal.clone(), dropped.clone());
            async move {
                renewal.run(&dropped).await;
                Ok::<_, Infallible>(())
            }
        }
    });
    Ok(Registered { renewal, _renewing_ends: dropped.drop_guard() })
}

pub(super) struct Registered {
    renewal: Arc<Renewal>,
    _renewing_ends: DropGuard,
}

struct Renewal {
    shared: Arc<Shared>,
    instance: Instance,
    /// Held while the agent is told something, so that nothing is told after a deregistration.
    is_live: Mutex<bool>,
}

impl Renewal {
    async fn run(&self, dropped: &CancellationToken) {
        let every = self.shared.ttl / PASSES_PER_TTL;
        let (mut failures, mut pause) = (0, every);
        loop {
            tokio::select! {
                () = sleep(pause) => {}
                () = dropped.cancelled() => return,
            }
            let is_live = self.is_live.lock().await;
            if !*is_live {
                return;
            }
            pause = match self.renew().await {
                Ok(()) => {
                    failures = 0;
                    every
                }
                Err(error) => {
                    failures += 1;
                    warn!(id = self.instance.id, %error, failures, "an instance could not be renewed");
                    every.min(self.shared.delay(failures))
                }
            };
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        let agent = &self.shared.agent;
        match agent.pass(&self.instance).await? {
            Pass::Renewed => Ok(()),
            Pass::Unknown => {
                info!(id = self.instance.id, "the agent has lost an instance and is told of it again");
                agent.register(&self.instance).await
            }
        }
    }
}

#[async_trait]
impl Registration for Registered {
    async fn deregister(self: Box<Self>) -> Result<(), Error> {
        let Renewal { shared, instance, is_live } = &*self.renewal;
        *is_live.lock().await = false;
        let mut attempt = 1;
        loop {
            match shared.agent.deregister(instance).await {
                Err(Error::Unavailable(_)) if attempt < DEREGISTER_ATTEMPTS => {
                    sleep(shared.delay(attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}
