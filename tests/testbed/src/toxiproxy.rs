//! toxiproxy: stands between a client and a server, and is the bad network.

use std::net::SocketAddr;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::{Probe, http, http_request, is_http_success};
use crate::server::Launch;
use crate::{Server, Testbed, place};

/// A running toxiproxy.
pub struct Toxiproxy {
    server: Server,
    api: SocketAddr,
    bed: Testbed,
}

/// Starts a toxiproxy without any proxy yet.
pub async fn start(bed: &Testbed) -> Result<Toxiproxy> {
    let api = bed.free_address()?;
    let launch = Launch {
        folder: bed.server_folder("toxiproxy")?,
        program: place::built("toxiproxy", "toxiproxy-server")?,
        arguments: ["-host", "127.0.0.1", "-port", &api.port().to_string()].map(Into::into).into(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: Probe {
            address: api,
            question: http_request("GET", "/version", ""),
            is_ready: is_http_success,
        },
    };
    let server = Server::start(bed, format!("http://{api}"), launch, None).await?;
    Ok(Toxiproxy { server, api, bed: bed.clone() })
}

impl Toxiproxy {
    /// Its process.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Opens a new way to `upstream`.
    pub async fn proxy(&self, upstream: SocketAddr) -> Result<Proxy> {
        let address = self.bed.free_address()?;
        let body =
            format!(r#"{{"name":"{address}","listen":"{address}","upstream":"{upstream}","enabled":true}}"#);
        http(self.api, "POST", "/proxies", &body).await?;
        // There from the start, so that every change of it is the same request.
        http(self.api, "POST", &format!("/proxies/{address}/toxics"), &latency(0)).await?;
        Ok(Proxy { api: self.api, address })
    }
}

/// A way to a server that can be cut and slowed. It works as long as its [`Toxiproxy`] runs.
pub struct Proxy {
    api: SocketAddr,
    address: SocketAddr,
}

impl Proxy {
    /// Where clients connect, in the server's stead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and refuses new ones.
    pub async fn cut(&self) -> Result<()> {
        self.enable(false).await
    }

    /// Lets connections through again after a [`cut`](Self::cut), and at full speed.
    pub async fn restore(&self) -> Result<()> {
        self.latency_ms(0).await?;
        self.enable(true).await
    }

    /// Delays all that the server answers by this much from now on.
    pub async fn latency_ms(&self, latency_ms: u64) -> Result<()> {
        http(self.api, "POST", &format!("/proxies/{}/toxics/latency", self.address), &latency(latency_ms))
            .await
            .map(drop)
    }

    async fn enable(&self, enabled: bool) -> Result<()> {
        let body = format!(r#"{{"enabled":{enabled}}}"#);
        http(self.api, "POST", &format!("/proxies/{}", self.address), &body).await.map(drop)
    }
}

fn latency(latency_ms: u64) -> String {
    format!(r#"{{"name":"latency","type":"latency","attributes":{{"latency":{latency_ms}}}}}"#)
}
