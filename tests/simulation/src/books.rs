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
    messaging::{Fact, UserFact},
};
use tertulia_documents::{Collection, Documents as _, Index, Key, MemoryDocuments, Scan, port::MAX_PAGE};
use tertulia_messaging::model::place::entry_id;
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

    /// The name of the message that it posts.
    pub(crate) fn name(&self) -> Option<(UserId, Ulid)> {
        match self.fact()? {
            Fact::MessagePosted { message } => Some((message.author_id, message.client_id)),
            _ => None,
        }
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

fn read(body: &RawValue) -> (String, Kept) {
    const OURS: &str = "an entry is kept as messaging keeps it";
    let record: Record = serde_json::from_str(body.get()).expect(OURS);
    let says = if record.owner.parse::<ConversationId>().is_ok() {
        Says::Fact(serde_json::from_str(record.fact.get()).expect(OURS))
    } else {
        Says::Own(serde_json::from_str(record.fact.get()).expect(OURS))
    };
    let Record { owner, seq, messages, at, .. } = record;
    (owner, Kept { seq, messages, at, says })
}

/// Who came and went in one conversation, as far as its log was read.
#[derive(Default)]
struct Comings {
    read_to: u64,
    /// Who left and did not come back, where and when.
    left: BTreeMap<UserId, (u64, Timestamp)>,
}

/// Every log, read at once.
pub(crate) struct Books {
    documents: MemoryDocuments,
    entries: Collection,
    comings: Mutex<BTreeMap<ConversationId, Comings>>,
}

impl Books {
    pub(crate) fn new(documents: MemoryDocuments) -> Self {
        let entries = tertulia_messaging::COLLECTIONS.iter().find(|collection| collection.name == "entries");
        let entries = *entries.expect("messaging keeps its logs in entries");
        Self { documents, entries, comings: Mutex::default() }
    }

    /// The entry that stands at a place right now.
    pub(crate) fn entry(&self, owner: &str, seq: u64) -> Option<Kept> {
        let found = self.documents.get(&self.entries, &entry_id(owner, seq)).now_or_never();
        let found = found.expect("a store in memory does not wait").expect("a store in memory answers")?;
        Some(read(&found.body).1)
    }

    /// When a user who is no member now left, if that stands before a position.
    pub(crate) fn left_before(&self, c: ConversationId, user: UserId, seq: u64) -> Option<Timestamp> {
        let mut comings = self.comings.lock().unwrap_or_else(PoisonError::into_inner);
        let Comings { read_to, left } = comings.entry(c).or_default();
        let owner = c.to_string();
        while let Some(kept) = self.entry(&owner, *read_to + 1) {
            *read_to += 1;
            match kept.fact() {
                Some(Fact::MemberJoined { member, .. }) => drop(left.remove(&member.user_id)),
                Some(Fact::MemberLeft { user_id, .. }) => drop(left.insert(*user_id, (kept.seq, kept.at))),
                _ => {}
            }
        }
        left.get(&user).filter(|(place, _)| *place < seq).map(|(_, at)| *at)
    }

    /// Every log there is, by its owner.
    pub(crate) fn logs(&self) -> BTreeMap<String, Vec<Kept>> {
        let mut logs: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        let mut after = None;
        loop {
            let scan = Scan::of(Index::ID, Key::new(), MAX_PAGE).after(after);
            let page = self.documents.scan(&self.entries, scan).now_or_never();
            let page = page.expect("a store in memory does not wait").expect("a store in memory answers");
            for (owner, kept) in page.items.iter().map(|found| read(&found.body)) {
                logs.entry(owner).or_default().push(kept);
            }
            after = page.next;
            if after.is_none() {
                return logs;
            }
        }
    }
}
