//! A client that stays: whatever breaks, it comes back, says where it was, and misses and doubles nothing.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tertulia_contracts::{
    ConversationId, MessageId,
    frames::{ClientFrame, CloseCode, ServerFrame},
    messaging::{Fact, UserFact},
    presence::Presence,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use ulid::Ulid;

use crate::{ApiError, Closed, Network, Socket, SocketError, Step, Timeline};

mod holes;
mod presence;

use presence::Showing;

/// The pause before the first attempt to come back; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A server that says nothing for so long is asked whether it is there, and given as long again.
const SILENCE: Duration = Duration::from_secs(20);
/// The most sends on their way at once; a server takes 32.
const WINDOW: usize = 16;

/// Sees what the client sees. Called in order, from one task.
pub trait Journal: Send + Sync + 'static {
    /// The server told that a message is committed.
    fn acked(&self, conversation: ConversationId, client_id: Ulid, seq: u64);
    /// An entry was applied: each position once, ascending, without a hole.
    fn shown(&self, conversation: ConversationId, seq: u64, fact: &Fact);
    /// An entry of the user's own log was applied.
    fn told(&self, _useq: u64, _fact: &UserFact) {}
    /// A log (the user's own, if none is named) goes on behind this position; what lies between was not shown.
    fn skipped(&self, _conversation: Option<ConversationId>, _to: u64) {}
    /// A conversation is no longer followed: access was lost, or never there.
    fn closed(&self, _conversation: ConversationId) {}
    /// Somebody who is watched is seen so from now on.
    fn seen(&self, _presence: Presence) {}
    /// The socket ended; the client does what the code says.
    fn disconnected(&self, _closed: &Closed) {}
}

/// An acknowledged message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its position.
    pub seq: u64,
    /// Its id.
    pub id: MessageId,
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its owner dropped it.
    Dropped,
    /// The login is no longer good.
    LoggedOut,
    /// The server said: stop.
    Stopped(Closed),
}

enum Command {
    Open {
        c: ConversationId,
        after: Option<u64>,
    },
    Close {
        c: ConversationId,
    },
    Send(Pending),
    /// What is said now, and again on every connection to come.
    Show(Showing),
}

struct Pending {
    reference: String,
    c: ConversationId,
    client_id: Ulid,
    body: String,
    /// Refused for now: not before this.
    not_before: Option<Instant>,
    on_its_way: bool,
    answer: oneshot::Sender<Result<Sent, String>>,
}

/// A running client. Dropping it ends it.
pub struct Session {
    commands: mpsc::Sender<Command>,
    task: tokio::task::JoinHandle<SessionEnd>,
}

impl Session {
    /// Starts a client for the user of this network, an [`Api`](crate::Api) or one that is made up, who connects to
    /// these gateways in turn, from where `timeline` is.
    ///
    /// # Panics
    /// Without a gateway.
    #[expect(
        clippy::disallowed_methods,
        reason = "a client of tests has no supervisor; its handle is kept here"
    )]
    pub fn start(
        network: impl Network,
        gateways: Vec<String>,
        timeline: Timeline,
        journal: Arc<dyn Journal>,
    ) -> Self {
        assert!(!gateways.is_empty(), "a session needs a gateway to connect to");
        let (sender, commands) = mpsc::channel(256);
        let reopen = Vec::new();
        let client = Client {
            network,
            gateways,
            timeline,
            journal,
            commands,
            pending: VecDeque::new(),
            reopen,
            closing: HashMap::new(),
            in_doubt: HashSet::new(),
            showing: Vec::new(),
            sent: 0,
        };
        Self { commands: sender, task: tokio::spawn(client.run()) }
    }

    /// Follows a conversation: from behind `after`, or from now on.
    pub async fn open(&self, c: ConversationId, after: Option<u64>) {
        let _ = self.commands.send(Command::Open { c, after }).await;
    }

    /// Follows it no longer.
    pub async fn close(&self, c: ConversationId) {
        let _ = self.commands.send(Command::Close { c }).await;
    }

    /// Posts a message and waits until it is acknowledged, however often the connection breaks meanwhile.
    ///
    /// # Errors
    /// The stable code of the refusal, or `session_over`.
    pub async fn send(&self, c: ConversationId, client_id: Ulid, body: &str) -> Result<Sent, String> {
        let (answer, sent) = oneshot::channel();
        let (reference, body) = (String::new(), body.to_owned());
        let pending = Pending { reference, c, client_id, body, not_before: None, on_its_way: false, answer };
        let over = || "session_over".to_owned();
        self.commands.send(Command::Send(pending)).await.map_err(|_| over())?;
        sent.await.unwrap_or_else(|_| Err(over()))
    }

    /// Ends it, unless it is over already, and tells how.
    pub async fn end(self) -> SessionEnd {
        drop(self.commands);
        self.task.await.unwrap_or(SessionEnd::Dropped)
    }
}

