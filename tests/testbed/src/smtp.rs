//! An SMTP server that brings nothing anywhere: `aiosmtpd` of `PyPI`, which keeps each mail for whoever looks.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::Deserialize;

use crate::probe::Probe;
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

const SINK: &str = include_str!("smtp.py");
const MAILS: &str = "mails";

/// A mail as its reader's program decodes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Received {
    /// Whom the server was told it is from.
    pub envelope_from: String,
    /// Whom the server was told to bring it to.
    pub envelope_to: Vec<String>,
    /// The header `From`.
    pub from: String,
    /// The header `To`.
    pub to: String,
    /// The header `Subject`.
    pub subject: String,
    /// The header `Message-ID`.
    pub message_id: String,
    /// The header `Date`, in seconds since the epoch.
    pub date_s: i64,
    /// The names of all headers, in lower case.
    pub headers: Vec<String>,
    /// What is read as text.
    pub text: Option<String>,
    /// What is read as HTML.
    pub html: Option<String>,
}

/// Starts a sink; its URL is `smtp://ADDRESS`. Addresses that begin with `refused` it refuses for good, those with `later`
/// for now; `tertulia` with the password `hush` may sign in.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("smtp")?;
    let script = write_file(&folder, "sink.py", SINK)?;
    let launch = Launch {
        program: place::built("aiosmtpd", "python")?,
        arguments: vec![script.into(), address.port().to_string().into(), folder.join(MAILS).into()],
        environment: vec![("PYTHONUNBUFFERED", "1".into())],
        stop_signal: Signal::SIGTERM,
        probe: Probe {
            address,
            question: b"NOOP\r\nQUIT\r\n".into(),
            is_ready: |answer| answer.starts_with(b"220 ") && answer.ends_with(b"\r\n"),
        },
        folder,
    };
    Server::start(bed, format!("smtp://{address}"), launch, None).await
}

/// What a sink has accepted so far, oldest first.
///
/// # Errors
/// Its files cannot be read.
pub fn received(sink: &Server) -> Result<Vec<Received>> {
    let folder = sink.folder().join(MAILS);
    let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|it| it == "json"));
    paths.sort();
    paths.iter().map(|path| Ok(serde_json::from_slice(&fs::read(path)?)?)).collect()
}
