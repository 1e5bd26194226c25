//! A socket with as little around it as measuring a server allows: the handshake and the framing of RFC 6455 over a
//! bare stream. A WebSocket library's reader would cost more than what it measures.
//!
//! Frames from here are masked with zeros, which the RFC's letter allows and which costs no pass over the bytes.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tertulia_contracts::{
    ConversationId,
    frames::{ClientFrame, Resume, SUBPROTOCOL},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const MASKED: u8 = 0x80;
/// Stands in the place of a length that takes two bytes of its own.
const LONGER: u8 = 0x7e;
/// One read of a socket takes at most so much.
pub(crate) const BUFFER_BYTES: usize = 64 << 10;

/// The hearing half.
pub(crate) struct Ear {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    filled: usize,
}

/// The speaking half.
pub(crate) struct Mouth {
    stream: OwnedWriteHalf,
}

/// Opens a socket, says hello with this token, and opens these conversations from now on.
pub(crate) async fn open(
    address: SocketAddr,
    token: &str,
    conversations: &[ConversationId],
) -> Result<(Ear, Mouth)> {
    opened(connect(address).await?, token, conversations).await
}

async fn opened(
    (mut ear, mut mouth): (Ear, Mouth),
    token: &str,
    conversations: &[ConversationId],
) -> Result<(Ear, Mouth)> {
    mouth.say(&ClientFrame::Hello { token: token.to_owned(), resume: None }).await?;
    ear.until(br#"{"t":"ready""#).await?;
    for &c in conversations {
        mouth.say(&ClientFrame::Open { c, after: None }).await?;
        ear.until(br#"{"t":"opened""#).await?;
    }
    Ok((ear, mouth))
}

/// Opens a socket, says hello, and waits for a frame that begins so.
pub(crate) async fn greet(
    address: SocketAddr,
    token: &str,
    resume: Option<Resume>,
    beginning: &[u8],
) -> Result<(Ear, Mouth, Vec<u8>)> {
    let (mut ear, mut mouth) = connect(address).await?;
    mouth.say(&ClientFrame::Hello { token: token.to_owned(), resume }).await?;
    let answer = ear.until(beginning).await?;
    Ok((ear, mouth, answer))
}

/// Opens a socket, and says nothing yet.
pub(crate) async fn connect(address: SocketAddr) -> Result<(Ear, Mouth)> {
    shake_hands(TcpStream::connect(address).await.context("connecting a socket")?, address).await
}

async fn shake_hands(mut stream: TcpStream, address: SocketAddr) -> Result<(Ear, Mouth)> {
    stream.set_nodelay(true)?;
    let request = format!(
        "GET /v1/realtime HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // The server says nothing behind its answer until it was greeted, so nothing of a frame is read here.
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(stream.read_buf(&mut head).await? > 0, "the handshake broke off");
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "no handshake: {}", String::from_utf8_lossy(&head));
    let (ear, stream) = stream.into_split();
    Ok((Ear::new(ear), Mouth { stream }))
}

impl Ear {
    /// Hears what comes on this stream from now on.
    pub(crate) fn new(stream: OwnedReadHalf) -> Self {
        Self { stream, buffer: Vec::new(), filled: 0 }
    }

    /// Reads once and hands on every whole text frame that is there. An end or a close frame is an error.
    pub(crate) async fn hear(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        self.buffer.resize(BUFFER_BYTES, 0);
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        ensure!(read > 0, "the server closed the connection");
        self.filled += read;
        let mut start = 0;
        while let Some((opcode, payload)) = frame(&self.buffer[start..self.filled])? {
            let (from, to) = (start + payload.0, start + payload.1);
            match opcode {
                TEXT => each(&self.buffer[from..to]),
                CLOSE => bail!("the server closed: {}", String::from_utf8_lossy(&self.buffer[from..to])),
                _ => {}
            }
            start = to;
        }
        self.buffer.copy_within(start..self.filled, 0);
        self.filled -= start;
        Ok(())
    }

    /// Hears until a frame begins so, and gives it; what comes with it does not matter.
    async fn until(&mut self, beginning: &[u8]) -> Result<Vec<u8>> {
        let mut found = None;
        loop {
            let mut refused = None;
            self.hear(|payload| {
                if payload.starts_with(beginning) {
                    found = Some(payload.to_vec());
                } else if payload.starts_with(br#"{"t":"error""#) {
                    refused = Some(String::from_utf8_lossy(payload).into_owned());
                }
            })
            .await?;
            if let Some(refused) = refused {
                bail!("the server refused: {refused}");
            }
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// Gives the buffer back: an idle socket of a harness should not cost the machine its memory.
    pub(crate) fn rest(&mut self) {
        self.buffer.truncate(self.filled);
        self.buffer.shrink_to_fit();
    }
}

impl Mouth {
    /// Says one frame.
    pub(crate) async fn say(&mut self, frame: &ClientFrame) -> Result<()> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, frame);
        self.write(&bytes).await
    }

    /// Writes frames that were encoded before.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Writes frames without waiting, as a sender must who keeps to a timetable.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> Result<()> {
        let written = self.stream.try_write(bytes).context("the server does not read")?;
        ensure!(written == bytes.len(), "the server does not read");
        Ok(())
    }
}

/// Appends a client's frame.
pub(crate) fn write_frame(bytes: &mut Vec<u8>, frame: &ClientFrame) {
    let payload = serde_json::to_vec(frame).expect("a frame is plain data and encodes");
    bytes.extend_from_slice(&client_frame(&payload));
}

/// A client's text frame.
pub(crate) fn client_frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 8);
    write_head(&mut bytes, payload.len(), MASKED);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A server's text frame.
