//! The binary: command line, configuration, and the composition of roles. No domain code.

mod back_ends;
mod cli;
mod compose;
mod control;
mod dead;
mod doctor;
mod settings;
mod watch;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tertulia_runtime::{
    lifecycle::{Ending, Role, Signals, run_until_signal, start_order},
    telemetry,
};

use cli::{BusCommand, Cli, Command, ConfigCommand, ServeArgs, SettingsArgs, UpArgs};
use compose::{Process, ROLES};
use settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tertulia: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Up(args) => up(args).await,
        Command::Serve(args) => serve(args).await,
        Command::Config(command) => config(&command),
        Command::Doctor(args) => doctor::run(&load(&args, &[])?).await,
        Command::Bus(BusCommand::Dead(command)) => dead::run(command).await,
    }
}

fn load(args: &SettingsArgs, flags: &[(&str, String)]) -> Result<Settings> {
    Ok(settings::load(args, flags)?.value)
}

fn config(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Default => print!("{}", settings::DEFAULTS),
        ConfigCommand::Check(args) => {
            settings::load(args, &[])?;
            println!("The configuration is in order.");
        }
        ConfigCommand::Show(args) => print!("{}", settings::load(args, &[])?.describe()),
    }
    Ok(ExitCode::SUCCESS)
}

async fn up(args: UpArgs) -> Result<ExitCode> {
    let flags: Vec<_> = args.listen.iter().map(|address| ("node.listen", address.to_string())).collect();
    let settings = load(&args.settings, &flags)?;
    let every: Vec<&str> = ROLES.iter().map(|role| role.name).collect();
    live(settings, "up", &start_order(ROLES, &every)?, false).await
}

async fn serve(args: ServeArgs) -> Result<ExitCode> {
    let listen = args.listen.iter().map(|address| ("node.listen", address.to_string()));
    let mesh = args.mesh_listen.iter().map(|address| ("node.mesh_listen", address.to_string()));
    let flags: Vec<_> = listen.chain(mesh).collect();
    let settings = load(&args.settings, &flags)?;
    let names: Vec<String> = args.roles.iter().map(|role| role.name().to_owned()).collect();
    live(settings, &names.join("-"), &start_order(ROLES, &names)?, true).await
}

/// From the start to the end of a process that serves.
async fn live(settings: Settings, name: &str, roles: &[&'static Role], for_others: bool) -> Result<ExitCode> {
    let _telemetry = telemetry::install(&settings.telemetry.named(name))?;
    // Before anything is started, so that no signal finds us without an ear.
    let signals = Signals::of_process().context("listening for signals")?;
    let deadline = settings.node.shutdown_timeout();
    let process = compose::start(settings, roles, for_others).await?;
    announce(&process);
    let ending = run_until_signal(&process.supervisor, signals, deadline).await;
    if let Ending::Late(stages) = &ending {
        tracing::warn!(?stages, "these were not done within the deadline");
    }
    Ok(if ending == Ending::Clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The two things a person must be told, on standard output.
fn announce(process: &Process) {
    let url = &process.public_url;
    if process.address.is_some() {
        println!("Tertulia is ready on {url}");
    }
    if let Some(mesh) = process.mesh_address {
        println!("Tertulia serves its other nodes on {mesh}");
    }
    if let Some(setup) = &process.setup {
        println!(
            "There is no operator yet. This link makes one, once, until {}:\n  {url}/setup#{}",
            setup.expires_at, setup.token
        );
    }
}
