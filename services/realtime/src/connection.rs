//! The one task of a session: reads, works and writes, and sleeps in as little memory as it can, whatever carries it.

use std::sync::Arc;

use tertulia_contracts::frames::ClientFrame;
use tokio::time::{Duration, Instant, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::{hub::Hub, outbox::Queue, parting::Parting, session::Session, socket::Socket};

/// How long a client that does not read may keep a connection that closes.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// What carries a session's words to its client, and the client's words here.
pub(crate) trait Transport: Send {
    /// What the client says next; none when the connection is over. Giving the call up loses nothing.
    fn hear(&mut self) -> impl Future<Output = Option<Heard>> + Send;

    /// Writes frames in one go. When it is given up halfway, the queue holds what is left.
    fn write(&mut self, frames: &mut Queue) -> impl Future<Output = Result<(), Gone>> + Send;

    /// Says why it ends, behind everything else.
    fn say_goodbye(&mut self, parting: Parting) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// What a client says.
pub(crate) enum Heard {
    /// Text, which may be a frame.
    Text(Utf8Bytes),
    /// A frame, within the bounds of one connection.
    Frame(Box<ClientFrame>),
    /// Bytes.
    Binary,
    /// Nothing, but it is there.
    SignOfLife,
    /// What the transport itself does not allow.
    Breach(Parting),
}

/// The connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Serves a session until its connection closes.
pub(crate) async fn serve(mut transport: impl Transport, hub: Arc<Hub>, session: Box<Session>) {
    let socket = session.socket().clone();
    // The session is gone after this: whatever the goodbye takes, nothing more is queued for this socket.
    let in_hand = converse(&mut transport, &hub, session).await;
    let Some(parting) = socket.parting() else { return };
    hub.meters.closed(parting.code);
    if let Some(in_hand) = in_hand {
        // Apart, since every socket that sleeps would keep the room for its last moment.
        let goodbye = timeout(GRACE, say_goodbye(&mut transport, &hub, &socket, in_hand, parting));
        if Box::pin(goodbye).await.is_err() {
            tracing::debug!(socket = %socket.id, "a client did not read the goodbye");
        }
    }
}

/// Reads, works and writes until one side has had enough. Returns what was in hand when the socket was told to
/// close, or nothing if the connection is over already.
async fn converse(transport: &mut impl Transport, hub: &Hub, mut session: Box<Session>) -> Option<Queue> {
    let socket = session.socket().clone();
    loop {
        // Whatever else is ready, and a client may see to it that something always is.
        if socket.parting().is_some() {
            return Some(Queue::default());
        }
        let enough = tokio::select! {
            // In this order, so that a run repeats. Who never stops talking only hears nothing.
            biased;
            Some(done) = session.work(), if session.has_work() => session.finish(done),
            heard = transport.hear(), if session.is_listening() => match heard? {
                Heard::Text(text) => session.receive(&text),
                Heard::Frame(frame) => session.act(*frame, Instant::now()),
                Heard::Binary => session.receive_binary(),
                Heard::SignOfLife => {
                    session.heard();
                    None
                }
                Heard::Breach(parting) => Some(parting),
            },
            () = socket.wake.notified() => {
                let mut turn = socket.take();
                turn.lost.into_iter().for_each(|conversation| session.lose(conversation));
                tokio::select! {
                    biased;
                    written = write(transport, hub, &mut turn.frames) => written.ok()?,
                    () = socket.cut.notified() => return Some(turn.frames),
                }
                if turn.more {
                    socket.wake.notify_one();
                }
                None
            }
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
    transport: &mut impl Transport,
    hub: &Hub,
    socket: &Socket,
    mut in_hand: Queue,
    parting: Parting,
) -> Result<(), Gone> {
    write(transport, hub, &mut in_hand).await?;
    loop {
        let mut turn = socket.take();
        write(transport, hub, &mut turn.frames).await?;
        if !turn.more {
            break;
        }
    }
    transport.say_goodbye(parting).await
}

async fn write(transport: &mut impl Transport, hub: &Hub, frames: &mut Queue) -> Result<(), Gone> {
    let count = frames.count();
    transport.write(frames).await?;
    if count > 0 {
        hub.meters.written(count);
    }
    Ok(())
}
