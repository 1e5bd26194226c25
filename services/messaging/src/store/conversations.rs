//! Conversations.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{ConversationKind, Fact, Filters, MAX_GROUP_MEMBERS, Visibility},
    permissions::{Action, Place, Seat, decide as permitted},
};
use tertulia_documents::{Collection, Error, Index, Key, Record, Scan, Versioned};
use tertulia_runtime::Timestamp;

use super::{EntryRecord, Store};
use crate::model::{
    access::{Actor, Ground},
    custom_emoji::Emojis,
    founding::Charter,
    listing::{Term, terms},
    markup::OwnWords,
    membership::{Stance, Step, owner_after, steps},
    message::{Pinned, apply_to_pins},
    roles::Roles,
    settings::Settings,
};

/// A conversation, besides its log. Its insertion is the moment it comes into being.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConversationRecord {
    /// Its id.
    pub id: ConversationId,
    /// What it was founded with.
    pub charter: Charter,
    /// Its settings, as of `applied_seq`.
    #[serde(flatten)]
    pub settings: Settings,
    /// How many belong to it, as of `applied_seq`; none where it was founded before anybody counted.
    #[serde(default)]
    pub members: Option<u64>,
    /// What is pinned in it, as of `applied_seq`.
    #[serde(default)]
    pub pins: Vec<Pinned>,
    /// Who owns it, as of `applied_seq`.
    #[serde(default)]
    pub owner: Option<UserId>,
    /// Which words and links are kept out of it, as of `applied_seq`.
    #[serde(default)]
    pub filters: Filters,
    /// Its custom roles and what is noted beside names, as of `applied_seq`.
    #[serde(default)]
    pub roles: Roles,
    /// The emoji of its own, as of `applied_seq`.
    #[serde(default)]
    pub emoji: Emojis,
    /// Whether messages have ever disappeared from it: only then somebody looks for some that are to.
    #[serde(default)]
    pub disappears: bool,
    /// The newest change in its log that its documents show; 0 before its founding is written.
    pub applied_seq: u64,
}

/// One direct conversation per pair.
const DIRECT: Index = Index::unique("direct");
/// One channel per handle.
pub(crate) const HANDLE: Index = Index::unique("handle");
/// The conversations that somebody made, by age.
const MADE: Index = Index::ordered("made");
/// Conversations whose founding is not wholly written.
const UNFOUNDED: Index = Index::ordered("unfounded");

impl Record for ConversationRecord {
    const COLLECTION: Collection =
        Collection { name: "conversations", indexes: &[DIRECT, HANDLE, MADE, UNFOUNDED] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let direct = self.charter.pair().map(|pair| (DIRECT, pair_key(pair)));
        let handle = self.charter.handle.as_ref().map(|handle| (HANDLE, Key::new().text(handle)));
        let unfounded = (!self.is_founded()).then(|| (UNFOUNDED, Key::new().display(self.id)));
        let made =
            (MADE, Key::new().display(self.charter.created_by).number(millis(self.charter.created_at)));
        [direct, handle, Some(made), unfounded].into_iter().flatten().collect()
    }
}

impl ConversationRecord {
    /// A conversation of which nothing but the charter is written.
    pub(crate) fn new(id: ConversationId, charter: Charter) -> Self {
        Self {
            id,
            charter,
            settings: Settings::default(),
            members: None,
            pins: Vec::new(),
            roles: Roles::default(),
            emoji: Emojis::default(),
            owner: None,
            filters: Filters::default(),
            disappears: false,
            applied_seq: 0,
        }
    }

    /// Takes the next change of its log: an entry and its fact.
    pub(crate) fn take(&mut self, entry: &EntryRecord, fact: &Fact) {
        self.settings.apply(fact);
        self.disappears |= self.settings.disappear_after_s.is_some();
        apply_to_pins(&mut self.pins, entry.seq, fact);
        self.roles.apply(entry.seq, fact);
        self.emoji.apply(entry.seq, fact);
        match fact {
            Fact::ConversationCreated { .. } => self.members = Some(0),
            Fact::FiltersChanged { .. } => self.filters = entry.filters(),
            _ => {}
        }
        // A ban ends a membership if there is one, and says whether there was.
        let of_stranger = matches!(fact, Fact::MemberBanned { was_member: false, .. });
        let place = Place::of(self.charter.kind, self.visibility());
        let owns = |role| permitted(&Seat::of(Some(role)), Action::TransferOwnership, place).is_ok();
        for (user, step) in steps(fact) {
            self.owner = owner_after(self.owner, user, &step, owns);
            self.members = self.members.map(|members| match step {
                Step::Began(_) => members + 1,
                Step::Ended if !of_stranger => members.saturating_sub(1),
                Step::Ended | Step::Became(_) | Step::Restricted(..) => members,
            });
        }
    }

