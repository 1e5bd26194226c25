//! The promises, over every input there can be.

mod document;
mod promises;
mod table;

use proptest::prelude::*;

use super::{Action, InstanceRole, Override, Permissions, Place, Restriction, Seat};
use crate::messaging::{ConversationKind, MemberRole, Visibility};

const ROLES: [Option<MemberRole>; 6] = [
    None,
    Some(MemberRole::Guest),
    Some(MemberRole::Member),
    Some(MemberRole::Moderator),
    Some(MemberRole::Admin),
    Some(MemberRole::Owner),
];
const KINDS: [ConversationKind; 3] =
    [ConversationKind::Direct, ConversationKind::Group, ConversationKind::Channel];
const VISIBILITIES: [Visibility; 3] = [Visibility::Public, Visibility::Private, Visibility::Paid];
const ACCOUNTS: [InstanceRole; 5] = [
    InstanceRole::Guest,
    InstanceRole::Bot,
    InstanceRole::User,
    InstanceRole::Moderator,
    InstanceRole::Operator,
];

/// A seat that owns what it is made of.
#[derive(Debug, Clone)]
struct Person {
    account: InstanceRole,
    role: Option<MemberRole>,
    restriction: Option<Restriction>,
    roles: Vec<Override>,
    own: Override,
}

impl Person {
    fn seat(&self) -> Seat<'_> {
        let Self { account, role, restriction, ref roles, own } = *self;
        Seat { account, role, restriction, roles, own }
    }
}

fn any_permissions() -> impl Strategy<Value = Permissions> {
    any::<u64>().prop_map(|bits| {
        Action::ALL.iter().copied().filter(|action| bits >> (*action as u8) & 1 == 1).collect()
    })
}

fn any_override() -> impl Strategy<Value = Override> {
    // Half of all actions denied is a lot: most overrides deny only a few.
    let deny = (any_permissions(), any_permissions(), any_permissions());
    (any_permissions(), deny).prop_map(|(allow, (one, other, third))| {
        let deny = one.iter().filter(|action| other.contains(*action) && third.contains(*action)).collect();
        Override { allow, deny }
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL)
}

fn any_role() -> impl Strategy<Value = Option<MemberRole>> {
    prop::sample::select(&ROLES[..])
}

fn any_place() -> impl Strategy<Value = Place> {
    let kind = prop::sample::select(&KINDS[..]);
    let visibility = prop::sample::select(&VISIBILITIES[..]);
    (kind, visibility, any::<bool>(), any::<bool>()).prop_map(|(kind, visibility, archived, others)| Place {
        kind,
        visibility,
        archived,
        others,
    })
}

fn any_person() -> impl Strategy<Value = Person> {
    let restriction =
        prop::option::weighted(0.3, prop::sample::select(&[Restriction::Muted, Restriction::Banned][..]));
    let account = prop::sample::select(&ACCOUNTS[..]);
    let roles = prop::collection::vec(any_override(), 0..3);
    (account, any_role(), restriction, roles, any_override()).prop_map(
        |(account, role, restriction, roles, own)| Person { account, role, restriction, roles, own },
    )
}
