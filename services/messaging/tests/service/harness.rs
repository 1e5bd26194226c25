//! A house in which any number of messaging services share one store, one bus and one auth.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use serde_json::json;
use tempfile::TempDir;
use tertulia_bus::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error as BusError, Handler, Listener, SqliteBus,
    Subscription,
};
use tertulia_contracts::{
    ConversationId, UserId,
    auth::User,
    events::{TOPOLOGY, UserErased},
    identity::testkit::Signer,
    messaging::{Conversation, Entry, Log, Message, Messages, Posted},
    routes::role,
};
use tertulia_discovery::StaticDiscovery;
use tertulia_documents::{
    Appended, Collection, Documents, Draft, Error as StoreError, Index, Key, MongoDocuments, Page, Pending,
    PendingScope, Revision, Scan, SqliteDocuments, Stored, Write,
};
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_messaging::{COLLECTIONS, Config, Deps};
use tertulia_runtime::{
    Ambient, Event, Supervisor,
    event::EventId,
    metrics::Metrics,
    testkit::{self, FrozenClock, TestClient},
};
use tokio::sync::{RwLock, watch};
use ulid::Ulid;

/// Longer than anything here takes; only a failing test waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What services share.
pub(crate) struct House {
    pub(crate) ambient: Ambient,
    pub(crate) clock: Arc<FrozenClock>,
    pub(crate) signer: Signer,
    pub(crate) bus: Arc<FaultyBus>,
    /// The server that documents are kept on, and the database there; a file in the folder if there is none.
    mongodb: Option<(String, String)>,
    folder: TempDir,
    mesh: Mesh,
    accounts: Accounts,
    auth_away: Arc<AtomicBool>,
}

/// Who has an account, and whose program it is, if it is one's.
type Accounts = Arc<Mutex<BTreeMap<UserId, Option<UserId>>>>;