    /// Who may find and read it.
    pub(crate) fn visibility(&self) -> Visibility {
        self.settings.visibility.unwrap_or(self.charter.visibility)
    }

    /// The words that mean something here alone.
    pub(crate) fn own_words(&self) -> OwnWords<'_> {
        OwnWords { roles: &self.roles, emoji: &self.emoji }
    }

    /// What is decided on somebody who stands so, at this moment.
    pub(crate) fn ground(&self, by: Actor, stance: Stance, at: Timestamp) -> Ground {
        Ground {
            kind: self.charter.kind,
            visibility: self.visibility(),
            archived: self.settings.archived_at.is_some(),
            account: by.account,
            role: stance.role,
            restriction: stance.restriction(at),
            overrides: self.roles.overrides(by.user_id),
        }
    }

    /// Whether the directory shows it.
    pub(crate) fn is_listed(&self) -> bool {
        let found =
            self.charter.kind == ConversationKind::Channel && self.visibility() != Visibility::Private;
        found && self.settings.archived_at.is_none()
    }

    /// What it is found by in the directory.
    pub(crate) fn terms(&self) -> Vec<Term> {
        let terms = || terms(self.charter.handle.as_deref(), &self.settings);
        if self.is_listed() { terms() } else { Vec::new() }
    }

    /// Whether a group that so many more come to has more than it can have.
    pub(crate) fn overflows_with(&self, more: u64) -> bool {
        self.charter.kind == ConversationKind::Group
            && self.members.is_some_and(|members| members + more > MAX_GROUP_MEMBERS)
    }

    /// Whether its founding is wholly written and shown.
    pub(crate) fn is_founded(&self) -> bool {
        self.applied_seq >= self.charter.founding_entries()
    }
}

fn millis(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(0)
}

fn pair_key((one, other): (UserId, UserId)) -> Key {
    Key::new().display(one).display(other)
}

impl Store {
    /// A conversation.
    pub(crate) async fn conversation(
        &self,
        id: ConversationId,
    ) -> Result<Option<Versioned<ConversationRecord>>, Error> {
        self.conversations.get(&id.to_string()).await
    }

    /// Those of these conversations that there are, in the order asked for.
    pub(crate) async fn conversations_among(
        &self,
        ids: &[ConversationId],
    ) -> Result<Vec<Versioned<ConversationRecord>>, Error> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.conversations.get_many(&ids).await
    }

    /// The direct conversation of a pair.
    pub(crate) async fn direct(&self, pair: (UserId, UserId)) -> Result<Option<ConversationRecord>, Error> {
        Ok(self.conversations.find(DIRECT, pair_key(pair)).await?.map(|found| found.value))
    }

    /// The channel of a handle.
    pub(crate) async fn channel(&self, handle: &str) -> Result<Option<ConversationRecord>, Error> {
        Ok(self.conversations.find(HANDLE, Key::new().text(handle)).await?.map(|found| found.value))
    }

    /// When somebody made the conversations that they made after a moment, the oldest first, up to this number of them.
    pub(crate) async fn made_after(
        &self,
        user: UserId,
        moment: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timestamp>, Error> {
        let all = Key::new().display(user);
        let scan = Scan::of(MADE, all.clone(), limit).from(all.number(millis(moment) + 1));
        let made = self.conversations.scan(scan).await?.items.into_iter();
        Ok(made.map(|found| found.value.charter.created_at).collect())
    }

    /// Conversations whose maker crashed in the middle of founding them, or is at it.
    pub(crate) async fn unfounded(&self, limit: usize) -> Result<Vec<ConversationRecord>, Error> {
        let page = self.conversations.scan(Scan::of(UNFOUNDED, Key::new(), limit)).await?;
        Ok(page.items.into_iter().map(|found| found.value).collect())
    }
}
