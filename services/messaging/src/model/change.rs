//! Changes of a conversation other than messages: what somebody asks for, and the fact it becomes.

use tertulia_contracts::{
    InvitationId, MediaId, ReportId, UserId,
    messaging::{Fact, Filters, Member, MemberRole, UpdateConversation, Verdict},
    permissions::{
        Grant, Place, Refusal, Restriction, Seat, decide as permitted, decide_reseat, decide_toward,
    },
};
use tertulia_runtime::Timestamp;

use super::{
    access::{Action, Ground, may},
    custom_emoji::Emojis,
    invitation::{Invited, Opening, admitted, entered},
    membership::{Stance, Term},
    settings::{Settings, archived, updated},
};

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// That somebody, perhaps themselves, be a member.
    Add {
        /// Who.
        user: UserId,
        /// As what; none for what they are already, or else a plain member.
        role: Option<MemberRole>,
    },
    /// That somebody, perhaps themselves, be none.
    Remove(UserId),
    /// That somebody else own it.
    HandOver(UserId),
    /// That its settings be these.
    Update(UpdateConversation),
    /// That somebody be kept out, or silent.
    Restrict {
        /// Who.
        user: UserId,
        /// Which of the two.
        restriction: Restriction,
        /// For how long.
        term: Term,
    },
    /// That somebody be kept out, or silent, no longer.
    Lift {
        /// Who.
        user: UserId,
        /// Which of the two.
        restriction: Restriction,
    },
    /// That it be closed for writing, or not.
    Archive(bool),
    /// That they themselves be a member, by this invitation.
    Enter {
        /// Which.
        invitation: InvitationId,
        /// Who made it.
        inviter: UserId,
    },
    /// That somebody be let in who asked for it.
    Admit {
        /// Who.
        user: UserId,
        /// Since when they ask.
        asked_at: Timestamp,
        /// By what invitation, if by one.
        invited: Option<Invited>,
    },
    /// That this be decided on a report.
    Decide(ReportId, Verdict),
    /// That these words and links be kept out.
    Filter(Filters),
    /// That an emoji of this name be this picture, or that there be none.
    Emoji(String, Option<MediaId>),
}

impl Change {
    /// Whose membership it is about.
    pub fn subject(&self) -> Option<UserId> {
        match self {
            Self::Add { user, .. }
            | Self::Remove(user)
            | Self::HandOver(user)
            | Self::Admit { user, .. }
            | Self::Restrict { user, .. }
            | Self::Lift { user, .. } => Some(*user),
            Self::Update(_)
            | Self::Archive(_)
            | Self::Enter { .. }
            | Self::Decide(..)
            | Self::Filter(_)
            | Self::Emoji(..) => None,
        }
    }

    /// The invitation that lets somebody in.
    pub fn invitation(&self) -> Option<InvitationId> {
        match self {
            Self::Enter { invitation, .. } => Some(*invitation),
            Self::Admit { invited, .. } => invited.map(|invited| invited.invitation_id),
            _ => None,
        }
    }

    /// Who made that invitation.
    pub fn inviter(&self) -> Option<UserId> {
        match self {
            Self::Enter { inviter, .. } => Some(*inviter),
            Self::Admit { invited, .. } => invited.map(|invited| invited.by),
            _ => None,
        }
    }

    /// Whether it may make somebody a member who is none.
    pub fn adds(&self) -> bool {
        matches!(self, Self::Add { .. } | Self::Enter { .. } | Self::Admit { .. })
    }

    /// Whether whoever asks wants to go.
    pub fn is_leaving(&self, by: UserId) -> bool {
        *self == Self::Remove(by)
    }
}

