//! Puts a process together: back ends, then the wanted roles in the order of their needs, then the listeners,
//! and last of all the word to discovery. It stops in the reverse order.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use axum::Router;
use tertulia_bus::Bus;
use tertulia_cache::Cache;
use tertulia_contracts::{identity::Verifier, ids, routes::role};
use tertulia_discovery::{Discovery, Instance};
use tertulia_mesh::{Mesh, MeshConfig, within_deadline};
use tertulia_runtime::{
    Ambient, Id, Supervisor,
    lifecycle::{Health, Need, Role, ServeLimits, serve},
    metrics::Metrics,
    problem,
    telemetry::trace_requests,
};
use tokio::net::TcpListener;
use utoipa::openapi::OpenApi;

use crate::{
    back_ends::{self, DataFolder},
    control,
    settings::{BusBackend, Settings},
    watch,
};

/// What a process can be, and which roles each calls. The one table that starting and stopping follow.
pub(crate) const ROLES: &[Role] = &[
    Role { name: role::AUTH, needs: &[] },
    Role { name: role::MESSAGING, needs: &[role::AUTH] },
    Role { name: role::REALTIME, needs: &[role::AUTH, role::MESSAGING] },
    Role { name: role::GATEWAY, needs: &[role::AUTH, role::MESSAGING, role::REALTIME] },
];

/// A process that serves its roles until its supervisor is told to stop.
pub(crate) struct Process {
    /// Ends it.
    pub supervisor: Supervisor,
    /// Where it listens for clients, if it is a gateway.
    pub address: Option<SocketAddr>,
    /// Where clients find the instance.
    pub public_url: String,
    /// Where other nodes find it, if it serves any.
    pub mesh_address: Option<SocketAddr>,
    /// The secret of a setup link, while there is no operator.
    pub setup: Option<tertulia_auth::SetupToken>,
    _data: Option<DataFolder>,
}

/// What the roles of one process share.
struct House {
    settings: Settings,
    data: Option<DataFolder>,
    ambient: Ambient,
    supervisor: Supervisor,
    health: Health,
    metrics: Metrics,
    bus: Arc<dyn Bus>,
    cache: Arc<dyn Cache>,
    discovery: Arc<dyn Discovery>,
    mesh: Mesh,
    verifier: Arc<Verifier>,
    /// Where clients find the instance.
    public_url: String,
}

