//! Changes of a conversation other than messages: what somebody asks for, and the fact it becomes.

use tertulia_contracts::{
    UserId,
    messaging::{ConversationKind, Fact, Member, MemberRole, Visibility},
};
use tertulia_runtime::Timestamp;

use super::access::{Action, Denied, Ground, may};

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// That somebody, perhaps themselves, be a member.
    Add(UserId),
    /// That somebody, perhaps themselves, be none.
    Remove(UserId),
    /// That it be called this.
    Retitle(String),
}

impl Change {
    /// Whose membership it is about.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Add(user) | Self::Remove(user) => Some(*user),
            Self::Retitle(_) => None,
        }
    }

    fn action(&self, by: UserId) -> Action {
        match self {
            Self::Add(user) if *user == by => Action::Join,
            Self::Add(_) => Action::AddMember,
            Self::Remove(user) if *user == by => Action::Leave,
            Self::Remove(_) => Action::RemoveMember,
            Self::Retitle(_) => Action::Update,
        }
    }
}

/// What a change is decided on: the conversation at the head of its log.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its kind.
    pub kind: ConversationKind,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// Its title.
    pub title: Option<&'a str>,
    /// The role of whoever asks.
    pub role: Option<MemberRole>,
    /// The role of whom the change is about, if it is about somebody.
    pub subject_role: Option<MemberRole>,
}

/// The fact that a change becomes; none if things are as it asks already.
pub fn decide(
    change: &Change,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Denied> {
    let ground = Ground { kind: standing.kind, visibility: standing.visibility, role: standing.role };
    may(change.action(by), ground)?;
    Ok(match change {
        Change::Add(user) => standing.subject_role.is_none().then(|| {
            let member = Member { user_id: *user, role: MemberRole::Member, joined_at: at };
            Fact::MemberJoined { member, by }
        }),
        Change::Remove(user) => {
            standing.subject_role.is_some().then_some(Fact::MemberLeft { user_id: *user, by, at })
        }
        Change::Retitle(title) => (standing.title != Some(title)).then(|| Fact::ConversationUpdated {
            title: title.clone(),
            by,
            at,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_runtime::Id;
    use ulid::Ulid;

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn standing(role: Option<MemberRole>, subject_role: Option<MemberRole>) -> Standing<'static> {
        let (kind, visibility) = (ConversationKind::Group, Visibility::Private);
        Standing { kind, visibility, title: Some("Old"), role, subject_role }
    }

    #[test]
    fn what_is_so_already_becomes_no_fact() {
        let owner = Some(MemberRole::Owner);
        let member = Some(MemberRole::Member);
        let decide = |change, standing| decide(&change, user(1), Timestamp::EPOCH, standing);
        assert_eq!(decide(Change::Add(user(2)), standing(owner, member)), Ok(None));
        assert_eq!(decide(Change::Remove(user(2)), standing(owner, None)), Ok(None));
        assert_eq!(decide(Change::Retitle("Old".to_owned()), standing(owner, None)), Ok(None));
        assert!(matches!(decide(Change::Retitle("New".to_owned()), standing(owner, None)), Ok(Some(_))));
    }

    #[test]
    fn a_member_may_leave_but_not_remove_another() {
        let member = Some(MemberRole::Member);
        let decide = |change, standing| decide(&change, user(1), Timestamp::EPOCH, standing);
        assert!(matches!(decide(Change::Remove(user(1)), standing(member, member)), Ok(Some(_))));
        assert_eq!(decide(Change::Remove(user(2)), standing(member, member)), Err(Denied::Forbidden));
        assert_eq!(decide(Change::Add(user(2)), standing(None, None)), Err(Denied::Hidden));
    }
}
