//! The table is whole, and says what people expect of it.

use super::*;
use crate::permissions::{
    Denial, Grant, MATRIX, Refusal, Rule, decide, decide_reseat, decide_toward, permissions,
};

fn group(visibility: Visibility) -> Place {
    Place::of(ConversationKind::Group, visibility)
}

fn forbidden(denial: Denial) -> Result<Grant, Refusal> {
    Err(Refusal { denial, hidden: false })
}

#[test]
fn every_action_has_its_own_row_and_name() {
    for (index, (row, action)) in MATRIX.iter().zip(Action::ALL).enumerate() {
        assert_eq!((row.action, *action as usize), (*action, index));
        assert_eq!(Action::named(action.name()), Some(*action), "two actions have one name");
    }
}

#[test]
fn what_an_action_needs_is_had_by_whoever_has_the_action() {
    for row in &MATRIX {
        let Some(needed) = row.needs else { continue };
        assert!(needed < row.action, "{needed} comes before {}, so that needs end somewhere", row.action);
        for kind in KINDS.into_iter().filter(|kind| row.least(*kind).is_some()) {
            assert!(Rule::of(needed).least(kind) <= row.least(kind), "{} needs {needed}", row.action);
        }
        assert!(VISIBILITIES.into_iter().all(|visibility| {
            !row.strangers.covers(visibility) || Rule::of(needed).strangers.covers(visibility)
        }));
        assert!(row.office.is_none() || Rule::of(needed).office <= row.office);
    }
}

#[test]
fn unknown_names_are_left_out_when_read_and_named_when_asked() {
    let read: Permissions = serde_json::from_str(r#"["kick","fly","pin"]"#).unwrap();
    assert_eq!(read, Permissions::of(&[Action::Kick, Action::Pin]));
    assert_eq!(serde_json::to_string(&read).unwrap(), r#"["pin","kick"]"#);
    assert_eq!(Permissions::named(["kick", "fly"]), (Permissions::of(&[Action::Kick]), vec!["fly"]));
    assert_eq!(format!("{read:?}"), r#"{"pin", "kick"}"#);
}

#[test]
fn a_moderator_removes_members_but_no_admin_and_no_other_moderator() {
    let moderator = Seat::of(Some(MemberRole::Moderator));
    let kick = |target| decide_toward(&moderator, Action::Kick, group(Visibility::Private), target);
    assert_eq!(kick(Some(MemberRole::Member)), Ok(Grant::Role(MemberRole::Moderator)));
    for target in [MemberRole::Moderator, MemberRole::Admin, MemberRole::Owner] {
        assert_eq!(kick(Some(target)), forbidden(Denial::Outranked));
    }
}

#[test]
fn an_admin_appoints_moderators_but_no_admins() {
    let seat = |role| Seat::of(Some(role));
    let appoint = |by, role| {
        decide_reseat(&seat(by), group(Visibility::Private), &seat(MemberRole::Member), &seat(role))
    };
    let (owner, admin, moderator) = (MemberRole::Owner, MemberRole::Admin, MemberRole::Moderator);
    assert_eq!(appoint(admin, moderator), Ok(Grant::Role(admin)));
    assert_eq!(appoint(owner, admin), Ok(Grant::Role(owner)));
    assert_eq!(appoint(admin, admin), forbidden(Denial::Outranked));
    assert_eq!(appoint(owner, owner), forbidden(Denial::Outranked));
    assert_eq!(appoint(moderator, MemberRole::Guest), forbidden(Denial::Role(moderator)));
}

#[test]
fn nobody_gives_away_what_was_taken_from_them() {
    // Nobody is muted in an archive, so that it hides this denial.
    let deny = Permissions::of(&[Action::Mute]);
    let admin = Seat { own: Override { deny, ..Override::default() }, ..Seat::of(Some(MemberRole::Admin)) };
    let member = Seat::of(Some(MemberRole::Member));
    let moderator = Seat::of(Some(MemberRole::Moderator));
    let place = group(Visibility::Private);
    assert_eq!(decide_reseat(&admin, place, &member, &moderator), forbidden(Denial::GrantsMore));
    // Nor by lifting the denial from another.
    let denied = Seat { own: Override { deny, ..Override::default() }, ..moderator };
    assert_eq!(decide_reseat(&admin, place, &denied, &moderator), forbidden(Denial::GrantsMore));
    // Nor under the cover of an archive.
    let archived = Place { archived: true, ..place };
    assert_eq!(decide_reseat(&admin, archived, &member, &moderator), forbidden(Denial::GrantsMore));
}

#[test]
fn an_owner_leaves_only_when_nobody_is_left_behind() {
    let owner = Seat::of(Some(MemberRole::Owner));
    let place = group(Visibility::Private);
    assert_eq!(decide(&owner, Action::Leave, place), forbidden(Denial::OwnerMustHandOver));
    let alone = Place { others: false, ..place };
    assert_eq!(decide(&owner, Action::Leave, alone), Ok(Grant::Role(MemberRole::Owner)));
    let admin = Seat::of(Some(MemberRole::Admin));
    assert_eq!(decide(&admin, Action::Leave, place), Ok(Grant::Role(MemberRole::Admin)));
}

#[test]
fn an_office_reaches_what_everybody_can_find_whatever_its_owner_says() {
    let account = InstanceRole::Operator;
    let banned = Seat { account, restriction: Some(Restriction::Banned), ..Seat::of(None) };
    let kick = |place| decide_toward(&banned, Action::Kick, place, Some(MemberRole::Owner));
    assert_eq!(kick(group(Visibility::Public)), Ok(Grant::Office(account)));
    let hidden = kick(group(Visibility::Private)).unwrap_err();
    assert!(hidden.hidden);
    assert!(decide(&banned, Action::Post, group(Visibility::Public)).is_err(), "an office is no membership");
}

#[test]
fn few_write_in_a_channel_and_strangers_read_a_public_one() {
    let channel = |visibility| Place::of(ConversationKind::Channel, visibility);
    let may = |role, visibility| permissions(&Seat::of(role), channel(visibility));
    let stranger = may(None, Visibility::Public);
    let open = [Action::Find, Action::Read, Action::Join, Action::AskToJoin, Action::Report];
    assert_eq!(stranger, Permissions::of(&open));
    assert_eq!(may(None, Visibility::Paid), Permissions::of(&[Action::Find, Action::AskToJoin]));
    assert_eq!(may(None, Visibility::Private), Permissions::NONE);
    for (role, writes) in
        [(MemberRole::Member, false), (MemberRole::Moderator, false), (MemberRole::Admin, true)]
    {
        assert_eq!(may(Some(role), Visibility::Public).contains(Action::Post), writes, "{role:?}");
    }
}
