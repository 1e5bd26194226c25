//! Entries of conversations' logs. A log is named by the id of its owner.

use std::{borrow::Cow, cmp::Reverse, collections::HashMap, fmt::Display};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    live::RawEntry,
    messaging::{Fact, Filters, MAX_EDITS, MAX_PAGE},
};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan};
use tertulia_runtime::{Id, IdKind, Timestamp};
use ulid::Ulid;

use super::{Store, messages::Became};
use crate::model::{
    moderation::Note,
    place::{entry_id, entry_id_prefix, message_id, seq_of},
    thread::InThread,
};

/// Names the ids of writers.
pub(crate) enum WriterKind {}

impl IdKind for WriterKind {
    const PREFIX: &'static str = "wrt";
}

/// One process's right to write entries, and its place in the publishing of them.
pub(crate) type WriterId = Id<WriterKind>;

/// One entry of one log. Its document id is its place, so the store itself keeps places unique.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EntryRecord {
    /// Whose log: a conversation's id.
    pub owner: String,
    /// Its position: 1, 2, 3, without a gap.
    pub seq: u64,
    /// How many messages the log holds up to here, this one included, but for those in threads.
    pub messages: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What sort of entry it is.
    pub class: Class,
    /// Who wrote it and which of theirs it is, for entries that are published. Counts up per writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<(WriterId, u64)>,
    /// W3C Trace Context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// The fact, encoded once for the log, the broadcast and the answers.
    pub fact: Box<RawValue>,
    /// What became of the message that it posts, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub became: Option<Became>,
    /// Where the message that it posts stands, if in a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_thread: Option<InThread>,
    /// Whether there is a thread below the message that it posts. How much there is to it, its newest entry says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_thread: bool,
    /// What is not for everybody: it is read by name alone, never with the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// What an entry is found by besides its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub(crate) enum Class {
    /// A message. The author's client gave it a name, which makes a repeat a repeat.
    Message {
        /// Who wrote it.
        author: UserId,
        /// Its name.
        client_id: Ulid,
        /// Whether other documents follow from it: it calls somebody, is to disappear, or is the first below another.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        calls: bool,
    },
    /// Anything else that happened in a conversation.
    Change,
    /// A change of what a message says.
    Edit {
        /// The position of the message.
        message_seq: u64,
    },
    /// A change that keeps others in order.
    Act,
}

/// One message per author and client id. The client id stands first: it begins with the time, so that messages of one moment
/// enter the index side by side, in whatever conversations they are, and share its pages.
pub(crate) const ONCE: Index = Index::unique("once");
/// An author's messages in a place: in a log but for its threads, or in a thread.
const AUTHORS: Index = Index::ordered("authors");
/// The messages of a place.
const MESSAGES: Index = Index::ordered("messages");
/// An author's messages in all threads of a log.
const IN_THREADS: Index = Index::ordered("in_threads");
/// What other documents follow from in a conversation's log.
const CHANGES: Index = Index::ordered("changes");
/// The edits of a message.
const EDITS: Index = Index::ordered("edits");
/// The acts of moderation in a log.
const ACTS: Index = Index::ordered("acts");
/// A writer's entries in the order of its count: the log's own outbox.
const WRITTEN: Index = Index::unique("written");

fn once(owner: &str, author: UserId, client_id: Ulid) -> Key {
    Key::new().display(client_id).text(owner).display(author)
}

impl Record for EntryRecord {
    const COLLECTION: Collection = Collection {
        name: "entries",
        indexes: &[ONCE, AUTHORS, MESSAGES, CHANGES, EDITS, WRITTEN, ACTS, IN_THREADS],
    };

    fn id(&self) -> String {
        entry_id(&self.owner, self.seq)
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let log = || Key::new().text(&self.owner);
        let place = || Key::new().text(&self.place());
        let mut keys = match self.class {
            Class::Message { author, client_id, .. } => vec![
                (ONCE, once(&self.owner, author, client_id)),
                (AUTHORS, place().display(author).number(self.seq)),
                (MESSAGES, place().number(self.seq)),
            ],
            Class::Change => Vec::new(),
            Class::Edit { message_seq } => vec![(EDITS, log().number(message_seq).number(self.seq))],
            Class::Act => vec![(ACTS, log().number(self.seq))],
        };
        if let (Class::Message { author, .. }, Some(_)) = (self.class, self.in_thread) {
            keys.push((IN_THREADS, log().display(author).number(self.seq)));
        }
        keys.extend(self.is_change().then(|| (CHANGES, log().number(self.seq))));
        keys.extend(self.written.map(|(writer, n)| (WRITTEN, Key::new().display(writer).number(n))));
        keys
    }
}

