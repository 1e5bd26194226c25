//! One realtime node on a loopback port, and the handles of what stands around it.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tempfile::TempDir;
use tertulia_bus::SqliteBus;
use tertulia_client::{Api, Closed, EventStream, Socket, SocketError};
use tertulia_contracts::{
    ConversationId, UserId,
    events::TOPOLOGY,
    frames::{ClientFrame, Resume, ServerFrame},
    identity::testkit::Signer,
    routes::role,
};
use tertulia_discovery::StaticDiscovery;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_realtime::{Config, Deps, build};
use tertulia_runtime::{
    Ambient, Supervisor,
    lifecycle::{ServeLimits, serve},
    metrics::Metrics,
    testkit::{FrozenClock, frozen},
};
use tokio::net::TcpListener;

use crate::{
    crooked_bus::{CrookedBus, Faults},
    crooked_cache::CrookedCache,
    fake::Fake,
};

/// Longer than anything here takes.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct House {
    pub base: String,
    pub ambient: Ambient,
    pub clock: Arc<FrozenClock>,
    pub signer: Signer,
    pub fake: Arc<Fake>,
    pub faults: Arc<Faults>,
    pub cache: Arc<CrookedCache>,
    pub metrics: Metrics,
    pub supervisor: Supervisor,
    bus: Arc<CrookedBus>,
    mesh: Mesh,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (ambient, clock) = frozen(1);
        let folder = tempfile::tempdir().unwrap();
        let straight =
            SqliteBus::open(&folder.path().join("bus.db"), TOPOLOGY, ambient.clone()).await.unwrap();
        let faults = Arc::new(Faults::default());
        let bus = Arc::new(CrookedBus { straight, faults: faults.clone() });
        let signer = Signer::new(&ambient);
        let mesh =
            Mesh::new(Arc::new(StaticDiscovery::new([])), ambient.entropy.clone(), MeshConfig::default());
        let fake = Fake::new(ambient.clone(), bus.clone(), signer.verifier());
        mesh.mount(role::MESSAGING, fake.messaging());
        mesh.mount(role::AUTH, fake.auth());
        let metrics = Metrics::new();
        let mut house = Self {
            base: String::new(),
            supervisor: Supervisor::default(),
            ambient,
            clock,
            signer,
            fake,
            faults,
            cache: Arc::default(),
            metrics,
            bus,
            mesh,
            _folder: folder,
        };
        (house.base, house.supervisor) = house.node(config).await;
        house
    }

    /// The service of one more node.
    pub(crate) async fn router(&self, config: Config, supervisor: &Supervisor, metrics: &Metrics) -> Router {
        let deps = Deps {
            ambient: self.ambient.clone(),
            supervisor: supervisor.clone(),
            metrics: metrics.clone(),
            bus: self.bus.clone(),
            cache: self.cache.clone(),
            mesh: self.mesh.clone(),
            verifier: self.signer.verifier(),
        };
        build(config, deps).await.unwrap()
    }

    /// One more node beside the others, with messaging's routes on the same port, as a gateway would have them.
    pub(crate) async fn node(&self, config: Config) -> (String, Supervisor) {
        let supervisor = Supervisor::default();
        let router = self.router(config, &supervisor, &self.metrics).await.merge(self.fake.messaging());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        serve(listener, router, ServeLimits::default(), &supervisor);
        (base, supervisor)
    }

    pub(crate) fn user(&self) -> UserId {
        self.ambient.ids.next()
    }

    /// A conversation that holds so many messages already.
    pub(crate) fn conversation(&self, messages: u64) -> ConversationId {
        let (c, author) = (self.ambient.ids.next(), self.user());
        for seq in 1..=messages {
            assert_eq!(self.fake.commit(c, author, &format!("message {seq}")), seq);
        }
        c
    }

    pub(crate) async fn connect(&self, user: UserId) -> Socket {
        self.resume(user, None).await
    }

    pub(crate) async fn resume(&self, user: UserId, resume: Option<Resume>) -> Socket {
        let (socket, ready) = Socket::hello(&self.base, &self.signer.token(user), resume).await.unwrap();
        assert!(matches!(ready, ServerFrame::Ready { user: ref whom, .. } if whom.id == user), "{ready:?}");
        socket
    }

    /// A socket with one conversation open.
    pub(crate) async fn connect_and_open(&self, user: UserId, c: ConversationId) -> Socket {
        let mut socket = self.connect(user).await;
        socket.say(&ClientFrame::Open { c, after: None }).await.unwrap();
        assert!(matches!(hear(&mut socket).await, ServerFrame::Opened { .. }));
        socket
    }

    /// A user's way in.
    pub(crate) fn api(&self, user: UserId) -> Api {
        Api::new(&self.base).with_token(&self.signer.token(user))
    }

    /// A stream that has begun.
    pub(crate) async fn listen(&self, user: UserId, query: &str, last_id: Option<&str>) -> EventStream {
        EventStream::open(&self.api(user), query, last_id).await.unwrap()
    }

    /// A metric's value, by its line in the page.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        metric(&self.metrics, name)
    }

    /// Posts until somebody who does not read is sent away; a fast reader hears each post without delay meanwhile.
    /// Returns the last one's position.
    pub(crate) async fn post_until_one_is_too_slow(&self, c: ConversationId, fast: &mut Socket) -> u64 {
        let (author, body) = (self.user(), "x".repeat(7_900));
        let mut posted = 1;
        while self.metric(r#"closes_total{code="4000"}"#) == 0 {
            assert!(posted < 20_000, "the kernel's buffers end somewhere");
            posted = self.fake.post(c, author, &body).await;
            let heard = tokio::time::timeout(Duration::from_secs(2), fast.hear()).await;
            assert_eq!(seqs(&[heard.expect("the slow one delays nobody").unwrap()], c), [posted]);
        }
        posted
    }
}

