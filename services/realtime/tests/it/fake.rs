//! Messaging and auth as far as a socket needs them: logs in memory, in the shapes of the contracts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{FromRef, Path, Query, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json, value::to_raw_value};
use tertulia_bus::{Broadcast, Bus};
use tertulia_contracts::{
    ConversationId, UserId,
    auth::Account,
    identity::{Caller, Verifier},
    live::{RawEntry, Tail, log_channel},
    messaging::{Fact, Message, PostMessage, Posted, UserFact},
    presence::{Apart, AskCompany, AskFaces, ChosenStatus, Company, Face, Faces, NoteSeen},
};
use tertulia_runtime::{Ambient, Timestamp, problem::Problem};
use ulid::Ulid;

type Hook = Box<dyn FnOnce() + Send>;

/// The services behind the sockets.
pub(crate) struct Fake {
    pub ambient: Ambient,
    pub bus: Arc<dyn Bus>,
    verifier: Arc<Verifier>,
    state: Mutex<Logs>,
    /// Runs after the next page was read and before it is answered.
    after_read: Mutex<Option<Hook>>,
    /// Every post, in the order of their arrival.
    pub posts: Mutex<Vec<String>>,
    /// Posts wait while a test holds it.
    pub posting: tokio::sync::RwLock<()>,
}

#[derive(Default)]
struct Logs {
    conversations: BTreeMap<ConversationId, Vec<Fact>>,
    users: BTreeMap<UserId, Vec<UserFact>>,
    strangers: BTreeSet<(ConversationId, UserId)>,
    /// Those who see each other.
    company: BTreeSet<(UserId, UserId)>,
    faces: BTreeMap<UserId, Face>,
    seen: Vec<(UserId, Timestamp)>,
    /// The conversations of two who keep apart, and how often that was asked of any.
    apart: BTreeSet<ConversationId>,
    apart_asked: usize,
    /// What is asked about people is refused.
    is_silent: bool,
}

#[derive(Clone)]
struct Shared(Arc<Fake>);

impl FromRef<Shared> for Arc<Verifier> {
    fn from_ref(shared: &Shared) -> Self {
        shared.0.verifier.clone()
    }
}

#[derive(Deserialize)]
struct Behind {
    #[serde(alias = "after_useq")]
    after_seq: u64,
    limit: usize,
}

impl Fake {
    pub(crate) fn new(ambient: Ambient, bus: Arc<dyn Bus>, verifier: Arc<Verifier>) -> Arc<Self> {
        let (state, after_read, posts, posting) = Default::default();
        Arc::new(Self { ambient, bus, verifier, state, after_read, posts, posting })
    }

    pub(crate) fn messaging(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/v1/conversations/{id}/log", get(log))
            .route("/v1/conversations/{id}/messages", post(take))
            .route("/v1/me/log", get(own_log))
            .route("/internal/presence/company", post(company))
            .route("/internal/presence/faces", post(faces))
            .route("/internal/presence/seen", post(seen))
            .route("/internal/conversations/{id}/apart", get(apart))
            .with_state(Shared(self.clone()))
    }

    pub(crate) fn auth(self: &Arc<Self>) -> Router {
        Router::new().route("/v1/me", get(me)).with_state(Shared(self.clone()))
    }

    /// A user may not read a conversation.
    pub(crate) fn estrange(&self, c: ConversationId, user: UserId) {
        self.state.lock().unwrap().strangers.insert((c, user));
    }

    /// Two see each other from now on, or no longer.
    pub(crate) fn acquaint(&self, one: UserId, other: UserId, see: bool) {
        let mut state = self.state.lock().unwrap();
        for pair in [(one, other), (other, one)] {
            if see {
                state.company.insert(pair);
            } else {
                state.company.remove(&pair);
            }
        }
    }

    /// Somebody shows this of themselves from now on.
    pub(crate) fn show(&self, face: Face) {
        self.state.lock().unwrap().faces.insert(face.user_id, face);
    }

