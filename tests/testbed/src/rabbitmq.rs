//! RabbitMQ: one node with its own Erlang port mapper.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::Probe;
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

/// The port mapper runs beside the node as one of our own processes. The node would otherwise start it as a daemon that outlives it.
const RUN: &str = r#"
epmd -port "$ERL_EPMD_PORT" &
until epmd -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.02; done
exec "$0"
"#;

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

/// No cookie file, no port mapper of its own, and no busy waiting, which would cost a small machine its processors.
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
            ("RABBITMQ_NODENAME", "testbed@localhost".into()),
            ("RABBITMQ_MNESIA_BASE", folder.join("data").into()),
            ("RABBITMQ_LOG_BASE", folder.join("logs").into()),
            ("RABBITMQ_PID_FILE", folder.join("pid").into()),
            ("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq").into()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", plugins.into()),
            ("RABBITMQ_DIST_PORT", node_port.into()),
            ("ERL_EPMD_PORT", mapper_port.into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", ERLANG_ARGUMENTS.into()),
            // The start script then becomes the node, instead of standing between us and it and swallowing signals.
            ("RUNNING_UNDER_SYSTEMD", "true".into()),
        ],
        stop_signal: Signal::SIGTERM,
        // A client's protocol header is answered with the method Connection.Start, class 10, method 10 (AMQP 0-9-1, 2.2.4 and 4.2.3).
        probe: Probe {
            address,
            question: b"AMQP\x00\x00\x09\x01".into(),
            is_ready: |answer| answer.starts_with(&[1, 0, 0]) && answer.get(7..11) == Some(&[0, 10, 0, 10]),
        },
        folder,
    };
    Server::start(bed, format!("amqp://guest:guest@{address}/%2f"), launch, None).await
}