/// A metric's value, by its line in the page.
pub(crate) fn metric(metrics: &Metrics, name: &str) -> u64 {
    let page = metrics.text();
    let value = page.lines().find_map(|line| line.strip_prefix("tertulia_realtime_")?.strip_prefix(name));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// The next frame of a stream, soon; none at its end.
pub(crate) async fn told(stream: &mut EventStream) -> Option<ServerFrame> {
    let told = tokio::time::timeout(SOON, stream.hear()).await;
    Some(told.expect("the server says something soon")?.expect("it says what the protocol knows"))
}

/// Frames of a stream up to the `opened` of a conversation, that one not included, and the head it names.
pub(crate) async fn told_until_opened(
    stream: &mut EventStream,
    of: ConversationId,
) -> (Vec<ServerFrame>, u64) {
    let mut frames = Vec::new();
    loop {
        match told(stream).await.expect("the stream goes on") {
            ServerFrame::Opened { c, head } if c == of => return (frames, head),
            frame => frames.push(frame),
        }
    }
}

/// The next frame, soon.
pub(crate) async fn hear(socket: &mut Socket) -> ServerFrame {
    let heard = tokio::time::timeout(SOON, socket.hear()).await;
    heard.expect("the server says something soon").expect("the socket is open")
}

/// How the socket ends, soon, and how many frames came before that.
pub(crate) async fn closed(socket: &mut Socket) -> (Closed, usize) {
    tokio::time::timeout(SOON, async {
        let mut frames = 0;
        loop {
            match socket.hear().await {
                Ok(_) => frames += 1,
                Err(SocketError::Closed(closed)) => return (closed, frames),
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
    .expect("the server closes the socket soon")
}

/// Every frame up to the answer to a ping: what the server had to say by now.
pub(crate) async fn heard_by_now(socket: &mut Socket) -> Vec<ServerFrame> {
    socket.say(&ClientFrame::Ping {}).await.unwrap();
    let mut frames = Vec::new();
    loop {
        match hear(socket).await {
            ServerFrame::Pong => return frames,
            frame => frames.push(frame),
        }
    }
}

/// The positions of a conversation's events among these frames.
pub(crate) fn seqs(frames: &[ServerFrame], of: ConversationId) -> Vec<u64> {
    let seq = |frame: &ServerFrame| match frame {
        ServerFrame::Event { c, seq, .. } if *c == of => Some(*seq),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

/// Frames up to the `opened` of a conversation, that one not included, and the head it names.
pub(crate) async fn until_opened(socket: &mut Socket, of: ConversationId) -> (Vec<ServerFrame>, u64) {
    let mut frames = Vec::new();
    loop {
        match hear(socket).await {
            ServerFrame::Opened { c, head } if c == of => return (frames, head),
            frame => frames.push(frame),
        }
    }
}
