//! People: what they do, over HTTP and through their clients, and what they remember of the answers.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tertulia_client::{ApiError, Closed, Network as ClientNetwork, Session, Socket, SocketError, Timeline};
use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    messaging::{Conversation, Following, Log, Posted, UserLog},
    presence::DeviceStatus,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use ulid::Ulid;

use crate::{
    house::{House, LASTING, REALTIME},
    network::{From, Line, no_answer},
    stream::Listener,
    witness::{Wish, Witness},
    world::{PATIENCE, spawn},
};

/// A message that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acked {
    pub(crate) conversation: ConversationId,
    pub(crate) author: UserId,
    pub(crate) client_id: Ulid,
    pub(crate) seq: u64,
    pub(crate) id: MessageId,
    /// The message in whose thread it stands.
    thread_id: Option<MessageId>,
}

/// What all people know together.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) conversations: Vec<ConversationId>,
    pub(crate) acked: Vec<Acked>,
    /// Whose cursor was moved at least how far.
    pub(crate) read: Vec<(ConversationId, UserId, u64)>,
    /// Whose cursor was moved at least how far in the thread below which message.
    pub(crate) read_threads: Vec<(MessageId, UserId, u64)>,
    /// Who wanted to let go of which thread.
    pub(crate) let_go: BTreeSet<(MessageId, UserId)>,
    /// What somebody wanted to delete.
    pub(crate) deleted: BTreeSet<MessageId>,
}

/// Somebody.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) house: Arc<House>,
    pub(crate) name: String,
    pub(crate) id: UserId,
    pub(crate) common: Arc<Mutex<Common>>,
    token: String,
}

/// A client of theirs.
pub(crate) struct Device {
    /// What it says things by; none if it only listens, over server-sent events.
    session: Option<Arc<Session>>,
    pub(crate) witness: Arc<Witness>,
}

impl Person {
    pub(crate) fn new(house: &Arc<House>, name: &str, id: UserId, common: &Arc<Mutex<Common>>) -> Self {
        let token = house.signer.token(id);
        Self { house: house.clone(), name: name.to_owned(), id, common: common.clone(), token }
    }

    pub(crate) fn common(&self) -> std::sync::MutexGuard<'_, Common> {
        self.common.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more client, which follows whatever its user is a member of, and watches these unless it only listens.
    pub(crate) fn device(&self, number: usize, watches: Vec<UserId>) -> Device {
        let name = format!("{}.{number}", self.name);
        let listens = self.house.world.chance.happens(300);
        let watches = if listens { Vec::new() } else { watches };
        let (witness, wishes) = Witness::new(self.house.clone(), name, self.id, watches.clone());
        if listens {
            spawn(Listener::new(self.clone(), witness.clone(), wishes).run(number));
            return Device { session: None, witness };
        }
        let gateways = (0..REALTIME).map(|turn| ((number + turn) % REALTIME).to_string()).collect();
        let timeline = Timeline { epoch: Some("1".to_owned()), ..Timeline::default() };
        let session = Arc::new(Session::start(self.clone(), gateways, timeline, witness.clone()));
        spawn(fulfil(session.clone(), watches, wishes));
        Device { session: Some(session), witness }
    }

