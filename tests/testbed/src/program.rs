//! A program that the project built itself, started and hurt like any other server.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::probe::{Probe, http_request, is_http_success};
use crate::server::Launch;
use crate::{Server, Testbed};

/// What to start.
pub struct Program {
    /// Names its folder: `gateway`.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment, besides this process' own.
    pub environment: Vec<(&'static str, OsString)>,
    /// Where it answers `GET /health/ready` with 2xx once it is ready.
    pub health: SocketAddr,
}

/// Starts a program and waits until it says that it is ready. Its URL is `http://ADDRESS`; it stops on SIGTERM.
pub async fn start(bed: &Testbed, program: Program) -> Result<Server> {
    let Program { name, path, arguments, environment, health } = program;
    ensure!(path.is_file(), "{} is not built", path.display());
    let launch = Launch {
        folder: bed.server_folder(&name)?,
        program: path,
        arguments,
        environment,
        stop_signal: Signal::SIGTERM,
        probe: Probe {
            address: health,
            question: http_request("GET", "/health/ready", ""),
            is_ready: is_http_success,
        },
    };
    Server::start(bed, format!("http://{health}"), launch, None).await
}
