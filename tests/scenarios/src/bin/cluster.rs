//! `make cluster`: the split system as processes on this machine, with its servers, until it is interrupted.

use anyhow::Result;
use tertulia_scenarios::system::{Network, System, Topology};

#[tokio::main]
async fn main() -> Result<()> {
    println!("Starting MongoDB's stand-in, RabbitMQ, Redis, Consul, and two of each service...");
    let system = System::start(Topology::Split, Network::Plain).await?;
    for (name, server) in &system.back_ends {
        println!("  {name:<12} {}", server.url());
    }
    for (name, process) in &system.processes {
        println!("  {name:<12} {}  log {}", process.url(), process.log_path().display());
    }
    for gateway in &system.gateways {
        println!("Tertulia is ready on http://{gateway}");
    }
    println!("and behind Nginx, with a certificate of its own, on {}", system.nginx().url());
    println!("Ctrl-C ends it all and removes its files.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}
