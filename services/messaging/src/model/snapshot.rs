//! What a log adds up to. State is replay: whoever folds a log from its first entry holds what the service's
//! own documents say.

use std::collections::BTreeMap;

use tertulia_contracts::{
    UserId,
    messaging::{ConversationKind, Fact, Member, Message, Visibility},
};

use super::membership::{Step, steps};

/// A conversation as its log tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// What sort; none before the first entry.
    pub kind: Option<ConversationKind>,
    /// Who may find and read it; none before the first entry.
    pub visibility: Option<Visibility>,
    /// Its title.
    pub title: Option<String>,
    /// A channel's unique name.
    pub handle: Option<String>,
    /// Who belongs to it.
    pub members: BTreeMap<UserId, Member>,
    /// Its messages in their order.
    pub messages: Vec<Message>,
}

impl Snapshot {
    /// Takes the next fact of the log.
    pub fn apply(&mut self, fact: &Fact) {
        match fact {
            Fact::ConversationCreated { kind, title, handle, visibility, .. } => {
                self.kind = Some(*kind);
                self.visibility = Some(*visibility);
                self.title.clone_from(title);
                self.handle.clone_from(handle);
            }
            Fact::ConversationUpdated { title, .. } => self.title = Some(title.clone()),
            Fact::MemberJoined { .. }
            | Fact::MemberLeft { .. }
            | Fact::MemberRoleChanged { .. }
            | Fact::OwnerChanged { .. } => self.apply_memberships(fact),
            Fact::MessagePosted { message } => self.messages.push(message.clone()),
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
            }
        }
    }

    /// What a whole log adds up to.
    pub fn replay<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Self {
        facts.into_iter().fold(Self::default(), |mut snapshot, fact| {
            snapshot.apply(fact);
            snapshot
        })
    }
}
