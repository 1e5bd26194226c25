//! Messaging owns conversations, their members and their logs, and each user's own log. It never opens a socket
//! to a client, never sends a notification and knows of users only that they exist.
//!
//! Promises:
//! * **Acknowledged is committed.** What a write answers with stands in the log, durably, at the seq it says.
//! * **Gapless.** A log's entries are numbered 1, 2, 3; two processes may write to one log at once.
//! * **Once.** A message is posted once per author and `client_id`, however often it is sent.
//! * **Decided where it stands.** Whether an author may write is decided at the very place their entry takes.
//! * **Erased.** When a deletion is acknowledged, what the message said is in no document of this service any more, its
//!   history and its log included.
//! * **Forgotten.** Of somebody whose account was erased there is left, in the background, that they were a member, and ids.
//! * **In time.** A scheduled message is posted once at its time, whatever process dies then, or its author is told why not.
//! * **Gone in time.** A message that disappears is shown to nobody from that moment on, and erased soon after.
//! * **Told.** Every entry becomes an event on the durable bus at least once, with the same id each time, and
//!   is broadcast at most once, after it is committed.
//!
//! Failures are [`Error`]; what a stranger may not know of is not found.

mod api;
pub mod error;
mod events;
pub mod model;
mod service;
mod store;
mod telemetry;

use std::{sync::Arc, time::Duration};

use axum::Router;
use serde::{Deserialize, Serialize};
use tertulia_bus::{Bus, Consumer, RetryPolicy, Subscription};
use tertulia_contracts::{
    events::{MESSAGING, MESSAGING_USER_LOGS},
    identity::Verifier,
};
use tertulia_documents::{Collection, Documents, Record};
use tertulia_mesh::Mesh;
use tertulia_runtime::{Ambient, Supervisor, metrics::Metrics, problem};

pub use error::Error;
use service::{
    Messaging,
    batch::Desk,
    erasing::Eraser,
    expiring::Sweeper,
    keeper::Keeper,
    ledger::Ledger,
    live::Live,
    people::People,
    postman::Postman,
    relay::{Pace, Relay},
    user_logs::UserLogs,
    writer::{Limits, Writers},
};
use store::{
    CheckpointRecord, ConversationRecord, EntryRecord, ErasureRecord, ExpiryRecord, HookRecord,
    InvitationRecord, LastSeenRecord, ListingRecord, MemberRecord, MentionRecord, PersonRecord,
    PrivateRecord, ReactionRecord, ReportRecord, RequestRecord, ScheduledRecord, Store, UserHeadRecord,
    VoteRecord,
};
use telemetry::Telemetry;

/// Every collection the service keeps; the store is opened with them.
pub const COLLECTIONS: &[Collection] = &[
    EntryRecord::COLLECTION,
    ConversationRecord::COLLECTION,
    MemberRecord::COLLECTION,
    ReactionRecord::COLLECTION,
    MentionRecord::COLLECTION,
    PersonRecord::COLLECTION,
    PrivateRecord::COLLECTION,
    UserHeadRecord::COLLECTION,
    CheckpointRecord::COLLECTION,
    InvitationRecord::COLLECTION,
    HookRecord::COLLECTION,
    ListingRecord::COLLECTION,
    RequestRecord::COLLECTION,
    ReportRecord::COLLECTION,
    ScheduledRecord::COLLECTION,
    VoteRecord::COLLECTION,
    ExpiryRecord::COLLECTION,
    LastSeenRecord::COLLECTION,
    ErasureRecord::COLLECTION,
];

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The most conversations that have a writer at once; beyond it those used least are let go.
    pub max_writers: u64,
    /// The most commands that wait for one conversation's writer; beyond it posting is refused with 429.
    pub writer_queue: usize,
    /// A conversation's writer with nothing to do for so long is let go.
    pub writer_idle_ms: u64,
    /// How often the relay moves its checkpoint and tries again what failed.
    pub relay_tick_ms: u64,
    /// How often a process without news says that it lives.
    pub relay_heartbeat_ms: u64,
    /// A process that said nothing for so long is taken for dead, and what it left unpublished is published.
    pub relay_lease_ms: u64,
    /// How many events of one sort are handled at once.
    pub consumer_prefetch: u16,
    /// How often a process looks for messages that are to be posted now or to disappear, at the least.
    pub schedule_tick_ms: u64,
    /// After so long a process looks once more whether anything is left of somebody whose account was erased.
    pub second_look_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_writers: 10_000,
            writer_queue: 2_048,
            writer_idle_ms: 60_000,
            relay_tick_ms: 1_000,
            relay_heartbeat_ms: 5_000,
            relay_lease_ms: 20_000,
            consumer_prefetch: 32,
            schedule_tick_ms: 1_000,
            second_look_ms: 60_000,
        }
    }
}

/// What messaging stands on.
pub struct Deps {
    /// Time, randomness and ids.
    pub ambient: Ambient,
    /// Runs the writers and the relay.
    pub supervisor: Supervisor,
    /// Where its figures are shown.
    pub metrics: Metrics,
    /// Its store, opened with [`COLLECTIONS`].
    pub documents: Arc<dyn Documents>,
    /// Where it tells what happened and hears of users.
    pub bus: Arc<dyn Bus>,
    /// The way to auth.
    pub mesh: Mesh,
    /// Tells from a token who asks.
    pub verifier: Arc<Verifier>,
}

