//! Realtime: the sockets that clients hold, and what happens now told to those who listen.
//!
//! Owns the sockets of its node and nothing that lasts: every fact it tells stands in a log that messaging
//! keeps, so any node serves any client, and a client that comes back says where it was. Promises:
//!
//! * **Nothing falls between, nothing comes twice.** On one socket the events of a conversation come in the
//!   order of their seq, each once, without a hole, but where `resync` says otherwise.
//! * **A slow client costs nobody else anything.** Every queue is bounded; who does not keep up is closed with
//!   a code that says: resume.
//! * **An event is encoded once**, whoever gets it, and what is queued for a socket leaves in one write.
//! * **Who is there is told to who may know it**, and to nobody else: messaging says who that is. It is never more than
//!   what the cache holds, and without the cache nobody is told anything of it.
//! * **What ends access ends it here within a second**: an ended login, a lost membership, an expired token.
//!
//! It never decides who may read or write what: it asks messaging, in the user's name. docs/protocol.md is the
//! specification of what is said on a socket.

mod api;
mod asyncapi;
mod catch_up;
mod connection;
mod cursor;
mod error;
mod events;
mod feed;
mod greeting;
mod hub;
mod meters;
mod outbox;
mod parting;
mod presence;
mod rate;
mod session;
mod socket;
mod stream;
mod typing;
mod upstream;
mod websocket;
mod wire;

use std::sync::Arc;

use axum::{Router, routing::get};
use serde::Deserialize;
use tertulia_bus::Bus;
use tertulia_cache::Cache;
use tertulia_contracts::identity::Verifier;
use tertulia_mesh::Mesh;
use tertulia_runtime::{Ambient, Supervisor, metrics::Metrics, problem};
use utoipa::OpenApi as _;

pub use asyncapi::asyncapi;
pub use error::Error;

/// What an operator may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Names the state of the data that positions are counted in. Raise it after restoring an older backup:
    /// clients then load their conversations anew instead of resuming at positions that mean something else.
    pub epoch: String,
    /// Pages of other sites that may open sockets: `https://chat.example`. This site's own always may.
    pub allowed_origins: Vec<String>,
    /// The most sockets of this node; a stream of server-sent events counts as one.
    pub max_sockets: usize,
    /// The most sockets of one user on this node.
    pub max_sockets_per_user: usize,
    /// The most sockets of one address (of IPv6: of one network of 64 bits) on this node. The node's own machine is
    /// not counted.
    pub max_sockets_per_address: usize,
    /// The most bytes that wait for one socket.
    pub outbox_bytes: usize,
    /// How many frames a second one socket may send on the long run.
    pub frames_per_second: f64,
    /// How many at once.
    pub frame_burst: u32,
    /// How long a socket may take to say hello.
    pub hello_timeout_ms: u64,
    /// After so long in silence a client is asked whether it is there.
    pub ping_interval_ms: u64,
    /// How long it may take to answer that.
    pub pong_timeout_ms: u64,
    /// At shutdown, the clients are sent elsewhere spread over this time.
    pub drain_ms: u64,
    /// What a node says of its people holds for so long unless it says it again, which it does three times in that
    /// time: so long after a node died its people are still seen as connected.
    pub presence_ttl_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            epoch: "1".to_owned(),
            allowed_origins: Vec::new(),
            max_sockets: 50_000,
            max_sockets_per_user: 100,
            max_sockets_per_address: 1_000,
            outbox_bytes: 256 << 10,
            frames_per_second: 50.0,
            frame_burst: 200,
            hello_timeout_ms: 10_000,
            ping_interval_ms: 30_000,
            pong_timeout_ms: 30_000,
            drain_ms: 2_000,
            presence_ttl_ms: 30_000,
        }
    }
}

/// What realtime stands on.
pub struct Deps {
    /// Time, randomness and ids.
    pub ambient: Ambient,
    /// Runs the task that hears the live lane.
    pub supervisor: Supervisor,
    /// Where its figures are shown.
    pub metrics: Metrics,
    /// Where the live lane is heard.
    pub bus: Arc<dyn Bus>,
    /// Where nodes tell each other who is connected. While it is away that is not known, and nothing else fails.
    pub cache: Arc<dyn Cache>,
    /// The way to auth and messaging.
    pub mesh: Mesh,
    /// Tells from a token who says hello.
    pub verifier: Arc<Verifier>,
}

/// Builds the service: its router, and its task under the supervisor. Its sockets close when the supervisor
/// shuts down.
///
/// # Errors
/// [`Error::Bus`] when the live lane cannot be listened to.
pub async fn build(config: Config, deps: Deps) -> Result<Router, Error> {
    let supervisor = deps.supervisor.clone();
    let hub = hub::Hub::new(config, deps).await?;
    // Clients are sent elsewhere from the first moment on: the listeners that carry their streams are asked to stop
    // before this stage is, and wait until those have ended.
    let (heard, shutdown) = (hub.clone(), supervisor.stopping_token());
    supervisor.supervise("realtime.hub", move || {
        let (hub, shutdown) = (heard.clone(), shutdown.clone());
        async move {
            hub.run(shutdown).await;
            Ok::<(), std::convert::Infallible>(())
        }
    });
    let router = Router::new()
        .route("/v1/realtime", get(api::open))
        .route("/v1/events", get(events::stream_events))
        .route("/v1/presence", get(presence::api::presence))
        .with_state(hub);
    Ok(problem::layers(router))
}

/// This service's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        paths(api::open, events::stream_events, presence::api::presence),
        components(schemas(problem::Problem))
    )]
    struct Api;
    Api::openapi()
}
