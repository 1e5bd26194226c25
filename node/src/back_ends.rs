//! Opens what is configured, and nothing else: a back end that cannot be opened is an error that names it,
//! never a reason to take another.

use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use tertulia_bus::{Bus, RabbitBus, RabbitConfig, SqliteBus};
use tertulia_cache::{Cache, MemoryCache, MemoryConfig, RedisCache, RedisConfig};
use tertulia_contracts::{events::TOPOLOGY, routes::role};
use tertulia_discovery::{ConsulConfig, ConsulDiscovery, Discovery, StaticDiscovery};
use tertulia_documents::{Collection, Documents, MongoDocuments, SqliteDocuments};
use tertulia_mail::{Mailer, OutboxMailer, Sender, SmtpConfig, SmtpMailer};
use tertulia_runtime::{Ambient, Supervisor, config::Secret, metrics::Metrics};

use crate::settings::{BusBackend, CacheBackend, DiscoveryBackend, DocumentsBackend, MailBackend, Settings};

/// What stands before every queue, key and service name of ours on a server that others may share.
const PREFIX: &str = "tertulia";

/// The folder of embedded back ends, locked so that no second process writes to the same files. The lock ends with
/// the process, however that ends.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if need be, and takes it.
    pub(crate) fn take(path: &Path) -> Result<Self> {
        let shown = path.display();
        fs::create_dir_all(path).with_context(|| format!("node.data: making the folder {shown}"))?;
        let lock = File::options().create(true).append(true).open(path.join("lock"));
        let lock = lock.with_context(|| format!("node.data: the folder {shown} cannot be written to"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("node.data: another process is using the folder {shown}"),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("node.data: locking the folder {shown}"))
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.db"))
    }
}

/// The folder, if anything that is configured keeps files in it.
pub(crate) fn data_folder(settings: &Settings) -> Result<Option<DataFolder>> {
    let embedded =
        settings.documents.backend == DocumentsBackend::Sqlite || settings.bus.backend == BusBackend::Sqlite;
    embedded.then(|| DataFolder::take(&settings.node.data)).transpose()
}

/// The documents of one service.
pub(crate) async fn documents(
    settings: &Settings,
    data: Option<&DataFolder>,
    service: &str,
    collections: &'static [Collection],
    ambient: &Ambient,
    metrics: &Metrics,
) -> Result<Arc<dyn Documents>> {
    match settings.documents.backend {
        DocumentsBackend::Sqlite => {
            let path =
                data.context("documents.backend is \"sqlite\" but there is no data folder")?.file(service);
            let store = SqliteDocuments::open(&path, collections, ambient).await;
            let store = store.with_context(|| format!("documents: opening {}", path.display()))?;
            store.stats().show_on(&metrics.sub(service));
            Ok(Arc::new(store))
        }
        DocumentsBackend::Mongodb => {
            let url = configured("documents", "mongodb", "mongodb_url", &settings.documents.mongodb_url)?;
            let database = format!("{}_{service}", settings.documents.mongodb_prefix);
            let store = MongoDocuments::open(url, &database, collections, ambient).await;
            Ok(Arc::new(store.with_context(|| {
                format!("documents.mongodb_url: opening the database {database} of MongoDB")
            })?))
        }
    }
}

/// The bus.
pub(crate) async fn bus(
    settings: &Settings,
    data: Option<&DataFolder>,
    ambient: &Ambient,
) -> Result<Arc<dyn Bus>> {
    match settings.bus.backend {
        BusBackend::Sqlite => {
            let path = data.context("bus.backend is \"sqlite\" but there is no data folder")?.file("bus");
            let bus = SqliteBus::open(&path, TOPOLOGY, ambient.clone()).await;
            Ok(Arc::new(bus.with_context(|| format!("bus: opening {}", path.display()))?))
        }
        BusBackend::Rabbitmq => {
            let uri = configured("bus", "rabbitmq", "rabbitmq_url", &settings.bus.rabbitmq_url)?.to_owned();
            let config = RabbitConfig { uri, prefix: PREFIX.to_owned() };
            let bus = RabbitBus::open(&config, TOPOLOGY, ambient.clone()).await;
            Ok(Arc::new(bus.context("bus.rabbitmq_url: connecting to RabbitMQ")?))
        }
    }
}

