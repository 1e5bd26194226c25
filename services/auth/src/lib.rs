//! Auth owns accounts, people's and bots', their passwords and passkeys, sessions, the keys that access tokens are signed
//! with, and API tokens. It never decides what somebody may do in a conversation, and no other service ever sees a password.
//!
//! Promises:
//! * **Nothing secret is stored** but the signing keys: of passwords their Argon2id hashes, of refresh tokens,
//!   setup links and API tokens their fingerprints.
//! * **Refresh tokens are used once.** Using one again ends its session, whoever of the two was the thief.
//! * **One operator.** The account made through the one-time setup link, however many use it at once.
//! * **Invitations are exact.** An account and the use of the invitation that it was made by are one document.
//! * **Nothing to enumerate.** An unknown name costs the same and is answered the same as a wrong password.
//! * **Bounded.** Password hashing never takes more than its share of the processors; who finds the waiting
//!   room full is told to come back.
//! * **An address is whose mailbox it is.** What is claimed is good for nothing until the link that was sent there is opened.
//! * **No act without its entry.** What the audit trail is to hold is committed with the act, and each entry holds the hash of
//!   the one before.
//! * **A key is known before it signs** and until the last token that it signed is over, so keys change without an outage.
//! * **An account elsewhere is linked by whoever holds both.** That an address is the same proves nothing.
//! * **Erased is forgotten.** Of an account that was erased there is left that there was one, and what became of it.
//! * **Mails are consequences.** What is to be mailed is committed with the change that asks for it, and sent by whoever
//!   takes it from the bus; a link's secret is made then, and lies in the mail alone.
//!
//! Failures are [`Error`].

mod api;
pub mod error;
mod model;
mod openid;
mod service;
mod store;
mod webauthn;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{Router, extract::FromRef};
use serde::{Deserialize, Serialize};
use tertulia_bus::{Bus, Consumer, Handler, Subscription};
use tertulia_cache::Cache;
use tertulia_contracts::{
    events::{AUTH_AUDIT, AUTH_ERASURES, AUTH_MAIL, AUTH_STANDING},
    identity::{MAX_ACCESS_TOKEN_LIFE, Verifier},
};
use tertulia_documents::{Collection, Documents, Record};
use tertulia_mail::{Mail, Mailer, OutboxMailer};
use tertulia_outbox::Relay;
use tertulia_runtime::{
    Ambient, Supervisor,
    metrics::{Counter, Metrics},
    problem,
};

pub use api::openapi;
pub use error::Error;
pub use openid::OpenidConfig;
pub use service::{passwords::PasswordCost, setup::SetupToken};
pub use tertulia_contracts::auth::Registration;

use model::{
    account::Account,
    api_token::ApiToken,
    audit::Entry,
    invitation::Invitation,
    key_ring::KeyRing,
    openid::{Claim, Flow},
    passkey::Challenge,
    session::Session,
};
use openid::Providers;
use service::{
    audit::{self, Clerk},
    erasures::Registrar,
    janitor,
    keys::Keys,
    letters::Letters,
    passwords::Passwords,
    post, setup,
    standing::{self, Enforcer},
};
use store::{SetupLink, Store};
use webauthn::RelyingParty;

/// Every collection the service keeps; the store is opened with them.
pub const COLLECTIONS: &[Collection] = &[
    Account::COLLECTION,
    Session::COLLECTION,
    ApiToken::COLLECTION,
    SetupLink::COLLECTION,
    Invitation::COLLECTION,
    KeyRing::COLLECTION,
    Mail::COLLECTION,
    Entry::COLLECTION,
    Claim::COLLECTION,
    Flow::COLLECTION,
    Challenge::COLLECTION,
];

/// The `source` of its events.
const SOURCE: &str = "/auth";

/// What an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Who may make an account.
    pub registration: Registration,
    /// How long an access token is good, and so how long one that was stolen is: an hour at most, whatever stands here.
    pub access_token_s: u64,
    /// How long a session lasts that is not used.
    pub session_days: u64,
    /// How long a key signs until the next one does, in days; 0 for until the operator says so.
    pub key_rotation_days: u64,
    /// After so long auth looks once more whether anything is left of an account that was erased.
    pub second_look_ms: u64,
    /// What a password costs.
    pub password: PasswordCost,
    /// Whom people may sign in with besides.
    pub openid: Vec<OpenidConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            registration: Registration::Open,
            access_token_s: 600,
            session_days: 30,
            key_rotation_days: 90,
            second_look_ms: 60_000,
            password: PasswordCost::default(),
            openid: Vec::new(),
        }
    }
}

impl Config {
    fn access_token_life(&self) -> Duration {
        Duration::from_secs(self.access_token_s).min(MAX_ACCESS_TOKEN_LIFE)
    }