impl EntryRecord {
    /// The fact of a conversation's entry.
    pub(crate) fn fact(&self) -> Result<Fact, Error> {
        serde_json::from_str(self.fact.get()).map_err(|error| self.corrupt(&error))
    }

    /// Whether it is an entry of a conversation that other documents follow from.
    pub(crate) fn is_change(&self) -> bool {
        match self.class {
            Class::Message { calls, .. } => calls,
            Class::Change | Class::Edit { .. } | Class::Act => true,
        }
    }

    /// The conversation whose log it is in.
    pub(crate) fn conversation(&self) -> Result<ConversationId, Error> {
        self.owner.parse().map_err(|error| self.corrupt(&error))
    }

    /// The place that the message it posts stands in: the log itself, or the thread below an entry of it.
    pub(crate) fn place(&self) -> Cow<'_, str> {
        match self.in_thread {
            Some(thread) => Cow::Owned(entry_id(&self.owner, thread.root_seq)),
            None => Cow::Borrowed(&self.owner),
        }
    }

    /// Where it stands in that place, and how many messages that holds up to here.
    pub(crate) fn head_of_place(&self) -> Head {
        Head { seq: self.seq, messages: self.in_thread.map_or(self.messages, |thread| thread.messages) }
    }

    /// Its place in the log.
    pub(crate) fn head(&self) -> Head {
        Head { seq: self.seq, messages: self.messages }
    }

    /// Why it was done, if whoever did it said so.
    pub(crate) fn reason(&self) -> Option<String> {
        self.note.as_ref().and_then(|note| note.reason.clone())
    }

    /// What it says of words and links that are kept out.
    pub(crate) fn filters(&self) -> Filters {
        self.note.as_ref().and_then(|note| note.filters.clone()).unwrap_or_default()
    }

    /// As it is broadcast and listed.
    pub(crate) fn into_raw(self) -> RawEntry {
        RawEntry { seq: self.seq, e: self.fact }
    }

    pub(crate) fn corrupt(&self, cause: &dyn Display) -> Error {
        Error::Corrupt {
            collection: Self::COLLECTION.name.to_owned(),
            id: self.id(),
            cause: cause.to_string(),
        }
    }
}

/// The newest place of a log; all zero for an empty one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The newest position.
    pub seq: u64,
    /// How many messages there are.
    pub messages: u64,
}

/// Which messages a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    /// The newest.
    Newest,
    /// The nearest below this position.
    Before(u64),
    /// The nearest above this position.
    After(u64),
}

impl Store {
    /// The newest place of a log.
    pub(crate) async fn head(&self, owner: &str) -> Result<Head, Error> {
        Ok(self.newest(owner).await?.map_or_else(Head::default, |entry| entry.head()))
    }

    /// The newest entry of a log.
    pub(crate) async fn newest(&self, owner: &str) -> Result<Option<EntryRecord>, Error> {
        let newest = Scan::of(Index::ID, Key::from_encoded(entry_id_prefix(owner)), 1).descending();
        Ok(self.entries_of(newest).await?.pop())
    }

    /// The entry at a place.
    pub(crate) async fn entry(&self, owner: &str, seq: u64) -> Result<Option<EntryRecord>, Error> {
        Ok(self.entries.get(&entry_id(owner, seq)).await?.map(|entry| entry.value))
    }

