//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use tertulia_contracts::routes::role;

/// A chat and channel platform that you host yourself.
#[derive(Debug, Parser)]
#[command(name = "tertulia", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in this process, on embedded back ends below one folder.
    Up(UpArgs),
    /// Run some roles in this process and find the others through discovery.
    Serve(ServeArgs),
    /// Print or check the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check every back end that is configured and say what is wrong.
    Doctor(SettingsArgs),
    /// Look after the message bus.
    #[command(subcommand)]
    Bus(BusCommand),
}

/// Where the configuration comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArgs {
    /// A configuration file; `tertulia config default` prints one to start from.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where embedded back ends keep their files [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Sets one key, for instance --set telemetry.log=debug.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where to listen for clients [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The roles to run.
    #[arg(required = true, value_enum)]
    pub roles: Vec<Role>,
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Where the gateway listens for clients [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where to listen for other nodes [default: a free port of 127.0.0.1].
    #[arg(long, value_name = "ADDR")]
    pub mesh_listen: Option<SocketAddr>,
}

/// What a process can be.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Role {
    /// Accounts, sessions, keys.
    Auth,
    /// Conversations and their logs.
    Messaging,
    /// Sockets.
    Realtime,
    /// The edge.
    Gateway,
}

impl Role {
    /// The name in the table of roles.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auth => role::AUTH,
            Self::Messaging => role::MESSAGING,
            Self::Realtime => role::REALTIME,
            Self::Gateway => role::GATEWAY,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print every key with its meaning and default.
    Default,
    /// Read the configuration and say everything that is wrong with it.
    Check(SettingsArgs),
    /// Print the configuration as it takes effect, without its secrets.
    Show(SettingsArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BusCommand {
    /// Events that a consumer group gave up on.
    #[command(subcommand)]
    Dead(DeadCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// List them, oldest first.
    List {
        /// The consumer group; all of them if absent.
        #[arg(long)]
        group: Option<String>,
        /// At most so many of each group.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        #[command(flatten)]
        settings: SettingsArgs,
    },
    /// Print one whole, as JSON.
    Show(LetterArgs),
    /// Give one to its group again.
    Replay(LetterArgs),
    /// Forget one.
    Drop(LetterArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// The consumer group.
    pub group: String,
    /// The letter's id, from the list.
    pub id: String,
    #[command(flatten)]
    pub settings: SettingsArgs,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
