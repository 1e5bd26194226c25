//! Invitations: what they say, whether they work, and what entering by one becomes.
//!
//! An invitation is a standing act of whoever made it: it opens the door for as long as they could open it themselves.
//! What counts its uses is the log: a use is a `member.joined` that names it, and nothing else is one.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, InvitationId, UserId,
    messaging::{Fact, Invitation, Member, MemberRole, Visibility},
    permissions::{Place, Refusal, Seat, decide, decide_reseat},
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, may},
    change::Rejection,
};

/// What was said when an invitation was made. Never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Its id.
    pub id: InvitationId,
    /// Where it leads.
    pub conversation_id: ConversationId,
    /// Who invites.
    pub created_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
    /// From when on it no longer works.
    pub expires_at: Timestamp,
    /// How many may join by it, if that is bounded.
    pub max_uses: Option<u32>,
    /// What who joins by it is then.
    pub role: MemberRole,
}

impl Terms {
    /// Whether it still works after so many uses.
    pub fn last(&self, uses: u64, at: Timestamp) -> bool {
        at < self.expires_at && self.max_uses.is_none_or(|max| uses < u64::from(max))
    }

    /// As it is shown.
    pub fn shown(self, uses: u64) -> Invitation {
        let Self { id, conversation_id, created_by, created_at, expires_at, max_uses, role } = self;
        Invitation { id, conversation_id, created_by, created_at, expires_at, max_uses, uses, role }
    }
}

/// An invitation at the head of its conversation's log.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// What it says.
    pub terms: &'a Terms,
    /// How often it was used.
    pub uses: u64,
    /// Whoever made it, as they stand now.
    pub inviter: Ground,
}

/// Whether somebody may invite people who are then this.
pub fn may_offer(inviter: Ground, role: MemberRole) -> Result<(), Refusal> {
    may(Action::Invite, inviter)?;
    let plain = MemberRole::Member;
    if role != plain {
        let (before, after) = (Seat::of(Some(plain)), Seat::of(Some(role)));
        decide_reseat(&inviter.seat(), inviter.place(), &before, &after)?;
    }
    Ok(())
}

/// The fact that a wish to enter by an invitation becomes; none for who is in already, and uses nothing up.
pub fn entered(
    by: UserId,
    at: Timestamp,
    ground: Ground,
    opening: Option<Opening<'_>>,
) -> Result<Option<Fact>, Rejection> {
    if ground.role.is_some() {
        return Ok(None);
    }
    let works = |opening: &Opening<'_>| {
        opening.terms.last(opening.uses, at) && may_offer(opening.inviter, opening.terms.role).is_ok()
    };
    // Why it does not work is nobody's business who holds it.
    let Opening { terms, .. } = opening.filter(works).ok_or(Rejection::NoInvitation)?;
    // To whoever holds an invitation the door is as open as a public conversation's: what keeps them out of one of those,
    // a ban or the sort of their account, keeps them out here.
    let place = Place { visibility: Visibility::Public, ..ground.place() };
    decide(&ground.seat(), Action::Join, place)?;
    let member = Member { user_id: by, role: terms.role, joined_at: at };
    Ok(Some(Fact::MemberJoined { member, by: terms.created_by, invitation_id: Some(terms.id) }))
}
