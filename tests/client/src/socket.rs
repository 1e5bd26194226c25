//! A bare socket: one frame at a time, nothing remembered.

use futures_util::{SinkExt as _, StreamExt as _};
use tertulia_contracts::frames::{ClientFrame, CloseCode, Resume, SUBPROTOCOL, ServerFrame};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error, Message, Utf8Bytes, client::IntoClientRequest as _, error::UrlError,
        handshake::client::Request, http::HeaderValue, protocol::WebSocketConfig,
    },
};
use tokio_util::either::Either;

use crate::{Trust, Wire};

/// Why a socket could not be opened, or broke the protocol.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// No handshake, or a broken frame.
    #[error(transparent)]
    WebSocket(Box<tokio_tungstenite::tungstenite::Error>),
    /// The server sent what is not a frame of the protocol.
    #[error("the server sent what is no frame: {0}: {1}")]
    Malformed(serde_json::Error, String),
    /// It ended.
    #[error("the socket closed: {0:?}")]
    Closed(Closed),
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The close code; 1006 if the connection just broke.
    pub code: u16,
    /// The server's phrase.
    pub reason: String,
}

impl Closed {
    pub(crate) fn broken(reason: String) -> Self {
        Self { code: 1006, reason }
    }

    /// What the client does next. A broken connection, a restart of whatever stands between: come back.
    pub fn meaning(&self) -> CloseCode {
        match self.code {
            4001 => CloseCode::LogInAgain,
            4002 | 1002 | 1003 | 1007 | 1008 | 1009 => CloseCode::Stop,
            _ => CloseCode::Resume,
        }
    }
}

impl From<tokio_tungstenite::tungstenite::Error> for SocketError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

/// One connection, over TCP or TLS unless a test makes the stream itself.
pub struct Socket<S = Wire> {
    ws: WebSocketStream<S>,
}

/// The handshake's request, and how much the client buffers: a harness holds thousands of these, and the default of
/// 128 KiB is not for it.
fn handshake(base: &str) -> Result<(Request, WebSocketConfig), SocketError> {
    let url = format!("{}/v1/realtime", base.replacen("http", "ws", 1));
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok((request, WebSocketConfig::default().read_buffer_size(4 << 10)))
}

impl Socket {
    /// Opens a socket at `http://host:port`; says nothing yet.
    pub async fn connect(base: &str) -> Result<Self, SocketError> {
        Self::reach(base, None).await
    }

    /// The same, at `https://host:port` if that is trusted.
    pub(crate) async fn reach(base: &str, trust: Option<&Trust>) -> Result<Self, SocketError> {
        let (request, config) = handshake(base)?;
        let host = request.uri().host().ok_or(Error::Url(UrlError::NoHostName))?.to_owned();
        let is_secure = request.uri().scheme_str() == Some("wss");
        let port = request.uri().port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(Error::Io)?;
        stream.set_nodelay(true).map_err(Error::Io)?;
        let stream = if is_secure {
            let trust = trust.ok_or(Error::Url(UrlError::TlsFeatureNotEnabled))?;
            trust.secure(&host, stream).await.map_err(Error::Io)?
        } else {
            Either::Left(stream)
        };
        let (ws, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { ws })
    }

    /// Opens a socket without TLS and says hello; what follows the `ready` is left to be heard.
    pub async fn hello(
        base: &str,
        token: &str,
        resume: Option<Resume>,
    ) -> Result<(Self, ServerFrame), SocketError> {
        let mut socket = Self::connect(base).await?;
        let ready = socket.greet(token, resume).await?;
        Ok((socket, ready))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Opens a socket over a stream that leads to the server; says nothing yet.
    pub async fn over(stream: S) -> Result<Self, SocketError> {
        let (request, config) = handshake("http://localhost")?;
        let (ws, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { ws })
    }

    /// Says hello and hears the answer, which is `ready` when all is well.
    pub async fn greet(&mut self, token: &str, resume: Option<Resume>) -> Result<ServerFrame, SocketError> {
        self.say(&ClientFrame::Hello { token: token.to_owned(), resume }).await?;
        self.hear().await
    }

    /// Sends a frame.
    pub async fn say(&mut self, frame: &ClientFrame) -> Result<(), SocketError> {
        let text =
            serde_json::to_string(frame).map_err(|error| SocketError::Malformed(error, String::new()))?;
        self.say_raw(Message::Text(text.into())).await
    }

    /// Sends any message, for frames that are wrong on purpose.
    pub async fn say_raw(&mut self, message: Message) -> Result<(), SocketError> {
        Ok(self.ws.send(message).await?)
    }

    /// The next frame.
    pub async fn hear(&mut self) -> Result<ServerFrame, SocketError> {
        let text = self.hear_raw().await?;
        ServerFrame::from_json(&text).map_err(|error| SocketError::Malformed(error, text.as_str().to_owned()))
    }

    /// The next frame's text. Pings are answered by reading on.
    pub async fn hear_raw(&mut self) -> Result<Utf8Bytes, SocketError> {
        loop {
            match self.ws.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let (code, reason) = (frame.code.into(), frame.reason.as_str().to_owned());
                    // The answering close frame leaves with this.
                    let _ = self.ws.flush().await;
                    return Err(SocketError::Closed(Closed { code, reason }));
                }
                Some(Ok(Message::Close(None))) => {
                    return Err(SocketError::Closed(Closed { code: 1005, reason: String::new() }));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(SocketError::Closed(Closed::broken(error.to_string()))),
                None => return Err(SocketError::Closed(Closed::broken("end of stream".to_owned()))),
            }
        }
    }

    /// Closes it in good order.
    pub async fn close(mut self) {
        let _ = self.ws.close(None).await;
    }

    /// The stream beneath, for a harness that reads it in its own way.
    pub fn into_inner(self) -> WebSocketStream<S> {
        self.ws
    }
}
