//! The adapters under test, each with its agent.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tertulia_discovery::{
    ConsulConfig, ConsulDiscovery, Discovery, Instance, StaticDiscovery,
    conformance::{Loss, Rig},
};
use tertulia_runtime::{Supervisor, entropy::SeededEntropy, lifecycle::Backoff};
use tertulia_testbed::{Server, Testbed};
use tokio::sync::Mutex;

/// What is registered within this process; its nodes are the parts of the process.
#[derive(Default)]
pub(crate) struct StaticRig(StaticDiscovery);

#[async_trait]
impl Rig for StaticRig {
    async fn node(&self) -> Arc<dyn Discovery> {
        Arc::new(self.0.clone())
    }

    fn ttl(&self) -> Duration {
        Duration::ZERO
    }

    async fn lose_agent(&self, _: Loss) {
        panic!("it has no agent");
    }

    async fn return_agent(&self) {}

    async fn forget(&self, _: &Instance) {
        panic!("it has no agent");
    }

    async fn plant_unhealthy(&self, _: &Instance) {
        panic!("it has no agent");
    }
}

const TTL: Duration = Duration::from_secs(2);

/// A Consul agent of its own, so that losing it disturbs no other case.
pub(crate) struct ConsulRig {
    url: String,
    agent: Mutex<(Server, Option<Loss>)>,
    supervisor: Supervisor,
}

impl ConsulRig {
    pub(crate) async fn start() -> Self {
        let bed = Testbed::new().expect("a temporary folder");
        let server = tertulia_testbed::consul::start(&bed).await.expect("Consul starts");
        let supervisor = Supervisor::new(Backoff::default());
        Self { url: server.url().to_owned(), agent: Mutex::new((server, None)), supervisor }
    }

    async fn put(&self, path: &str, body: String) {
        let request = reqwest::Client::new().put(format!("{}/v1/{path}", self.url)).body(body);
        let answer = request.send().await.expect("Consul answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }
}

#[async_trait]
impl Rig for ConsulRig {
    async fn node(&self) -> Arc<dyn Discovery> {
        // A waiting query notices a silent agent when it should have ended: here soon.
        let wait = Duration::from_secs(2);
        let config = ConsulConfig { ttl: TTL, wait, ..ConsulConfig::new(&self.url) };
        let entropy = Arc::new(SeededEntropy::new(7));
        let discovery = ConsulDiscovery::new(config, entropy, self.supervisor.clone());
        Arc::new(discovery.expect("the test bed's URL is one"))
    }

    fn ttl(&self) -> Duration {
        TTL
    }

    async fn lose_agent(&self, loss: Loss) {
        let (server, state) = &mut *self.agent.lock().await;
        *state = Some(loss);
        match loss {
            Loss::Killed => server.kill().await.expect("Consul is killed"),
            Loss::Silent => server.pause().expect("Consul is paused"),
        }
    }

    async fn return_agent(&self) {
        let (server, state) = &mut *self.agent.lock().await;
        match state.take().expect("it was lost before") {
            Loss::Killed => server.start_again().await.expect("Consul starts again"),
            Loss::Silent => server.resume().expect("Consul goes on"),
        }
    }

    async fn forget(&self, instance: &Instance) {
        self.put(&format!("agent/service/deregister/{}", instance.id), String::new()).await;
    }

    async fn plant_unhealthy(&self, instance: &Instance) {
        let Instance { role, id, address } = instance;
        let service = format!(
            r#"{{"ID":"{id}","Name":"tertulia-{role}","Address":"{}","Port":{},
                "Check":{{"TTL":"60s","Status":"critical"}}}}"#,
            address.ip(),
            address.port()
        );
        self.put("agent/service/register", service).await;
    }
}
