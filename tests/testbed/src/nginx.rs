//! Nginx, configured by what the product ships in `nginx/`, in front of gateways. Its certificate is its own.

use std::{fmt::Write as _, net::SocketAddr, path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::{
    Server, Testbed, place,
    probe::{Probe, http_request},
    server::{Launch, write_file},
};

/// A running Nginx.
pub struct Nginx {
    /// Its process. Its URL is `https://ADDRESS`; its [address](Server::address) is where it speaks without TLS.
    pub server: Server,
    /// What its clients trust: the certificate it shows, in PEM.
    pub certificate: String,
}

/// What operators edit is written by the test bed; the rest is used as it is.
const SHIPPED: [(&str, &str); 4] = [
    ("tertulia.conf", include_str!("../../../nginx/tertulia.conf")),
    ("tertulia/tls.conf", include_str!("../../../nginx/tertulia/tls.conf")),
    ("tertulia/clients.conf", include_str!("../../../nginx/tertulia/clients.conf")),
    ("tertulia/problems.conf", include_str!("../../../nginx/tertulia/problems.conf")),
];

/// What a distribution's own `nginx.conf` says around it, with every path below the server's folder.
const AROUND: &str = "\
daemon off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path bodies;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include tertulia.conf;
}
";

/// How a certificate of its own is made: good for the name and the address by which tests reach it, and no authority.
const CERTIFICATE: &str = "\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = Tertulia
[extensions]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:chat.example
";

/// Starts an Nginx before these gateways.
pub async fn start(bed: &Testbed, gateways: &[SocketAddr]) -> Result<Nginx> {
    let (plain, tls) = (bed.free_address()?, bed.free_address()?);
    let folder = bed.server_folder("nginx")?;
    std::fs::create_dir(folder.join("tertulia")).context("making the folder of its configuration")?;
    for (name, text) in SHIPPED {
        write_file(&folder, name, text)?;
    }
    // Root's workers would be another user's, who may not enter the folder.
    let user = if bed.is_root()? { "user root root;\n" } else { "" };
    let main = write_file(&folder, "nginx.conf", &format!("{user}{AROUND}"))?;
    let certificate = make_certificate(&folder).await?;
    let upstreams = gateways.iter().fold(String::new(), |mut lines, gateway| {
        let _ = writeln!(lines, "server {gateway} max_fails=1 fail_timeout=2s;");
        lines
    });
    write_file(&folder, "tertulia/gateways.conf", &upstreams)?;
    write_file(&folder, "tertulia/names.conf", "server_name 127.0.0.1 chat.example;\n")?;
    write_file(&folder, "tertulia/listen-plain.conf", &format!("listen {plain};\n"))?;
    let listen =
        format!("listen {tls} ssl http2;\nssl_certificate certificate.pem;\nssl_certificate_key key.pem;\n");
    write_file(&folder, "tertulia/listen.conf", &listen)?;
    let launch = Launch {
        program: place::built("nginx", "nginx")?,
        arguments: vec![
            "-p".into(),
            folder.clone().into(),
            "-e".into(),
            "stderr".into(),
            "-c".into(),
            main.into(),
        ],
        environment: Vec::new(),
        stop_signal: Signal::SIGQUIT,
        probe: Probe {
            address: plain,
            question: http_request("GET", "/", ""),
            is_ready: |answer| answer.starts_with(b"HTTP/1.1 308 "),
        },
        folder,
    };
    let server = Server::start(bed, format!("https://{tls}"), launch, None).await?;
    Ok(Nginx { server, certificate })
}

async fn make_certificate(folder: &Path) -> Result<String> {
    write_file(folder, "certificate.conf", CERTIFICATE)?;
    let made = Command::new(place::on_path("nginx", "openssl")?)
        .current_dir(folder)
        .args(
            "req -x509 -config certificate.conf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                .split(' '),
        )
        .args("-days 30 -keyout key.pem -out certificate.pem".split(' '))
        .stdin(Stdio::null())
        .output()
        .await
        .context("making a certificate")?;
    ensure!(made.status.success(), "making a certificate: {}", String::from_utf8_lossy(&made.stderr));
    std::fs::read_to_string(folder.join("certificate.pem")).context("reading the certificate")
}
