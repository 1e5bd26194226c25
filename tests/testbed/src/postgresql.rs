//! A PostgreSQL cluster of the test's own, for FerretDB, and for ejabberd when it is measured.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::probe::Probe;
use crate::server::Launch;
use crate::{Server, Testbed, place};

const PACKAGES: &str = "/usr/lib/postgresql";
/// PostgreSQL refuses to be root, so root runs it as the user that Debian's package made.
const USER: &str = "postgres";

/// Starts a PostgreSQL without passwords; its URL is `postgres://postgres@ADDRESS/postgres`.
pub(crate) async fn start(bed: &Testbed) -> Result<Server> {
    // What a kill of the process leaves is safe without waiting for the disk.
    start_with(bed, &["-F", "-c", "shared_buffers=32MB"]).await
}

/// The same, but what it has acknowledged is on the disk; large enough to be fast, and for 100 connections.
pub(crate) async fn start_durable(bed: &Testbed) -> Result<Server> {
    start_with(bed, &["-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"]).await
}

/// Runs a file of SQL.
pub(crate) async fn load(server: &Server, file: &Path) -> Result<()> {
    let program = place::packaged("postgresql", PACKAGES, "bin/psql")?;
    let flags = ["-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(), "-f"];
    let mut command = command(&[], program.into(), &flags);
    command.push(file.into());
    run(server.folder(), &command).await
}

async fn start_with(bed: &Testbed, settings: &[&str]) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("postgresql")?;
    let as_user: &[&str] = if bed.is_root()? {
        &["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--"]
    } else {
        &[]
    };
    if bed.is_root()? {
        run(&folder, &["chown", USER, "."].map(Into::into)).await?;
    }

    // FerretDB insists on this encoding and order of strings.
    let initdb = place::packaged("postgresql", PACKAGES, "bin/initdb")?;
    let flags = [
        "-D",
        "data",
        "-U",
        "postgres",
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--no-sync",
    ];
    run(&folder, &command(as_user, initdb.into(), &flags)).await?;

    let server = place::packaged("postgresql", PACKAGES, "bin/postgres")?;
    let port = address.port().to_string();
    let mut all = vec!["-D", "data", "-h", "127.0.0.1", "-p", &port, "-k", ""];
    all.extend(settings);
    let mut arguments = command(as_user, server.into(), &all);
    let launch = Launch {
        program: arguments.remove(0).into(),
        arguments,
        environment: Vec::new(),
        // The one that does not wait for clients to leave first.
        stop_signal: Signal::SIGINT,
        // A start-up message of protocol 3.0; one that is still recovering answers with an error instead of
        // an authentication request.
        probe: Probe { address, question: start_up_message(), is_ready: |answer| answer.starts_with(b"R") },
        folder,
    };
    Server::start(bed, format!("postgres://postgres@{address}/postgres"), launch, None).await
}

fn start_up_message() -> Vec<u8> {
    let parameters = b"\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00";
    let bytes = u32::try_from(4 + parameters.len()).expect("a constant far below 2^32");
    [&bytes.to_be_bytes()[..], parameters].concat()
}

fn command(before: &[&str], program: OsString, after: &[&str]) -> Vec<OsString> {
    before.iter().map(Into::into).chain([program]).chain(after.iter().map(Into::into)).collect()
}

async fn run(folder: &Path, command: &[OsString]) -> Result<()> {
    let (program, arguments) = command.split_first().context("a command has a program")?;
    let output =
        Command::new(program).args(arguments).current_dir(folder).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
