//! An inside: every role answers with what reached it.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Request, WebSocketUpgrade, ws::Message},
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tertulia_cache::{Cache, MemoryCache, MemoryConfig};
use tertulia_contracts::{
    UserId,
    identity::testkit::Signer,
    routes::{ROUTES, Route, role},
};
use tertulia_discovery::StaticDiscovery;
use tertulia_gateway::{Config, Deps, build};
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{
    Ambient, Metrics, Supervisor,
    lifecycle::Health,
    testkit::{FrozenClock, TestClient, TestResponse, frozen},
};

pub(crate) struct Inside {
    pub(crate) ambient: Ambient,
    pub(crate) clock: Arc<FrozenClock>,
    pub(crate) signer: Signer,
    pub(crate) mesh: Mesh,
    pub(crate) supervisor: Supervisor,
}

impl Inside {
    /// With every role but those of `away` in it.
    pub(crate) fn without(away: &[&str]) -> Self {
        let (ambient, clock) = frozen(5);
        let discovery = Arc::new(StaticDiscovery::default());
        let patience = MeshConfig { discovery_wait: Duration::from_millis(20), ..MeshConfig::default() };
        let mesh = Mesh::new(discovery, ambient.entropy.clone(), patience);
        for role in [role::AUTH, role::MESSAGING, role::REALTIME] {
            if !away.contains(&role) {
                mesh.mount(role, service(role));
            }
        }
        let signer = Signer::new(&ambient);
        Self { ambient, clock, signer, mesh, supervisor: Supervisor::default() }
    }

    pub(crate) fn whole() -> Self {
        Self::without(&[])
    }

    pub(crate) fn gateway(&self, config: Config) -> Router {
        self.gateway_with(config, Arc::new(MemoryCache::new(&MemoryConfig::default())))
    }

    /// One that shares what it counts.
    pub(crate) fn gateway_with(&self, config: Config, cache: Arc<dyn Cache>) -> Router {
        let deps = Deps {
            ambient: self.ambient.clone(),
            supervisor: self.supervisor.clone(),
            mesh: self.mesh.clone(),
            verifier: self.signer.verifier(),
            cache,
            health: Health::new(self.ambient.clock.clone(), self.supervisor.clone()),
            metrics: Metrics::new(),
            openapi: Vec::new(),
            asyncapi: serde_json::json!({ "asyncapi": "3.0.0" }),
        };
        build(config, deps)
    }

    /// Somebody without a token, at an address of their own.
    pub(crate) fn stranger(&self) -> TestClient {
        TestClient::new(from_address(self.gateway(Config::default()), "203.0.113.7"))
    }

    /// Somebody with a token.
    pub(crate) fn member(&self) -> TestClient {
        let user: UserId = self.ambient.ids.next();
        self.stranger().with_token(&self.signer.token(user))
    }
}

/// The router as it is for whoever connects from there.
pub(crate) fn from_address(router: Router, address: &str) -> Router {
    let peer = SocketAddr::new(address.parse().unwrap(), 4711);
    router.layer(axum::Extension(ConnectInfo(peer)))
}

fn service(role: &'static str) -> Router {
    let socket = |upgrade: WebSocketUpgrade| async {
        upgrade.protocols(["tertulia.v1"]).on_upgrade(|mut socket| async move {
            while let Some(Ok(message)) = socket.recv().await {
                if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
    };
    let router = Router::new().fallback(any(move |request: Request| echo(role, request)));
    let router =
        router.route("/v1/conversations/{id}/log", get(async |request: Request| slow(request).await));
    if role == role::REALTIME {
        router.route("/v1/realtime", get(socket)).route("/v1/events", get(events))
    } else {
        router
    }
}

/// One event an hour, which says who listens.
async fn events(headers: HeaderMap) -> Response {
    let client = headers["x-forwarded-for"].to_str().unwrap().to_owned();
    let events = stream::iter(0..).then(move |n| {
        let event = format!("data: {n} for {client}\n\n");
        async move {
            tokio::time::sleep(Duration::from_hours(1)).await;
            Ok::<_, Infallible>(event)
        }
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(events)).into_response()
}

async fn slow(request: Request) -> (StatusCode, Json<Value>) {
    if request.uri().query() == Some("slow") {
        return std::future::pending().await;
    }
    echo(role::MESSAGING, request).await
}

/// A path of its own makes the service refuse, so that its refusal can be seen to pass.
async fn echo(role: &'static str, request: Request<Body>) -> (StatusCode, Json<Value>) {
    let (parts, body) = request.into_parts();
    let body: Bytes = body.collect().await.unwrap().to_bytes();
    let headers: serde_json::Map<String, Value> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(value.to_str().unwrap_or("?"))))
        .collect();
    let told = json!({
        "role": role, "method": parts.method.as_str(), "path": parts.uri.path(), "query": parts.uri.query(),
        "headers": headers, "body": String::from_utf8_lossy(&body),
    });
    (StatusCode::OK, Json(told))
}

/// A request to a route with something in the place of each parameter.
pub(crate) async fn ask(client: &TestClient, route: &Route) -> TestResponse {
    let path = route.path.replace("{id}", "cnv_1").replace("{user_id}", "usr_1");
    let body = if route.method == Method::GET { "" } else { "{}" };
    client.send(route.method.clone(), &path, Some("application/json"), body.to_owned()).await
}

pub(crate) fn every_route() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter()
}