    /// Who it was told went, and when.
    pub(crate) fn seen(&self) -> Vec<(UserId, Timestamp)> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The two of a conversation keep apart, or no longer.
    pub(crate) fn keep_apart(&self, c: ConversationId, apart: bool) {
        let mut state = self.state.lock().unwrap();
        if apart {
            state.apart.insert(c);
        } else {
            state.apart.remove(&c);
        }
    }

    /// How often it was asked whether two keep apart.
    pub(crate) fn apart_asked(&self) -> usize {
        self.state.lock().unwrap().apart_asked
    }

    /// Answers nothing about people, or does again.
    pub(crate) fn be_silent(&self, silent: bool) {
        self.state.lock().unwrap().is_silent = silent;
    }

    /// Commits a message and tells nobody. Returns its position.
    pub(crate) fn commit(&self, c: ConversationId, author: UserId, body: &str) -> u64 {
        self.commit_as(c, author, self.ambient.ids.next_ulid(), body)
    }

    fn commit_as(&self, c: ConversationId, author: UserId, client_id: Ulid, body: &str) -> u64 {
        let (id, created_at) = (self.ambient.ids.next(), self.ambient.now());
        let mut state = self.state.lock().unwrap();
        let log = state.conversations.entry(c).or_default();
        let seq = log.len() as u64 + 1;
        let post = PostMessage::new(client_id, body.to_owned());
        let message = Message::posted(id, c, seq, author, post, created_at);
        log.push(Fact::MessagePosted { message });
        seq
    }

    /// Broadcasts entries that were committed.
    pub(crate) async fn tell(&self, c: ConversationId, seqs: std::ops::RangeInclusive<u64>) {
        let entries = {
            let state = self.state.lock().unwrap();
            let log = &state.conversations[&c];
            seqs.map(|seq| RawEntry {
                seq,
                e: to_raw_value(&log[usize::try_from(seq).unwrap() - 1]).unwrap(),
            })
            .collect()
        };
        self.broadcast(log_channel(c), &Tail { entries }).await;
    }

    /// Commits and broadcasts a message.
    pub(crate) async fn post(&self, c: ConversationId, author: UserId, body: &str) -> u64 {
        let seq = self.commit(c, author, body);
        self.tell(c, seq..=seq).await;
        seq
    }

    /// Commits and broadcasts an entry of a user's own log.
    pub(crate) async fn post_own(&self, user: UserId, fact: UserFact) -> u64 {
        let (seq, e) = {
            let mut state = self.state.lock().unwrap();
            let log = state.users.entry(user).or_default();
            log.push(fact.clone());
            (log.len() as u64, to_raw_value(&fact).unwrap())
        };
        self.broadcast(log_channel(user), &Tail { entries: vec![RawEntry { seq, e }] }).await;
        seq
    }

    pub(crate) async fn broadcast(&self, channel: String, payload: &impl serde::Serialize) {
        let payload = serde_json::to_vec(payload).unwrap().into();
        self.bus.broadcast(Broadcast { channel, payload }).await.unwrap();
    }

    /// Does something between the reading of the next page and its answer.
    pub(crate) fn after_next_read(&self, hook: impl FnOnce() + Send + 'static) {
        *self.after_read.lock().unwrap() = Some(Box::new(hook));
    }
}

fn page(log: &[impl serde::Serialize], behind: &Behind, seq: &str, head: &str) -> Value {
    let first = usize::try_from(behind.after_seq).unwrap_or(usize::MAX).min(log.len());
    let items = log.iter().enumerate().skip(first).take(behind.limit.min(200));
    let items: Vec<Value> = items.map(|(at, fact)| json!({ seq: at + 1, "e": fact })).collect();
    json!({ "items": items, head: log.len() })
}

