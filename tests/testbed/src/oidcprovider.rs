//! An OpenID provider that no one here wrote: `oidc-provider` of npm, a certified implementation. Who signs in is whoever says
//! so, with any password.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::probe::{Probe, http_request, is_http_success};
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

const SCRIPT: &str = include_str!("oidcprovider.mjs");
/// What it calls its one client.
pub const CLIENT_ID: &str = "tertulia";
/// What that client shows to it.
pub const CLIENT_SECRET: &str = "hush & more than thirty-two bytes";

/// Starts a provider; its URL is its issuer. It sends people back to these addresses and to no other.
pub async fn start(bed: &Testbed, redirect_uris: &[String]) -> Result<Server> {
    let address = bed.free_address()?;
    let folder = bed.server_folder("oidcprovider")?;
    let script = write_file(&folder, "provider.mjs", SCRIPT)?;
    let program = place::built("oidcprovider", "node")?;
    let installed = program.ancestors().nth(2).context("a program lies in a folder of its server's")?;
    let module = installed.join("node_modules/oidc-provider/lib/index.js");
    let mut arguments = vec![script.into(), module.into(), address.port().to_string().into()];
    arguments.extend([CLIENT_ID, CLIENT_SECRET].map(Into::into));
    arguments.extend(redirect_uris.iter().map(Into::into));
    let launch = Launch {
        program,
        arguments,
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        probe: Probe {
            address,
            question: http_request("GET", "/.well-known/openid-configuration", ""),
            is_ready: is_http_success,
        },
        folder,
    };
    Server::start(bed, format!("http://{address}"), launch, None).await
}
