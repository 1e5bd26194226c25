//! What one client is told, held against the rules as it comes: each entry once, in order, without a hole, and never
//! one that is not committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tertulia_client::{Closed, Journal};
use tertulia_contracts::{
    ConversationId, MessageId, UserId,
    messaging::{Fact, UserFact},
    presence::{DeviceStatus, Presence, PresenceStatus},
};
use tertulia_messaging::model::place::entry_id;
use tokio::sync::mpsc;
use ulid::Ulid;

use crate::{books::Kept, clocks::MOST_WRONG, house::House};

/// Who has left hears no more within a second, says the product; the storm may take its time on the way.
const SOON: Duration = Duration::from_secs(8);
/// What was on its way when its time was over arrives so much later at most: lines stall, more than once.
const AT_LAST: Duration = Duration::from_secs(20);

/// What a client wants to do because of what it was told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    /// To follow a conversation from behind a position.
    Open(ConversationId, u64),
    /// Not to follow it any longer.
    Close(ConversationId),
}

/// One client's memory.
pub(crate) struct Witness {
    house: Arc<House>,
    pub(crate) name: String,
    pub(crate) user: UserId,
    /// Whom it watches.
    pub(crate) watches: Vec<UserId>,
    memory: Mutex<Memory>,
    wishes: mpsc::UnboundedSender<Wish>,
}

/// What a client has been told.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory {
    /// The last position of the user's own log.
    pub(crate) useq: u64,
    /// By the user's own log, what they are a member of.
    pub(crate) member_of: BTreeSet<ConversationId>,
    /// The last position of each conversation.
    pub(crate) shown: BTreeMap<ConversationId, u64>,
    /// By the user's own log, the threads that they follow, and how far they have read in each.
    pub(crate) follows: BTreeMap<MessageId, u64>,
    /// How those are seen whom it watches.
    pub(crate) seen: BTreeMap<UserId, Presence>,
    /// Whether nobody uses it.
    pub(crate) is_away: bool,
    /// What was shown below each message: where, and by whom.
    comments: BTreeMap<MessageId, Vec<(u64, UserId)>>,
}

impl Memory {
    /// How much of a thread is unread by what the client knows.
    pub(crate) fn unread_in(&self, thread: MessageId, user: UserId) -> u64 {
        let comments = self.comments.get(&thread).map(Vec::as_slice).unwrap_or_default();
        let own_last = comments.iter().filter(|(_, author)| *author == user).map(|(seq, _)| *seq).max();
        let read = self.follows.get(&thread).copied().max(own_last).unwrap_or(0);
        comments.iter().filter(|(seq, _)| *seq > read).count() as u64
    }

    /// Takes in an entry.
    fn learn(&mut self, fact: &Fact) {
        if let Fact::MessagePosted { message } = fact
            && let Some(thread) = message.thread_id
        {
            self.comments.entry(thread).or_default().push((message.seq, message.author_id));
        }
    }
}

impl Witness {
    pub(crate) fn new(
        house: Arc<House>,
        name: String,
        user: UserId,
        watches: Vec<UserId>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Wish>) {
        let (wishes, heard) = mpsc::unbounded_channel();
        (Arc::new(Self { house, name, user, watches, memory: Mutex::default(), wishes }), heard)
    }

    /// What it says of itself.
    pub(crate) fn device_status(&self) -> DeviceStatus {
        if self.lock().is_away { DeviceStatus::Away } else { DeviceStatus::Online }
    }

    /// Says it from now on.
    pub(crate) fn be(&self, status: DeviceStatus) {
        self.lock().is_away = status == DeviceStatus::Away;
    }

