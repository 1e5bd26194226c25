//! A WebSocket as a session's transport.
//!
//! The WebSocket reads, answers pings and closes. What the product has to say is encoded already and shared with other
//! sockets, so it goes past the WebSocket to the stream below, one vectored write a turn.

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, time::timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{
    connection::{GRACE, Gone, Heard, Transport},
    outbox::Queue,
    parting::Parting,
};

/// A connection that speaks WebSocket by now. Each future keeps its arguments twice, before and after its first
/// step: here, a pointer.
pub(crate) type Ws = Box<WebSocketStream<TokioIo<Upgraded>>>;

impl Transport for Ws {
    async fn hear(&mut self) -> Option<Heard> {
        match self.next().await? {
            Ok(Message::Text(text)) => Some(Heard::Text(text)),
            Ok(Message::Binary(_)) => Some(Heard::Binary),
            Ok(Message::Ping(_) | Message::Pong(_)) => Some(Heard::SignOfLife),
            Ok(Message::Close(_)) => {
                // The answer is written already and goes out; nothing may follow it. Apart, since every socket that
                // sleeps in here would keep the room for it.
                let _ = Box::pin(timeout(GRACE, self.flush())).await;
                None
            }
            Ok(Message::Frame(_)) => unreachable!("reading gives whole messages"),
            Err(error) => Parting::of_broken_frame(&error).map(Heard::Breach),
        }
    }

    async fn write(&mut self, frames: &mut Queue) -> Result<(), Gone> {
        // An answer of the WebSocket's own must be out before a frame begins behind it.
        self.flush().await.map_err(|_| Gone)?;
        self.get_mut().write_all_buf(frames).await.map_err(|_| Gone)
    }

    async fn say_goodbye(&mut self, parting: Parting) -> Result<(), Gone> {
        self.send(Message::Close(Some(parting.into()))).await.map_err(|_| Gone)?;
        // The client answers with its own close frame; closing before it is read could lose ours.
        while let Some(Ok(_)) = self.next().await {}
        Ok(())
    }
}
