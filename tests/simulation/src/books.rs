//! The logs as they stand in the store itself, past every service: what everything else is held against.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Fact, Message, UserFact},
};
use tertulia_documents::{Collection, Documents as _, Index, Key, MemoryDocuments, Scan, port::MAX_PAGE};
use tertulia_messaging::model::{place::entry_id, private::Matter};
use tertulia_runtime::Timestamp;
use ulid::Ulid;

/// One entry.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) seq: u64,
    pub(crate) messages: u64,
    pub(crate) at: Timestamp,
    pub(crate) says: Says,
}

/// What an entry says.
#[derive(Debug, Clone)]
pub(crate) enum Says {
    /// In a conversation's log.
    Fact(Box<Fact>),
    /// In a user's.
    Own(UserFact),
}

impl Kept {
    /// The fact of a conversation's entry.
    pub(crate) fn fact(&self) -> Option<&Fact> {
        match &self.says {
            Says::Fact(fact) => Some(fact),
            Says::Own(_) => None,
        }
    }

    /// The message that it posts.
    pub(crate) fn message(&self) -> Option<&Message> {
        match self.fact()? {
            Fact::MessagePosted { message } => Some(message),
            _ => None,
        }
    }

    /// The name of the message that it posts.
    pub(crate) fn name(&self) -> Option<(UserId, Ulid)> {
        self.message().map(|message| (message.author_id, message.client_id))
    }
}

/// An entry as messaging keeps it.
#[derive(Deserialize)]
struct Record {
    owner: String,
    seq: u64,
    messages: u64,
    at: Timestamp,
    fact: Box<RawValue>,
}

/// A thing of somebody's, which is the entry of their log that tells of it.
#[derive(Deserialize)]
struct Thing {
    owner: String,
    useq: u64,
    at: Timestamp,
    matter: Matter,
}

/// The newest of somebody's things.
#[derive(Deserialize)]
struct Newest {
    newest: Thing,
}

fn read<'a, T: Deserialize<'a>>(body: &'a RawValue) -> T {
    serde_json::from_str(body.get()).expect("it is kept as messaging keeps it")
}

fn entry(body: &RawValue) -> (String, Kept) {
    let Record { owner, seq, messages, at, fact } = read(body);
    (owner, Kept { seq, messages, at, says: Says::Fact(Box::new(read(&fact))) })
}

/// Who came and went in one conversation, as far as its log was read.
#[derive(Default)]
struct Comings {
    read_to: u64,
    /// Who left and did not come back, and where.
    left: BTreeMap<UserId, u64>,
}

/// Every log, read at once.
pub(crate) struct Books {
    documents: MemoryDocuments,
    comings: Mutex<BTreeMap<ConversationId, Comings>>,
}

impl Books {
    pub(crate) fn new(documents: MemoryDocuments) -> Self {
        Self { documents, comings: Mutex::default() }
    }

    /// The entry that stands at a place of a conversation's log right now.
    pub(crate) fn entry(&self, owner: &str, seq: u64) -> Option<Kept> {
        let found = self.documents.get(&collection("entries"), &entry_id(owner, seq)).now_or_never();
        let found = found.expect("a store in memory does not wait").expect("a store in memory answers")?;
        Some(entry(&found.body).1)
    }

    /// Where a user who is no member now left, if that stands before a position.
    pub(crate) fn left_before(&self, c: ConversationId, user: UserId, seq: u64) -> Option<u64> {
        let mut comings = self.comings.lock().unwrap_or_else(PoisonError::into_inner);
        let Comings { read_to, left } = comings.entry(c).or_default();
        let owner = c.to_string();
        while let Some(kept) = self.entry(&owner, *read_to + 1) {
            *read_to += 1;
            match kept.fact() {
                Some(Fact::MemberJoined { member, .. }) => drop(left.remove(&member.user_id)),
                Some(Fact::MemberLeft { user_id, .. }) => drop(left.insert(*user_id, kept.seq)),
                _ => {}
            }
        }
        left.get(&user).copied().filter(|place| *place < seq)
    }

    /// Whether somebody never belonged anywhere, as far as it is applied.
    pub(crate) fn is_stranger(&self, user: UserId) -> bool {
        let theirs = format!("\"user_id\":\"{user}\"");
        !self.all("members").iter().any(|member| member.get().contains(&theirs))
    }

    /// Every log there is, by its owner.
    pub(crate) fn logs(&self) -> BTreeMap<String, Vec<Kept>> {
        let mut logs: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        for (owner, kept) in self.all("entries").iter().map(|body| entry(body)) {
            logs.entry(owner).or_default().push(kept);
        }
        logs.extend(self.own_logs());
        logs
    }

    /// The users' logs. Of each thing the newest word stands, and the newest of all may not be put away yet.
    fn own_logs(&self) -> BTreeMap<String, Vec<Kept>> {
        let mut things: BTreeMap<String, BTreeMap<String, Thing>> = BTreeMap::new();
        let heads: Vec<Thing> =
            self.all("user_heads").iter().map(|body| read::<Newest>(body).newest).collect();
        let ends: Vec<(String, u64)> = heads.iter().map(|head| (head.owner.clone(), head.useq)).collect();
        let put_away = self.all("private");
        for thing in put_away.iter().map(|body| read::<Thing>(body)).chain(heads) {
            things.entry(thing.owner.clone()).or_default().insert(thing.matter.topic().name(), thing);
        }
        let log = |(owner, end): (String, u64)| {
            let standing = things.remove(&owner).unwrap_or_default().into_values();
            let standing: BTreeMap<u64, Thing> = standing.map(|thing| (thing.useq, thing)).collect();
            let said = |seq| {
                let thing = standing.get(&seq);
                let says = Says::Own(thing.map_or(UserFact::Superseded {}, |thing| thing.matter.fact(seq)));
                Kept { seq, messages: 0, at: thing.map_or(Timestamp::EPOCH, |thing| thing.at), says }
            };
            (owner, (1..=end).map(said).collect())
        };
        ends.into_iter().map(log).collect()
    }

    /// How many messages are to disappear.
    pub(crate) fn lasting(&self) -> usize {
        self.all("expiries").len()
    }

    /// Every document of a collection.
    fn all(&self, name: &str) -> Vec<Box<RawValue>> {
        let (mut bodies, mut after) = (Vec::new(), None);
        loop {
            let scan = Scan::of(Index::ID, Key::new(), MAX_PAGE).after(after);
            let page = self.documents.scan(&collection(name), scan).now_or_never();
            let page = page.expect("a store in memory does not wait").expect("a store in memory answers");
            bodies.extend(page.items.into_iter().map(|found| found.body));
            after = page.next;
            if after.is_none() {
                return bodies;
            }
        }
    }
}

fn collection(name: &str) -> Collection {
    let found = tertulia_messaging::COLLECTIONS.iter().find(|collection| collection.name == name);
    *found.expect("messaging has this collection")
}
