//! A client that only listens, over server-sent events: it follows what its user's log says they belong to, and goes on
//! where it was by its last event id, or by the positions in its address when it wants to hear of something else.
//!
//! It never asks the log for what it misses: what a stream leaves out, it was not told.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tertulia_client::{EventReader, Journal as _, Timeline};
use tertulia_contracts::{
    ConversationId,
    frames::{CloseCode, ServerFrame},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use crate::{
    house::REALTIME,
    person::Person,
    witness::{Wish, Witness},
    world::spawn,
};

/// How long a node may take to begin.
const OPENING: Duration = Duration::from_secs(5);

/// The listener.
pub(crate) struct Listener {
    person: Person,
    witness: Arc<Witness>,
    wishes: mpsc::UnboundedReceiver<Wish>,
    timeline: Timeline,
    /// The address of the last stream, and the last id that came on it.
    left_off: Option<(String, String)>,
}

/// Why a stream is over.
enum Over {
    /// It ended, or was cut: the same again.
    Ended,
    /// There is something else to follow.
    Changed,
    /// The client is told to stop, or nobody wishes anything of it any more.
    Done,
}

impl Listener {
    /// A listener that hears everything from the beginning.
    pub(crate) fn new(person: Person, witness: Arc<Witness>, wishes: mpsc::UnboundedReceiver<Wish>) -> Self {
        let timeline = Timeline { epoch: Some("1".to_owned()), ..Timeline::default() };
        Self { person, witness, wishes, timeline, left_off: None }
    }

    /// Listens, at one node after the other.
    pub(crate) async fn run(mut self, first: usize) {
        for turn in first.. {
            match self.listen(turn % REALTIME).await {
                Some(Over::Done) => return,
                Some(Over::Changed) => {}
                Some(Over::Ended) | None => {
                    let pause = self.person.house.world.chance.between(100, 1_000);
                    sleep(pause).await;
                }
            }
        }
    }

    /// One stream, to its end; none if it did not begin.
    async fn listen(&mut self, node: usize) -> Option<Over> {
        // With the same address an id says where.
        let address = self.left_off.as_ref().map_or_else(|| self.address(), |(address, _)| address.clone());
        let last_id = self.left_off.as_ref().map(|(_, id)| id.clone());
        let mut body = self.open(node, &address, last_id.as_deref()).await?;
        let mut reader = EventReader::new(last_id.as_deref());
        loop {
            tokio::select! {
                biased;
                wish = self.wishes.recv() => {
                    let Some(wish) = wish else { return Some(Over::Done) };
                    if self.take(wish) {
                        self.left_off = None;
                        return Some(Over::Changed);
                    }
                }
                chunk = next_chunk(&mut body) => {
                    let Some(chunk) = chunk else { return Some(Over::Ended) };
                    reader.take(&chunk);
                    while let Some(event) = reader.next_event() {
                        if self.hear(&event.data) == CloseCode::Stop {
                            return Some(Over::Done);
                        }
                        if let Some(id) = &reader.last_id {
                            self.left_off = Some((address.clone(), id.clone()));
                        }
                    }
                }
            }
        }
    }

    /// Where everything is that is followed from where it was left.
    fn address(&self) -> String {
        let open: Vec<String> = self.timeline.seqs.iter().map(|(c, seq)| format!("{c}:{seq}")).collect();
        format!("/v1/events?epoch=1&useq={}&open={}", self.timeline.useq, open.join(","))
    }

    async fn open(&self, node: usize, address: &str, last_id: Option<&str>) -> Option<Incoming> {
        let line = self.person.house.network.connect(node).await?;
        let opening = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(line)).await.ok()?;
            // It ends with the line, or when nobody reads the answer any more.
            spawn(async move { drop(connection.await) });
            let mut request = Request::builder()
                .method(Method::GET)
                .uri(address)
                .header(header::HOST, "localhost")
                .header(header::AUTHORIZATION, self.person.bearer());
            if let Some(last_id) = last_id {
                request = request.header("last-event-id", last_id);
            }
            let request = request.body(Empty::<Bytes>::new()).expect("an address and a token make a request");
            sender.send_request(request).await.ok()
        };
        let answer = timeout(OPENING, opening).await.ok().flatten()?;
        let (status, name) = (answer.status(), &self.witness.name);
        self.person.house.world.note(format_args!("{name} listens at {node} to {address}: {status}"));
        if status.is_client_error() {
            self.person.house.world.violation(format!("{name} may not listen to {address}: {status}"));
        }
        status.is_success().then(|| answer.into_body())
    }

    /// Whether something else is to be followed.
    fn take(&mut self, wish: Wish) -> bool {
        match wish {
            Wish::Open(c, _) if self.timeline.seqs.contains_key(&c) => false,
            Wish::Open(c, _) => {
                // More may have come since it was wished for.
                let shown = self.witness.memory().shown.get(&c).copied();
                self.timeline.seqs.insert(c, shown.unwrap_or(0));
                true
            }
            Wish::Close(c) => self.timeline.seqs.remove(&c).is_some(),
        }
    }

    /// Takes in a frame, and says what to do then; an unreadable one is a fault.
    fn hear(&mut self, frame: &str) -> CloseCode {
        match ServerFrame::from_json(frame) {
            Ok(ServerFrame::Event { c, seq, e }) => {
                // What comes again is known; whatever is ahead is judged by the witness.
                if let Some(last) = self.timeline.seqs.get_mut(&c).filter(|last| **last < seq) {
                    *last = seq;
                    match serde_json::from_str(e.get()) {
                        Ok(fact) => self.witness.shown(c, seq, &fact),
                        Err(error) => self.wrong(&format!("cannot read {}: {error}", e.get())),
                    }
                }
            }
            Ok(ServerFrame::User { useq, e }) if useq > self.timeline.useq => {
                self.timeline.useq = useq;
                match serde_json::from_str(e.get()) {
                    Ok(fact) => self.witness.told(useq, &fact),
                    Err(error) => self.wrong(&format!("cannot read {}: {error}", e.get())),
                }
            }
            Ok(ServerFrame::Opened { c, head }) => self.opened(c, head),
            Ok(ServerFrame::Resync { c }) => self.witness.skipped(c, 0),
            Ok(ServerFrame::Closed { c } | ServerFrame::Error { c: Some(c), retry_after: None, .. }) => {
                self.timeline.seqs.remove(&c);
                self.witness.closed(c);
            }
            Ok(ServerFrame::End { code, then, reason }) => {
                let name = &self.witness.name;
                self.person.house.world.note(format_args!("{name} is told to go: {code} {reason}"));
                if then != CloseCode::Resume {
                    self.wrong(&format!("is told {then:?}: {reason}"));
                }
                return then;
            }
            Ok(_) => {}
            Err(error) => self.wrong(&format!("cannot read {frame}: {error}")),
        }
        CloseCode::Resume
    }

    /// Everything up to the head that was asked for has come, says the protocol.
    fn opened(&self, c: ConversationId, head: u64) {
        match self.timeline.seqs.get(&c) {
            Some(&last) if last < head => {
                self.wrong(&format!("was shown {last} of {head} entries of {c} when it was open"));
            }
            _ => {}
        }
    }

    fn wrong(&self, what: &str) {
        self.person.house.world.violation(format!("{}: {what}", self.witness.name));
    }
}

/// What comes next; nothing at the end, and when it is cut.
async fn next_chunk(body: &mut Incoming) -> Option<Bytes> {
    loop {
        if let Ok(data) = body.frame().await?.ok()?.into_data() {
            return Some(data);
        }
    }
}