/// Starts these roles. `for_others` opens a listener on which other nodes reach them.
///
/// # Errors
/// Whatever keeps it from starting, by the name of its setting. Nothing is left running then.
pub(crate) async fn start(settings: Settings, roles: &[&'static Role], for_others: bool) -> Result<Process> {
    let is_gateway = roles.iter().any(|role| role.name == role::GATEWAY);
    if roles.len() < ROLES.len() && settings.bus.backend == BusBackend::Sqlite {
        bail!("bus.backend is \"sqlite\", which serves one process; roles in several need \"rabbitmq\"");
    }
    // Addresses first: a port in use should not be found out after the stores were opened.
    let public = if is_gateway { Some(bind("node.listen", settings.node.listen).await?) } else { None };
    let inner =
        if for_others { Some(bind("node.mesh_listen", settings.node.mesh_listen).await?) } else { None };
    let listens = public.as_ref().map(TcpListener::local_addr).transpose()?;
    let house = House::open(settings, listens).await?;
    let mut mounted: Vec<(&'static str, Router)> = Vec::new();
    let mut setup = None;
    for role in roles {
        let stage = house.supervisor.stage(role.name);
        let router = match role.name {
            role::AUTH => {
                let auth = house.auth(&stage).await?;
                setup = auth.setup;
                auth.router
            }
            role::MESSAGING => house.messaging(&stage).await?,
            role::REALTIME => house.realtime(&stage).await?,
            _ => continue,
        };
        let router = house.metrics.observe(role.name, within_deadline(router));
        house.mesh.mount(role.name, router.clone());
        mounted.push((role.name, router));
    }
    let address = public.map(|listener| house.open_gateway(listener)).transpose()?;
    if let Some(data) = &house.data {
        control::serve(data.path(), house.bus.clone(), house.health.clone(), &house.supervisor)?;
    }
    watch::start(&house.metrics, &house.bus, &house.cache, &house.supervisor);
    let mesh_address = match inner {
        Some(listener) => Some(house.open_to_others(listener, mounted).await?),
        None => None,
    };
    let House { supervisor, public_url, data, .. } = house;
    Ok(Process { supervisor, address, public_url, mesh_address, setup, _data: data })
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: listening on {address}"))
}

/// Where clients find the instance, as far as this process knows.
fn public_url(settings: &Settings, listens: SocketAddr) -> String {
    let configured = settings.node.public_url.trim_end_matches('/');
    if configured.is_empty() { format!("http://{listens}") } else { configured.to_owned() }
}

/// The whole API's description, the same whichever roles run here.
pub(crate) fn documents() -> Vec<OpenApi> {
    vec![tertulia_auth::openapi(), tertulia_messaging::openapi(), tertulia_realtime::openapi()]
}

impl House {
    async fn open(settings: Settings, listens: Option<SocketAddr>) -> Result<Self> {
        let public_url = public_url(&settings, listens.unwrap_or(settings.node.listen));
        let ambient = Ambient::system();
        let supervisor = Supervisor::default();
        let metrics = Metrics::new();
        let data = back_ends::data_folder(&settings)?;
        let bus = back_ends::bus(&settings, data.as_ref(), &ambient).await?;
        let cache = back_ends::cache(&settings).await?;
        let discovery = back_ends::discovery(&settings, &ambient, &supervisor).await?;
        let mesh = Mesh::counted(discovery.clone(), ambient.entropy.clone(), MeshConfig::default(), &metrics);
        let verifier = Arc::new(Verifier::new(mesh.clone(), ambient.clock.clone()));
        let health = Health::new(ambient.clock.clone(), supervisor.clone());
        let house = Self {
            settings,
            data,
            ambient,
            supervisor,
            health,
            metrics,
            bus,
            cache,
            discovery,
            mesh,
            verifier,
            public_url,
        };
        house.watch_back_ends();
        house.hear_revocations();
        Ok(house)
    }

    /// An API token that was taken back is good here no longer.
    fn hear_revocations(&self) {
        let (bus, verifier) = (self.bus.clone(), self.verifier.clone());
        let shutdown = self.supervisor.shutdown_token();
        self.supervisor.supervise("identity.revocations", move || {
            let (bus, verifier, shutdown) = (bus.clone(), verifier.clone(), shutdown.clone());
            async move {
                let heard = async { verifier.hear_revocations(&*bus.listen().await?).await };
                tokio::select! {
                    ended = heard => ended,
                    () = shutdown.cancelled() => Ok(()),
                }
            }
        });
    }

    /// Without its documents a service can do nothing. All else it can do without for a while.
    fn watch_back_ends(&self) {
        let bus = self.bus.clone();
        self.health.check("bus", Need::Helpful, move || {
            let bus = bus.clone();
            async move { bus.check().await.map_err(|error| error.to_string()) }
        });
        let cache = self.cache.clone();
        self.health.check("cache", Need::Helpful, move || {
            let cache = cache.clone();
            async move { cache.check().await }
        });
        let discovery = self.discovery.clone();
        self.health.check("discovery", Need::Helpful, move || {
            let discovery = discovery.clone();
            async move { discovery.check().await.map_err(|error| error.to_string()) }
        });
    }

    async fn documents_of(
        &self,
        service: &'static str,
        collections: &'static [tertulia_documents::Collection],
    ) -> Result<Arc<dyn tertulia_documents::Documents>> {
        let store = back_ends::documents(
            &self.settings,
            self.data.as_ref(),
            service,
            collections,
            &self.ambient,
            &self.metrics,
        )
        .await?;
        let checked = store.clone();
        self.health.check(format!("documents:{service}"), Need::Vital, move || {
            let store = checked.clone();
            async move { store.check().await.map_err(|error| error.to_string()) }
        });
        Ok(store)
    }

    async fn auth(&self, stage: &Supervisor) -> Result<tertulia_auth::Service> {
        let documents = self.documents_of(role::AUTH, tertulia_auth::COLLECTIONS).await?;
        let (mailer, outbox) = back_ends::mail(&self.settings, &documents)?;
        let checked = mailer.clone();
        self.health.check("mail", Need::Helpful, move || {
            let mailer = checked.clone();
            async move { mailer.check().await.map_err(|error| error.to_string()) }
        });
        let deps = tertulia_auth::Deps {
            ambient: self.ambient.clone(),
            supervisor: stage.clone(),
            metrics: self.metrics.clone(),
            documents,
            bus: self.bus.clone(),
            cache: self.cache.clone(),
            mailer,
            outbox,
            public_url: self.public_url.clone(),
            verifier: self.verifier.clone(),
        };
        tertulia_auth::build(self.settings.auth.clone(), deps).await.context("starting auth")
    }

    async fn messaging(&self, stage: &Supervisor) -> Result<Router> {
        let deps = tertulia_messaging::Deps {
            ambient: self.ambient.clone(),
            supervisor: stage.clone(),
            metrics: self.metrics.clone(),
            documents: self.documents_of(role::MESSAGING, tertulia_messaging::COLLECTIONS).await?,
            bus: self.bus.clone(),
            mesh: self.mesh.clone(),
            verifier: self.verifier.clone(),
        };
        tertulia_messaging::build(self.settings.messaging.clone(), deps).await.context("starting messaging")
    }

    async fn realtime(&self, stage: &Supervisor) -> Result<Router> {
        let deps = tertulia_realtime::Deps {
            cache: self.cache.clone(),
            ambient: self.ambient.clone(),
            supervisor: stage.clone(),
            metrics: self.metrics.clone(),
            bus: self.bus.clone(),
            mesh: self.mesh.clone(),
            verifier: self.verifier.clone(),
        };
        tertulia_realtime::build(self.settings.realtime.clone(), deps).await.context("starting realtime")
    }

    fn open_gateway(&self, listener: TcpListener) -> Result<SocketAddr> {
        let address = listener.local_addr()?;
        let stage = self.supervisor.stage(role::GATEWAY);
        let deps = tertulia_gateway::Deps {
            ambient: self.ambient.clone(),
            supervisor: stage.clone(),
            mesh: self.mesh.clone(),
            verifier: self.verifier.clone(),
            cache: self.cache.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
            openapi: documents(),
            asyncapi: tertulia_realtime::asyncapi(),
        };
        let edge = tertulia_gateway::build(self.settings.gateway.clone(), deps);
        serve(listener, edge, ServeLimits::default(), &stage);
        Ok(address)
    }

    async fn open_to_others(
        &self,
        listener: TcpListener,
        mounted: Vec<(&'static str, Router)>,
    ) -> Result<SocketAddr> {
        let address = listener.local_addr()?;
        let roles: Vec<&'static str> = mounted.iter().map(|(role, _)| *role).collect();
        let merged = mounted.into_iter().fold(Router::new(), |whole, (_, router)| whole.merge(router));
        let router = problem::layers(merged).merge(self.health.router()).merge(self.metrics.router());
        let router = trace_requests("mesh", self.ambient.ids.clone(), router);
        serve(listener, router, ServeLimits::default(), &self.supervisor.stage("mesh"));
        let node: ids::NodeId = self.ambient.ids.next();
        for role in roles {
            self.announce(role, node, address).await?;
        }
        Ok(address)
    }

    /// Discovery is told last and untold first, so that nobody is sent here who would not be served.
    async fn announce(&self, role: &'static str, node: Id<ids::Node>, address: SocketAddr) -> Result<()> {
        let instance = Instance { role: role.to_owned(), id: format!("{role}-{node}"), address };
        let registration = self.discovery.register(instance).await;
        let registration =
            registration.with_context(|| format!("discovery: announcing {role} at {address}"))?;
        let stage = self.supervisor.stage("discovery");
        let stopping = stage.shutdown_token();
        stage.spawn("registration", async move {
            stopping.cancelled().await;
            if let Err(error) = registration.deregister().await {
                tracing::warn!(role, %error, "discovery still names this node, until its time to live is over");
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tertulia_gateway::openapi::{contradictions, merge};

    use super::*;

    #[test]
    fn the_description_of_the_api_and_the_route_table_agree() {
        assert_eq!(contradictions(&merge(documents())), Vec::<String>::new());
    }
}
