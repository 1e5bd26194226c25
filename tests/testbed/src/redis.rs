//! Redis, with an append-only file, so that what it acknowledged is there again after a kill.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::Probe;
use crate::server::Launch;
use crate::{Server, Testbed, place};

/// Starts a Redis; its URL is `redis://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("redis")?;
    let port = address.port().to_string();
    let launch = Launch {
        program: place::on_path("redis", "redis-server")?,
        arguments: ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "yes"]
            .map(Into::into)
            .into(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: Probe { address, question: b"PING\r\n".into(), is_ready: |answer| answer == b"+PONG\r\n" },
        folder,
    };
    Server::start(bed, format!("redis://{address}"), launch, None).await
}
