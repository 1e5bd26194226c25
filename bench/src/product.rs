//! The product as a process: the release binary that stands beside this one.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::process;

/// How long it may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// What keeps a harness out that is thousands of clients at one address, and nothing else.
const OPEN_DOORS: &[&str] = &[
    "gateway.stranger_burst=1000000",
    "gateway.read_burst=1000000",
    "gateway.write_burst=1000000",
    "auth.password.memory_kib=64",
    "auth.password.passes=1",
    "auth.access_token_s=86400",
    "realtime.frames_per_second=1000000",
    "realtime.frame_burst=1000000",
    "realtime.max_sockets_per_user=10000",
    "realtime.ping_interval_ms=3600000",
    "telemetry.log=warn",
];

/// A running `tertulia up`. It ends when this is dropped.
pub(crate) struct Product {
    child: Child,
    address: SocketAddr,
    /// From the process's start to its first word that it is ready.
    pub ready_after: Duration,
}

/// The release binary.
pub(crate) fn binary() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("tertulia");
    if !path.exists() {
        bail!("{} is missing; `make bench` builds it", path.display());
    }
    Ok(path)
}

impl Product {
    /// Starts it with the limits lifted that a harness would run into.
    pub(crate) async fn start(data: &Path) -> Result<Self> {
        Self::run(data, OPEN_DOORS).await
    }

    /// Starts it as it is installed.
    pub(crate) async fn start_as_installed(data: &Path) -> Result<Self> {
        Self::run(data, &[]).await
    }

    async fn run(data: &Path, settings: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let address = free_address()?;
        let log = std::fs::File::create(data.join("bench.log"))?;
        let mut command = Command::new(binary()?);
        command.arg("up").arg("--data").arg(data).arg("--listen").arg(address.to_string());
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let began = Instant::now();
        let mut child = command.spawn().context("starting tertulia")?;
        loop {
            if matches!(get(address, "/health/ready").await, Ok((200, _))) {
                return Ok(Self { child, address, ready_after: began.elapsed() });
            }
            if let Some(status) = child.try_wait()? {
                let said = std::fs::read_to_string(data.join("bench.log")).unwrap_or_default();
                bail!("tertulia ended with {status}: {said}");
            }
            if began.elapsed() > READY_WITHIN {
                bail!("tertulia was not ready within {} s", READY_WITHIN.as_secs());
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its resident memory.
    pub(crate) fn resident_bytes(&self) -> Result<f64> {
        process::resident_bytes(&self.child)
    }

    /// A number from `/metrics`, added up over its labels; 0 if it is not there yet.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let (_, page) = get(self.address, "/metrics").await?;
        let samples = page.lines().filter_map(|line| line.strip_prefix(name));
        let samples = samples.filter(|rest| rest.starts_with([' ', '{']));
        Ok(samples.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Waits until a gauge is zero.
    pub(crate) async fn settle(&self, gauge: &str, within: Duration) -> Result<()> {
        let began = Instant::now();
        while self.metric(gauge).await? > 0.0 {
            if began.elapsed() > within {
                bail!("{gauge} was not zero within {} s", within.as_secs());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Kills it, as a machine that fails would.
    pub(crate) async fn kill(self) -> Result<()> {
        process::kill_now(self.child).await
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) -> Result<()> {
        process::stop(self.child).await
    }
}

/// An address of loopback that nobody listens on just now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// One bare request on a connection of its own, so that polling costs the process under test next to nothing.
async fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = timeout(Duration::from_secs(5), exchange).await.context("no answer within 5 s")??;
    let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}
