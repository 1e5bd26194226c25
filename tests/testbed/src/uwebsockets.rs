//! `uWebSockets` as the Python package `socketify` ships it, for `make bench` to be measured against: what one socket says, all
//! others hear.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::{Probe, http_request, is_http_success};
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

/// Without compression and without a bound for what waits, so that it never drops anything.
const BROADCAST: &str = include_str!("uwebsockets.py");

/// Starts the broadcast; its URL is `ws://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("uwebsockets")?;
    let script = write_file(&folder, "broadcast.py", BROADCAST)?;
    let launch = Launch {
        folder,
        program: place::built("socketify", "python")?,
        arguments: vec![script.into(), address.port().to_string().into()],
        environment: vec![("PYTHONUNBUFFERED", "1".into())],
        stop_signal: Signal::SIGTERM,
        probe: Probe {
            address,
            question: http_request("GET", "/health/ready", ""),
            is_ready: is_http_success,
        },
    };
    Server::start(bed, format!("ws://{address}"), launch, None).await
}
