//! What one socket may say and what comes of it: a state machine that never waits. Whatever takes time becomes
//! work, which the socket's task drives beside its reading and writing.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tertulia_contracts::{
    ConversationId, UserId,
    frames::{ClientFrame, MAX_OPEN, Resume, ServerFrame},
    messaging::PostMessage,
    presence::{DeviceStatus, MAX_PRESENCE_USERS},
};
use tokio::time::{Duration, Instant};

use crate::{
    catch_up::{Place, catch_up},
    feed::{Attachment, Owner},
    greeting::{Greeted, greet, renew},
    hub::{Hub, Seat},
    parting::Parting,
    rate::Rate,
    socket::{Login, Socket},
    upstream::Refusal,
    wire,
};

/// The most sends that wait for the one before them.
const MAX_WAITING_SENDS: usize = 32;
/// The most conversations of one socket that catch up at once.
const MAX_OPENING: usize = 4;
/// How often whom a socket watches may be another: so many times at once, and once more each two seconds.
const PRESENCE_WATCHES: (f64, u32) = (0.5, 10);
/// Typing is told at most this often.
const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// Where a socket stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It has said nothing.
    Silent,
    /// Its hello is being looked at; nothing else is read meanwhile.
    Greeting,
    /// It is somebody's.
    Live,
}

/// What some work came to.
pub(crate) enum Done {
    Greeted(Result<Greeted, Parting>),
    Renewed(Result<(), Parting>),
    Opened(Arc<Attachment>, Result<(), Refusal>),
    Sent(ServerFrame),
    Told,
    Watched(Result<(), Refusal>),
}

/// A message on its way to messaging.
struct Send {
    reference: String,
    conversation: ConversationId,
    post: PostMessage,
}

/// One socket's side of the conversation.
pub(crate) struct Session {
    hub: Arc<Hub>,
    socket: Arc<Socket>,
    phase: Phase,
    frames: Rate,
    refused_frames: Rate,
    malformed_frames: Rate,
    presence_watches: Rate,
    own_log: Option<Arc<Attachment>>,
    open: HashMap<ConversationId, Arc<Attachment>>,
    waiting_opens: VecDeque<(Arc<Attachment>, Place)>,
    opening: usize,
    waiting_sends: VecDeque<Send>,
    sending: bool,
    typed_at: Option<Instant>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Last, so that the socket leaves its user's list only when nothing else is held.
    _seat: Seat,
}