/// Builds the service: its router, and its tasks under the supervisor, which end when that shuts down.
///
/// # Errors
/// [`Error::Store`] or [`Error::Bus`] when one of them is away.
pub async fn build(config: Config, deps: Deps) -> Result<Router, Error> {
    let Deps { ambient, supervisor, metrics, documents, bus, mesh, verifier } = deps;
    let store = Store::new(&documents);
    let telemetry = Telemetry::new(&metrics);
    let ledger = Ledger::new(ambient.ids.next());
    let keeper = Keeper::new(store.clone(), ledger.clone());
    let live = Live::new(bus.clone());
    let user_logs = UserLogs::new(store.clone(), live.clone(), ambient.clone());
    let desk = Desk {
        store: store.clone(),
        ledger: ledger.clone(),
        keeper: keeper.clone(),
        live: live.clone(),
        ambient: ambient.clone(),
        telemetry: telemetry.clone(),
    };
    let relay = Relay {
        store: store.clone(),
        bus: bus.clone(),
        ledger,
        live: live.clone(),
        keeper: keeper.clone(),
        ambient: ambient.clone(),
        telemetry,
        pace: pace(&config),
    };
    relay.register().await?;
    // Stages end in reverse: the relay outlives the writers, and publishes the last they write.
    run_relay(relay, &supervisor.stage("messaging.relay"));
    let writers = supervisor.stage("messaging.writers");
    consume(&config, &*bus, (&store, &ambient), &user_logs, &writers).await?;
    let messaging = Messaging {
        people: People::new(store.clone(), mesh),
        writers: Writers::new(desk, writers, limits(&config)),
        store,
        keeper,
        user_logs,
        live,
        ambient,
        nudge: Arc::default(),
    };
    run_postman(&config, messaging.clone(), &supervisor.stage("messaging.postman"));
    run_sweeper(&config, messaging.clone(), &supervisor.stage("messaging.sweeper"));
    run_eraser(&config, Eraser::new(messaging.clone(), bus), &supervisor.stage("messaging.eraser"));
    let api = api::Api { messaging, verifier };
    let internal = api::presence::internal().with_state(api.clone());
    let (router, _) = api::router().with_state(api).split_for_parts();
    Ok(problem::layers(router.merge(internal)))
}

/// This service's part of the `OpenAPI` document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    api::router().into_openapi()
}

fn pace(config: &Config) -> Pace {
    Pace {
        tick: Duration::from_millis(config.relay_tick_ms.max(1)),
        heartbeat: Duration::from_millis(config.relay_heartbeat_ms),
        lease: Duration::from_millis(config.relay_lease_ms),
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        writers: config.max_writers,
        queue: config.writer_queue.max(1),
        idle: Duration::from_millis(config.writer_idle_ms),
    }
}

fn run_relay(relay: Relay, supervisor: &Supervisor) {
    let (relay, shutdown) = (Arc::new(relay), supervisor.shutdown_token());
    supervisor.supervise("messaging.relay", move || {
        let (relay, shutdown) = (relay.clone(), shutdown.clone());
        async move { relay.run(shutdown).await }
    });
}

fn run_postman(config: &Config, messaging: Messaging, supervisor: &Supervisor) {
    let tick = Duration::from_millis(config.schedule_tick_ms.max(1));
    let (postman, shutdown) = (Arc::new(Postman::new(messaging)), supervisor.shutdown_token());
    supervisor.supervise("messaging.postman", move || {
        let (postman, shutdown) = (postman.clone(), shutdown.clone());
        async move { postman.run(tick, shutdown).await }
    });
}

fn run_sweeper(config: &Config, messaging: Messaging, supervisor: &Supervisor) {
    let tick = Duration::from_millis(config.schedule_tick_ms.max(1));
    let (sweeper, shutdown) = (Arc::new(Sweeper::new(messaging)), supervisor.shutdown_token());
    supervisor.supervise("messaging.sweeper", move || {
        let (sweeper, shutdown) = (sweeper.clone(), shutdown.clone());
        async move { sweeper.run(tick, shutdown).await }
    });
}

fn run_eraser(config: &Config, eraser: Eraser, supervisor: &Supervisor) {
    let tick = Duration::from_millis(config.schedule_tick_ms.max(1));
    let second_look = Duration::from_millis(config.second_look_ms);
    let (eraser, shutdown) = (Arc::new(eraser), supervisor.shutdown_token());
    supervisor.supervise("messaging.eraser", move || {
        let (eraser, shutdown) = (eraser.clone(), shutdown.clone());
        async move { eraser.run(tick, second_look, shutdown).await }
    });
}

async fn consume(
    config: &Config,
    bus: &dyn Bus,
    (store, ambient): (&Store, &Ambient),
    user_logs: &UserLogs,
    supervisor: &Supervisor,
) -> Result<(), Error> {
    let prefetch = config.consumer_prefetch.max(1);
    let subscription = |group| Subscription { group, prefetch, retry: RetryPolicy::default() };
    let people = Arc::new(events::RememberPeople(store.clone(), ambient.clone()));
    let users = Arc::new(events::TellUsers(user_logs.clone()));
    let consumers: [Box<dyn Consumer>; 2] = [
        bus.subscribe(subscription(MESSAGING), people).await?,
        bus.subscribe(subscription(MESSAGING_USER_LOGS), users).await?,
    ];
    let shutdown = supervisor.shutdown_token();
    supervisor.spawn("messaging.consumers", async move {
        shutdown.cancelled().await;
        for consumer in consumers {
            consumer.stop().await;
        }
    });
    Ok(())
}