    /// What it has been told so far.
    pub(crate) fn memory(&self) -> Memory {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is shown must not be over for long.
    fn must_last(&self, conversation: ConversationId, fact: &Fact) {
        let Fact::MessagePosted { message } = fact else { return };
        let over = message.expires_at.and_then(|at| self.house.world.clocks.came(at.plus(MOST_WRONG)));
        if !message.body.is_empty() && over.is_some_and(|over| over.elapsed() > AT_LAST) {
            self.wrong(&format!("was shown {conversation}/{} long after it had disappeared", message.seq));
        }
    }

    fn wrong(&self, what: &str) {
        self.house.world.violation(format!("{}: {what}", self.name));
    }
}

/// Whether what was shown is what the log says; the log may have been told since to forget what a message said.
pub(crate) fn agrees(shown: &Fact, kept: &Fact) -> bool {
    match (shown, kept) {
        (Fact::MessagePosted { message: shown }, Fact::MessagePosted { message: kept }) => {
            let same =
                (shown.id, shown.author_id, shown.client_id) == (kept.id, kept.author_id, kept.client_id);
            same && (shown.body == kept.body || kept.deleted_at.is_some())
        }
        (
            Fact::MessageEdited { message_id: shown_id, body: shown, .. },
            Fact::MessageEdited { message_id: kept_id, body: kept, .. },
        ) => shown_id == kept_id && (shown == kept || kept.is_empty()),
        (shown, kept) => shown == kept,
    }
}

impl Journal for Witness {
    fn acked(&self, conversation: ConversationId, client_id: Ulid, seq: u64) {
        self.house
            .world
            .note(format_args!("{} has {client_id} acknowledged at {conversation}/{seq}", self.name));
        let kept = self.house.books.entry(&conversation.to_string(), seq);
        if kept.and_then(|kept| kept.name()) != Some((self.user, client_id)) {
            self.wrong(&format!(
                "{client_id} was acknowledged at {conversation}/{seq} and does not stand there"
            ));
        }
    }

    fn shown(&self, conversation: ConversationId, seq: u64, fact: &Fact) {
        self.house.world.note(format_args!("{} is shown {conversation}/{seq} {fact:?}", self.name));
        let last = {
            let mut memory = self.lock();
            memory.learn(fact);
            memory.shown.insert(conversation, seq).unwrap_or(0)
        };
        self.must_last(conversation, fact);
        if seq != last + 1 {
            self.wrong(&format!("was shown {conversation}/{seq} after {last}"));
        }
        let kept = self.house.books.entry(&conversation.to_string(), seq);
        let came = |seq| self.house.world.committed(&entry_id(&conversation.to_string(), seq));
        let left = self.house.books.left_before(conversation, self.user, seq).and_then(came);
        if left.zip(came(seq)).is_some_and(|(left, came)| came.duration_since(left) > SOON) {
            self.wrong(&format!("was shown {conversation}/{seq} long after its user had left"));
        }
        match kept.as_ref().and_then(Kept::fact) {
            None => self.wrong(&format!("was shown {conversation}/{seq} before it was committed")),
            Some(kept) if !agrees(fact, kept) => {
                self.wrong(&format!(
                    "was shown {fact:?} at {conversation}/{seq}, where the log says {kept:?}"
                ));
            }
            Some(_) => {}
        }
    }

    fn told(&self, useq: u64, fact: &UserFact) {
        self.house.world.note(format_args!("{} is told {useq} {fact:?}", self.name));
        let mut memory = self.lock();
        let last = std::mem::replace(&mut memory.useq, useq);
        let wish = match *fact {
            UserFact::ConversationJoined { conversation_id } => {
                memory.member_of.insert(conversation_id);
                Some(Wish::Open(conversation_id, memory.shown.get(&conversation_id).copied().unwrap_or(0)))
            }
            UserFact::ConversationLeft { conversation_id } => {
                memory.member_of.remove(&conversation_id);
                Some(Wish::Close(conversation_id))
            }
            UserFact::ThreadChanged { message_id, follows, cursor_seq, .. } => {
                if follows {
                    memory.follows.insert(message_id, cursor_seq);
                } else {
                    memory.follows.remove(&message_id);
                }
                None
            }
            _ => None,
        };
        drop(memory);
        if useq != last + 1 {
            self.wrong(&format!("was told {useq} of the user's log after {last}"));
        }
        // A client that is over wishes nothing.
        let _ = wish.map(|wish| self.wishes.send(wish));
    }

    fn skipped(&self, conversation: Option<ConversationId>, to: u64) {
        self.wrong(&format!("was sent on to {to} in {conversation:?}"));
    }

    fn closed(&self, conversation: ConversationId) {
        self.house.world.note(format_args!("{} follows {conversation} no longer", self.name));
    }

    fn seen(&self, presence: Presence) {
        self.house.world.note(format_args!("{} sees {presence:?}", self.name));
        let says_nothing = presence.last_seen.is_none() && presence.text.is_none();
        let is_hidden = matches!(presence.status, PresenceStatus::Offline | PresenceStatus::Unknown);
        if self.house.books.is_stranger(self.user) && !(says_nothing && is_hidden) {
            self.wrong(&format!("shares nothing with anybody and was told {presence:?}"));
        }
        self.lock().seen.insert(presence.user_id, presence);
    }

    fn disconnected(&self, closed: &Closed) {
        // What the system says of a broken line is its own affair.
        self.house.world.note(format_args!("{} is disconnected: {}", self.name, closed.code));
    }
}