/// One messaging service.
pub(crate) struct Instance {
    pub(crate) client: TestClient,
    pub(crate) supervisor: Supervisor,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) bus: Arc<FaultyBus>,
    pub(crate) metrics: Metrics,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_on(None).await
    }

    /// The same, with documents in this database of this MongoDB.
    pub(crate) async fn open_on(mongodb: Option<(String, String)>) -> Self {
        let (ambient, clock) = testkit::frozen(7);
        let folder = tempfile::tempdir().unwrap();
        let bus = SqliteBus::open(&folder.path().join("bus.db"), TOPOLOGY, ambient.clone()).await.unwrap();
        let bus = Arc::new(FaultyBus::new(Arc::new(bus)));
        let accounts = Accounts::default();
        let discovery = Arc::new(StaticDiscovery::new([]));
        let mesh = Mesh::new(discovery, ambient.entropy.clone(), MeshConfig::default());
        let auth_away = Arc::<AtomicBool>::default();
        mesh.mount(role::AUTH, auth(accounts.clone(), auth_away.clone()));
        let signer = Signer::new(&ambient);
        Self { ambient, clock, signer, bus, mongodb, folder, mesh, accounts, auth_away }
    }

    /// One more service on the same store, over a handle of its own.
    pub(crate) async fn service(&self) -> Instance {
        self.service_with(Config::default()).await
    }

    /// The same, with settings of its own; its relay never makes a test wait.
    pub(crate) async fn service_with(&self, config: Config) -> Instance {
        let store = Arc::new(FaultyStore::new(self.documents().await));
        let (supervisor, metrics) = (Supervisor::default(), Metrics::new());
        let bus = Arc::new(FaultyBus::new(self.bus.clone()));
        let deps = Deps {
            ambient: self.ambient.clone(),
            supervisor: supervisor.clone(),
            metrics: metrics.clone(),
            documents: store.clone(),
            bus: bus.clone(),
            mesh: self.mesh.clone(),
            verifier: self.signer.verifier(),
        };
        let patient = config.schedule_tick_ms != Config::default().schedule_tick_ms;
        let schedule_tick_ms = if patient { config.schedule_tick_ms } else { 10 };
        let config = Config { relay_tick_ms: 10, schedule_tick_ms, ..config };
        let router = tertulia_messaging::build(config, deps).await.unwrap();
        Instance { client: TestClient::new(router), supervisor, store, bus, metrics }
    }

    async fn documents(&self) -> Arc<dyn Documents> {
        if let Some((url, database)) = &self.mongodb {
            return Arc::new(MongoDocuments::open(url, database, COLLECTIONS, &self.ambient).await.unwrap());
        }
        let path = self.folder.path().join("messaging.db");
        Arc::new(SqliteDocuments::open(&path, COLLECTIONS, &self.ambient).await.unwrap())
    }

    /// Somebody with an account.
    pub(crate) fn user(&self) -> UserId {
        let user = self.ambient.ids.next();
        self.accounts.lock().unwrap().insert(user, None);
        user
    }

    /// A program of somebody's.
    pub(crate) fn bot_of(&self, owner: UserId) -> UserId {
        let bot = self.ambient.ids.next();
        self.accounts.lock().unwrap().insert(bot, Some(owner));
        bot
    }

    /// Whether auth answers nothing from now on.
    pub(crate) fn auth_away(&self, away: bool) {
        self.auth_away.store(away, Ordering::SeqCst);
    }

    /// Somebody's account is erased, as auth tells it.
    pub(crate) async fn erase(&self, user_id: UserId) {
        self.accounts.lock().unwrap().remove(&user_id);
        self.bus.publish(&[Event::new(&self.ambient, "/auth", &UserErased { user_id })]).await.unwrap();
    }

    /// That user at this service.
    pub(crate) fn client(&self, service: &Instance, user: UserId) -> TestClient {
        service.client.with_token(&self.signer.token(user))
    }

    /// A fresh name for a message.
    pub(crate) fn client_id(&self) -> Ulid {
        self.ambient.ids.next_ulid()
    }

    /// Posts, and expects it to be new.
    pub(crate) async fn post(
        &self,
        client: &TestClient,
        conversation: ConversationId,
        body: &str,
    ) -> Message {
        let post = json!({"client_id": self.client_id(), "body": body});
        let posted = client.post(&format!("/v1/conversations/{conversation}/messages"), &post).await;
        posted.expect(201).read::<Posted>().message
    }
}

/// Makes a conversation, and expects it to be new.
pub(crate) async fn make(client: &TestClient, request: serde_json::Value) -> Conversation {
    client.post("/v1/conversations", &request).await.expect(201).read()
}

/// A group with these members.
pub(crate) async fn make_group(client: &TestClient, members: &[UserId]) -> ConversationId {
    make(client, json!({"kind": "group", "title": "Books", "members": members})).await.id
}

/// What somebody with an account is called.
pub(crate) fn handle_of(user: UserId) -> String {
    user.to_string().to_lowercase()
}

/// The reason's code, at the end of a refusal's detail.
pub(crate) fn reason(problem: &serde_json::Value) -> String {
    assert_eq!(problem["code"], "not_allowed");
    let detail = problem["detail"].as_str().unwrap();
    detail.rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned()
}

/// Where a message is altered.
pub(crate) fn message_path(message: &Message) -> String {
    format!("/v1/conversations/{}/messages/{}", message.conversation_id, message.id)
}

/// Where one reacts to a message.
pub(crate) fn reaction_path(message: &Message, emoji: &str) -> String {
    let emoji: Vec<String> = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{}/reactions/{}", message_path(message), emoji.concat())
}

/// The message as it is now.
pub(crate) async fn now(client: &TestClient, message: &Message) -> Message {
    let after = message.seq - 1;
    let path = format!("/v1/conversations/{}/messages?after_seq={after}&limit=1", message.conversation_id);
    let page: Messages = client.get(&path).await.expect(200).read();
    page.items.into_iter().next().expect("it stands where it stood")
}

