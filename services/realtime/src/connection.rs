//! The one task of a socket: reads, works and writes, and sleeps in as little memory as it can.
//!
//! The WebSocket reads, answers pings and closes. What the product has to say is encoded already and shared with other
//! sockets, so it goes past the WebSocket to the stream below, one vectored write a turn.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt as _,
    time::{Duration, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

use crate::{hub::Hub, outbox::Queue, parting::Parting, session::Session, socket::Socket};

/// How long a client that does not read may keep a socket that closes.
const GRACE: Duration = Duration::from_secs(5);

/// A connection that speaks WebSocket by now.
pub(crate) type Ws = WebSocketStream<TokioIo<Upgraded>>;

type Result = std::result::Result<(), Error>;

/// Serves a socket until it closes.
pub(crate) async fn serve(mut ws: Box<Ws>, hub: Arc<Hub>, session: Box<Session>) {
    let socket = session.socket().clone();
    // The session is gone after this: whatever the goodbye takes, nothing more is queued for this socket.
    let in_hand = converse(&mut ws, &hub, session).await;
    let Some(parting) = socket.parting() else { return };
    hub.meters.closed(parting.code);
    if let Some(in_hand) = in_hand {
        let goodbye = timeout(GRACE, say_goodbye(&mut ws, &hub, &socket, in_hand, parting));
        if goodbye.await.is_err() {
            tracing::debug!(socket = %socket.id, "a client did not read the goodbye");
        }
    }
}

/// Reads, works and writes until one side has had enough. Returns what was in hand when the socket was told to
/// close, or nothing if the connection is over already.
async fn converse(ws: &mut Ws, hub: &Hub, mut session: Box<Session>) -> Option<Queue> {
    let socket = session.socket().clone();
    loop {
        let enough = tokio::select! {
            () = socket.wake.notified() => {
                if socket.parting().is_some() {
                    return Some(Queue::default());
                }
                let mut turn = socket.take();
                turn.lost.into_iter().for_each(|conversation| session.lose(conversation));
                tokio::select! {
                    biased;
                    written = write(ws, hub, &mut turn.frames) => written.ok()?,
                    () = socket.cut.notified() => return Some(turn.frames),
                }
                if turn.more {
                    socket.wake.notify_one();
                }
                None
            }
            received = ws.next(), if session.is_listening() => match received? {
                Ok(Message::Text(text)) => session.receive(&text),
                Ok(Message::Binary(_)) => session.receive_binary(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    session.heard();
                    None
                }
                Ok(Message::Close(_)) => {
                    // The answer is written already and goes out; nothing may follow it.
                    let _ = timeout(GRACE, ws.flush()).await;
                    return None;
                }
                Ok(Message::Frame(_)) => unreachable!("reading gives whole messages"),
                Err(error) => Some(Parting::of_broken_frame(&error)?),
            },
            Some(done) = session.work(), if session.has_work() => session.finish(done),
        };
        if let Some(parting) = enough {
            socket.part(parting);
            return Some(Queue::default());
        }
    }
}

/// Finishes what is in hand, since a frame cut off in its midst would swallow the rest; then says what still waits,
/// since the refusals before the end say why it came; then why it ends.
async fn say_goodbye(
    ws: &mut Ws,
    hub: &Hub,
    socket: &Socket,
    mut in_hand: Queue,
    parting: Parting,
) -> Result {
    write(ws, hub, &mut in_hand).await?;
    loop {
        let mut turn = socket.take();
        write(ws, hub, &mut turn.frames).await?;
        if !turn.more {
            break;
        }
    }
    ws.send(Message::Close(Some(parting.into()))).await?;
    // The client answers with its own close frame; closing before it is read could lose ours.
    while let Some(Ok(_)) = ws.next().await {}
    Ok(())
}

/// Writes frames in one go. When it is given up halfway, the queue holds what is left.
async fn write(ws: &mut Ws, hub: &Hub, frames: &mut Queue) -> Result {
    let count = frames.count();
    // An answer of the WebSocket's own must be out before a frame begins behind it.
    ws.flush().await?;
    ws.get_mut().write_all_buf(frames).await?;
    if count > 0 {
        hub.meters.written(count);
    }
    Ok(())
}
