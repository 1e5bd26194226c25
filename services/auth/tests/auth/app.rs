//! The service as the gateway and other services see it, on a store of its own.

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tertulia_auth::{COLLECTIONS, Config, Deps, PasswordCost, Service, SetupToken, build};
use tertulia_bus::{Bus, SqliteBus};
use tertulia_cache::{Cache, MemoryCache, MemoryConfig};
use tertulia_contracts::{auth::SignedIn, events::TOPOLOGY, identity::Verifier, routes::role};
use tertulia_discovery::StaticDiscovery;
use tertulia_documents::{Documents, SqliteDocuments};
use tertulia_mail::{Mailer, OutboxMailer};
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{
    Ambient, Metrics, Supervisor,
    testkit::{FrozenClock, TestClient, frozen},
};

pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A store and a bus that services can be started on, one after the other or at once.
pub(crate) struct House {
    _folder: TempDir,
    pub(crate) ambient: Ambient,
    pub(crate) clock: Arc<FrozenClock>,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) supervisor: Supervisor,
    cache: Arc<dyn Cache>,
    /// What brings mails on their way; the outbox, unless a test puts another here.
    pub(crate) mailer: Arc<dyn Mailer>,
}

/// Where the links in mails lead.
pub(crate) const PUBLIC_URL: &str = "https://chat.example";

/// Hashing as cheap as it gets, so that tests wait for what they test.
pub(crate) fn config() -> Config {
    let password = PasswordCost { memory_kib: 64, passes: 1, parallel: 2, waiting: 64 };
    Config { password, ..Config::default() }
}

impl House {
    pub(crate) async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ambient, clock) = frozen(42);
        let documents = open_documents(folder.path(), &ambient).await;
        let bus = SqliteBus::open(&folder.path().join("bus.db"), TOPOLOGY, ambient.clone()).await.unwrap();
        let supervisor = Supervisor::default();
        let (bus, cache) = (Arc::new(bus), Arc::new(MemoryCache::new(&MemoryConfig::default())));
        let mailer = Arc::new(OutboxMailer::new(documents.clone()));
        Self { _folder: folder, ambient, clock, documents, bus, supervisor, cache, mailer }
    }

    pub(crate) async fn start(&self, config: Config) -> App {
        let discovery = Arc::new(StaticDiscovery::default());
        let mesh = Mesh::new(discovery, self.ambient.entropy.clone(), MeshConfig::default());
        let verifier = Arc::new(Verifier::new(mesh.clone(), self.ambient.clock.clone()));
        let (told, bus) = (verifier.clone(), self.bus.clone());
        self.supervisor.spawn("identity.revocations", async move {
            told.hear_revocations(&*bus.listen().await.unwrap()).await.unwrap();
        });
        let deps = Deps {
            ambient: self.ambient.clone(),
            supervisor: self.supervisor.clone(),
            metrics: Metrics::new(),
            documents: self.documents.clone(),
            bus: self.bus.clone(),
            cache: self.cache.clone(),
            mailer: self.mailer.clone(),
            outbox: Some(self.outbox()),
            public_url: format!("{PUBLIC_URL}/"),
            verifier: verifier.clone(),
        };
        let Service { router, setup } = build(config, deps).await.unwrap();
        mesh.mount(role::AUTH, router.clone());
        App { client: TestClient::new(router), setup, verifier }
    }

    pub(crate) fn outbox(&self) -> OutboxMailer {
        OutboxMailer::new(self.documents.clone())
    }
}

async fn open_documents(folder: &Path, ambient: &Ambient) -> Arc<dyn Documents> {
    Arc::new(SqliteDocuments::open(&folder.join("auth.db"), COLLECTIONS, ambient).await.unwrap())
}

/// One running instance.
pub(crate) struct App {
    pub(crate) client: TestClient,
    pub(crate) setup: Option<SetupToken>,
    pub(crate) verifier: Arc<Verifier>,
}

impl App {
    /// A house with one instance in it.
    pub(crate) async fn open() -> (House, Self) {
        let house = House::open().await;
        let app = house.start(config()).await;
        (house, app)
    }

    pub(crate) async fn register(&self, handle: &str) -> SignedIn {
        let request = json!({ "handle": handle, "password": PASSWORD });
        self.client.post("/v1/accounts", &request).await.expect(201).read()
    }

    pub(crate) async fn sign_in(&self, identifier: &str) -> SignedIn {
        let request = json!({ "identifier": identifier, "password": PASSWORD });
        self.client.post("/v1/sessions", &request).await.expect(201).read()
    }

    pub(crate) fn of(&self, signed_in: &SignedIn) -> TestClient {
        self.client.with_token(&signed_in.access_token)
    }
}