    const fn key_rotation(&self) -> Option<Duration> {
        match self.key_rotation_days {
            0 => None,
            days => Some(Duration::from_secs(days.saturating_mul(24 * 60 * 60))),
        }
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
    /// Where limits are counted, for all processes together.
    pub cache: Arc<dyn Cache>,
    /// What brings mails on their way.
    pub mailer: Arc<dyn Mailer>,
    /// The same, if it keeps mails for the operator.
    pub outbox: Option<OutboxMailer>,
    /// Where clients find the instance, for the links in mails: `https://chat.example`.
    pub public_url: String,
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
    cache: Arc<dyn Cache>,
    mailer: Arc<dyn Mailer>,
    outbox: Option<OutboxMailer>,
    public_url: String,
    letters: Letters,
    verifier: Arc<Verifier>,
    passwords: Passwords,
    keys: Keys,
    providers: Providers,
    relying_party: Option<RelyingParty>,
    counters: Counters,
}

struct Counters {
    sign_ins: Counter,
    sign_ins_refused: Counter,
    refresh_tokens_reused: Counter,
    mails_sent: Counter,
    mails_given_up: Counter,
}

impl Counters {
    fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.sub("auth");
        Self {
            sign_ins: metrics.counter("sign_ins", "Sessions begun"),
            sign_ins_refused: metrics.counter("sign_ins_refused", "Sign-ins with a wrong name or password"),
            refresh_tokens_reused: metrics
                .counter("refresh_tokens_reused", "Sessions ended since a token was stolen"),
            mails_sent: metrics.counter("mails_sent", "Mails that the mailer took"),
            mails_given_up: metrics.counter("mails_given_up", "Mails that no attempt will bring anywhere"),
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

/// Builds the service and starts its background tasks: the relay of its events, the removal of ended
/// sessions, and the sending of mails.
///
/// # Errors
/// When its store is away or holds what it should not, or the configured password cost is out of bounds.
pub async fn build(config: Config, deps: Deps) -> Result<Service, Error> {
    let store = Store::new(&deps.documents);
    let passwords = Passwords::new(&config.password, deps.ambient.entropy.clone())?;
    let keys = Keys::load(&store, &deps.ambient).await?;
    let setup = setup::issue(&store, &deps.ambient).await?;
    let public_url = deps.public_url.trim_end_matches('/').to_owned();
    let providers = Providers::new(&config.openid, &public_url)?;
    start_tasks(&deps, &store);
    let auth = Auth {
        config,
        store,
        passwords,
        keys,
        counters: Counters::new(&deps.metrics),
        ambient: deps.ambient,
        cache: deps.cache,
        mailer: deps.mailer,
        outbox: deps.outbox,
        relying_party: RelyingParty::at(&public_url),
        public_url,
        providers,
        letters: Letters::new()?,
        bus: deps.bus,
        verifier: deps.verifier,
    };
    let app = App(Arc::new(auth));
    start_consumers(&app, &deps.supervisor).await?;
    start_rounds(&app, &deps.supervisor);
    let router = api::router(app);
    Ok(Service { router: problem::layers(router), setup })
}

async fn start_consumers(app: &App, supervisor: &Supervisor) -> Result<(), Error> {
    let post = Subscription { group: AUTH_MAIL, prefetch: post::PREFETCH, retry: post::RETRY };
    consume(app, supervisor, "auth.post", post, Arc::new(app.clone())).await?;
    let standing =
        Subscription { group: AUTH_STANDING, prefetch: standing::PREFETCH, retry: standing::RETRY };
    let reports = Subscription { group: AUTH_ERASURES, ..standing.clone() };
    consume(app, supervisor, "auth.standing", standing, Arc::new(Enforcer(app.clone()))).await?;
    consume(app, supervisor, "auth.reports", reports, Arc::new(Registrar(app.clone()))).await?;
    let trail = Subscription { group: AUTH_AUDIT, prefetch: audit::PREFETCH, retry: audit::RETRY };
    consume(app, supervisor, "auth.audit", trail, Arc::new(Clerk(app.clone()))).await
}

/// Starts what looks after the keys, and after what is left of erased accounts.
fn start_rounds(app: &App, supervisor: &Supervisor) {
    let (keeper, shutdown) = (app.clone(), supervisor.shutdown_token());
    supervisor.supervise("auth.keys", move || {
        let (keeper, shutdown) = (keeper.clone(), shutdown.clone());
        async move { keeper.0.run_keys(shutdown).await }
    });
    let (registrar, shutdown) = (app.clone(), supervisor.shutdown_token());
    supervisor.supervise("auth.erasures", move || {
        let (registrar, shutdown) = (registrar.clone(), shutdown.clone());
        async move { registrar.0.run_erasures(shutdown).await }
    });
}

async fn consume(
    app: &App,
    supervisor: &Supervisor,
    task: &'static str,
    subscription: Subscription,
    handler: Arc<dyn Handler>,
) -> Result<(), Error> {
    let consumer: Box<dyn Consumer> = app.0.bus.subscribe(subscription, handler).await?;
    let shutdown = supervisor.shutdown_token();
    supervisor.spawn(task, async move {
        shutdown.cancelled().await;
        consumer.stop().await;
    });
    Ok(())
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
    let (store, outbox, clock) = (store.clone(), deps.outbox.clone(), deps.ambient.clock.clone());
    let shutdown = deps.supervisor.shutdown_token();
    deps.supervisor.supervise("auth.janitor", move || {
        let (store, outbox) = (store.clone(), outbox.clone());
        let (clock, shutdown) = (clock.clone(), shutdown.clone());
        async move { janitor::run(&store, outbox.as_ref(), &*clock, shutdown).await }
    });
}