/// The cache.
pub(crate) async fn cache(settings: &Settings) -> Result<Arc<dyn Cache>> {
    match settings.cache.backend {
        CacheBackend::Memory => {
            let capacity_bytes = settings.cache.memory_max_bytes;
            Ok(Arc::new(MemoryCache::new(&MemoryConfig { capacity_bytes, ..MemoryConfig::default() })))
        }
        CacheBackend::Redis => {
            let url = configured("cache", "redis", "redis_url", &settings.cache.redis_url)?;
            let cache = RedisCache::connect(RedisConfig::new(url, format!("{PREFIX}/"))).await;
            Ok(Arc::new(cache.context("cache.redis_url: connecting to Redis")?))
        }
    }
}

/// What brings mails on their way; and the same once more, if it is an outbox, which lies in these documents.
pub(crate) fn mail(
    settings: &Settings,
    documents: &Arc<dyn Documents>,
) -> Result<(Arc<dyn Mailer>, Option<OutboxMailer>)> {
    match settings.mail.backend {
        MailBackend::Outbox => {
            let outbox = OutboxMailer::new(documents.clone());
            Ok((Arc::new(outbox.clone()), Some(outbox)))
        }
        MailBackend::Smtp => Ok((Arc::new(smtp(settings)?), None)),
    }
}

/// The SMTP server.
pub(crate) fn smtp(settings: &Settings) -> Result<SmtpMailer> {
    let url = configured("mail", "smtp", "smtp_url", &settings.mail.smtp_url)?;
    ensure!(!settings.mail.from.is_empty(), "mail.backend is \"smtp\" but mail.from is empty");
    let links = "mail.backend is \"smtp\" but node.public_url is empty: mails hold links to it";
    ensure!(!settings.node.public_url.is_empty(), links);
    let from = Sender::parse(&settings.mail.from).context("mail.from")?;
    SmtpMailer::new(SmtpConfig::new(Secret::new(url), from)).context("mail.smtp_url")
}

/// Discovery.
pub(crate) async fn discovery(
    settings: &Settings,
    ambient: &Ambient,
    supervisor: &Supervisor,
) -> Result<Arc<dyn Discovery>> {
    let settings = &settings.discovery;
    match settings.backend {
        DiscoveryBackend::Static => {
            let of = |role: &str, addresses: &[SocketAddr]| {
                addresses.iter().map(|address| (role.to_owned(), *address)).collect::<Vec<_>>()
            };
            let listed = [
                of(role::AUTH, &settings.auth),
                of(role::MESSAGING, &settings.messaging),
                of(role::REALTIME, &settings.realtime),
            ];
            Ok(Arc::new(StaticDiscovery::new(listed.concat())))
        }
        DiscoveryBackend::Consul => {
            ensure!(
                !settings.consul_url.is_empty(),
                "discovery.backend is \"consul\" but discovery.consul_url is empty"
            );
            let mut config = ConsulConfig::new(&settings.consul_url);
            if !settings.consul_token.is_empty() {
                config.token = Some(settings.consul_token.expose().into());
            }
            // Without the address: who puts a password into it should not find it in a log.
            let asking = "discovery.consul_url: asking the Consul agent";
            let consul = ConsulDiscovery::new(config, ambient.entropy.clone(), supervisor.clone());
            let consul = consul.context(asking)?;
            consul.check().await.context(asking)?;
            Ok(Arc::new(consul))
        }
    }
}

fn configured<'a>(section: &str, backend: &str, key: &str, secret: &'a Secret) -> Result<&'a str> {
    ensure!(!secret.is_empty(), "{section}.backend is \"{backend}\" but {section}.{key} is empty");
    Ok(secret.expose())
}
