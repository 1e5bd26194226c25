//! How a conversation begins: its charter, and the first entries of its log that follow from it.
//!
//! The charter is committed in one document. Everything else a new conversation consists of can be derived
//! from it at any later time, so a crash in the middle leaves nothing half made.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{ConversationKind, CreateConversation, Fact, Member, MemberRole, Visibility},
};
use tertulia_runtime::{FieldError, Timestamp};

/// What a conversation was founded with. Never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charter {
    /// What sort.
    pub kind: ConversationKind,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Its first title.
    pub title: Option<String>,
    /// A channel's unique name.
    pub handle: Option<String>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Who belonged to it from the start besides the maker, each once.
    pub founders: Vec<UserId>,
}

impl Charter {
    /// What a request asks for, or every field in which it breaks a rule of its kind.
    pub fn of(request: CreateConversation, by: UserId, at: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut founders = request.members;
        founders.sort_unstable();
        founders.dedup();
        founders.retain(|user| *user != by);
        let charter = Self {
            kind: request.kind,
            visibility: request.visibility.unwrap_or(Visibility::Private),
            title: request.title,
            handle: request.handle,
            created_by: by,
            created_at: at,
            founders,
        };
        let errors = charter.broken_rules();
        if errors.is_empty() { Ok(charter) } else { Err(errors) }
    }

    fn broken_rules(&self) -> Vec<FieldError> {
        let direct = self.kind == ConversationKind::Direct;
        let channel = self.kind == ConversationKind::Channel;
        let rules = [
            ("title", direct && self.title.is_some(), "a direct conversation has no title"),
            ("title", !direct && self.title.is_none(), "a group or a channel needs a title"),
            ("handle", !channel && self.handle.is_some(), "only a channel has a handle"),
            (
                "visibility",
                !channel && self.visibility != Visibility::Private,
                "only a channel may be public or paid",
            ),
            (
                "members",
                direct && self.founders.len() != 1,
                "a direct conversation has exactly one other member",
            ),
        ];
        let broken = rules.into_iter().filter(|(_, broken, _)| *broken);
        broken
            .map(|(field, _, message)| FieldError { field: field.to_owned(), message: message.to_owned() })
            .collect()
    }

    /// The first entries of the log, from seq 1 on. The same at every call.
    pub fn facts(&self) -> Vec<Fact> {
        let (by, at) = (self.created_by, self.created_at);
        let created = Fact::ConversationCreated {
            kind: self.kind,
            title: self.title.clone(),
            handle: self.handle.clone(),
            visibility: self.visibility,
            by,
            at,
        };
        // The two of a direct conversation are equals: neither made it more than the other.
        let maker =
            if self.kind == ConversationKind::Direct { MemberRole::Member } else { MemberRole::Owner };
        let founders = self.founders.iter().map(|user| (*user, MemberRole::Member));
        let members = std::iter::once((by, maker)).chain(founders);
        let joined = members.map(|(user_id, role)| {
            let member = Member { user_id, role, joined_at: at };
            Fact::MemberJoined { member, by, invitation_id: None }
        });
        std::iter::once(created).chain(joined).collect()
    }

    /// How many entries [`Charter::facts`] is.
    pub fn founding_entries(&self) -> u64 {
        self.founders.len() as u64 + 2
    }

    /// The two of a direct conversation, smaller first: there is one conversation per pair.
    pub fn pair(&self) -> Option<(UserId, UserId)> {
        let other = *self.founders.first().filter(|_| self.kind == ConversationKind::Direct)?;
        Some((self.created_by.min(other), self.created_by.max(other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_runtime::Id;
    use ulid::Ulid;

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn request(kind: ConversationKind, members: &[u64]) -> CreateConversation {
        let title = (kind != ConversationKind::Direct).then(|| "Books".to_owned());
        let members = members.iter().map(|number| user(*number)).collect();
        CreateConversation { kind, title, handle: None, visibility: None, members }
    }

    fn broken(request: CreateConversation) -> Vec<String> {
        let charter = Charter::of(request, user(1), Timestamp::EPOCH);
        charter.map_or_else(|errors| errors.into_iter().map(|error| error.field).collect(), |_| Vec::new())
    }

    #[test]
    fn every_broken_rule_is_named_at_once() {
        let mut wrong = request(ConversationKind::Direct, &[2, 3]);
        wrong.title = Some("Us".to_owned());
        wrong.handle = Some("us".to_owned());
        wrong.visibility = Some(Visibility::Public);
        assert_eq!(broken(wrong), ["title", "handle", "visibility", "members"]);
        let mut untitled = request(ConversationKind::Group, &[]);
        untitled.title = None;
        assert_eq!(broken(untitled), ["title"]);
        assert_eq!(broken(request(ConversationKind::Direct, &[1])), ["members"], "with oneself");
        assert_eq!(broken(request(ConversationKind::Group, &[])), [""; 0]);
    }

    #[test]
    fn members_named_twice_and_the_maker_are_members_once() {
        let charter =
            Charter::of(request(ConversationKind::Group, &[3, 1, 2, 3]), user(1), Timestamp::EPOCH).unwrap();
        assert_eq!(charter.founders, [user(2), user(3)]);
        assert_eq!(charter.facts().len() as u64, charter.founding_entries());
    }

    #[test]
    fn a_pair_is_the_same_from_either_side() {
        let one = Charter::of(request(ConversationKind::Direct, &[2]), user(1), Timestamp::EPOCH).unwrap();
        let other = Charter::of(request(ConversationKind::Direct, &[1]), user(2), Timestamp::EPOCH).unwrap();
        assert_eq!(one.pair(), other.pair());
    }
}
