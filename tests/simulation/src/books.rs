//! The logs as they stand in the store itself, past every service: what everything else is held against.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use serde::Deserialize;
use tertulia_contracts::{ConversationId, UserId, messaging::Fact};
use tertulia_documents::{Collection, Documents as _, Index, Key, MemoryDocuments, Scan, port::MAX_PAGE};
use tertulia_messaging::model::place::entry_id;
use tertulia_runtime::Timestamp;
use ulid::Ulid;

/// One entry, as messaging keeps it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Kept {
    pub(crate) owner: String,
    pub(crate) seq: u64,
    pub(crate) messages: u64,
    pub(crate) at: Timestamp,
    pub(crate) fact: serde_json::Value,
}

impl Kept {
    /// The fact of a conversation's entry.
    pub(crate) fn fact(&self) -> Option<Fact> {
        serde_json::from_value(self.fact.clone()).ok()
    }

    /// The name of the message that it posts.
    pub(crate) fn name(&self) -> Option<(UserId, Ulid)> {
        match self.fact()? {
            Fact::MessagePosted { message } => Some((message.author_id, message.client_id)),
            _ => None,
        }
    }
}

/// Every log, read at once.
pub(crate) struct Books {
    documents: MemoryDocuments,
    entries: Collection,
}

impl Books {
    pub(crate) fn new(documents: MemoryDocuments) -> Self {
        let entries = tertulia_messaging::COLLECTIONS.iter().find(|collection| collection.name == "entries");
        Self { documents, entries: *entries.expect("messaging keeps its logs in entries") }
    }

    /// The entry that stands at a place right now.
    pub(crate) fn entry(&self, owner: &str, seq: u64) -> Option<Kept> {
        let found = self.documents.get(&self.entries, &entry_id(owner, seq)).now_or_never();
        let found = found.expect("a store in memory does not wait").expect("a store in memory answers")?;
        Some(serde_json::from_str(found.body.get()).expect("an entry is kept as messaging keeps it"))
    }

    /// When a user who is no member now left, if that stands before a position.
    pub(crate) fn left_before(&self, c: ConversationId, user: UserId, seq: u64) -> Option<Timestamp> {
        let owner = c.to_string();
        let mut left = None;
        for kept in (1..).map_while(|seq| self.entry(&owner, seq)) {
            match kept.fact() {
                Some(Fact::MemberJoined { member, .. }) if member.user_id == user => left = None,
                Some(Fact::MemberLeft { user_id, .. }) if user_id == user => left = Some(kept),
                _ => {}
            }
        }
        left.filter(|left| left.seq < seq).map(|left| left.at)
    }

    /// Every log there is, by its owner.
    pub(crate) fn logs(&self) -> BTreeMap<String, Vec<Kept>> {
        let mut logs: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        let mut after = None;
        loop {
            let scan = Scan::of(Index::ID, Key::new(), MAX_PAGE).after(after);
            let page = self.documents.scan(&self.entries, scan).now_or_never();
            let page = page.expect("a store in memory does not wait").expect("a store in memory answers");
            for found in page.items {
                let kept: Kept =
                    serde_json::from_str(found.body.get()).expect("an entry is kept as messaging keeps it");
                logs.entry(kept.owner.clone()).or_default().push(kept);
            }
            after = page.next;
            if after.is_none() {
                return logs;
            }
        }
    }
}
