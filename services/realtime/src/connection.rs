//! The one task of a socket: reads, works and writes, and sleeps in as little memory as it can.

use std::sync::Arc;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::SinkExt as _;
use tokio::time::{Duration, timeout};

use crate::{hub::Hub, outbox::Turn, parting::Parting, session::Session, socket::Socket};

/// How long a client that does not read may keep a socket that closes.
const GRACE: Duration = Duration::from_secs(5);

/// Serves a socket until it closes.
pub(crate) async fn serve(mut ws: Box<WebSocket>, hub: Arc<Hub>, session: Box<Session>) {
    let parting = converse(&mut ws, &hub, session).await;
    // The session is gone by now: whatever the goodbye takes, nothing is queued for this socket any more.
    if let Some(parting) = parting {
        hub.meters.closed(parting.code);
        let goodbye = async {
            if ws.send(Message::Close(Some(parting.into()))).await.is_ok() {
                // The client answers with its own close frame; closing before it is read could lose ours.
                while let Some(Ok(_)) = ws.recv().await {}
            }
        };
        let _ = timeout(GRACE, goodbye).await;
    }
}

/// Reads, works and writes until one side has had enough. Nothing is said about a connection that just ended.
async fn converse(ws: &mut WebSocket, hub: &Hub, mut session: Box<Session>) -> Option<Parting> {
    let socket = session.socket().clone();
    loop {
        let enough = tokio::select! {
            () = socket.wake.notified() => {
                let mut turn = socket.take();
                for conversation in std::mem::take(&mut turn.lost) {
                    session.lose(conversation);
                }
                let (more, parts) = (turn.more, turn.parting.is_some());
                if !write(ws, hub, &socket, turn).await || parts {
                    return socket.parting();
                }
                if more {
                    socket.wake.notify_one();
                }
                None
            }
            received = ws.recv(), if session.is_listening() => match received? {
                Ok(Message::Text(text)) => session.receive(&text),
                Ok(Message::Binary(_)) => session.receive_binary(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    session.heard();
                    None
                }
                // The answering close frame goes out with the next read, which then ends.
                Ok(Message::Close(_)) => None,
                Err(error) => return Parting::of_broken_frame(&error),
            },
            Some(done) = session.work(), if session.has_work() => session.finish(done),
        };
        if let Some(parting) = enough {
            socket.part(parting);
            return last_words(ws, hub, &socket).await;
        }
    }
}

/// Writes what still waits: the refusals before the end say why it came.
async fn last_words(ws: &mut WebSocket, hub: &Hub, socket: &Socket) -> Option<Parting> {
    loop {
        let turn = socket.take();
        let more = turn.more;
        if !write(ws, hub, socket, turn).await || !more {
            return socket.parting();
        }
    }
}

/// Writes a turn's frames in one go. False if the connection is broken, or the client does not read and the
/// socket closes.
async fn write(ws: &mut WebSocket, hub: &Hub, socket: &Socket, turn: Turn) -> bool {
    let frames = turn.frames.len();
    let mut writing = std::pin::pin!(async {
        for frame in turn.frames {
            ws.feed(Message::Text(frame)).await?;
        }
        if turn.ping {
            ws.feed(Message::Ping(Bytes::new())).await?;
        }
        ws.flush().await
    });
    let written = tokio::select! {
        biased;
        written = &mut writing => written.is_ok(),
        () = socket.cut.notified() => matches!(timeout(GRACE, writing).await, Ok(Ok(()))),
    };
    if written && frames > 0 {
        hub.meters.written(frames);
    }
    written
}
