//! Asks a server, in its own protocol, whether it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A question that a server answers only when it is ready.
pub(crate) struct Probe {
    pub(crate) address: SocketAddr,
    pub(crate) question: Vec<u8>,
    /// Whether what has arrived so far is the answer of a server that is ready.
    pub(crate) is_ready: fn(&[u8]) -> bool,
}

impl Probe {
    pub(crate) async fn ask(&self) -> bool {
        timeout(ANSWER_WITHIN, exchange(self.address, &self.question, self.is_ready))
            .await
            .is_ok_and(|answer| answer.is_ok_and(|bytes| (self.is_ready)(&bytes)))
    }
}

/// One HTTP request to a server of the test bed.
///
/// # Errors
/// No connection, no answer in time, or a status other than 2xx; the error then quotes the answer.
pub(crate) async fn http(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<String> {
    let request = http_request(method, path, body);
    let whole = timeout(ANSWER_WITHIN, exchange(address, &request, |_| false))
        .await
        .with_context(|| format!("{method} http://{address}{path}: no answer within {ANSWER_WITHIN:?}"))?
        .with_context(|| format!("{method} http://{address}{path}"))?;
    let answer = String::from_utf8_lossy(&whole);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("{method} {path}: half an answer: {answer}"))?;
    anyhow::ensure!(is_http_success(head.as_bytes()), "{method} {path}: {answer}");
    Ok(body.to_owned())
}

/// HTTP/1.0, so that the answer comes unchunked and ends with the connection.
pub(crate) fn http_request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

pub(crate) fn is_http_success(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.0 2") || answer.starts_with(b"HTTP/1.1 2")
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Sends the question and reads until the answer is enough or the server closes.
async fn exchange(address: SocketAddr, question: &[u8], is_enough: fn(&[u8]) -> bool) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(question).await?;
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX && !is_enough(&answer) {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    Ok(answer)
}