async fn log(
    State(Shared(fake)): State<Shared>,
    Caller(caller): Caller,
    Path(c): Path<ConversationId>,
    Query(behind): Query<Behind>,
) -> Result<Json<Value>, Problem> {
    let page = {
        let state = fake.state.lock().unwrap();
        let log = state.conversations.get(&c).filter(|_| !state.strangers.contains(&(c, caller.user_id)));
        page(log.ok_or_else(Problem::not_found)?, &behind, "seq", "head_seq")
    };
    let hook = fake.after_read.lock().unwrap().take();
    if let Some(hook) = hook {
        hook();
    }
    Ok(Json(page))
}

async fn own_log(
    State(Shared(fake)): State<Shared>,
    Caller(caller): Caller,
    Query(behind): Query<Behind>,
) -> Json<Value> {
    let state = fake.state.lock().unwrap();
    let log = state.users.get(&caller.user_id).map(Vec::as_slice).unwrap_or_default();
    Json(page(log, &behind, "useq", "head_useq"))
}

async fn take(
    State(Shared(fake)): State<Shared>,
    Caller(caller): Caller,
    Path(c): Path<ConversationId>,
    Json(message): Json<PostMessage>,
) -> Result<(StatusCode, Json<Posted>), Problem> {
    let _may_post = fake.posting.read().await;
    if !fake.state.lock().unwrap().conversations.contains_key(&c) {
        return Err(Problem::not_found());
    }
    let same = |fact: &Fact| matches!(fact, Fact::MessagePosted { message: it } if it.client_id == message.client_id);
    let found = fake.state.lock().unwrap().conversations[&c].iter().position(same);
    let seq = if let Some(at) = found {
        at as u64 + 1
    } else {
        fake.posts.lock().unwrap().push(message.body.clone());
        let seq = fake.commit_as(c, caller.user_id, message.client_id, &message.body);
        fake.tell(c, seq..=seq).await;
        seq
    };
    let state = fake.state.lock().unwrap();
    let Fact::MessagePosted { message } = state.conversations[&c][usize::try_from(seq).unwrap() - 1].clone()
    else {
        unreachable!("a message was committed there");
    };
    Ok((StatusCode::CREATED, Json(Posted { message })))
}

async fn me(State(Shared(fake)): State<Shared>, Caller(caller): Caller) -> Json<Account> {
    Json(Account {
        id: caller.user_id,
        handle: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        email: None,
        email_verified: false,
        pending_email: None,
        locale: None,
        time_zone: None,
        bio: None,
        avatar_id: None,
        operator: false,
        moderator: false,
        bot_of: None,
        created_at: fake.ambient.now(),
    })
}

async fn company(
    State(Shared(fake)): State<Shared>,
    Json(AskCompany { user_id, others }): Json<AskCompany>,
) -> Result<Json<Company>, StatusCode> {
    let state = fake.state.lock().unwrap();
    if state.is_silent {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let sees = |other: &UserId| *other == user_id || state.company.contains(&(user_id, *other));
    Ok(Json(Company { user_ids: others.into_iter().filter(sees).collect() }))
}

async fn faces(
    State(Shared(fake)): State<Shared>,
    Json(AskFaces { user_ids }): Json<AskFaces>,
) -> Result<Json<Faces>, StatusCode> {
    let state = fake.state.lock().unwrap();
    if state.is_silent {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    let plain =
        |user_id| Face { user_id, status: ChosenStatus::Online, text: None, last_seen: None, until: None };
    let shown = |user: &UserId| state.faces.get(user).cloned().unwrap_or_else(|| plain(*user));
    Ok(Json(Faces { faces: user_ids.iter().map(shown).collect() }))
}

async fn seen(State(Shared(fake)): State<Shared>, Json(note): Json<NoteSeen>) -> StatusCode {
    let mut state = fake.state.lock().unwrap();
    if state.is_silent {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    state.seen.extend(note.seen);
    StatusCode::NO_CONTENT
}

async fn apart(State(Shared(fake)): State<Shared>, Path(c): Path<ConversationId>) -> Json<Apart> {
    let mut state = fake.state.lock().unwrap();
    state.apart_asked += 1;
    Json(Apart { apart: state.apart.contains(&c) })
}