    /// The entries behind a position, ascending.
    pub(crate) async fn log_after(
        &self,
        owner: &str,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<EntryRecord>, Error> {
        let scan = Scan::of(Index::ID, Key::from_encoded(entry_id_prefix(owner)), limit)
            .from(Key::from_encoded(entry_id(owner, seq.saturating_add(1))));
        self.entries_of(scan).await
    }

    /// The entries behind a position that other documents follow from, ascending.
    pub(crate) async fn changes_after(
        &self,
        owner: &str,
        seq: u64,
        limit: usize,
    ) -> Result<Vec<EntryRecord>, Error> {
        let log = Key::new().text(owner);
        let from = log.clone().number(seq.saturating_add(1));
        self.entries_of(Scan::of(CHANGES, log, limit).from(from)).await
    }

    /// The edits of a message, ascending.
    pub(crate) async fn edits_of(&self, owner: &str, message_seq: u64) -> Result<Vec<EntryRecord>, Error> {
        let edits = Key::new().text(owner).number(message_seq);
        self.entries_of(Scan::of(EDITS, edits, MAX_EDITS as usize)).await
    }

    /// A page of the acts of moderation in a log, the newest first.
    pub(crate) async fn acts(
        &self,
        owner: &str,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<EntryRecord>, Error> {
        let scan = Scan::of(ACTS, Key::new().text(owner), limit).descending().after(after);
        let page = self.entries.scan(scan).await?;
        Ok(Page { items: page.items.into_iter().map(|entry| entry.value).collect(), next: page.next })
    }

    /// The entries at these places of a log, as far as there are any, in the order asked for.
    pub(crate) async fn entries_at(
        &self,
        owner: &str,
        seqs: impl IntoIterator<Item = u64>,
    ) -> Result<Vec<EntryRecord>, Error> {
        let places: Vec<String> = seqs.into_iter().map(|seq| entry_id(owner, seq)).collect();
        Ok(self.entries.get_many(&places).await?.into_iter().map(|entry| entry.value).collect())
    }

    /// What the messages said since these entries, that post or edit them; nothing once they are deleted.
    pub(crate) async fn words_at(
        &self,
        owner: &str,
        seqs: impl IntoIterator<Item = u64>,
    ) -> Result<HashMap<u64, String>, Error> {
        let mut words = HashMap::new();
        for entry in self.entries_at(owner, seqs).await? {
            match entry.fact()? {
                Fact::MessagePosted { message } => drop(words.insert(entry.seq, message.body)),
                Fact::MessageEdited { body, .. } => drop(words.insert(entry.seq, body)),
                _ => {}
            }
        }
        Ok(words)
    }

    /// A page of the messages of a place, ascending. One more than [`MAX_PAGE`] may be asked for, to see whether more follow.
    pub(crate) async fn messages(
        &self,
        place: &str,
        span: Span,
        limit: usize,
    ) -> Result<Vec<EntryRecord>, Error> {
        debug_assert!(limit <= MAX_PAGE + 1);
        let place = Key::new().text(place);
        let all = Scan::of(MESSAGES, place.clone(), limit);
        let page = match span {
            Span::Newest => all.descending(),
            Span::Before(seq) => all.to(place.number(seq)).descending(),
            Span::After(seq) => all.from(place.number(seq.saturating_add(1))),
        };
        let mut entries = self.entries_of(page).await?;
        entries.sort_unstable_by_key(|entry| entry.seq);
        Ok(entries)
    }

    /// Where somebody posted last in a place; all zero if they never did.
    pub(crate) async fn last_post(&self, place: &str, author: UserId) -> Result<Head, Error> {
        let scan = Scan::of(AUTHORS, Key::new().text(place).display(author), 1).descending();
        Ok(self.entries_of(scan).await?.pop().map_or_else(Head::default, |entry| entry.head_of_place()))
    }

    /// Where somebody posted in a log and its threads below a position, the newest first.
    pub(crate) async fn posts_by(
        &self,
        owner: &str,
        author: UserId,
        before: u64,
        limit: usize,
    ) -> Result<Vec<EntryRecord>, Error> {
        let own = Key::new().text(owner).display(author);
        let below = |index| Scan::of(index, own.clone(), limit).to(own.clone().number(before)).descending();
        let mut posts = self.entries_of(below(AUTHORS)).await?;
        posts.extend(self.entries_of(below(IN_THREADS)).await?);
        posts.sort_unstable_by_key(|post| Reverse(post.seq));
        posts.truncate(limit);
        Ok(posts)
    }

    /// The message that an author's client named so in a log.
    pub(crate) async fn named(
        &self,
        owner: &str,
        author: UserId,
        client_id: Ulid,
    ) -> Result<Option<EntryRecord>, Error> {
        Ok(self.entries.find(ONCE, once(owner, author, client_id)).await?.map(|entry| entry.value))
    }

    /// The entries that post those of these messages that stand in this conversation.
    pub(crate) async fn postings(
        &self,
        log: ConversationId,
        messages: &[MessageId],
    ) -> Result<Vec<EntryRecord>, Error> {
        let owner = log.to_string();
        let places: Vec<String> = messages.iter().map(|message| entry_id(&owner, seq_of(*message))).collect();
        let entries = self.entries.get_many(&places).await?.into_iter().map(|entry| entry.value);
        let stands = |entry: &EntryRecord| {
            let id = message_id(entry.at, log, entry.seq);
            matches!(entry.class, Class::Message { .. }) && messages.contains(&id)
        };
        Ok(entries.filter(stands).collect())
    }

    /// A writer's entries whose count lies in `from..to`, ascending.
    pub(crate) async fn written(
        &self,
        writer: WriterId,
        from: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<EntryRecord>, Error> {
        let own = Key::new().display(writer);
        let scan = Scan::of(WRITTEN, own.clone(), limit).from(own.clone().number(from)).to(own.number(to));
        self.entries_of(scan).await
    }

    async fn entries_of(&self, scan: Scan) -> Result<Vec<EntryRecord>, Error> {
        let page = self.entries.scan(scan).await?;
        Ok(page.items.into_iter().map(|entry| entry.value).collect())
    }
}
