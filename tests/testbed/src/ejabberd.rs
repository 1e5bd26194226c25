//! ejabberd, for `make bench` to be measured against: one host `localhost`, rooms at `rooms.localhost` that keep an
//! archive (`mod_mam`), plain TCP, and everybody may register.
//!
//! The archive is a PostgreSQL of its own that has synced before it answers: a room waits for its message, and rooms
//! share a sync. Tried beside it: its own database, Mnesia, took half as many messages without ever waiting for the
//! disk, since an archive is on disk only there.

use std::net::SocketAddr;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::{Probe, contains};
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place, postgresql};

/// Starts an ejabberd; its URL is `xmpp://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let program = place::built("ejabberd", "ejabberd")?;
    let database = postgresql::start_durable(bed).await?;
    postgresql::load(&database, &program.with_file_name("../usr/share/ejabberd/sql/pg.sql")).await?;
    let address = bed.free_address()?;
    let folder = bed.server_folder("ejabberd")?;
    write_file(&folder, "ejabberd.yml", &configuration(address.port(), database.address().port()))?;
    let launch = Launch {
        folder,
        program,
        arguments: Vec::new(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: speaks_xmpp(address),
    };
    Server::start(bed, format!("xmpp://{address}"), launch, Some(database)).await
}

/// No shapers and no limits: nothing of what would slow a harness down is on.
fn configuration(port: u16, database_port: u16) -> String {
    format!(
        "loglevel: warning
hosts: [localhost]
certfiles: []
auth_method: internal
auth_password_format: plain
registration_timeout: infinity
sql_type: pgsql
sql_server: 127.0.0.1
sql_port: {database_port}
sql_database: postgres
sql_username: postgres
sql_pool_size: 64
listen:
  - port: {port}
    ip: 127.0.0.1
    module: ejabberd_c2s
    max_stanza_size: 262144
    backlog: 1024
access_rules:
  everybody: {{allow: all}}
modules:
  mod_register:
    access: everybody
    ip_access: all
    access_from: everybody
    password_strength: 0
  mod_muc:
    host: rooms.localhost
    access: everybody
    history_size: 0
    max_users: 5000
    default_room_options:
      mam: true
      persistent: true
  mod_mam:
    default: never
    db_type: sql
"
    )
}

/// A stream's opening is answered with a stream (RFC 6120 §4.2).
pub(crate) fn speaks_xmpp(address: SocketAddr) -> Probe {
    const OPENING: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                           xmlns:stream='http://etherx.jabber.org/streams'>";
    Probe { address, question: OPENING.into(), is_ready: |answer| contains(answer, b"<mechanism>PLAIN<") }
}
