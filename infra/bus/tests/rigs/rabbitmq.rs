//! The distributed adapter, on a real RabbitMQ behind a proxy that can be cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use tertulia_bus::{Bus, RabbitBus, RabbitConfig, Topology, conformance::Rig};
use tertulia_runtime::testkit::{eventually_true, seeded};
use tertulia_testbed::{
    Server, Testbed, rabbitmq,
    toxiproxy::{self, Proxy, Toxiproxy},
};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One broker for all cases.
pub(crate) struct Broker {
    /// Cases restart and cut off the one broker there is, so they take turns.
    turn: Arc<Mutex<()>>,
    server: Mutex<Server>,
    direct_uri: String,
    proxy: Proxy,
    _toxiproxy: Toxiproxy,
    rigs: AtomicU64,
}

impl Broker {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let bed = Testbed::new()?;
        let server = rabbitmq::start(&bed).await?;
        let toxiproxy = toxiproxy::start(&bed).await?;
        let proxy = toxiproxy.proxy(server.address()).await?;
        let direct_uri = server.url().to_owned();
        let rigs = AtomicU64::new(0);
        Ok(Self {
            turn: Arc::default(),
            server: Mutex::new(server),
            direct_uri,
            proxy,
            _toxiproxy: toxiproxy,
            rigs,
        })
    }

    /// Queues of its own, by their names. They stay when the case is over: RabbitMQ 3.10 breaks down whole when a
    /// queue is deleted within moments of its leader's election, while the leader's dead-letter worker starts.
    pub(crate) async fn rig(self: &Arc<Self>) -> Arc<RabbitRig> {
        let turn = self.turn.clone().lock_owned().await;
        // A case that failed may have left it cut.
        self.proxy.restore().await.expect("the way can be mended");
        let number = self.rigs.fetch_add(1, Ordering::SeqCst);
        Arc::new(RabbitRig { broker: self.clone(), prefix: format!("case{number}"), _turn: turn })
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.direct_uri, ConnectionProperties::default()).await;
        let connection = connection.expect("the broker takes connections");
        let channel = connection.create_channel().await.expect("the broker opens channels");
        (connection, channel)
    }
}

pub(crate) struct RabbitRig {
    broker: Arc<Broker>,
    prefix: String,
    _turn: OwnedMutexGuard<()>,
}

impl RabbitRig {
    /// The broker writes its register of quorum queues lazily. Killed before that, it starts with queues that
    /// have no log and never find a leader, which is no fault of the adapter.
    async fn until_registered(&self, server: &Server, topology: &Topology) {
        let quorum = "data/testbed@localhost/quorum/testbed@localhost/names.dets";
        let register = server.log_path().with_file_name(quorum);
        let names = topology.groups.iter().flat_map(|group| {
            let endings = ["0", "1", "2", "3", "dead"].into_iter();
            endings.map(move |ending| format!("{}.{}.{ending}", self.prefix, group.name))
        });
        let names: Vec<String> = names.collect();
        eventually_true(self.patience(), || async {
            let register = std::fs::read(&register).expect("the broker keeps a register");
            let holds = |name: &String| register.windows(name.len()).any(|bytes| bytes == name.as_bytes());
            names.iter().all(holds)
        })
        .await;
    }
}

#[async_trait]
impl Rig for RabbitRig {
    async fn open(&self, topology: Topology) -> Arc<dyn Bus> {
        let uri = format!("amqp://guest:guest@{}/%2f", self.broker.proxy.address());
        let config = RabbitConfig { uri, prefix: self.prefix.clone() };
        Arc::new(RabbitBus::open(&config, topology, seeded(7)).await.expect("the bus opens"))
    }

    async fn another_node(&self, _: &Arc<dyn Bus>, topology: Topology) -> Arc<dyn Bus> {
        self.open(topology).await
    }

    async fn restart(&self, bus: Arc<dyn Bus>, topology: Topology) -> Arc<dyn Bus> {
        let mut server = self.broker.server.lock().await;
        self.until_registered(&server, &topology).await;
        server.kill().await.expect("the broker can be killed");
        server.start_again().await.expect("the broker starts again");
        bus
    }

    async fn cut(&self) {
        self.broker.proxy.cut().await.expect("the way can be cut");
    }

    async fn restore(&self) {
        self.broker.proxy.restore().await.expect("the way can be mended");
    }

    fn has_connections(&self) -> bool {
        true
    }

    async fn break_routing(&self, group: &str) {
        let (_connection, channel) = self.broker.channel().await;
        for partition in 0..4 {
            let queue = format!("{}.{group}.{partition}", self.prefix);
            let (exchange, key) = (format!("{}.events", self.prefix), format!("{queue}.#"));
            let unbound =
                channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default()).await;
            unbound.expect("the queue can be unbound");
        }
    }

    async fn plant(&self, group: &str, bytes: &[u8]) {
        let (_connection, channel) = self.broker.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("the broker confirms");
        let queue = format!("{}.{group}.0", self.prefix);
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let planted = channel.basic_publish("".into(), queue.into(), options, bytes, properties).await;
        planted.expect("the broker takes it").await.expect("the broker confirms it");
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(40)
    }
}
