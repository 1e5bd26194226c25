//! What the tests of the test bed share.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// Sends a line to a server of a line protocol and returns its first answer.
pub(crate) async fn ask(address: SocketAddr, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(line.as_bytes()).await?;
    let mut answer = vec![0; 1024];
    match stream.read(&mut answer).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        read => Ok(String::from_utf8_lossy(&answer[..read]).into_owned()),
    }
}

/// One HTTP request; returns the body.
pub(crate) async fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or(std::io::ErrorKind::UnexpectedEof.into())
}

/// Waits for a condition, at most half a minute.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "not within half a minute: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The processes that work in this folder or were told of it, found by other means than the crate's own:
/// `PID: COMMAND LINE`. Watchdogs, which stay until the end, do not count.
pub(crate) fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("a temporary folder's name is plain");
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter_map(|pid| {
        let place = Path::new("/proc").join(&pid);
        let words = |file| {
            let bytes = fs::read(place.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let command = words("cmdline");
        let works_there = fs::read_link(place.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
        let knows_it = command.contains(folder) || words("environ").contains(folder);
        let counts = (works_there || knows_it) && !command.contains("testbed-watchdog");
        counts.then(|| format!("{pid}: {command}"))
    })
    .collect()
}