pub(crate) fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 4);
    write_head(&mut bytes, payload.len(), 0);
    bytes.extend_from_slice(payload);
    bytes
}

fn write_head(bytes: &mut Vec<u8>, length: usize, mask: u8) {
    bytes.push(TEXT);
    match u8::try_from(length) {
        Ok(short) if short < LONGER => bytes.push(mask | short),
        _ => {
            let length = u16::try_from(length).expect("the harness sends no frame over 64 KiB");
            bytes.push(mask | LONGER);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
}

/// The first byte and the payload's place of a whole frame at the beginning, if there is one.
fn frame(bytes: &[u8]) -> Result<Option<(u8, (usize, usize))>> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (head, length) = match *second {
        LONGER => match rest {
            [high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            _ => return Ok(None),
        },
        127.. => bail!("a frame over 64 KiB, or a masked one, from a server"),
        short => (2, usize::from(short)),
    };
    Ok((bytes.len() >= head + length).then_some((*first, (head, head + length))))
}

/// The seq of an event's frame.
pub(crate) fn seq_of(payload: &[u8]) -> Option<u64> {
    let rest = payload.strip_prefix(br#"{"t":"event","c":""#)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    number(rest[end..].strip_prefix(br#"","seq":"#)?)
}

/// The number that the body of an event's message begins with.
pub(crate) fn number_in_body(payload: &[u8]) -> Option<u64> {
    const BODY: &[u8] = br#""body":""#;
    let at = payload.windows(BODY.len()).position(|window| window == BODY)?;
    number(&payload[at + BODY.len()..])
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let mut digits = digits.map(|byte| u64::from(byte - b'0')).peekable();
    digits.peek()?;
    Some(digits.fold(0, |number, digit| number * 10 + digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_what_was_read() {
        for length in [0, 1, 125, 126, 300, 65_535] {
            let written = server_frame(&vec![b'x'; length]);
            for cut in (0..4).chain([written.len() - 1]).filter(|cut| *cut < written.len()) {
                assert_eq!(frame(&written[..cut]).unwrap(), None);
            }
            let (first, (from, to)) = frame(&written).unwrap().unwrap();
            assert_eq!((first, to - from, to), (TEXT, length, written.len()));
        }
        assert!(frame(&[TEXT, 127, 0, 0]).is_err());
    }

    #[test]
    fn numbers_are_read_where_they_stand() {
        let event = br#"{"t":"event","c":"cnv_01J","seq":4711,"e":{"message":{"body":"12 x"}}}"#;
        assert_eq!((seq_of(event), number_in_body(event)), (Some(4711), Some(12)));
        let ack = br#"{"t":"ack","ref":"1","seq":4711}"#;
        assert_eq!((seq_of(ack), number_in_body(ack)), (None, None));
    }
}
