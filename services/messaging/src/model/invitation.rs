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
    /// Whether they wait until somebody decides.
    #[serde(default)]
    pub needs_approval: bool,
}

/// By what somebody asks to be let in who holds an invitation that needs approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    /// The invitation.
    pub invitation_id: InvitationId,
    /// Who made it.
    pub by: UserId,
}

impl Terms {
    /// Whether it still works after so many uses.
    pub fn last(&self, uses: u64, at: Timestamp) -> bool {
        at < self.expires_at && self.max_uses.is_none_or(|max| uses < u64::from(max))
    }

    /// As it is shown.
    pub fn shown(self, uses: u64) -> Invitation {
        let Self { id, conversation_id, created_by, created_at, .. } = self;
        let Self { expires_at, max_uses, role, needs_approval, .. } = self;
        Invitation {
            id,
            conversation_id,
            created_by,
            created_at,
            expires_at,
            max_uses,
            uses,
            role,
            needs_approval,
        }
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

impl Opening<'_> {
    /// Whether it lets one more in who came at this moment: it had not ended then, it is not used up, and whoever made it
    /// could still open the door.
    fn works(&self, came_at: Timestamp) -> bool {
        self.terms.last(self.uses, came_at) && may_offer(self.inviter, self.terms.role).is_ok()
    }
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
    let works = |opening: &Opening<'_>| !opening.terms.needs_approval && opening.works(at);
    // Why it does not work is nobody's business who holds it.
    let Opening { terms, .. } = opening.filter(works).ok_or(Rejection::NoInvitation)?;
    may_come(Action::Join, ground)?;
    let member = Member { user_id: by, role: terms.role, joined_at: at };
    Ok(Some(Fact::MemberJoined { member, by: terms.created_by, invitation_id: Some(terms.id) }))
}

/// Whether whoever holds an invitation may join by it, or ask to. To them the door is as open as a public conversation's:
/// what keeps them out of one of those, a ban or the sort of their account, keeps them out here.
pub fn may_come(action: Action, ground: Ground) -> Result<(), Refusal> {
    let place = Place { visibility: Visibility::Public, ..ground.place() };
    decide(&ground.seat(), action, place).map(drop)
}

/// The fact that a decision to let somebody in becomes; none for who is in already. They asked by themselves, or by an
/// invitation: then this is a use of it, and it has to be good for one more. That it has ended since they asked does not
/// matter, for they could not decide any sooner.
pub fn admitted(
    (user_id, asked_at): (UserId, Timestamp),
    invited: Option<Invited>,
    (by, at): (UserId, Timestamp),
    is_member: bool,
    opening: Option<Opening<'_>>,
) -> Result<Option<Fact>, Rejection> {
    if is_member {
        return Ok(None);
    }
    let (role, invitation_id) = match invited {
        None => (MemberRole::Member, None),
        Some(Invited { invitation_id, .. }) => {
            let opening = opening.filter(|opening| opening.works(asked_at)).ok_or(Rejection::Spent)?;
            (opening.terms.role, Some(invitation_id))
        }
    };
    let member = Member { user_id, role, joined_at: at };
    Ok(Some(Fact::MemberJoined { member, by, invitation_id }))
}
