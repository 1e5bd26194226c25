//! What the facts of a log say of who belongs to a conversation: the one reading of them that documents, writers
//! and replays share.

use tertulia_contracts::{
    UserId,
    messaging::{Fact, Member, MemberRole},
};

/// What happened to somebody's membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It began.
    Began(Member),
    /// Its role is another.
    Became(MemberRole),
    /// It ended.
    Ended,
}

impl Step {
    /// What they are after it, if it says so.
    pub fn role(&self) -> Option<MemberRole> {
        match self {
            Self::Began(member) => Some(member.role),
            Self::Became(role) => Some(*role),
            Self::Ended => None,
        }
    }
}

/// Whose memberships a fact changes, and how.
pub fn steps(fact: &Fact) -> Vec<(UserId, Step)> {
    match fact {
        Fact::MemberJoined { member, .. } => vec![(member.user_id, Step::Began(member.clone()))],
        Fact::MemberLeft { user_id, .. } => vec![(*user_id, Step::Ended)],
        Fact::MemberRoleChanged { user_id, role, .. } => vec![(*user_id, Step::Became(*role))],
        Fact::OwnerChanged { from, to, .. } => {
            vec![(*from, Step::Became(MemberRole::Admin)), (*to, Step::Became(MemberRole::Owner))]
        }
        _ => Vec::new(),
    }
}
