//! The processes: two of messaging and two of realtime, each started again when it has ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{FromRef, Path},
    routing::get,
};
use tertulia_bus::Bus;
use tertulia_cache::{MemoryCache, MemoryConfig};
use tertulia_contracts::{
    UserId,
    auth::{Account, User},
    events::TOPOLOGY,
    identity::{Caller, Verifier, testkit::Signer},
    routes::role,
};
use tertulia_discovery::StaticDiscovery;
use tertulia_documents::MemoryStore;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{Ambient, Supervisor, Timestamp, metrics::Metrics};
use tokio::time::{Instant, sleep};

use crate::{
    Options,
    books::Books,
    bus::{Broker, SimulatedBus},
    cache::SimulatedCache,
    clocks::MachineClock,
    network::{Network, Server},
    store::SimulatedStore,
    world::{Life, World, spawn},
};

/// How many processes of each sort there are.
pub(crate) const MESSAGING: usize = 2;
pub(crate) const REALTIME: usize = 2;
/// The longest that messages last where they disappear; the time leaps so far.
pub(crate) const LASTING: Duration = Duration::from_mins(1);
/// The time leaps so often at most, or people's logins would be over; and so often while they live.
const MOST_LEAPS: usize = 5;
const LEAPS_OF_LIFE: usize = 3;

/// Everything that is served, and where it is kept.
pub(crate) struct House {
    pub(crate) world: Arc<World>,
    pub(crate) network: Arc<Network>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) signer: Signer,
    pub(crate) books: Books,
    verifier: Arc<Verifier>,
    documents: MemoryStore,
    cache: MemoryCache,
    /// One of each process, which outlasts it.
    clocks: Vec<Arc<MachineClock>>,
    /// What runs just now, with the way out that a process takes when it is asked to leave.
    running: Mutex<Vec<Running>>,
}

/// A process that runs.
#[derive(Clone)]
struct Running {
    life: Arc<Life>,
    supervisor: Supervisor,
    store: Option<Arc<SimulatedStore>>,
}

#[derive(Clone, Copy)]
enum Role {
    Messaging,
    Realtime,
}

impl House {
    /// An empty house, in which nothing runs yet.
    pub(crate) fn new(seed: u64, options: &Options) -> Arc<Self> {
        let world = World::new(seed, options);
        let ambient = world.ambient();
        let signer = Signer::new(&ambient);
        let documents = MemoryStore::new(tertulia_messaging::COLLECTIONS);
        Arc::new(Self {
            network: Network::new(world.clone()),
            broker: Broker::new(world.clone(), TOPOLOGY),
            verifier: signer.verifier(),
            books: Books::new(documents.open(&ambient)),
            signer,
            documents,
            cache: MemoryCache::new(&MemoryConfig::default()),
            clocks: (0..MESSAGING + REALTIME)
                .map(|_| MachineClock::new(world.clocks.clone(), world.wrong_ms()))
                .collect(),
            running: Mutex::default(),
            world,
        })
    }

