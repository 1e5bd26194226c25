//! A stream of server-sent events as a session's transport: what a socket would write leaves as events, and what its
//! client would say first is said for it. All else, feeds, outbox, bounds and endings, is the socket's.

use std::{collections::VecDeque, convert::Infallible, fmt::Write as _, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tertulia_contracts::frames::{ClientFrame, CloseCode, ServerFrame};
use tertulia_runtime::entropy::random_part;
use tokio::{sync::mpsc, time::Duration};

use crate::{
    connection::{Gone, Heard, Transport, serve},
    cursor::Cursor,
    events::Wish,
    hub::{Hub, Seat},
    outbox::Queue,
    parting::Parting,
    session::Session,
    socket::Socket,
};

/// A comment, which keeps whatever stands between from taking the silence for the end.
const HEARTBEAT: &str = ":\n\n";
/// A client that is told to resume does so after at least this, and at most twice as long.
const RESUME_AFTER: Duration = Duration::from_millis(500);
/// For clients that come back by themselves whatever they are told.
const AFTER_STOP: Duration = Duration::from_mins(1);

/// Begins a stream; it ends when the session does, when its body is dropped or when the node leaves.
pub(crate) fn begin(hub: &Arc<Hub>, seat: Seat, Wish { frames, cursor }: Wish) -> Body {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(1);
    let session = Box::new(Session::new(seat));
    let (hub, socket, script) = (hub.clone(), session.socket().clone(), frames.into());
    let stream = Stream { hub: hub.clone(), socket, sender, cursor, script };
    hub.supervisor.spawn("realtime.stream", serve(stream, hub.clone(), session));
    let chunks = stream::poll_fn(move |context| chunks.poll_recv(context));
    Body::from_stream(chunks.map(Ok::<_, Infallible>))
}

struct Stream {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    sender: mpsc::Sender<Bytes>,
    cursor: Cursor,
    /// What is left to say for the client.
    script: VecDeque<ClientFrame>,
}

impl Transport for Stream {
    async fn hear(&mut self) -> Option<Heard> {
        if let Some(frame) = self.script.pop_front() {
            return Some(Heard::Frame(Box::new(frame)));
        }
        self.sender.closed().await;
        None
    }

    async fn write(&mut self, frames: &mut Queue) -> Result<(), Gone> {
        if frames.is_empty() {
            return Ok(());
        }
        // Kept only when the client has it, so that what is written again is written the same.
        let mut cursor = self.cursor.clone();
        let (text, come_again) = encode(frames, &mut cursor);
        self.sender.send(text.into()).await.map_err(|_| Gone)?;
        *frames = Queue::default();
        self.cursor = cursor;
        // The client cannot speak; that it takes what is written is its sign of life.
        self.socket.heard(self.hub.uptime_ms());
        if come_again {
            self.socket.part(Parting::resume("a conversation could not be opened"));
        }
        Ok(())
    }

    async fn say_goodbye(&mut self, Parting { code, reason }: Parting) -> Result<(), Gone> {
        let then = CloseCode::of(code);
        // Random, so that those who are sent away together do not come back together.
        let pause = match then {
            CloseCode::Resume => RESUME_AFTER + random_part(&*self.hub.ambient.entropy, RESUME_AFTER),
            CloseCode::LogInAgain => RESUME_AFTER,
            CloseCode::Stop => AFTER_STOP,
        };
        let end = ServerFrame::End { code, then, reason: reason.to_owned() };
        let end = serde_json::to_string(&end).expect("a frame is plain data and encodes");
        let event = format!("event: end\ndata: {end}\nretry: {}\n\n", pause.as_millis());
        self.sender.send(event.into()).await.map_err(|_| Gone)
    }
}

/// Frames as events, the last of them with the id when a position moved: who goes on from an id before it hears some
/// of them again at worst. Also tells whether something could not be opened just now, which only a new stream asks
/// for again.
fn encode(frames: &Queue, cursor: &mut Cursor) -> (String, bool) {
    let (mut text, mut moved, mut come_again) = (String::new(), false, false);
    for frame in frames.texts() {
        let noted = cursor.note(frame);
        let between = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{between}event: {}\ndata: {frame}", noted.name);
        moved |= noted.moved;
        come_again |= noted.come_again;
    }
    if let Some(id) = cursor.id().filter(|_| moved) {
        let _ = writeln!(text, "id: {id}");
    }
    // Nothing but a ping.
    text.push_str(if text.is_empty() { HEARTBEAT } else { "\n" });
    (text, come_again)
}
