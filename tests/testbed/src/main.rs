//! Runs servers of the test bed for a person or a script: `testbed up [NAME...]`.
//!
//! Prints a line `NAME=URL` for each and then `ready`, and stops them all on Ctrl-C or SIGTERM.

use anyhow::{Context, Result, bail};
use tertulia_testbed::{Server, Testbed, consul, ferretdb, rabbitmq, redis, secantusdb, smtp};
use tokio::signal::unix::{SignalKind, signal};

const DEFAULT: [&str; 4] = ["redis", "rabbitmq", "secantusdb", "consul"];
const USAGE: &str = "usage: testbed up [redis] [rabbitmq] [secantusdb] [ferretdb] [consul] [smtp]
Without names: redis rabbitmq secantusdb consul, which is what the split system needs.";

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, [])) if command == "up" => up(&DEFAULT).await,
        Some((command, names)) if command == "up" => {
            up(&names.iter().map(String::as_str).collect::<Vec<_>>()).await
        }
        _ => bail!("{USAGE}"),
    }
}

async fn up(names: &[&str]) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let bed = Testbed::new()?;
    let mut servers = Vec::new();
    let interrupted = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    tokio::pin!(interrupted);
    tokio::select! {
        started = start_all(&bed, names, &mut servers) => started?,
        () = &mut interrupted => return Ok(()),
    }
    println!("ready");
    interrupted.await;
    for mut server in servers {
        server.stop().await?;
    }
    Ok(())
}

async fn start_all(bed: &Testbed, names: &[&str], servers: &mut Vec<Server>) -> Result<()> {
    for &name in names {
        let server = start(bed, name).await.with_context(|| format!("starting {name}"))?;
        println!("{name}={}", server.url());
        servers.push(server);
    }
    Ok(())
}

async fn start(bed: &Testbed, name: &str) -> Result<Server> {
    match name {
        "redis" => redis::start(bed).await,
        "rabbitmq" => rabbitmq::start(bed).await,
        "secantusdb" => secantusdb::start(bed).await,
        "ferretdb" => ferretdb::start(bed).await,
        "consul" => consul::start(bed).await,
        "smtp" => smtp::start(bed).await,
        _ => bail!("unknown server {name}\n{USAGE}"),
    }
}