impl Session {
    pub(crate) fn new(seat: Seat) -> Self {
        let limits = &seat.hub.config;
        Self {
            hub: seat.hub.clone(),
            socket: seat.socket.clone(),
            phase: Phase::Silent,
            frames: Rate::new(limits.frames_per_second, limits.frame_burst),
            // Who goes on for some seconds at many times the rate, or sends what is not the protocol, is stopped.
            refused_frames: Rate::new(limits.frames_per_second, limits.frame_burst.saturating_mul(4)),
            malformed_frames: Rate::new(0.1, 10),
            presence_watches: Rate::new(PRESENCE_WATCHES.0, PRESENCE_WATCHES.1),
            own_log: None,
            open: HashMap::new(),
            waiting_opens: VecDeque::new(),
            opening: 0,
            waiting_sends: VecDeque::new(),
            sending: false,
            typed_at: None,
            work: FuturesUnordered::new(),
            _seat: seat,
        }
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    /// Whether to read on: not while a hello is being looked at, so that what follows it finds the socket live.
    pub(crate) fn is_listening(&self) -> bool {
        self.phase != Phase::Greeting
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.work.is_empty()
    }

    /// The next piece of work that is done. Cancelling the call loses nothing.
    pub(crate) async fn work(&mut self) -> Option<Done> {
        self.work.next().await
    }

    /// The client gave a sign of life.
    pub(crate) fn heard(&self) {
        self.socket.heard(self.hub.uptime_ms());
    }

    fn say(&self, frame: &ServerFrame) {
        self.socket.push(wire::encode(frame));
    }

    fn refuse(&self, reference: Option<String>, c: Option<ConversationId>, code: &str, detail: &str) {
        let retry_after = (code == "rate_limited").then_some(1);
        self.say(&ServerFrame::Error { reference, c, code: code.into(), detail: detail.into(), retry_after });
    }

    /// The client sent bytes, which this protocol has no use for.
    pub(crate) fn receive_binary(&mut self) -> Option<Parting> {
        self.heard();
        self.malformed(None, "Frames are text.")
    }

    /// The client sent text.
    pub(crate) fn receive(&mut self, text: &str) -> Option<Parting> {
        self.heard();
        let frame = match wire::decode(text) {
            Ok(frame) => frame,
            Err(malformed) => return self.malformed(malformed.reference, &malformed.detail),
        };
        if self.phase == Phase::Silent && !matches!(frame, ClientFrame::Hello { .. }) {
            return Some(Parting::stop("the first frame is hello"));
        }
        let now = Instant::now();
        if !self.frames.allow(now) {
            let (reference, c) = match frame {
                ClientFrame::Send { reference, c, .. } => (Some(reference), Some(c)),
                ClientFrame::Open { c, .. } | ClientFrame::Close { c } | ClientFrame::Typing { c } => {
                    (None, Some(c))
                }
                ClientFrame::Hello { .. }
                | ClientFrame::Watch { .. }
                | ClientFrame::Ping {}
                | ClientFrame::PresenceWatch { .. }
                | ClientFrame::Presence { .. } => (None, None),
            };
            self.refuse(reference, c, "rate_limited", "Too many frames. The frame was not acted upon.");
            return (!self.refused_frames.allow(now)).then_some(Parting::stop("too many frames"));
        }
        self.act(frame, now)
    }

    fn malformed(&mut self, reference: Option<String>, detail: &str) -> Option<Parting> {
        if self.phase == Phase::Silent {
            return Some(Parting::stop("the first frame is hello"));
        }
        self.refuse(reference, None, "malformed_frame", detail);
        (!self.malformed_frames.allow(Instant::now())).then_some(Parting::stop("too many malformed frames"))
    }

    /// The client said this, within its bounds.
    pub(crate) fn act(&mut self, frame: ClientFrame, now: Instant) -> Option<Parting> {
        match frame {
            ClientFrame::Hello { token, resume } => return self.hello(token, resume),
            ClientFrame::Open { c, after } => self.open(c, after.map_or(Place::Now, Place::After)),
            ClientFrame::Watch { cs } => cs.into_iter().for_each(|c| self.open(c, Place::Outside)),
            ClientFrame::Close { c } => {
                self.close(c);
                self.say(&ServerFrame::Closed { c });
            }
            ClientFrame::Send { reference, c, client_id, body, reply_to, thread_id, silent } => {
                let post = PostMessage { reply_to, thread_id, silent, ..PostMessage::new(client_id, body) };
                self.send(Send { reference, conversation: c, post });
            }
            ClientFrame::Typing { c } => self.typing(c, now),
            ClientFrame::Ping {} => self.say(&ServerFrame::Pong),
            ClientFrame::PresenceWatch { users } => self.watch_people(users, now),
            ClientFrame::Presence { status } => self.be(status),
        }
        None
    }

    fn hello(&mut self, token: String, resume: Option<Resume>) -> Option<Parting> {
        let (hub, socket) = (self.hub.clone(), self.socket.clone());
        if self.phase == Phase::Silent {
            self.phase = Phase::Greeting;
            self.work
                .push(Box::pin(async move { Done::Greeted(greet(&hub, &socket, &token, resume).await) }));
        } else if resume.is_some() {
            self.refuse(None, None, "already_greeted", "A hello that renews the token does not resume.");
        } else {
            self.work.push(Box::pin(async move { Done::Renewed(renew(&hub, &socket, &token).await) }));
        }
        None
    }

    /// What some work came to.
    pub(crate) fn finish(&mut self, done: Done) -> Option<Parting> {
        match done {
            Done::Greeted(Ok(greeted)) => {
                self.phase = Phase::Live;
                self.own_log = Some(greeted.own_log);
                for (c, place) in greeted.places {
                    self.open(c, place);
                }
            }
            Done::Greeted(Err(parting)) | Done::Renewed(Err(parting)) => return Some(parting),
            Done::Renewed(Ok(())) | Done::Watched(Ok(())) | Done::Told => {}
            Done::Watched(Err(Refusal { code, detail, retry_after_s, .. })) => {
                let (reference, c, retry_after) = (None, None, retry_after_s);
                self.say(&ServerFrame::Error { reference, c, code, detail, retry_after });
            }
            Done::Opened(attachment, outcome) => {
                self.opening -= 1;
                if let Err(refusal) = outcome {
                    self.opening_failed(&attachment, refusal);
                }
                self.start_opens();
            }
            Done::Sent(answer) => {
                self.say(&answer);
                self.sending = false;
                self.start_send();
            }
        }
        None
    }

    fn open(&mut self, c: ConversationId, place: Place) {
        self.close(c);
        if self.open.len() >= MAX_OPEN {
            let detail = "Too many conversations are open on this socket.";
            return self.refuse(None, Some(c), "too_many_open", detail);
        }
        let attachment = self.hub.attach(Owner::Conversation(c), &self.socket);
        self.open.insert(c, attachment.clone());
        self.waiting_opens.push_back((attachment, place));
        self.start_opens();
    }

    fn start_opens(&mut self) {
        while self.opening < MAX_OPENING
            && let Some((attachment, place)) = self.waiting_opens.pop_front()
        {
            if attachment.is_detached() {
                continue;
            }
            self.opening += 1;
            let hub = self.hub.clone();
            self.work.push(Box::pin(async move {
                let outcome = catch_up(&hub, &attachment, place).await;
                Done::Opened(attachment, outcome)
            }));
        }
        if self.waiting_opens.is_empty() {
            // Most sockets open what they open at once, and then sleep.
            self.waiting_opens = VecDeque::new();
        }
    }

    fn opening_failed(&mut self, attachment: &Arc<Attachment>, refusal: Refusal) {
        let Owner::Conversation(c) = attachment.feed.owner else { return };
        // Closed, or opened again, in the meantime: then this failure is nobody's news.
        if !self.open.get(&c).is_some_and(|current| Arc::ptr_eq(current, attachment)) {
            return;
        }
        self.close(c);
        let Refusal { code, detail, retry_after_s, .. } = refusal;
        self.say(&ServerFrame::Error {
            reference: None,
            c: Some(c),
            code,
            detail,
            retry_after: retry_after_s,
        });
    }

    fn close(&mut self, c: ConversationId) -> bool {
        let Some(attachment) = self.open.remove(&c) else { return false };
        attachment.detach();
        true
    }

    /// The user may no longer read a conversation.
    pub(crate) fn lose(&mut self, c: ConversationId) {
        if self.close(c) {
            self.say(&ServerFrame::Closed { c });
        }
    }

    fn send(&mut self, send: Send) {
        if self.waiting_sends.len() >= MAX_WAITING_SENDS {
            let detail = "Too many sends wait for an answer. The message was not posted.";
            return self.refuse(Some(send.reference), Some(send.conversation), "rate_limited", detail);
        }
        self.waiting_sends.push_back(send);
        self.start_send();
    }

    /// One at a time, so that what a client sends in order is posted in order.
    fn start_send(&mut self) {
        if self.sending {
            return;
        }
        let Some(Send { reference, conversation, post }) = self.waiting_sends.pop_front() else { return };
        self.sending = true;
        let (hub, token) = (self.hub.clone(), self.socket.token());
        self.work.push(Box::pin(async move {
            Done::Sent(match hub.upstream.post(conversation, &token, &post).await {
                Ok(posted) => {
                    hub.heard_of(conversation, posted.message.seq);
                    ServerFrame::Ack { reference, seq: posted.message.seq, id: posted.message.id }
                }
                Err(Refusal { code, detail, retry_after_s, .. }) => ServerFrame::Error {
                    reference: Some(reference),
                    c: Some(conversation),
                    code,
                    detail,
                    retry_after: retry_after_s,
                },
            })
        }));
    }

    fn typing(&mut self, c: ConversationId, now: Instant) {
        let recently = self.typed_at.is_some_and(|at| now.duration_since(at) < TYPING_INTERVAL);
        let told = |login: &Login| login.may_write && !recently;
        let Some(login) = self.socket.login().filter(told) else { return };
        let Some(attachment) = self.open.get(&c).cloned() else { return };
        self.typed_at = Some(now);
        let hub = self.hub.clone();
        self.work.push(Box::pin(async move {
            hub.say_typing(&attachment.feed, login.user).await;
            Done::Told
        }));
    }

    fn watch_people(&mut self, users: Vec<UserId>, now: Instant) {
        let users: BTreeSet<UserId> = users.into_iter().collect();
        if users.len() > MAX_PRESENCE_USERS {
            let detail = format!("At most {MAX_PRESENCE_USERS} people are watched at once. Nobody new is.");
            return self.refuse(None, None, "too_many_watched", &detail);
        }
        let Some(login) = self.socket.login() else { return };
        if !self.presence_watches.allow(now) {
            let detail = "Whom this socket watches changed too often. Those of before still are.";
            return self.refuse(None, None, "rate_limited", detail);
        }
        let (hub, socket) = (self.hub.clone(), self.socket.clone());
        self.work.push(Box::pin(async move {
            Done::Watched(hub.watch_people(&socket, login.user, users).await.map_err(Refusal::from))
        }));
    }

    fn be(&mut self, status: DeviceStatus) {
        if let Some(login) = self.socket.login()
            && self.socket.set_device_status(status)
        {
            self.hub.stir(login.user);
        }
    }
}
