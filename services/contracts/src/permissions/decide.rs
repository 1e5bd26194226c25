//! The decision itself: what stands in the way first, then what gives it.

use super::{
    ARCHIVED_ALLOWS, Action, BANNED_KEEPS, BOTS_MAY_NOT, Decision, Denial, FIXED, GUEST_ACCOUNTS_MAY, Grant,
    InstanceRole, MUTED_DENIES, OWNER_KEEPS, Override, Permissions, Place, Refusal, Restriction, Rule, Seat,
};
use crate::messaging::{MemberRole, Visibility};

/// Whether somebody may do this here. Whom it is done to is [`decide_toward`]'s question.
pub fn decide(seat: &Seat<'_>, action: Action, place: Place) -> Decision {
    if let Some(needed) = Rule::of(action).needs {
        decide(seat, needed, place)?;
    }
    // Finding comes before everything else: whoever may not find it learns of nothing else either.
    let hidden = action == Action::Find;
    if let Some(denial) = obstacle(seat, action, place) {
        return Err(Refusal { denial, hidden });
    }
    let denial = seat.role.map_or(Denial::Stranger, Denial::Role);
    grant(seat, action, place).ok_or(Refusal { denial, hidden })
}

/// Whether somebody may do this to somebody whose role here is `target`; none for somebody who is not a member.
pub fn decide_toward(seat: &Seat<'_>, action: Action, place: Place, target: Option<MemberRole>) -> Decision {
    let grant = decide(seat, action, place)?;
    // What an office gives, it gives over everybody.
    let office = office(seat, action, place);
    let outranks = office.is_some() || seat.role > target;
    if outranks { Ok(office.unwrap_or(grant)) } else { forbidden(Denial::Outranked) }
}

/// Whether somebody may change how another stands: their role, their custom roles, the note beside their name.
/// Both are members; joining and leaving are other actions. When what a custom role says is changed, this is
/// asked for each who carries it.
pub fn decide_reseat(asker: &Seat<'_>, place: Place, before: &Seat<'_>, after: &Seat<'_>) -> Decision {
    let owner = asker.role == Some(MemberRole::Owner);
    // A conversation has one owner, so that an owner's seat is the asker's own.
    if owner && before.role == asker.role && after.role == asker.role {
        return decide(asker, Action::ManageRoles, place);
    }
    let overrides_change = (before.roles, before.own) != (after.roles, after.own);
    let action = if overrides_change { Action::ManageRoles } else { Action::SetRole };
    let grant = decide_toward(asker, action, place, before.role)?;
    if overrides_change && before.role != after.role {
        decide_toward(asker, Action::SetRole, place, before.role)?;
    }
    if after.role >= asker.role {
        return forbidden(Denial::Outranked);
    }
    // What an archive or a mute covers up for now comes back with the role.
    let lasting = Place { archived: false, others: false, ..place };
    let of = |seat: &Seat<'_>| permissions(&Seat { restriction: None, ..*seat }, lasting);
    let gained = of(after).without(of(before));
    // What is denied to an owner is theirs to lift, so it does not count.
    let bare = Seat { account: asker.account, ..Seat::of(asker.role) };
    let held = permissions(if owner { &bare } else { asker }, lasting);
    if held.includes(gained) { Ok(grant) } else { forbidden(Denial::GrantsMore) }
}

/// Everything somebody may do here.
pub fn permissions(seat: &Seat<'_>, place: Place) -> Permissions {
    Action::ALL.iter().copied().filter(|action| decide(seat, *action, place).is_ok()).collect()
}

fn forbidden(denial: Denial) -> Decision {
    Err(Refusal { denial, hidden: false })
}

/// What keeps somebody from doing this, whatever would allow it. The order is that of the explanations: what
/// nobody can change comes before what somebody did.
fn obstacle(seat: &Seat<'_>, action: Action, place: Place) -> Option<Denial> {
    let owner = seat.role == Some(MemberRole::Owner);
    // A conversation's own denials reach neither its owner's way back nor the instance's office.
    let kept = owner && OWNER_KEEPS.contains(action) || office(seat, action, place).is_some();
    let denies = |note: &Override| !kept && note.deny.without(FIXED).contains(action);
    let barred = match seat.account {
        InstanceRole::Guest => !GUEST_ACCOUNTS_MAY.contains(action),
        InstanceRole::Bot => BOTS_MAY_NOT.contains(action),
        InstanceRole::User | InstanceRole::Moderator | InstanceRole::Operator => false,
    };
    let banned = seat.restriction == Some(Restriction::Banned) && !BANNED_KEEPS.contains(action);
    let muted = seat.restriction == Some(Restriction::Muted) && MUTED_DENIES.contains(action);
    let obstacles = [
        (Rule::of(action).least(place.kind).is_none(), Denial::Kind(place.kind)),
        (place.archived && !ARCHIVED_ALLOWS.contains(action), Denial::Archived),
        (barred, Denial::Account(seat.account)),
        (banned && !kept, Denial::Banned),
        (muted && !kept, Denial::Muted),
        (seat.roles.iter().any(denies), Denial::CustomRole),
        (denies(&seat.own), Denial::Member),
        (owner && place.others && action == Action::Leave, Denial::OwnerMustHandOver),
    ];
    obstacles.into_iter().find_map(|(stands, denial)| stands.then_some(denial))
}

/// What allows it, if anything does. The role comes first, since it is what people know of themselves.
fn grant(seat: &Seat<'_>, action: Action, place: Place) -> Option<Grant> {
    let rule = Rule::of(action);
    let by_role = seat.role.filter(|role| rule.least(place.kind).is_some_and(|least| *role >= least));
    let allows = |note: &Override| seat.role.is_some() && note.allow.without(FIXED).contains(action);
    by_role
        .map(Grant::Role)
        .or_else(|| seat.roles.iter().any(allows).then_some(Grant::CustomRole))
        .or_else(|| allows(&seat.own).then_some(Grant::Member))
        .or_else(|| rule.strangers.covers(place.openness()).then_some(Grant::Open))
        .or_else(|| office(seat, action, place))
}

/// An office is over what is there for everybody to find, and over nothing else.
fn office(seat: &Seat<'_>, action: Action, place: Place) -> Option<Grant> {
    let holds = Rule::of(action).office.is_some_and(|least| seat.account >= least);
    (holds && place.openness() != Visibility::Private).then_some(Grant::Office(seat.account))
}
