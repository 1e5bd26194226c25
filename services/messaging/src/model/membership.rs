//! What the facts of a log say of how somebody stands in a conversation: the one reading of them that documents,
//! writers and replays share.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    UserId,
    messaging::{Fact, Member, MemberRole},
    permissions::Restriction,
};
use tertulia_runtime::Timestamp;

/// For how long somebody is kept out or silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Until when; for good if there is no end to it.
    pub until: Option<Timestamp>,
}

impl Term {
    /// Whether it counts at this moment. No timer ends it: from its end on nobody heeds it.
    pub fn lasts(self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| until > at)
    }
}

/// What happened to how somebody stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Their membership began.
    Began(Member),
    /// Their role is another.
    Became(MemberRole),
    /// Their membership ended, if there was one.
    Ended,
    /// They are kept out or silent for so long; no longer, if there is no term.
    Restricted(Restriction, Option<Term>),
}

/// Whom a fact changes, and how.
pub fn steps(fact: &Fact) -> Vec<(UserId, Step)> {
    let restricted = |user: UserId, restriction, term| (user, Step::Restricted(restriction, term));
    match fact {
        Fact::MemberJoined { member, .. } => vec![(member.user_id, Step::Began(member.clone()))],
        Fact::MemberLeft { user_id, .. } => vec![(*user_id, Step::Ended)],
        Fact::MemberRoleChanged { user_id, role, .. } => vec![(*user_id, Step::Became(*role))],
        Fact::OwnerChanged { from, to, .. } => {
            let former = from.map(|user| (user, Step::Became(MemberRole::Admin)));
            former.into_iter().chain([(*to, Step::Became(MemberRole::Owner))]).collect()
        }
        Fact::MemberBanned { user_id, until, .. } => vec![
            (*user_id, Step::Ended),
            restricted(*user_id, Restriction::Banned, Some(Term { until: *until })),
        ],
        Fact::MemberUnbanned { user_id, .. } => vec![restricted(*user_id, Restriction::Banned, None)],
        Fact::MemberMuted { user_id, until, .. } => {
            vec![restricted(*user_id, Restriction::Muted, Some(Term { until: *until }))]
        }
        Fact::MemberUnmuted { user_id, .. } => vec![restricted(*user_id, Restriction::Muted, None)],
        _ => Vec::new(),
    }
}

/// Who owns a conversation after a step of this user, if this user or somebody else did before; `owns` tells the owner's
/// role from others.
pub fn owner_after(
    owner: Option<UserId>,
    user: UserId,
    step: &Step,
    owns: impl Fn(MemberRole) -> bool,
) -> Option<UserId> {
    let others = owner.filter(|owner| *owner != user);
    match step {
        Step::Began(Member { role, .. }) | Step::Became(role) if owns(*role) => Some(user),
        Step::Began(_) | Step::Became(_) | Step::Ended => others,
        Step::Restricted(..) => owner,
    }
}

/// How somebody stands in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stance {
    /// Their role; none for somebody who is not a member.
    pub role: Option<MemberRole>,
    /// The ban there is on them, also one that is over.
    pub ban: Option<Term>,
    /// The mute there is on them, also one that is over.
    pub mute: Option<Term>,
}

impl Stance {
    /// A member of this role, or nobody, and nothing against them.
    pub fn of(role: Option<MemberRole>) -> Self {
        Self { role, ..Self::default() }
    }

    /// The ban, or the mute, that counts at this moment.
    pub fn term(self, restriction: Restriction, at: Timestamp) -> Option<Term> {
        let term = match restriction {
            Restriction::Banned => self.ban,
            Restriction::Muted => self.mute,
        };
        term.filter(|term| term.lasts(at))
    }

    /// What counts against them at this moment. Who is banned is told so, whether they are muted or not.
    pub fn restriction(self, at: Timestamp) -> Option<Restriction> {
        [Restriction::Banned, Restriction::Muted].into_iter().find(|it| self.term(*it, at).is_some())
    }

    /// Moves on by a step.
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::Began(member) => self.role = Some(member.role),
            Step::Became(role) => self.role = Some(*role),
            Step::Ended => self.role = None,
            Step::Restricted(Restriction::Banned, term) => self.ban = *term,
            Step::Restricted(Restriction::Muted, term) => self.mute = *term,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tertulia_contracts::messaging::{ConversationKind, Visibility};
    use tertulia_contracts::permissions::{Action, InstanceRole, decide};

    use super::*;
    use crate::model::access::{Ground, Overrides};

    fn term() -> impl Strategy<Value = Option<Term>> {
        let until = prop::option::weighted(0.8, (0_i64..200).prop_map(Timestamp::from_millis));
        prop::option::of(until.prop_map(|until| Term { until }))
    }

    proptest! {
        #[test]
        fn what_is_over_counts_for_nothing(
            ban in term(), mute in term(), at in 0_i64..200, action in prop::sample::select(Action::ALL)
        ) {
            let at = Timestamp::from_millis(at);
            let over = |term: Option<Term>| term.filter(|term| term.until.is_none_or(|until| until > at));
            let stance = Stance { role: Some(MemberRole::Member), ban, mute };
            let cleared = Stance { ban: over(ban), mute: over(mute), ..stance };
            let ground = |stance: Stance| Ground {
                kind: ConversationKind::Group,
                visibility: Visibility::Private,
                archived: false,
                account: InstanceRole::User,
                role: stance.role,
                restriction: stance.restriction(at),
                overrides: Overrides::default(),
            };
            let decision = |stance| decide(&ground(stance).seat(), action, ground(stance).place());
            prop_assert_eq!(decision(stance), decision(cleared));
            // And with nothing left, they stand as if there had never been anything.
            if cleared.ban.is_none() && cleared.mute.is_none() {
                prop_assert_eq!(decision(stance), decision(Stance::of(stance.role)));
                prop_assert_eq!(stance.restriction(at), None);
            } else {
                prop_assert!(stance.restriction(at).is_some());
            }
        }
    }
}
