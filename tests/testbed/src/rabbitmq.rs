//! RabbitMQ: one node with its own Erlang port mapper.
//!
//! What it confirmed survives a kill, with one exception: a quorum queue's own registration reaches the file
//! seconds after the declaration was acknowledged. A node killed before comes back with an empty queue of
//! that name that never elects a leader. [`registered`] waits that out.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use crate::probe::{Probe, contains};
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

/// The port mapper runs beside the node as one of our own processes. The node would otherwise start it as a
/// daemon that outlives it.
const RUN: &str = r#"
epmd -port "$ERL_EPMD_PORT" &
until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.02; done
exec "$0"
"#;

const NODE: &str = "testbed@localhost";
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Limits small enough for several at once on a small machine.
fn configuration(port: u16) -> String {
    format!(
        "listeners.tcp.default = 127.0.0.1:{port}\n\
         loopback_users = none\n\
         vm_memory_high_watermark.absolute = 256MB\n\
         disk_free_limit.absolute = 50MB\n\
         log.console = true\n\
         log.console.level = info\n\
         log.file = false\n"
    )
}

/// No cookie file, no port mapper of its own, and no busy waiting, which would cost a small machine its
/// processors.
const ERLANG_ARGUMENTS: &str = "-setcookie testbed -start_epmd false +sbwt none +sbwtdcpu none +sbwtdio none";

/// Starts a RabbitMQ; its URL is `amqp://guest:guest@ADDRESS/%2f`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let mapper_port = bed.free_address()?.port().to_string();
    let node_port = bed.free_address()?.port().to_string();
    let folder = bed.server_folder("rabbitmq")?;
    write_file(&folder, "rabbitmq.conf", &configuration(address.port()))?;
    let plugins = write_file(&folder, "enabled_plugins", "[].\n")?;
    let program = place::packaged("rabbitmq", "/usr/lib/rabbitmq/lib", "sbin/rabbitmq-server")?;
    let launch = Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), RUN.into(), program.into()],
        environment: vec![
            ("HOME", folder.clone().into()),
            ("RABBITMQ_NODENAME", NODE.into()),
            ("RABBITMQ_MNESIA_BASE", folder.join("data").into()),
            ("RABBITMQ_LOG_BASE", folder.join("logs").into()),
            ("RABBITMQ_PID_FILE", folder.join("pid").into()),
            ("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq").into()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", plugins.into()),
            ("RABBITMQ_DIST_PORT", node_port.into()),
            ("ERL_EPMD_PORT", mapper_port.into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS.into()),
            // The start script then becomes the node, instead of standing between us and it and swallowing
            // signals.
            ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ],
        stop_signal: Signal::SIGTERM,
        // A client's protocol header is answered with the method Connection.Start, class 10, method 10 (AMQP
        // 0-9-1, 2.2.4 and 4.2.3).
        probe: Probe {
            address,
            question: b"AMQP\x00\x00\x09\x01".into(),
            is_ready: |answer| answer.starts_with(&[1, 0, 0]) && answer.get(7..11) == Some(&[0, 10, 0, 10]),
        },
        folder,
    };
    Server::start(bed, format!("amqp://guest:guest@{address}/%2f"), launch, None).await
}

/// Waits until a quorum queue, declared in the default virtual host of a server started here, would survive a
/// kill.
///
/// # Errors
/// It is not so within 30 seconds.
pub async fn registered(server: &Server, queue: &str) -> Result<()> {
    let names: PathBuf = [
        server.folder(),
        "data".as_ref(),
        NODE.as_ref(),
        "quorum".as_ref(),
        NODE.as_ref(),
        "names.dets".as_ref(),
    ]
    .iter()
    .collect();
    // The slash of the virtual host is written as in a URL.
    let name = format!("%2F_{queue}");
    let deadline = Instant::now() + REGISTERED_WITHIN;
    while !contains(&tokio::fs::read(&names).await?, name.as_bytes()) {
        ensure!(Instant::now() < deadline, "{queue} was not registered within {REGISTERED_WITHIN:?}");
        sleep(POLL_EVERY).await;
    }
    Ok(())
}
