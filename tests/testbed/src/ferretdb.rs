//! FerretDB: a second, independent server of MongoDB's wire protocol, on a PostgreSQL of its own.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::server::Launch;
use crate::{Server, Testbed, place, postgresql, secantusdb};

/// Starts a FerretDB and the PostgreSQL that keeps its data; both are killed, paused and started again as
/// one. Its URL is `mongodb://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let program = place::built("ferretdb", "ferretdb")?;
    let database = postgresql::start(bed).await?;
    let address = bed.free_address()?;
    let launch = Launch {
        folder: bed.server_folder("ferretdb")?,
        program,
        arguments: ["-listen", &address.to_string(), "-postgres", database.url()].map(Into::into).into(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: secantusdb::is_primary(address),
    };
    Server::start(bed, format!("mongodb://{address}"), launch, Some(database)).await
}
