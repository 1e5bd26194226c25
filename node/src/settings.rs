//! The configuration as values. `default.toml` is the list of keys and their meaning; this is their types. The
//! services' own sections are the services' own types.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;
use tertulia_runtime::{
    config::{ConfigErrors, Layers, Loaded, Secret},
    telemetry::{self, Format},
};

use crate::cli::SettingsArgs;

/// Every key with its comment and default: what `tertulia config default` prints.
pub(crate) const DEFAULTS: &str = include_str!("default.toml");

/// Everything that is configured.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Settings {
    pub node: Node,
    pub documents: Documents,
    pub bus: Bus,
    pub cache: Cache,
    pub discovery: Discovery,
    pub mail: Mail,
    pub gateway: tertulia_gateway::Config,
    pub auth: tertulia_auth::Config,
    pub messaging: tertulia_messaging::Config,
    pub realtime: tertulia_realtime::Config,
    pub telemetry: Telemetry,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Node {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub mesh_listen: SocketAddr,
    pub public_url: String,
    pub shutdown_timeout_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DocumentsBackend {
    Sqlite,
    Mongodb,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Documents {
    pub backend: DocumentsBackend,
    pub mongodb_url: Secret,
    pub mongodb_prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BusBackend {
    Sqlite,
    Rabbitmq,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Bus {
    pub backend: BusBackend,
    pub rabbitmq_url: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CacheBackend {
    Memory,
    Redis,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cache {
    pub backend: CacheBackend,
    pub memory_max_bytes: u64,
    pub redis_url: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DiscoveryBackend {
    Static,
    Consul,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Discovery {
    pub backend: DiscoveryBackend,
    pub consul_url: String,
    pub consul_token: Secret,
    pub auth: Vec<SocketAddr>,
    pub messaging: Vec<SocketAddr>,
    pub realtime: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailBackend {
    Outbox,
    Smtp,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mail {
    pub backend: MailBackend,
    pub smtp_url: Secret,
    pub from: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Telemetry {
    pub log: String,
    pub format: Format,
    pub otlp_endpoint: String,
    pub trace_ratio: f64,
}

impl Node {
    pub(crate) fn shutdown_timeout(&self) -> Duration {
        Duration::from_millis(self.shutdown_timeout_ms)
    }
}

impl Telemetry {
    pub(crate) fn named(&self, process: &str) -> telemetry::Settings {
        telemetry::Settings {
            log: self.log.clone(),
            format: self.format,
            otlp_endpoint: Some(self.otlp_endpoint.clone()).filter(|endpoint| !endpoint.is_empty()),
            trace_ratio: self.trace_ratio,
            service_name: format!("tertulia-{process}"),
        }
    }
}

/// Reads the layers: defaults, the file, the environment, then the flags.
///
/// # Errors
/// Everything that is wrong with any of them, at once.
pub(crate) fn load(args: &SettingsArgs, flags: &[(&str, String)]) -> Result<Loaded<Settings>, ConfigErrors> {
    let mut layers = Layers::new(DEFAULTS);
    if let Some(path) = &args.config {
        layers = layers.file(path);
    }
    layers = layers.env(
        "TERTULIA",
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok())),
    );
    if let Some(data) = &args.data {
        layers = layers.flag("node.data", data.to_string_lossy());
    }
    for (key, value) in flags {
        layers = layers.flag(key, value);
    }
    for (key, value) in &args.set {
        layers = layers.flag(key, value);
    }
    layers.load()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_is_what_the_services_default_to() {
        let loaded = Layers::new(DEFAULTS).load::<Settings>().unwrap().value;
        assert_eq!(loaded.auth, tertulia_auth::Config::default());
        assert_eq!(loaded.messaging, tertulia_messaging::Config::default());
        assert_eq!(format!("{:?}", loaded.realtime), format!("{:?}", tertulia_realtime::Config::default()));
        assert_eq!(loaded.gateway, tertulia_gateway::Config::default());
    }
}