    /// Starts everything, and starts again whatever ends.
    pub(crate) async fn open(self: &Arc<Self>) {
        for (role, count) in [(Role::Messaging, MESSAGING), (Role::Realtime, REALTIME)] {
            for number in 0..count {
                spawn(self.clone().keep(role, number));
            }
        }
        while self.running().len() < MESSAGING + REALTIME {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn keep(self: Arc<Self>, role: Role, number: usize) {
        for generation in 1_u64.. {
            let letter = if matches!(role, Role::Messaging) { 'm' } else { 'r' };
            let life = Life::new(format!("{letter}{number}.{generation}"));
            let supervisor = Supervisor::default();
            let running = match role {
                Role::Messaging => self.messaging(number, &life, &supervisor).await,
                Role::Realtime => self.realtime(number, &life, &supervisor).await,
            };
            if let Some(running) = running {
                self.running().push(running);
                self.world.note(format_args!("{} runs", life.name));
                life.over().await;
                self.running().retain(|running| !running.life.is_over());
            }
            life.end();
            self.world.note(format_args!("{} is over", life.name));
            supervisor.shutdown(Duration::ZERO).await;
            sleep(self.world.chance.between(10, 2_000)).await;
        }
    }

    async fn messaging(&self, number: usize, life: &Arc<Life>, supervisor: &Supervisor) -> Option<Running> {
        let ambient = self.world.ambient_by(self.clocks[number].clone());
        let bus = SimulatedBus::new(self.world.clone(), life.clone(), self.broker.clone());
        let documents = self.documents.open(&ambient);
        let store = SimulatedStore::new(self.world.clone(), life.clone(), documents, bus.clone());
        let mesh = mesh(&ambient);
        mesh.mount(role::AUTH, self.auth());
        let deps = tertulia_messaging::Deps {
            ambient,
            supervisor: supervisor.clone(),
            metrics: Metrics::new(),
            documents: store.clone(),
            bus,
            mesh,
            verifier: self.verifier.clone(),
        };
        let config = tertulia_messaging::Config {
            relay_tick_ms: 500,
            relay_heartbeat_ms: 1_500,
            relay_lease_ms: 4_000,
            ..tertulia_messaging::Config::default()
        };
        let router = life.while_it_lasts(tertulia_messaging::build(config, deps)).await?.ok()?;
        self.network.put_messaging(number, Server { life: life.clone(), router });
        Some(Running { life: life.clone(), supervisor: supervisor.clone(), store: Some(store) })
    }

    async fn realtime(&self, number: usize, life: &Arc<Life>, supervisor: &Supervisor) -> Option<Running> {
        let ambient = self.world.ambient_by(self.clocks[MESSAGING + number].clone());
        let mesh = mesh(&ambient);
        mesh.mount(role::AUTH, self.auth());
        mesh.mount(role::MESSAGING, self.network.way_of_node(number, life));
        let bus: Arc<dyn Bus> = SimulatedBus::new(self.world.clone(), life.clone(), self.broker.clone());
        let deps = tertulia_realtime::Deps {
            ambient,
            supervisor: supervisor.clone(),
            metrics: Metrics::new(),
            bus,
            cache: SimulatedCache::new(self.world.clone(), life.clone(), self.cache.clone()),
            mesh,
            verifier: self.verifier.clone(),
        };
        let config = tertulia_realtime::Config {
            outbox_bytes: 16 << 10,
            ping_interval_ms: 5_000,
            pong_timeout_ms: 5_000,
            drain_ms: 300,
            ..tertulia_realtime::Config::default()
        };
        let router = life.while_it_lasts(tertulia_realtime::build(config, deps)).await?.ok()?;
        self.network.put_realtime(number, Server { life: life.clone(), router });
        Some(Running { life: life.clone(), supervisor: supervisor.clone(), store: None })
    }

    /// Auth as far as the others ask it: everybody who has a token exists.
    fn auth(&self) -> Router {
        let user = async |Path(id): Path<UserId>| {
            let (handle, display_name) = ("somebody".to_owned(), "Somebody".to_owned());
            Json(User { id, handle, display_name, bot_of: None })
        };
        Router::new()
            .route("/v1/me", get(me))
            .route("/internal/users/{id}", get(user))
            .with_state(Checked(self.verifier.clone()))
    }

    /// Something happens to the house.
    pub(crate) fn strike(self: &Arc<Self>) {
        let (world, now) = (&self.world, Instant::now());
        let running = self.running().clone();
        let Some(Running { life, supervisor, store }) = world.chance.pick(&running).cloned() else { return };
        match world.chance.below(8) {
            0 => {
                world.note(format_args!("{} is killed", life.name));
                life.end();
            }
            1 => {
                let uses = u32::try_from(world.chance.below(60)).expect("it is below 60");
                world.note(format_args!("{} dies within {uses} uses of its ports", life.name));
                life.end_within(uses);
            }
            2 => {
                world.note(format_args!("{} is asked to leave", life.name));
                let world = self.world.clone();
                spawn(async move {
                    let late = supervisor.shutdown(Duration::from_secs(2)).await;
                    world.note(format_args!("{} has left, {late:?} late", life.name));
                    life.end();
                });
            }
            3 => {
                let (node, process) = (world.chance.index(REALTIME), world.chance.index(MESSAGING));
                let until = now + world.chance.between(100, 4_000);
                world.note(format_args!("r{node} is parted from m{process}"));
                self.network.cut(node, process, until);
            }
            4 => {
                if let Some(store) = store {
                    world.note(format_args!("{} is parted from its store", life.name));
                    store.cut_off(now + world.chance.between(100, 3_000));
                }
            }
            5 => self.network.cut_a_line(),
            6 => {
                let (number, by_ms) = (world.chance.index(self.clocks.len()), world.wrong_ms());
                world.note(format_args!("clock {number} is wrong by {by_ms} ms"));
                self.clocks[number].set_wrong(by_ms);
            }
            _ if world.clocks.leaps() < LEAPS_OF_LIFE => self.leap(),
            _ => {}
        }
    }

    /// Whether everybody's login outlasts another leap.
    pub(crate) fn may_leap(&self) -> bool {
        self.world.clocks.leaps() < MOST_LEAPS
    }

    /// What was to disappear before this disappears now.
    pub(crate) fn leap(&self) {
        self.world.note(format_args!("the time leaps"));
        self.world.clocks.leap(LASTING);
    }

    /// Sets every clock right.
    pub(crate) fn set_clocks(&self) {
        for clock in &self.clocks {
            clock.set_wrong(0);
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mesh(ambient: &Ambient) -> Mesh {
    let config = MeshConfig { deadline: Duration::from_secs(3), ..MeshConfig::default() };
    Mesh::new(Arc::new(StaticDiscovery::new([])), ambient.entropy.clone(), config)
}

#[derive(Clone)]
struct Checked(Arc<Verifier>);

impl FromRef<Checked> for Arc<Verifier> {
    fn from_ref(checked: &Checked) -> Self {
        checked.0.clone()
    }
}

async fn me(Caller(caller): Caller) -> Json<Account> {
    Json(Account {
        id: caller.user_id,
        handle: "somebody".to_owned(),
        display_name: "Somebody".to_owned(),
        email: None,
        email_verified: false,
        pending_email: None,
        locale: None,
        time_zone: None,
        bio: None,
        avatar_id: None,
        operator: false,
        moderator: false,
        bot_of: None,
        created_at: Timestamp::EPOCH,
    })
}