/// All the messages of a list, page by page.
pub(crate) async fn all_messages(client: &TestClient, list: &str) -> Vec<Message> {
    let (mut messages, mut query) = (Vec::new(), "after_seq=0".to_owned());
    loop {
        let page: Messages = client.get(&format!("{list}?limit=40&{query}")).await.expect(200).read();
        messages.extend(page.items);
        let Some(cursor) = page.next_cursor else { return messages };
        query = format!("cursor={cursor}");
    }
}

/// The whole log, and that it is one: 1, 2, 3.
pub(crate) async fn whole_log(client: &TestClient, conversation: ConversationId) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let after = entries.len();
        let path = format!("/v1/conversations/{conversation}/log?after_seq={after}&limit=200");
        let page: Log = client.get(&path).await.expect(200).read();
        entries.extend(page.items);
        if entries.len() as u64 >= page.head_seq {
            let seqs: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
            assert_eq!(seqs, (1..=page.head_seq).collect::<Vec<_>>(), "the log has a gap");
            return entries;
        }
    }
}

/// Everything that documents of this service say.
pub(crate) async fn stored(service: &Instance) -> String {
    let mut all = String::new();
    for collection in COLLECTIONS {
        let mut after = None;
        loop {
            let scan = Scan::of(Index::ID, Key::new(), 200).after(after);
            let page = service.store.scan(collection, scan).await.unwrap();
            page.items.iter().for_each(|found| all.push_str(found.body.get()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    all
}

fn auth(accounts: Accounts, away: Arc<AtomicBool>) -> Router {
    let user = async move |Path(id): Path<UserId>| {
        if away.load(Ordering::SeqCst) {
            return Err(StatusCode::SERVICE_UNAVAILABLE);
        }
        let known = accounts.lock().unwrap().get(&id).copied();
        let display_name = "Somebody".to_owned();
        let user = |bot_of| Json(User { id, handle: handle_of(id), display_name, bot_of });
        known.map(user).ok_or(StatusCode::NOT_FOUND)
    };
    Router::new().route("/internal/users/{id}", get(user))
}

/// A store whose writes to chosen collections fail while they are broken: what a process that dies just before
/// them leaves behind.
pub(crate) struct FaultyStore {
    inner: Arc<dyn Documents>,
    broken: Mutex<BTreeSet<&'static str>>,
    mute: AtomicBool,
    dying: AtomicBool,
    commits: Mutex<BTreeMap<&'static str, usize>>,
    reads: Mutex<BTreeMap<String, usize>>,
    /// Runs of appends wait while the test holds it for writing.
    pub(crate) gate: RwLock<()>,
}

impl FaultyStore {
    fn new(inner: Arc<dyn Documents>) -> Self {
        Self {
            inner,
            broken: Mutex::default(),
            mute: AtomicBool::new(false),
            dying: AtomicBool::new(false),
            commits: Mutex::default(),
            reads: Mutex::default(),
            gate: RwLock::default(),
        }
    }

    /// From now on appends are made, but their answers are lost on the way.
    pub(crate) fn lose_answers(&self) {
        self.mute.store(true, Ordering::SeqCst);
    }

    pub(crate) fn break_writes(&self, collection: &'static str) {
        self.broken.lock().unwrap().insert(collection);
    }

    /// From now on entries are appended and nothing else is written: what a process that dies right after an append
    /// leaves behind.
    pub(crate) fn break_commits(&self) {
        self.dying.store(true, Ordering::SeqCst);
    }

    /// How many writes of single documents of this collection were asked for.
    pub(crate) fn commits(&self, collection: &str) -> usize {
        self.commits.lock().unwrap().get(collection).copied().unwrap_or_default()
    }

    /// What was read since this was asked last: `members by id`, `members by many ids` or by an index, and how often.
    pub(crate) fn reads(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut *self.reads.lock().unwrap())
    }

    fn count_read(&self, collection: &Collection, by: &str) {
        *self.reads.lock().unwrap().entry(format!("{} by {by}", collection.name)).or_default() += 1;
    }

    pub(crate) fn mend(&self) {
        self.dying.store(false, Ordering::SeqCst);
        self.broken.lock().unwrap().clear();
        self.mute.store(false, Ordering::SeqCst);
    }

    fn check_writes(&self, collection: &Collection) -> Result<(), StoreError> {
        if self.broken.lock().unwrap().contains(collection.name) {
            return Err(StoreError::Unavailable("broken by the test".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Documents for FaultyStore {
    async fn get(&self, collection: &Collection, id: &str) -> Result<Option<Stored>, StoreError> {
        self.count_read(collection, "id");
        self.inner.get(collection, id).await
    }

    async fn get_many(&self, collection: &Collection, ids: &[String]) -> Result<Vec<Stored>, StoreError> {
        self.count_read(collection, "many ids");
        self.inner.get_many(collection, ids).await
    }

    async fn scan(&self, collection: &Collection, scan: Scan) -> Result<Page<Stored>, StoreError> {
        let name = scan.index.name;
        self.count_read(collection, if name == "id" { "a range of ids" } else { name });
        self.inner.scan(collection, scan).await
    }

    async fn commit(
        &self,
        collection: &Collection,
        write: Write,
        events: Vec<Event>,
    ) -> Result<Revision, StoreError> {
        self.check_writes(collection)?;
        if self.dying.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("dying, says the test".to_owned()));
        }
        *self.commits.lock().unwrap().entry(collection.name).or_default() += 1;
        self.inner.commit(collection, write, events).await
    }

    async fn append_many(&self, collection: &Collection, run: Vec<Draft>) -> Result<Appended, StoreError> {
        self.check_writes(collection)?;
        let _open = self.gate.read().await;
        let appended = self.inner.append_many(collection, run).await;
        if self.mute.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the test lost the answer".to_owned()));
        }
        appended
    }

    async fn pending(&self, scope: PendingScope, limit: usize) -> Result<Vec<Pending>, StoreError> {
        self.inner.pending(scope, limit).await
    }

    async fn settle(&self, tokens: &[String]) -> Result<(), StoreError> {
        self.inner.settle(tokens).await
    }

    fn committed(&self) -> watch::Receiver<Option<EventId>> {
        self.inner.committed()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }
}

/// A bus that can be away for publishers, and remembers what was published.
pub(crate) struct FaultyBus {
    inner: Arc<dyn Bus>,
    away: AtomicBool,
    /// So many broadcasts are refused yet.
    refusals: AtomicUsize,
    published: Mutex<Vec<Event>>,
}

impl FaultyBus {
    fn new(inner: Arc<dyn Bus>) -> Self {
        Self {
            inner,
            away: AtomicBool::new(false),
            refusals: AtomicUsize::new(0),
            published: Mutex::default(),
        }
    }

    pub(crate) fn go_away(&self) {
        self.away.store(true, Ordering::SeqCst);
    }

    pub(crate) fn come_back(&self) {
        self.away.store(false, Ordering::SeqCst);
    }

    /// The next so many broadcasts are refused, and nobody hears them.
    pub(crate) fn refuse_broadcasts(&self, count: usize) {
        self.refusals.store(count, Ordering::SeqCst);
    }

    /// Everything published through it, in order.
    pub(crate) fn published(&self) -> Vec<Event> {
        self.published.lock().unwrap().clone()
    }
}

#[async_trait]
impl Bus for FaultyBus {
    async fn publish(&self, events: &[Event]) -> Result<(), BusError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(BusError::Unavailable("away, says the test".to_owned()));
        }
        self.inner.publish(events).await?;
        self.published.lock().unwrap().extend_from_slice(events);
        Ok(())
    }

    async fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, BusError> {
        self.inner.subscribe(subscription, handler).await
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), BusError> {
        let one_less = |left: usize| left.checked_sub(1);
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return Err(BusError::Unavailable("refused by the test".to_owned()));
        }
        self.inner.broadcast(message).await
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, BusError> {
        self.inner.listen().await
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        self.inner.dead_letters(group, limit).await
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), BusError> {
        self.inner.replay(group, letter).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), BusError> {
        self.inner.drop_letter(group, letter).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, BusError> {
        self.inner.depths().await
    }

    async fn check(&self) -> Result<(), BusError> {
        self.inner.check().await
    }
}
