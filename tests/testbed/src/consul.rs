//! Consul: one server agent that leads itself and keeps its data.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::probe::{Probe, contains, http_request, is_http_success};
use crate::server::{Launch, write_file};
use crate::{Server, Testbed, place};

/// Starts a Consul; its URL is `http://ADDRESS`.
pub async fn start(bed: &Testbed) -> Result<Server> {
    let address = bed.free_address()?;
    let rpc_port = bed.free_address()?.port();
    let gossip_port = bed.free_address()?.port();
    let folder = bed.server_folder("consul")?;
    let configuration = format!(
        r#"server = true
bootstrap_expect = 1
data_dir = "data"
node_name = "testbed"
bind_addr = "127.0.0.1"
client_addr = "127.0.0.1"
disable_update_check = true
log_level = "info"
connect {{ enabled = false }}
# An election takes a second instead of five.
performance {{ raft_multiplier = 1 }}
ports {{
  http = {http}
  server = {rpc_port}
  serf_lan = {gossip_port}
  serf_wan = -1
  dns = -1
  grpc = -1
  grpc_tls = -1
}}
"#,
        http = address.port()
    );
    write_file(&folder, "consul.hcl", &configuration)?;
    let launch = Launch {
        program: place::built("consul", "consul")?,
        arguments: ["agent", "-config-file", "consul.hcl"].map(Into::into).into(),
        environment: Vec::new(),
        stop_signal: Signal::SIGTERM,
        // It leads itself, and knows itself to be healthy, when the catalog shows its own node's check
        // passing.
        probe: Probe {
            address,
            question: http_request("GET", "/v1/health/node/testbed", ""),
            is_ready: |answer| is_http_success(answer) && contains(answer, br#""Status":"passing""#),
        },
        folder,
    };
    Server::start(bed, format!("http://{address}"), launch, None).await
}
