//! Auth owns accounts, people's and bots', their passwords, sessions, the keys that access tokens are signed with, and API
//! tokens. It never
//! decides what somebody may do in a conversation, and no other service ever sees a password.
//!
//! Promises:
//! * **Nothing secret is stored** but the signing keys: of passwords their Argon2id hashes, of refresh tokens,
//!   setup links and API tokens their fingerprints.
//! * **Refresh tokens are used once.** Using one again ends its session, whoever of the two was the thief.
//! * **One operator.** The account made through the one-time setup link, however many use it at once.
//! * **Nothing to enumerate.** An unknown name costs the same and is answered the same as a wrong password.
//! * **Bounded.** Password hashing never takes more than its share of the processors; who finds the waiting
//!   room full is told to come back.
//!
//! Failures are [`Error`].

mod api;
pub mod error;
mod model;
mod service;
mod store;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, extract::FromRef};
use serde::{Deserialize, Serialize};
use tertulia_bus::Bus;
use tertulia_contracts::identity::Verifier;
use tertulia_documents::{Collection, Documents, Record};
use tertulia_outbox::Relay;
use tertulia_runtime::{
    Ambient, Supervisor,
    metrics::{Counter, Metrics},
    problem,
};

pub use api::openapi;
pub use error::Error;
pub use service::{passwords::PasswordCost, setup::SetupToken};

use model::{account::Account, api_token::ApiToken, session::Session};
use service::{janitor, keys::Keys, passwords::Passwords, setup};
use store::{KeyRing, SetupLink, Store};

/// Every collection the service keeps; the store is opened with them.
pub const COLLECTIONS: &[Collection] = &[
    Account::COLLECTION,
    Session::COLLECTION,
    ApiToken::COLLECTION,
    SetupLink::COLLECTION,
    KeyRing::COLLECTION,
];

/// The `source` of its events.
const SOURCE: &str = "/auth";

/// Who may make an account without the setup link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Anybody.
    #[default]
    Open,
    /// Nobody.
    Closed,
}

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who may make an account.
    pub registration: Registration,
    /// How long an access token is good, and so how long one that was stolen is.
    pub access_token_s: u64,
    /// How long a session lasts that is not used.
    pub session_days: u64,
    /// What a password costs.
    pub password: PasswordCost,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            access_token_s: 600,
            session_days: 30,
            password: PasswordCost::default(),
        }
    }
}

impl Config {
    const fn access_token_life(&self) -> Duration {
        Duration::from_secs(self.access_token_s)
    }

    const fn session_life(&self) -> Duration {
        Duration::from_secs(self.session_days.saturating_mul(24 * 60 * 60))
    }
}

/// What the service stands on.
pub struct Deps {
    /// Clock, ids and randomness.
    pub ambient: Ambient,
    /// Watches the background tasks.
    pub supervisor: Supervisor,
    /// Where it counts.
    pub metrics: Metrics,
    /// A store of its own, opened with [`COLLECTIONS`].
    pub documents: Arc<dyn Documents>,
    /// Where its events go.
    pub bus: Arc<dyn Bus>,
    /// Tells who asks. Its keys come from this very service, over the mesh.
    pub verifier: Arc<Verifier>,
}

/// The service, ready to be mounted.
pub struct Service {
    /// The public paths of role `auth`, and those below `/internal` for other services.
    pub router: Router,
    /// The secret of a one-time setup link, while there is no operator: show it once to whoever starts the
    /// program, as `<address>/setup#<token>`.
    pub setup: Option<SetupToken>,
}

/// Everything a use case needs.
struct Auth {
    config: Config,
    ambient: Ambient,
    store: Store,
    bus: Arc<dyn Bus>,
    verifier: Arc<Verifier>,
    passwords: Passwords,
    keys: Keys,
    counters: Counters,
}

struct Counters {
    sign_ins: Counter,
    sign_ins_refused: Counter,
    refresh_tokens_reused: Counter,
}

impl Counters {
    fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.sub("auth");
        Self {
            sign_ins: metrics.counter("sign_ins", "Sessions begun"),
            sign_ins_refused: metrics.counter("sign_ins_refused", "Sign-ins with a wrong name or password"),
            refresh_tokens_reused: metrics
                .counter("refresh_tokens_reused", "Sessions ended since a token was stolen"),
        }
    }
}

#[derive(Clone)]
struct App(Arc<Auth>);

impl FromRef<App> for Arc<Verifier> {
    fn from_ref(app: &App) -> Self {
        app.0.verifier.clone()
    }
}

/// Builds the service and starts its background tasks: the relay of its events, and the removal of ended
/// sessions.
///
/// # Errors
/// When its store is away or holds what it should not, or the configured password cost is out of bounds.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    let store = Store::new(&deps.documents);
    let passwords = Passwords::new(&config.password, deps.ambient.entropy.clone())?;
    let keys = Keys::load(&store, &deps.ambient).await?;
    let setup = setup::issue(&store, &deps.ambient).await?;
    start_tasks(&deps, &store);
    let auth = Auth {
        config,
        store,
        passwords,
        keys,
        counters: Counters::new(&deps.metrics),
        ambient: deps.ambient,
        bus: deps.bus,
        verifier: deps.verifier,
    };
    let router = api::router(App(Arc::new(auth)));
    Ok(Service { router: problem::layers(router), setup })
}

fn start_tasks(deps: &Deps, store: &Store) {
    let relay = Arc::new(Relay::new(deps.documents.clone(), deps.bus.clone(), &deps.ambient));
    relay.stats().show_on(&deps.metrics.sub("auth"));
    let shutdown = deps.supervisor.shutdown_token();
    deps.supervisor.supervise("auth.relay", move || {
        let (relay, shutdown) = (relay.clone(), shutdown.clone());
        async move {
            relay.run(shutdown).await;
            Ok::<(), Infallible>(())
        }
    });
    let (store, clock) = (store.clone(), deps.ambient.clock.clone());
    let shutdown = deps.supervisor.shutdown_token();
    deps.supervisor.supervise("auth.janitor", move || {
        let (store, clock, shutdown) = (store.clone(), clock.clone(), shutdown.clone());
        async move { janitor::run(&store, &*clock, shutdown).await }
    });
}
