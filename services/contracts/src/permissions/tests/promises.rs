//! What the engine promises, as properties.

use proptest::prelude::*;

use super::*;
use crate::permissions::{
    Decision, FIXED, Grant, OWNER_KEEPS, decide, decide_reseat, decide_toward, permissions,
};

/// Whether the instance itself gives them this, over the heads of the conversation.
fn by_office(decision: Decision) -> bool {
    matches!(decision, Ok(Grant::Office(_)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_is_decided_and_hidden_exactly_from_those_who_may_not_find_it(
        person in any_person(), other in any_person(), action in any_action(), place in any_place()
    ) {
        let (seat, target) = (person.seat(), other.seat());
        let found = decide(&seat, Action::Find, place).is_ok();
        let decisions = [
            decide(&seat, action, place),
            decide_toward(&seat, action, place, target.role),
            decide_reseat(&seat, place, &target, &seat),
            decide_reseat(&target, place, &seat, &target),
        ];
        for refusal in decisions[..3].iter().filter_map(|decision| decision.err()) {
            prop_assert_eq!(refusal.hidden, !found);
        }
        prop_assert_eq!(permissions(&seat, place).contains(action), decisions[0].is_ok());
    }

    #[test]
    fn deny_wins(mut person in any_person(), action in any_action(), place in any_place(), in_role: bool) {
        let denial = Override { allow: Permissions::ALL, deny: Permissions::of(&[action]) };
        if in_role {
            person.roles.insert(0, denial);
            person.roles.push(Override { allow: Permissions::ALL, deny: Permissions::NONE });
        } else {
            person.own = denial;
        }
        let owner = person.role == Some(MemberRole::Owner);
        let decision = decide(&person.seat(), action, place);
        let spared = FIXED.contains(action) || (owner && OWNER_KEEPS.contains(action)) || by_office(
            decide_toward(&person.seat(), action, place, Some(MemberRole::Owner)),
        );
        prop_assert!(decision.is_err() || spared, "{:?}", decision);
    }

    #[test]
    fn a_denial_more_never_gives_anything(
        person in any_person(), more in any_permissions(), place in any_place()
    ) {
        let mut denied = person.clone();
        denied.own.deny = denied.own.deny.union(more);
        prop_assert!(permissions(&person.seat(), place).includes(permissions(&denied.seat(), place)));
    }

    #[test]
    fn what_is_fixed_is_so_whatever_the_overrides_say(person in any_person(), place in any_place()) {
        let plain = Person { roles: Vec::new(), own: Override::default(), ..person.clone() };
        let fixed = |person: &Person| {
            let held = permissions(&person.seat(), place);
            held.without(Permissions::ALL.without(FIXED))
        };
        prop_assert_eq!(fixed(&person), fixed(&plain));
    }

    #[test]
    fn who_ranks_higher_may_do_at_least_as_much(
        person in any_person(), role in any_role(), target in any_role(), action in any_action(), place in any_place()
    ) {
        let mut higher = person.clone();
        higher.role = higher.role.max(role);
        let may = |person: &Person| decide(&person.seat(), action, place).is_ok();
        let may_to = |person: &Person| decide_toward(&person.seat(), action, place, target).is_ok();
        // An owner who leaves hands over first.
        if (action, higher.role) != (Action::Leave, Some(MemberRole::Owner)) {
            prop_assert!(!may(&person) || may(&higher));
            prop_assert!(!may_to(&person) || may_to(&higher));
        }
    }

    #[test]
    fn a_private_conversation_is_hidden_from_every_stranger(
        mut person in any_person(), action in any_action(), mut place in any_place(), target in any_role()
    ) {
        person.role = None;
        if place.kind != ConversationKind::Direct {
            place.visibility = Visibility::Private;
        }
        let seat = person.seat();
        for decision in [decide(&seat, action, place), decide_toward(&seat, action, place, target)] {
            prop_assert!(decision.is_err_and(|refusal| refusal.hidden), "{:?}", decision);
        }
    }

    #[test]
    fn nobody_acts_on_an_equal_or_a_superior(
        person in any_person(), target in any_role(), action in any_action(), place in any_place()
    ) {
        let decision = decide_toward(&person.seat(), action, place, target);
        prop_assert!(decision.is_err() || person.role > target || by_office(decision));
    }

    #[test]
    fn an_owner_is_never_locked_out(
        mut person in any_person(), mut place in any_place(), target in any_role()
    ) {
        person.role = Some(MemberRole::Owner);
        person.account = InstanceRole::User;
        place.archived = false;
        if place.kind == ConversationKind::Direct {
            place.kind = ConversationKind::Group;
        }
        let held = permissions(&person.seat(), place);
        let kept = OWNER_KEEPS.union(Permissions::of(&[Action::Find, Action::TransferOwnership]));
        let spared = person.restriction == Some(Restriction::Banned);
        prop_assert!(spared || held.includes(kept), "{:?} lacks some of {:?}", held, kept);
        prop_assert!(held.includes(OWNER_KEEPS));
        // And so they can lift whatever was noted of anybody below them.
        let noted = Person { role: target.min(Some(MemberRole::Admin)), ..person.clone() };
        let clean = Person { roles: Vec::new(), own: Override::default(), ..noted.clone() };
        let lifted = decide_reseat(&person.seat(), place, &noted.seat(), &clean.seat());
        prop_assert!(lifted.is_ok(), "{:?}", lifted);
        let cleared = Person { roles: Vec::new(), own: Override::default(), ..person.clone() };
        let own = decide_reseat(&person.seat(), place, &person.seat(), &cleared.seat());
        prop_assert!(own.is_ok(), "{:?}", own);
    }

    #[test]
    fn no_run_of_grants_gives_anybody_what_nobody_held(
        mut people in prop::collection::vec(any_person(), 2..6),
        deeds in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any_person()), 1..40),
        mut place in any_place(),
    ) {
        place.archived = false;
        place.others = false;
        let unmuted = |person: &Person| permissions(&Seat { restriction: None, ..person.seat() }, place);
        // What is denied to an owner is theirs all the same: they may lift it.
        let held = |person: &Person| match person.role {
            Some(MemberRole::Owner) => {
                permissions(&Seat { account: person.account, ..Seat::of(person.role) }, place)
            }
            _ => unmuted(person),
        };
        let all = |people: &[Person]| people.iter().map(held).fold(Permissions::NONE, Permissions::union);
        let at_first = all(&people);
        let highest = people.iter().map(|person| person.role).max();
        for (asker, target, wish) in deeds {
            let (asker, target) = (asker.index(people.len()), target.index(people.len()));
            let before = people[target].clone();
            let after = Person { role: wish.role, roles: wish.roles, own: wish.own, ..before.clone() };
            let decision = decide_reseat(&people[asker].seat(), place, &before.seat(), &after.seat());
            if decision.is_err() {
                continue;
            }
            let above = people[asker].role;
            let owners_own = above == Some(MemberRole::Owner) && before.role == above && after.role == above;
            prop_assert!(owners_own || (before.role < above && after.role < above), "nobody raises an equal");
            prop_assert!(held(&people[asker]).includes(held(&after).without(held(&before))));
            people[target] = after;
        }
        prop_assert!(at_first.includes(all(&people)));
        prop_assert!(people.iter().map(|person| person.role).max() <= highest);
    }

    #[test]
    fn a_direct_conversation_is_its_two_people(person in any_person(), mut place in any_place()) {
        place.kind = ConversationKind::Direct;
        let changes_who = Permissions::of(&[
            Action::Leave, Action::Invite, Action::AddMember, Action::DecideRequests, Action::Kick, Action::Ban,
            Action::Mute, Action::Purge, Action::DeleteOthers, Action::Update, Action::Archive, Action::SetRole,
            Action::ManageRoles, Action::TransferOwnership,
        ]);
        let held = permissions(&person.seat(), place);
        prop_assert_eq!(held.without(changes_who), held);
    }

    #[test]
    fn sets_come_back_from_json_as_they_were(set in any_permissions(), other in any_permissions()) {
        let text = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<Permissions>(&text).unwrap(), set);
        prop_assert_eq!(set.union(other).includes(set), true);
        prop_assert_eq!(set.without(other).iter().any(|action| other.contains(action)), false);
        prop_assert_eq!(set.without(other).union(set), set);
    }
}