/// What a change is decided on: the conversation at the head of its log.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Where it is, and who asks.
    pub ground: Ground,
    /// Whether anybody else belongs to it.
    pub others: bool,
    /// Its settings.
    pub settings: &'a Settings,
    /// Whether it has as many members as it can have.
    pub full: bool,
    /// The invitation that the change is by, if it is by one that there is.
    pub opening: Option<Opening<'a>>,
    /// Who owns it, if anybody does.
    pub owner: Option<UserId>,
    /// Which words and links are kept out of it.
    pub filters: &'a Filters,
    /// The emoji of its own.
    pub emoji: &'a Emojis,
    /// What was decided on the report that it is about; none if it is about none of this conversation.
    pub report: Option<Option<Verdict>>,
    /// How somebody stands whom the change is about, if it is about somebody.
    pub subject: Stance,
}

/// Why a change becomes no fact although things are not as it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// It may not be done.
    Refused(Refusal),
    /// Only a member can become the owner.
    NoMember,
    /// Whoever is kept out is let in when that is lifted.
    Banned,
    /// What is to last until then is over by now.
    Over,
    /// Only of a channel can this be set so.
    NoChannel(&'static str),
    /// The invitation does not work.
    NoInvitation,
    /// The invitation by which somebody asked lets nobody else in.
    Spent,
    /// It has as many members as it can have.
    Full,
    /// It has as many emoji of its own as it can have.
    TooManyEmoji,
    /// There is no such report in this conversation.
    NoReport,
    /// Something else was decided before.
    Decided,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The fact that a change becomes; none if things are as it asks already.
pub fn decide(
    change: &Change,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    let fact = match change {
        Change::Add { user, role } => seated(*user, *role, by, at, standing)?,
        Change::Remove(user) => removed(*user, by, at, standing)?,
        Change::HandOver(user) => handed_over(*user, by, at, standing)?,
        Change::Update(wanted) => updated(wanted, by, at, standing.ground, standing.settings)?,
        Change::Restrict { user, restriction, term } => {
            restricted(*user, *restriction, *term, by, at, standing)?
        }
        Change::Lift { user, restriction } => lifted(*user, *restriction, by, at, standing)?,
        Change::Archive(wanted) => archived(*wanted, by, at, standing.ground, standing.settings)?,
        Change::Admit { user, asked_at, invited } => {
            may(Action::DecideRequests, standing.ground)?;
            let is_member = standing.subject.role.is_some();
            admitted((*user, *asked_at), *invited, (by, at), is_member, standing.opening)?
        }
        Change::Enter { .. } => entered(by, at, standing.ground, standing.opening)?,
        Change::Decide(report_id, verdict) => {
            may(Action::DecideReports, standing.ground)?;
            match standing.report.ok_or(Rejection::NoReport)? {
                None => Some(Fact::ReportDecided { report_id: *report_id, by, at }),
                Some(decided) if decided == *verdict => None,
                Some(_) => return Err(Rejection::Decided),
            }
        }
        Change::Emoji(name, wanted) => standing.emoji.decide((name, *wanted), by, at, standing.ground)?,
        Change::Filter(filters) => {
            may(Action::ManageFilters, standing.ground)?;
            (filters != standing.filters).then_some(Fact::FiltersChanged { by, at })
        }
    };
    let joins = matches!(fact, Some(Fact::MemberJoined { .. }));
    // By whatever way somebody is let in, a ban keeps them out.
    if joins && standing.subject.term(Restriction::Banned, at).is_some() {
        return Err(Rejection::Banned);
    }
    if joins && standing.full {
        return Err(Rejection::Full);
    }
    Ok(fact)
}

/// Being let in takes one right and being given a role another: who is let in as something takes both.
fn seated(
    user_id: UserId,
    role: Option<MemberRole>,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    let Standing { ground, subject: Stance { role: subject_role, .. }, .. } = standing;
    let present = subject_role.unwrap_or(MemberRole::Member);
    let wanted = role.unwrap_or(present);
    if subject_role.is_none() || wanted == present {
        may(if user_id == by { Action::Join } else { Action::AddMember }, ground)?;
    }
    if wanted != present {
        // As if nothing were added to their role or taken from it: this way what they gain is never counted for less.
        let (before, after) = (Seat::of(Some(present)), Seat::of(Some(wanted)));
        decide_reseat(&ground.seat(), ground.place(), &before, &after)?;
    }
    let member = Member { user_id, role: wanted, joined_at: at };
    Ok(match subject_role {
        None => Some(Fact::MemberJoined { member, by, invitation_id: None }),
        Some(_) => (wanted != present).then_some(Fact::MemberRoleChanged { user_id, role: wanted, by, at }),
    })
}

fn removed(
    user_id: UserId,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    let Standing { ground, others, subject: Stance { role: subject_role, .. }, .. } = standing;
    let place = Place { others, ..ground.place() };
    if user_id == by {
        permitted(&ground.seat(), Action::Leave, place)?;
    } else {
        decide_toward(&ground.seat(), Action::Kick, place, subject_role)?;
    }
    Ok(subject_role.is_some().then_some(Fact::MemberLeft { user_id, by, at }))
}

fn handed_over(
    to: UserId,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    let Standing { ground, subject: Stance { role: subject_role, .. }, .. } = standing;
    // Who may hand it over owns it. Whoever asked for that before may ask again.
    if permitted(&Seat::of(subject_role), Action::TransferOwnership, ground.place()).is_ok() {
        may(Action::ListMembers, ground)?;
        return Ok(None);
    }
    let grant = decide_toward(&ground.seat(), Action::TransferOwnership, ground.place(), subject_role)?;
    subject_role.ok_or(Rejection::NoMember)?;
    // An office hands over what is somebody else's, or nobody's any more.
    let from = if matches!(grant, Grant::Office(_)) { standing.owner } else { Some(by) };
    Ok(Some(Fact::OwnerChanged { from, to, by: (from != Some(by)).then_some(by), at }))
}

/// What it takes to keep somebody out, or silent, and to let them be again.
pub fn restricting(restriction: Restriction) -> Action {
    match restriction {
        Restriction::Banned => Action::Ban,
        Restriction::Muted => Action::Mute,
    }
}

/// They are to rank lower.
fn may_restrict(restriction: Restriction, standing: Standing<'_>) -> Result<(), Refusal> {
    let Standing { ground, subject, .. } = standing;
    decide_toward(&ground.seat(), restricting(restriction), ground.place(), subject.role).map(drop)
}

fn restricted(
    user_id: UserId,
    restriction: Restriction,
    term: Term,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    may_restrict(restriction, standing)?;
    if !term.lasts(at) {
        return Err(Rejection::Over);
    }
    let until = term.until;
    let fact = match restriction {
        Restriction::Banned => {
            let was_member = standing.subject.role.is_some();
            Fact::MemberBanned { user_id, was_member, until, by, at }
        }
        Restriction::Muted => Fact::MemberMuted { user_id, until, by, at },
    };
    Ok((standing.subject.term(restriction, at) != Some(term)).then_some(fact))
}

fn lifted(
    user_id: UserId,
    restriction: Restriction,
    by: UserId,
    at: Timestamp,
    standing: Standing<'_>,
) -> Result<Option<Fact>, Rejection> {
    may_restrict(restriction, standing)?;
    let fact = match restriction {
        Restriction::Banned => Fact::MemberUnbanned { user_id, by, at },
        Restriction::Muted => Fact::MemberUnmuted { user_id, by, at },
    };
    Ok(standing.subject.term(restriction, at).map(|_| fact))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::access::Overrides;
    use tertulia_contracts::{
        messaging::{ConversationKind, Visibility},
        permissions::{Denial, InstanceRole},
    };
    use tertulia_runtime::Id;
    use ulid::Ulid;

    const OWNER: Option<MemberRole> = Some(MemberRole::Owner);
    const ADMIN: Option<MemberRole> = Some(MemberRole::Admin);
    const MODERATOR: Option<MemberRole> = Some(MemberRole::Moderator);
    const MEMBER: Option<MemberRole> = Some(MemberRole::Member);

    fn user(number: u64) -> UserId {
        Id::from_ulid(Ulid::from_parts(number, 0))
    }

    fn add(number: u64, role: Option<MemberRole>) -> Change {
        Change::Add { user: user(number), role }
    }

    fn retitle(title: &str) -> Change {
        Change::Update(UpdateConversation { title: Some(title.to_owned()), ..Default::default() })
    }

    /// What becomes of what user 1 asks for.
    fn asked(
        change: &Change,
        role: Option<MemberRole>,
        subject_role: Option<MemberRole>,
    ) -> Result<Option<Fact>, Rejection> {
        let ground = Ground {
            kind: ConversationKind::Group,
            visibility: Visibility::Private,
            archived: false,
            account: InstanceRole::User,
            role,
            restriction: None,
            overrides: Overrides::default(),
        };
        let subject = Stance::of(subject_role);
        let settings = &Settings { title: Some("Old".to_owned()), ..Settings::default() };
        let (filters, emoji, report) = (&Filters::default(), &Emojis::default(), None);
        let owner = Some(user(1));
        let (others, full, opening) = (true, false, None);
        let standing =
            Standing { ground, others, settings, full, opening, owner, filters, emoji, report, subject };
        decide(change, user(1), Timestamp::EPOCH, standing)
    }

    fn refused(denial: Denial) -> Result<Option<Fact>, Rejection> {
        Err(Rejection::Refused(Refusal { denial, hidden: false }))
    }

    #[test]
    fn what_is_so_already_becomes_no_fact() {
        assert_eq!(asked(&add(2, None), OWNER, ADMIN), Ok(None));
        assert_eq!(asked(&add(2, ADMIN), OWNER, ADMIN), Ok(None));
        assert_eq!(asked(&Change::Remove(user(2)), OWNER, None), Ok(None));
        assert_eq!(asked(&Change::HandOver(user(2)), ADMIN, OWNER), Ok(None));
        assert_eq!(asked(&retitle("Old"), OWNER, None), Ok(None));
        assert!(matches!(asked(&retitle("New"), OWNER, None), Ok(Some(_))));
    }

    #[test]
    fn a_member_may_leave_but_not_remove_another() {
        assert!(matches!(asked(&Change::Remove(user(1)), MEMBER, MEMBER), Ok(Some(_))));
        assert_eq!(
            asked(&Change::Remove(user(2)), MEMBER, MEMBER),
            refused(Denial::Role(MemberRole::Member))
        );
        let hidden = asked(&add(2, None), None, None);
        assert!(matches!(hidden, Err(Rejection::Refused(Refusal { hidden: true, .. }))));
    }

    #[test]
    fn being_let_in_as_something_takes_the_right_to_give_it() {
        assert_eq!(asked(&add(2, ADMIN), MODERATOR, None), refused(Denial::Role(MemberRole::Moderator)));
        assert_eq!(asked(&add(2, ADMIN), ADMIN, None), refused(Denial::Outranked));
        let joined = asked(&add(2, MODERATOR), ADMIN, None).unwrap().unwrap();
        assert!(matches!(joined, Fact::MemberJoined { member, .. } if Some(member.role) == MODERATOR));
        let became = asked(&add(2, MODERATOR), ADMIN, MEMBER).unwrap().unwrap();
        assert!(matches!(became, Fact::MemberRoleChanged { role, .. } if Some(role) == MODERATOR));
        assert_eq!(asked(&add(1, OWNER), ADMIN, ADMIN), refused(Denial::Outranked), "oneself");
    }

    #[test]
    fn a_conversation_is_handed_over_to_a_member_by_its_owner() {
        let to = user(2);
        let handed = Fact::OwnerChanged { from: Some(user(1)), to, by: None, at: Timestamp::EPOCH };
        assert_eq!(asked(&Change::HandOver(to), OWNER, MEMBER), Ok(Some(handed)));
        assert_eq!(asked(&Change::HandOver(to), OWNER, None), Err(Rejection::NoMember));
        assert_eq!(asked(&Change::HandOver(to), ADMIN, MEMBER), refused(Denial::Role(MemberRole::Admin)));
        assert_eq!(asked(&Change::Remove(user(1)), OWNER, OWNER), refused(Denial::OwnerMustHandOver));
    }
}
