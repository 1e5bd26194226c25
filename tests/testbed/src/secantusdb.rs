//! SecantusDB: a single-node server of MongoDB's wire protocol on WiredTiger, MongoDB's own storage engine.
//!
//! Its licence is the GPL, version 2, so it is only ever run as a separate process.

use std::net::SocketAddr;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::{Probe, contains};
use crate::server::Launch;
use crate::{Server, Testbed, place};

/// Starts a SecantusDB, which is the primary of a replica set of one; its URL is `mongodb://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("secantusdb")?;
    let port = address.port().to_string();
    let launch = Launch {
        program: place::built("secantusdb", "secantusd-rs")?,
        // Without the last, an acknowledged write can be lost with the process.
        arguments: ["--host", "127.0.0.1", "--port", &port, "--storage-path", "data", "--sync-on-commit"]
            .map(Into::into)
            .into(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: is_primary(address),
        folder,
    };
    Server::start(bed, format!("mongodb://{address}"), launch, None).await
}

/// Asks `hello` in an `OP_MSG` (MongoDB wire protocol): ready is who takes writes.
pub(crate) fn is_primary(address: SocketAddr) -> Probe {
    let hello = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00";
    let document_bytes = u32::try_from(4 + hello.len()).expect("a constant far below 2^32");
    let message_bytes = 16 + 4 + 1 + document_bytes;
    let question = [
        &message_bytes.to_le_bytes()[..],
        b"\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00", // request 1, in response to nothing, operation 2013
        b"\x00\x00\x00\x00\x00",                             // no flags; a section of one document
        &document_bytes.to_le_bytes()[..],
        hello,
    ]
    .concat();
    Probe { address, question, is_ready: |answer| contains(answer, b"isWritablePrimary\x00\x01") }
}