    /// What a request of theirs says they are.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Asks until there is an answer that says what became of it.
    pub(crate) async fn decided(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Bytes) {
        loop {
            let answer = self.ask(method.clone(), path, body.as_ref()).await;
            let (status, pause) = (answer.status(), retry_after(&answer));
            let answer = answer.into_body();
            if !matches!(status.as_u16(), 429 | 500..) {
                return (status, answer);
            }
            if status == StatusCode::INTERNAL_SERVER_ERROR {
                self.house.world.violation(format!("{method} {path} failed: {answer:?}"));
                return (status, answer);
            }
            let soon = self.house.world.chance.between(50, 400);
            // Who is told when to come comes then; a service that is busy for a moment is asked again at once.
            sleep(pause.filter(|_| status == StatusCode::TOO_MANY_REQUESTS).unwrap_or(soon)).await;
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Response<Bytes> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, self.bearer())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .expect("a path and a token make a request");
        match timeout(PATIENCE, self.house.network.ask(From::Client, request)).await {
            Ok(answer) => answer,
            Err(_) => no_answer(StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// Reads something that is there.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let answer = self.ask(Method::GET, path, None).await;
        let status = answer.status();
        if status.is_success() {
            return Ok(serde_json::from_slice(answer.body())?);
        }
        let (code, detail, retry_after) = (status.as_str().to_owned(), String::new(), retry_after(&answer));
        Err(ApiError::Refused { status, code, detail, retry_after })
    }

    /// Makes a conversation with others.
    pub(crate) async fn start(&self, kind: &str, others: &[UserId]) -> Option<ConversationId> {
        let title = (kind != "direct").then_some("Books");
        let wish = json!({"kind": kind, "title": title, "members": others});
        let (status, answer) = self.decided(Method::POST, "/v1/conversations", Some(wish)).await;
        if !status.is_success() {
            // Whoever keeps apart founds nothing together.
            if status != StatusCode::FORBIDDEN {
                self.house.world.violation(format!("a conversation was refused: {status} {answer:?}"));
            }
            return None;
        }
        let made: Conversation = serde_json::from_slice(&answer).ok()?;
        // In some places what is said disappears, in some nobody says much at once, from the beginning.
        if self.house.world.chance.happens(300) {
            self.set(made.id, json!({"disappear_after_s": LASTING.as_secs()})).await;
        }
        if kind != "direct" && self.house.world.chance.happens(200) {
            self.set(made.id, json!({"slow_mode_s": 1})).await;
        }
        self.common().conversations.push(made.id);
        Some(made.id)
    }

    async fn set(&self, c: ConversationId, settings: Value) {
        self.decided(Method::PATCH, &format!("/v1/conversations/{c}"), Some(settings)).await;
    }

    /// Does so many things, one after the other, each after a pause.
    pub(crate) async fn live(self, deeds: usize, devices: Arc<Vec<Device>>, others: Vec<UserId>) {
        for number in 0..deeds {
            sleep(self.house.world.chance.between(0, 200)).await;
            self.act(number, &devices, &others).await;
        }
    }

    async fn act(&self, number: usize, devices: &[Device], others: &[UserId]) {
        let chance = &self.house.world.chance;
        let Some(c) = chance.pick(&self.common().conversations).copied() else { return };
        let body = format!("{} {number}", self.name);
        match chance.below(100) {
            0..32 => self.say(c, body, &devices[chance.index(devices.len())]).await,
            32..36 => self.appear(&devices[chance.index(devices.len())], others).await,
            36..48 => self.post(c, body, None).await,
            48..58 => self.comment(body).await,
            58..78 => self.alter(body).await,
            78..83 => self.move_cursor(c).await,
            83..88 => self.tend_thread().await,
            88..91 => self.look(c).await,
            91..94 => {
                let settings = match chance.below(4) {
                    0 => {
                        json!({"disappear_after_s": if chance.happens(500) { LASTING.as_secs() } else { 0 }})
                    }
                    1 => json!({"slow_mode_s": chance.below(3)}),
                    _ => json!({"title": body}),
                };
                self.set(c, settings).await;
            }
            _ => {
                let whom = *chance.pick(others).expect("there are others");
                let who = if chance.happens(500) { self.id } else { whom };
                let method = if chance.happens(500) { Method::DELETE } else { Method::PUT };
                self.decided(method, &format!("/v1/conversations/{c}/members/{who}"), None).await;
            }
        }
    }

    /// Sends through a client, if that can say anything; the answer may take its time while life goes on.
    async fn say(&self, c: ConversationId, body: String, device: &Device) {
        let Some(session) = device.session.clone() else { return self.post(c, body, None).await };
        let person = self.clone();
        let client_id = self.client_id();
        let sent = spawn(async move {
            if let Ok(sent) = session.send(c, client_id, &body).await {
                person.acked(c, client_id, (sent.seq, sent.id), None);
            }
        });
        if self.house.world.chance.happens(300) {
            let _ = sent.await;
        }
    }

    /// Uses a device or puts it down, chooses what to be seen as, or keeps apart from somebody or no longer.
    async fn appear(&self, device: &Device, others: &[UserId]) {
        let chance = &self.house.world.chance;
        match chance.below(3) {
            0 => {
                let Some(session) = &device.session else { return };
                let status = if chance.happens(500) { DeviceStatus::Away } else { DeviceStatus::Online };
                device.witness.be(status);
                session.be(status).await;
            }
            1 => {
                let status = *chance.pick(&["online", "dnd", "invisible"]).expect("there are some");
                let wanted = Some(json!({"status": status}));
                self.decided(Method::PUT, "/v1/me/presence", wanted).await;
            }
            _ => {
                let whom = *chance.pick(others).expect("there are others");
                let method = if chance.happens(300) { Method::PUT } else { Method::DELETE };
                self.decided(method, &format!("/v1/me/blocks/{whom}"), None).await;
            }
        }
    }

    async fn post(&self, c: ConversationId, body: String, thread_id: Option<MessageId>) {
        let client_id = self.client_id();
        let post = json!({"client_id": client_id, "body": body, "thread_id": thread_id});
        let path = format!("/v1/conversations/{c}/messages");
        let (status, answer) = self.decided(Method::POST, &path, Some(post)).await;
        if status.is_success()
            && let Ok(Posted { message }) = serde_json::from_slice(&answer)
        {
            self.acked(c, client_id, (message.seq, message.id), thread_id);
        }
    }

    /// Posts below a message, or in the thread it stands in.
    async fn comment(&self, body: String) {
        let Some((c, root)) = self.thread() else { return };
        self.post(c, body, Some(root)).await;
    }

    /// A message with the thread below it, those with much below them more often.
    fn thread(&self) -> Option<(ConversationId, MessageId)> {
        let common = self.common();
        let Acked { conversation, id, thread_id, .. } = self.house.world.chance.pick(&common.acked)?;
        Some((*conversation, thread_id.unwrap_or(*id)))
    }

    /// Follows a thread, lets go of it, or reads on in it.
    async fn tend_thread(&self) {
        let Some((c, root)) = self.thread() else { return };
        let thread = format!("/v1/conversations/{c}/messages/{root}/thread");
        match self.house.world.chance.below(5) {
            0 => {
                self.common().let_go.insert((root, self.id));
                self.decided(Method::DELETE, &format!("{thread}/follow"), None).await;
            }
            1 => drop(self.decided(Method::PUT, &format!("{thread}/follow"), None).await),
            _ => {
                let seq = json!({"seq": 1 + self.house.world.chance.below(60)});
                let (status, answer) =
                    self.decided(Method::PUT, &format!("{thread}/cursor"), Some(seq)).await;
                if status.is_success()
                    && let Ok(Following { cursor_seq, .. }) = serde_json::from_slice(&answer)
                {
                    self.common().read_threads.push((root, self.id, cursor_seq));
                }
            }
        }
    }

    /// Reads, in one of the places where messages are shown.
    async fn look(&self, c: ConversationId) {
        let Some(Acked { conversation, id, .. }) =
            self.house.world.chance.pick(&self.common().acked).cloned()
        else {
            return;
        };
        let path = match self.house.world.chance.below(6) {
            0..2 => format!("{c}/messages?limit=50"),
            2 => format!("{c}/log?after_seq=0&limit=200"),
            3 => format!("{conversation}/messages/{id}/thread?limit=50"),
            4 => format!("{conversation}/messages/{id}/edits"),
            _ => format!("{c}/threads"),
        };
        self.decided(Method::GET, &format!("/v1/conversations/{path}"), None).await;
    }

    fn client_id(&self) -> Ulid {
        let random = u128::from(self.house.world.chance.below(u64::MAX)) << 16;
        Ulid::from_parts(1_767_225_600_000, random)
    }

    fn acked(
        &self,
        conversation: ConversationId,
        client_id: Ulid,
        (seq, id): (u64, MessageId),
        thread_id: Option<MessageId>,
    ) {
        self.common().acked.push(Acked { conversation, author: self.id, client_id, seq, id, thread_id });
    }

    /// Does something with a message that somebody posted.
    async fn alter(&self, body: String) {
        let chance = &self.house.world.chance;
        let Some(Acked { conversation, id, .. }) = chance.pick(&self.common().acked).cloned() else { return };
        let message = format!("/v1/conversations/{conversation}/messages/{id}");
        let (method, path, body) = match chance.below(10) {
            0..3 => (Method::PATCH, message, Some(json!({"body": body}))),
            3 => {
                self.common().deleted.insert(id);
                (Method::DELETE, message, None)
            }
            4..7 => (Method::PUT, format!("{message}/reactions/%F0%9F%91%8D"), None),
            7 => (Method::DELETE, format!("{message}/reactions/%F0%9F%91%8D"), None),
            8 => (Method::PUT, format!("{message}/pin"), None),
            _ => (Method::DELETE, format!("{message}/pin"), None),
        };
        self.decided(method, &path, body).await;
    }

    async fn move_cursor(&self, c: ConversationId) {
        let seq = 1 + self.house.world.chance.below(60);
        let path = format!("/v1/conversations/{c}/cursor");
        let (status, answer) = self.decided(Method::PUT, &path, Some(json!({"seq": seq}))).await;
        if status.is_success()
            && let Ok(membership) = serde_json::from_slice::<Value>(&answer)
            && let Some(read) = membership["cursor_seq"].as_u64()
        {
            self.common().read.push((c, self.id, read));
        }
    }
}

/// How long an answer says to wait.
fn retry_after(answer: &Response<Bytes>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// A client watches people, and opens and closes what its user's log asks it to.
async fn fulfil(session: Arc<Session>, watches: Vec<UserId>, mut wishes: mpsc::UnboundedReceiver<Wish>) {
    session.watch_people(watches).await;
    while let Some(wish) = wishes.recv().await {
        match wish {
            Wish::Open(c, after) => session.open(c, Some(after)).await,
            Wish::Close(c) => session.close(c).await,
        }
    }
}

impl ClientNetwork for Person {
    type Stream = Line;

    fn token(&self) -> String {
        self.token.clone()
    }

    async fn refresh(&self) -> Result<(), ApiError> {
        Ok(())
    }

    async fn connect(&self, gateway: &str) -> Result<Socket<Line>, SocketError> {
        let node = gateway.parse().expect("gateways are numbers here");
        let line = self.house.network.connect(node).await;
        let nobody = || SocketError::Closed(Closed { code: 1006, reason: "nobody is there".to_owned() });
        let opening = timeout(Duration::from_secs(5), Socket::over(line.ok_or_else(nobody)?)).await;
        opening.unwrap_or_else(|_| Err(nobody()))
    }

    async fn log(&self, c: ConversationId, after_seq: u64, limit: usize) -> Result<Log, ApiError> {
        self.read(&format!("/v1/conversations/{c}/log?after_seq={after_seq}&limit={limit}")).await
    }

    async fn my_log(&self, after_useq: u64, limit: usize) -> Result<UserLog, ApiError> {
        self.read(&format!("/v1/me/log?after_useq={after_useq}&limit={limit}")).await
    }
}