struct Client<N> {
    network: N,
    gateways: Vec<String>,
    timeline: Timeline,
    journal: Arc<dyn Journal>,
    commands: mpsc::Receiver<Command>,
    pending: VecDeque<Pending>,
    /// Conversations whose opening was refused for now.
    reopen: Vec<(Instant, ConversationId)>,
    /// How many `closed` are still to come as answers on this connection.
    closing: HashMap<ConversationId, u32>,
    /// What was opened again behind a `close` without an answer: one `closed` more may be of before.
    in_doubt: HashSet<ConversationId>,
    /// Whom the person watches, and whether they use this device: the server forgets both with the socket.
    showing: Vec<Showing>,
    sent: u64,
}

/// Why one connection's life is over.
enum Over {
    Dropped,
    Closed(Closed),
}

impl From<SocketError> for Over {
    fn from(error: SocketError) -> Self {
        Self::Closed(match error {
            SocketError::Closed(closed) => closed,
            other => Closed::broken(other.to_string()),
        })
    }
}

impl From<ApiError> for Over {
    fn from(error: ApiError) -> Self {
        Self::Closed(Closed::broken(format!("a hole could not be filled: {error}")))
    }
}

impl<N: Network> Client<N> {
    async fn run(mut self) -> SessionEnd {
        let mut pause = FIRST_PAUSE;
        for turn in 0_usize.. {
            let gateway = self.gateways[turn % self.gateways.len()].clone();
            let began = Instant::now();
            let closed = match self.connected(&gateway).await {
                Over::Dropped => return SessionEnd::Dropped,
                Over::Closed(closed) => closed,
            };
            if self.commands.is_closed() {
                return SessionEnd::Dropped;
            }
            self.journal.disconnected(&closed);
            match closed.meaning() {
                CloseCode::Resume => {}
                CloseCode::Stop => return SessionEnd::Stopped(closed),
                CloseCode::LogInAgain => match self.network.refresh().await {
                    Err(error) if !error.is_transient() => return SessionEnd::LoggedOut,
                    _ => {}
                },
            }
            pause =
                if began.elapsed() > LONGEST_PAUSE { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            sleep(pause).await;
        }
        SessionEnd::Dropped
    }

    /// One connection, from hello to its end.
    async fn connected(&mut self, gateway: &str) -> Over {
        match self.converse(gateway).await {
            Ok(()) => Over::Dropped,
            Err(over) => over,
        }
    }

    async fn converse(&mut self, gateway: &str) -> Result<(), Over> {
        let resume = self.timeline.epoch.is_some().then(|| self.timeline.resume());
        let mut socket = self.network.connect(gateway).await?;
        let ready = socket.greet(&self.network.token(), resume).await?;
        let ServerFrame::Ready { epoch, useq, .. } = ready else {
            return Err(Over::Closed(Closed::broken("the first frame was not ready".to_owned())));
        };
        let first_time = self.timeline.epoch.is_none();
        let other_epoch = self.timeline.epoch.replace(epoch.clone()).is_some_and(|before| before != epoch);
        if first_time {
            self.timeline.useq = useq;
            for (&c, &after) in &self.timeline.seqs {
                socket.say(&ClientFrame::Open { c, after: Some(after) }).await?;
            }
        }
        for showing in &self.showing {
            socket.say(&showing.frame()).await?;
        }
        for pending in &mut self.pending {
            pending.on_its_way = false;
        }
        self.closing.clear();
        self.in_doubt.clear();
        let mut silent_since = Instant::now();
        let mut pinged = false;
        loop {
            self.send_pending(&mut socket).await?;
            let next_retry = self.next_retry();
            tokio::select! {
                // In this order, so that a run repeats: last what can be ready for ever, and what only silence is for.
                biased;
                command = self.commands.recv() => {
                    let Some(command) = command else {
                        socket.close().await;
                        return Ok(());
                    };
                    self.act(command, &mut socket).await?;
                }
                () = sleep_until(next_retry) => self.retry(&mut socket).await?,
                frame = socket.hear() => {
                    (silent_since, pinged) = (Instant::now(), false);
                    self.apply(frame?, useq, other_epoch).await?;
                }
                () = sleep_until(silent_since + SILENCE) => {
                    if pinged {
                        return Err(Over::Closed(Closed::broken("the server fell silent".to_owned())));
                    }
                    (silent_since, pinged) = (Instant::now(), true);
                    socket.say(&ClientFrame::Ping {}).await?;
                }
            }
        }
    }

    async fn act(&mut self, command: Command, socket: &mut Socket<N::Stream>) -> Result<(), SocketError> {
        match command {
            Command::Open { c, after } => {
                match after {
                    Some(after) => drop(self.timeline.seqs.insert(c, after)),
                    None => drop(self.timeline.seqs.remove(&c)),
                }
                if self.closing.contains_key(&c) {
                    self.in_doubt.insert(c);
                }
                socket.say(&ClientFrame::Open { c, after }).await
            }
            Command::Close { c } => {
                self.timeline.seqs.remove(&c);
                *self.closing.entry(c).or_default() += 1;
                socket.say(&ClientFrame::Close { c }).await
            }
            Command::Send(mut pending) => {
                self.sent += 1;
                pending.reference = self.sent.to_string();
                self.pending.push_back(pending);
                Ok(())
            }
            Command::Show(showing) => {
                let frame = showing.frame();
                self.show_from_now_on(showing);
                socket.say(&frame).await
            }
        }
    }

    async fn send_pending(&mut self, socket: &mut Socket<N::Stream>) -> Result<(), SocketError> {
        let now = Instant::now();
        for pending in self.pending.iter_mut().take(WINDOW) {
            if pending.on_its_way || pending.not_before.is_some_and(|moment| moment > now) {
                continue;
            }
            pending.on_its_way = true;
            let Pending { reference, c, client_id, body, .. } = &*pending;
            let (reference, body) = (reference.clone(), body.clone());
            let frame = ClientFrame::Send {
                reference,
                c: *c,
                client_id: *client_id,
                body,
                reply_to: None,
                thread_id: None,
                silent: false,
            };
            socket.say(&frame).await?;
        }
        Ok(())
    }

    fn next_retry(&self) -> Instant {
        let sends = self
            .pending
            .iter()
            .filter(|pending| !pending.on_its_way)
            .filter_map(|pending| pending.not_before);
        let opens = self.reopen.iter().map(|(moment, _)| *moment);
        sends.chain(opens).min().unwrap_or_else(|| Instant::now() + LONGEST_PAUSE)
    }

    async fn retry(&mut self, socket: &mut Socket<N::Stream>) -> Result<(), SocketError> {
        let now = Instant::now();
        let (due, later) = self.reopen.drain(..).partition(|(moment, _)| *moment <= now);
        self.reopen = later;
        let due: Vec<(Instant, ConversationId)> = due;
        for (_, c) in due {
            socket.say(&ClientFrame::Open { c, after: self.timeline.seqs.get(&c).copied() }).await?;
        }
        Ok(())
    }

    async fn apply(&mut self, frame: ServerFrame, head_useq: u64, other_epoch: bool) -> Result<(), Over> {
        match frame {
            ServerFrame::Event { c, seq, e } => match self.timeline.step(c, seq) {
                Step::Apply => self.show(c, seq, &e)?,
                Step::Known => {}
                Step::Hole { after } => self.fill(c, after, seq).await?,
            },
            ServerFrame::User { useq, e } => match self.timeline.step_user(useq) {
                Step::Apply => self.journal.told(useq, &read(&e)?),
                Step::Known => {}
                Step::Hole { after } => self.fill_own(after, useq).await?,
            },
            ServerFrame::Opened { c, head } => self.opened(c, head, other_epoch).await?,
            ServerFrame::Resync { c: None } => {
                self.timeline.useq = head_useq;
                self.journal.skipped(None, head_useq);
            }
            ServerFrame::Closed { c } => self.closed(c),
            ServerFrame::Ack { reference, seq, id } => {
                if let Some(pending) = self.take(&reference) {
                    self.journal.acked(pending.c, pending.client_id, seq);
                    let _ = pending.answer.send(Ok(Sent { seq, id }));
                }
            }
            ServerFrame::Error { reference, c, code, retry_after, .. } => {
                self.refused(reference, c, code, retry_after.map(Duration::from_secs));
            }
            ServerFrame::Presence { user, status, last_seen, text } => {
                self.journal.seen(Presence { user_id: user, status, last_seen, text });
            }
            // The `opened` that follows a resync says where to go on; the rest is not kept.
            ServerFrame::Resync { c: Some(_) }
            | ServerFrame::Dirty { .. }
            | ServerFrame::Ready { .. }
            | ServerFrame::Typing { .. }
            | ServerFrame::Read { .. }
            | ServerFrame::Pong
            | ServerFrame::End { .. } => {}
        }
        Ok(())
    }

    fn show(&self, c: ConversationId, seq: u64, fact: &serde_json::value::RawValue) -> Result<(), Over> {
        self.journal.shown(c, seq, &read(fact)?);
        Ok(())
    }

    /// The conversation is open: everything up to the head has come, or is to be loaded.
    async fn opened(&mut self, c: ConversationId, head: u64, other_epoch: bool) -> Result<(), Over> {
        match self.timeline.seqs.get(&c) {
            Some(&last) if last < head && !other_epoch => self.fill(c, last, head).await,
            Some(&last) if last == head => Ok(()),
            known => {
                if known.is_some() {
                    self.journal.skipped(Some(c), head);
                }
                self.timeline.seqs.insert(c, head);
                Ok(())
            }
        }
    }

    /// An answer to a `close` says nothing of an `open` that was said behind it. One that was not asked for means that the
    /// conversation is lost; or it was before that `open`: opened once more, it is there or refused.
    fn closed(&mut self, c: ConversationId) {
        match self.closing.get_mut(&c) {
            Some(answers) if *answers > 1 => *answers -= 1,
            Some(_) => drop(self.closing.remove(&c)),
            None if self.in_doubt.remove(&c) => self.reopen.push((Instant::now(), c)),
            None => drop(self.timeline.seqs.remove(&c)),
        }
        if !self.timeline.seqs.contains_key(&c) {
            self.journal.closed(c);
        }
    }

    fn take(&mut self, reference: &str) -> Option<Pending> {
        let at = self.pending.iter().position(|pending| pending.reference == reference)?;
        self.pending.remove(at)
    }

    fn refused(
        &mut self,
        reference: Option<String>,
        c: Option<ConversationId>,
        code: String,
        again: Option<Duration>,
    ) {
        match (reference, c) {
            (Some(reference), _) => {
                let Some(mut pending) = self.take(&reference) else { return };
                match again {
                    Some(again) => {
                        (pending.not_before, pending.on_its_way) = (Some(Instant::now() + again), false);
                        self.pending.push_front(pending);
                    }
                    None => drop(pending.answer.send(Err(code))),
                }
            }
            (None, Some(c)) => {
                if let Some(again) = again {
                    self.reopen.push((Instant::now() + again, c));
                } else {
                    self.timeline.seqs.remove(&c);
                    self.journal.closed(c);
                }
            }
            (None, None) => tracing::warn!(code, "the server refused a frame"),
        }
    }
}

fn read<'a, F: serde::Deserialize<'a>>(fact: &'a serde_json::value::RawValue) -> Result<F, Over> {
    serde_json::from_str(fact.get())
        .map_err(|error| Over::Closed(Closed::broken(format!("an unreadable fact: {error}"))))
}
