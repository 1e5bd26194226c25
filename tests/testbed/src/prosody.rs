//! Prosody, for `make bench` to be measured against: one host `localhost`, rooms at `rooms.localhost` that keep an
//! archive (`muc_mam`), plain TCP, and everybody may register.
//!
//! The archive is SQLite as Prosody leaves it, which is `synchronous=FULL`: synced before the message goes out. It
//! writes ahead if whoever starts this has made [`SQLITE_FILE`] so. Tried beside it: files of its own, which it writes
//! without waiting for the disk, and which make no difference, since it is busy elsewhere.

use std::path::Path;

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::ejabberd::speaks_xmpp;
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

/// The archive's file in the server's folder. A file that is made with `journal_mode=WAL` before the start stays so.
pub const SQLITE_FILE: &str = "archive.sqlite";

/// Starts a Prosody; its URL is `xmpp://ADDRESS`. `prepare` is given the folder before the start.
pub async fn start(bed: &Testbed, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("prosody")?;
    std::fs::create_dir(folder.join("data"))?;
    prepare(&folder)?;
    let file = folder.join(SQLITE_FILE);
    let text = configuration(address.port(), &file.to_string_lossy());
    let configuration = write_file(&folder, "prosody.cfg.lua", &text)?;
    let launch = Launch {
        program: place::built("prosody", "prosody")?,
        arguments: vec!["--config".into(), configuration.into(), "-F".into()],
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: speaks_xmpp(address),
        folder,
    };
    Server::start(bed, format!("xmpp://{address}"), launch, None).await
}

/// No limits: nothing of what would slow a harness down is on.
fn configuration(port: u16, sqlite: &str) -> String {
    format!(
        r#"run_as_root = true
data_path = "data"
log = {{ warn = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{}}
s2s_ports = {{}}
modules_enabled = {{ "saslauth", "register_ibr" }}
modules_disabled = {{ "s2s", "tls", "offline" }}
authentication = "internal_plain"
allow_registration = true
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
default_storage = "internal"
storage = {{ muc_log = "sql" }}
sql = {{ driver = "SQLite3", database = "{sqlite}" }}
VirtualHost "localhost"
Component "rooms.localhost" "muc"
  modules_enabled = {{ "muc_mam" }}
  muc_log_by_default = true
  muc_log_presences = false
  muc_log_expires_after = "never"
  max_archive_query_results = 50
  muc_room_locking = false
  muc_room_default_persistent = true
  max_history_messages = 0
"#
    )
}
