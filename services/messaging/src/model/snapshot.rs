//! What a log adds up to. State is replay: whoever folds a log from its first entry holds what the service's
//! own documents say.

use std::collections::BTreeMap;

use tertulia_contracts::{
    UserId,
    messaging::{ConversationKind, Entry, Fact, Member, Message},
    permissions::Restriction,
};
use tertulia_runtime::Timestamp;

use super::{
    custom_emoji::Emojis,
    membership::{Step, Term, steps},
    message::{Pinned, apply, apply_to_pins},
    roles::Roles,
    settings::Settings,
    thread::{count, root_seq},
};

/// A conversation as its log tells it to one reader.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Who reads it: their own reactions are marked. Nobody's are for nobody.
    pub reader: Option<UserId>,
    /// What sort; none before the first entry.
    pub kind: Option<ConversationKind>,
    /// Its settings.
    pub settings: Settings,
    /// A channel's unique name.
    pub handle: Option<String>,
    /// Who belongs to it.
    pub members: BTreeMap<UserId, Member>,
    /// Who is banned from it, and for how long.
    pub bans: BTreeMap<UserId, Term>,
    /// Who is muted in it, and for how long.
    pub mutes: BTreeMap<UserId, Term>,
    /// Its messages in their order, but for those in threads.
    pub messages: Vec<Message>,
    /// The messages below each that has a thread, in their order, by its position.
    pub threads: BTreeMap<u64, Vec<Message>>,
    /// What is pinned, in the order pinned.
    pub pins: Vec<Pinned>,
    /// Its custom roles, and what is noted beside names.
    pub roles: Roles,
    /// The emoji of its own.
    pub emoji: Emojis,
}

impl Snapshot {
    /// What a reader knows before the first entry.
    pub fn of(reader: UserId) -> Self {
        Self { reader: Some(reader), ..Self::default() }
    }

    /// Takes the next entry of the log. Entries that are known already, up to the present, change nothing: who loads a
    /// snapshot and then hears the log from a little before it ends the same.
    pub fn apply(&mut self, entry: &Entry) {
        apply_to_pins(&mut self.pins, entry.seq, &entry.e);
        self.roles.apply(entry.seq, &entry.e);
        self.emoji.apply(entry.seq, &entry.e);
        self.settings.apply(&entry.e);
        match &entry.e {
            Fact::ConversationCreated { kind, handle, .. } => {
                self.kind = Some(*kind);
                self.handle.clone_from(handle);
            }
            Fact::MemberJoined { .. }
            | Fact::MemberLeft { .. }
            | Fact::MemberRoleChanged { .. }
            | Fact::OwnerChanged { .. }
            | Fact::MemberBanned { .. }
            | Fact::MemberUnbanned { .. }
            | Fact::MemberMuted { .. }
            | Fact::MemberUnmuted { .. } => self.apply_memberships(&entry.e),
            Fact::MessagePosted { message } => self.apply_post(message),
            Fact::MessageEdited { message_seq, .. }
            | Fact::MessageDeleted { message_seq, .. }
            | Fact::ReactionSet { message_seq, .. }
            | Fact::ReactionRemoved { message_seq, .. }
            | Fact::PollVoted { message_seq, .. }
            | Fact::PollClosed { message_seq, .. } => {
                let reader = self.reader;
                let mut places = std::iter::once(&mut self.messages).chain(self.threads.values_mut());
                if let Some(message) = places.find_map(|place| at(place, *message_seq)) {
                    apply(message, entry.seq, &entry.e, reader);
                }
            }
            // Pins, settings, roles and emoji are taken above; what reports and filters are about is in no log, nor in what members load.
            Fact::ReportDecided { .. }
            | Fact::FiltersChanged { .. }
            | Fact::MessagePinned { .. }
            | Fact::MessageUnpinned { .. }
            | Fact::ConversationUpdated { .. }
            | Fact::ConversationArchived { .. }
            | Fact::ConversationUnarchived { .. }
            | Fact::RolePut { .. }
            | Fact::RoleDeleted { .. }
            | Fact::RoleGiven { .. }
            | Fact::RoleTaken { .. }
            | Fact::MemberOverridden { .. }
            | Fact::EmojiPut { .. }
            | Fact::EmojiRemoved { .. } => {}
        }
    }

    fn apply_post(&mut self, message: &Message) {
        let place = match root_seq(message) {
            Some(root) => {
                if let Some(root) = at(&mut self.messages, root) {
                    count(root, message);
                }
                self.threads.entry(root).or_default()
            }
            None => &mut self.messages,
        };
        if let Err(index) = place.binary_search_by_key(&message.seq, |it| it.seq) {
            place.insert(index, message.clone());
        }
    }

    fn apply_memberships(&mut self, fact: &Fact) {
        for (user, step) in steps(fact) {
            match step {
                Step::Began(member) => drop(self.members.insert(user, member)),
                Step::Became(role) => {
                    self.members.entry(user).and_modify(|member| member.role = role);
                }
                Step::Ended => drop(self.members.remove(&user)),
                Step::Restricted(restriction, term) => {
                    let terms = match restriction {
                        Restriction::Banned => &mut self.bans,
                        Restriction::Muted => &mut self.mutes,
                    };
                    terms.remove(&user);
                    terms.extend(term.map(|term| (user, term)));
                }
            }
        }
    }

    /// The same once whatever is over at this moment is forgotten, as the service's own lists have it.
    #[must_use]
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.bans.retain(|_, term| term.lasts(moment));
        self.mutes.retain(|_, term| term.lasts(moment));
        self
    }

    /// What a whole log adds up to, for this reader.
    pub fn replay<'a>(reader: UserId, log: impl IntoIterator<Item = &'a Entry>) -> Self {
        log.into_iter().fold(Self::of(reader), |mut snapshot, entry| {
            snapshot.apply(entry);
            snapshot
        })
    }
}

/// The message at a position, if it stands in this place.
fn at(place: &mut [Message], seq: u64) -> Option<&mut Message> {
    let index = place.binary_search_by_key(&seq, |message| message.seq).ok()?;
    Some(&mut place[index])
}
