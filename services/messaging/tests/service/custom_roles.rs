//! Custom roles and notes beside names: what they are good for, and that nobody gives away what they do not hold.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, RoleId, UserId,
    messaging::{Entry, Fact, MAX_CUSTOM_ROLES, MAX_NOTED, MemberRole, Roles},
    permissions::{Action, Permissions, Place, Seat, permissions},
};
use tertulia_messaging::model::snapshot::Snapshot;
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::{
    harness::{House, make_group, whole_log},
    replay::{Asked, Dice},
};

fn reason(answer: TestResponse) -> String {
    let problem: Value = answer.expect(403).read();
    problem["detail"].as_str().unwrap().rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned()
}

async fn roles(client: &TestClient, path: &str) -> Roles {
    client.get(&format!("{path}/roles")).await.expect(200).read()
}

#[tokio::test]
async fn a_custom_role_allows_and_denies_while_it_is_carried() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let message = house.post(&bens, group, "Pin me").await;
    let pin = format!("{}/pin", crate::harness::message_path(&message));
    let role: RoleId = house.ambient.ids.next();
    let (of_role, carried) = (format!("{path}/roles/{role}"), format!("{path}/members/{ben}/roles/{role}"));

    assert_eq!(reason(bens.put(&pin, &()).await), "role_lacks_it");
    assert_eq!(anns.put(&carried, &()).await.expect(404).code(), "role_not_found");
    for _ in 0..2 {
        anns.put(&of_role, &json!({"name": "Curator", "allow": ["pin"], "deny": ["react"]}))
            .await
            .expect(204);
        anns.put(&carried, &()).await.expect(204);
    }
    // The other process has to hear of it, too.
    bens.put(&pin, &()).await.expect(204);
    let like = crate::harness::reaction_path(&message, "👍");
    assert_eq!(reason(bens.put(&like, &()).await), "custom_role_denies");
    let seen = roles(&bens, &path).await;
    assert_eq!((seen.items[0].name.as_str(), &seen.items[0].user_ids), ("Curator", &vec![ben]));
    assert_eq!(whole_log(&anns, group).await.len(), 7, "asked for again, nothing changes");

    anns.put(&of_role, &json!({"name": "Curator", "allow": ["pin"]})).await.expect(204);
    bens.put(&like, &()).await.expect(204);
    let own = format!("{path}/members/{ben}/override");
    anns.put(&own, &json!({"deny": ["post"], "allow": ["export"]})).await.expect(204);
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    assert_eq!(reason(bens.post(&format!("{path}/messages"), &post).await), "member_denied");
    assert_eq!(roles(&bens, &path).await.overrides.len(), 1);
    // Whoever leaves keeps what is denied to them, and loses the rest.
    bens.delete(&format!("{path}/members/{ben}")).await.expect(204);
    anns.put(&format!("{path}/members/{ben}"), &()).await.expect(200);
    assert_eq!(reason(bens.post(&format!("{path}/messages"), &post).await), "member_denied");
    assert_eq!(reason(bens.delete(&pin).await), "role_lacks_it");
    let kept = &roles(&bens, &path).await.overrides[0];
    assert_eq!((kept.allow, kept.deny), (Permissions::NONE, Permissions::of(&[Action::Post])));
    for _ in 0..2 {
        anns.delete(&own).await.expect(204);
        anns.delete(&carried).await.expect(204);
        anns.delete(&of_role).await.expect(204);
    }
    bens.post(&format!("{path}/messages"), &post).await.expect(201);
    let left = roles(&bens, &path).await;
    assert!(left.items.is_empty() && left.overrides.is_empty());
}

#[tokio::test]
async fn nobody_gives_away_what_they_do_not_hold() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, dan] = [(); 4].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid, dan]).await;
    let path = format!("/v1/conversations/{group}");
    anns.put(&format!("{path}/members/{ben}"), &json!({"role": "admin"})).await.expect(200);
    let role: RoleId = house.ambient.ids.next();
    let of_role = format!("{path}/roles/{role}");
    let to = |user: UserId| format!("{path}/members/{user}/roles/{role}");
    let own = |user: UserId| format!("{path}/members/{user}/override");

    assert_eq!(reason(cids.put(&of_role, &json!({"name": "Mine"})).await), "role_lacks_it");
    // To archive is the owner's: an admin may make such a role, but not give it, nor turn one that is carried into it.
    bens.put(&of_role, &json!({"name": "Keeper", "allow": ["archive"]})).await.expect(204);
    assert_eq!(reason(bens.put(&to(cid), &()).await), "grants_more_than_held");
    assert_eq!(reason(bens.put(&own(cid), &json!({"allow": ["archive"]})).await), "grants_more_than_held");
    bens.put(&of_role, &json!({"name": "Keeper", "allow": ["kick"]})).await.expect(204);
    bens.put(&to(cid), &()).await.expect(204);
    let stronger = json!({"name": "Keeper", "allow": ["kick", "archive"]});
    assert_eq!(reason(bens.put(&of_role, &stronger).await), "grants_more_than_held");
    anns.put(&of_role, &stronger).await.expect(204);
    // What is denied to an admin they do not lift for anybody, not by deleting the role that denies it either.
    anns.put(&own(ben), &json!({"deny": ["kick"]})).await.expect(204);
    assert_eq!(reason(bens.put(&own(ben), &json!({})).await), "outranked");
    let denying: RoleId = house.ambient.ids.next();
    let of_denying = format!("{path}/roles/{denying}");
    anns.put(&of_denying, &json!({"name": "Quiet", "deny": ["kick"]})).await.expect(204);
    anns.put(&format!("{path}/members/{cid}/roles/{denying}"), &()).await.expect(204);
    assert_eq!(reason(bens.delete(&of_denying).await), "grants_more_than_held");
    assert_eq!(reason(cids.delete(&format!("{path}/members/{dan}")).await), "custom_role_denies");
    // A role that somebody of one's own rank carries is not one's own to change.
    anns.put(&to(ben), &()).await.expect(204);
    assert_eq!(reason(bens.put(&of_role, &json!({"name": "Keeper"})).await), "outranked");
}

#[tokio::test]
async fn what_is_asked_for_is_checked_and_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}");
    let new = || format!("{path}/roles/{}", house.ambient.ids.next::<tertulia_contracts::ids::Role>());
    for (body, field) in [
        (json!({"name": "X", "allow": ["fly"]}), "allow"),
        (json!({"name": "X", "deny": ["leave"]}), "deny"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(41)}), "name"),
        (json!({"name": "X", "rank": 3}), "rank"),
    ] {
        assert_eq!(anns.put(&new(), &body).await.expect(422).wrong_fields(), [field]);
    }
    for _ in 0..MAX_CUSTOM_ROLES {
        anns.put(&new(), &json!({"name": "x".repeat(40)})).await.expect(204);
    }
    assert_eq!(anns.put(&new(), &json!({"name": "X"})).await.expect(409).code(), "too_many_roles");
    let role = roles(&anns, &path).await.items[0].id;
    let absent = anns.put(&format!("{path}/members/{ben}/roles/{role}"), &()).await.expect(422);
    assert_eq!(absent.wrong_fields(), ["user_id"]);
    let absent = anns.put(&format!("{path}/members/{ben}/override"), &json!({"deny": ["post"]})).await;
    assert_eq!(absent.expect(422).wrong_fields(), ["user_id"]);
    let note = json!({"deny": ["mention_everyone"]});
    for number in 0..=MAX_NOTED {
        let user = house.user();
        anns.put(&format!("{path}/members/{user}"), &()).await.expect(200);
        let answer = anns.put(&format!("{path}/members/{user}/override"), &note).await;
        if number < MAX_NOTED {
            answer.expect(204);
        } else {
            assert_eq!(answer.expect(409).code(), "too_many_overrides");
        }
    }
    assert_eq!(bens.get(&format!("{path}/roles")).await.expect(404).code(), "conversation_not_found");
    // The two of a direct conversation are equals.
    let direct = crate::harness::make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let refused = anns.put(&format!("/v1/conversations/{direct}/roles/{role}"), &json!({"name": "X"})).await;
    assert_eq!(reason(refused), "kind_forbids");
}

/// Something is done with custom roles, or with what is noted beside a name.
pub(crate) fn role_deed(dice: &mut Dice, path: &str, boss: usize, subject: UserId, roles: &Roles) -> Asked {
    let role = format!("rol_01J0000000000000000000000{}", ["A", "B"][dice.roll(2)]);
    let mut rights = || [json!(["pin"]), json!(["export", "kick"]), json!([])][dice.roll(3)].clone();
    let (allow, deny) = (rights(), rights());
    let (carried, own) =
        (format!("{path}/members/{subject}/roles/{role}"), format!("{path}/members/{subject}/override"));
    match dice.roll(10) {
        ..3 => {
            let body = json!({
                "name": format!("Role {}", dice.roll(3)),
                "allow": allow,
                "deny": deny,
                "mentionable": dice.roll(3) > 0,
            });
            (boss, Method::PUT, format!("{path}/roles/{role}"), body)
        }
        3 => (boss, Method::DELETE, format!("{path}/roles/{role}"), Value::Null),
        4..7 => (boss, Method::PUT, carried, Value::Null),
        7..9 => {
            let held = roles.items.iter().find_map(|role| Some((role.user_ids.first()?, role.id)));
            let held = held.map_or(carried, |(user, role)| format!("{path}/members/{user}/roles/{role}"));
            (boss, Method::DELETE, held, Value::Null)
        }
        _ => (boss, Method::PUT, own, json!({"allow": allow, "deny": deny})),
    }
}

/// What everybody may do, by the log alone.
fn held(snapshot: &Snapshot) -> BTreeMap<UserId, Permissions> {
    let place = Place::of(snapshot.kind.unwrap(), snapshot.settings.visibility.unwrap());
    let of = |user: UserId, role: MemberRole| {
        let (roles, own) = (snapshot.roles.carried(user), snapshot.roles.own(user));
        // What is denied to an owner is theirs to lift.
        let bare = Seat::of(Some(role));
        let seat = if role == MemberRole::Owner { bare } else { Seat { roles: &roles, own, ..bare } };
        permissions(&seat, place)
    };
    snapshot.members.iter().map(|(user, member)| (*user, of(*user, member.role))).collect()
}

/// That no entry gives anybody what whoever wrote it does not hold.
fn check(log: &[Entry], seed: u64) -> usize {
    let mut snapshot = Snapshot::default();
    let mut grants = 0;
    for entry in log {
        let before = snapshot.kind.map(|_| held(&snapshot)).unwrap_or_default();
        snapshot.apply(entry);
        let by = match &entry.e {
            Fact::MemberJoined { by, .. }
            | Fact::MemberRoleChanged { by, .. }
            | Fact::RolePut { by, .. }
            | Fact::RoleDeleted { by, .. }
            | Fact::RoleGiven { by, .. }
            | Fact::RoleTaken { by, .. }
            | Fact::MemberOverridden { by, .. } => *by,
            _ => continue,
        };
        let Some(giver) = before.get(&by) else { continue };
        let plain = Seat::of(Some(MemberRole::Member));
        let plain =
            permissions(&plain, Place::of(snapshot.kind.unwrap(), snapshot.settings.visibility.unwrap()));
        for (user, after) in held(&snapshot) {
            let had = before.get(&user).copied().unwrap_or(plain);
            let gained = after.without(had);
            assert!(giver.includes(gained), "seed {seed}: {:?} gave {user} {gained:?}", entry.e);
            grants += usize::from(gained != Permissions::NONE);
        }
    }
    grants
}

#[tokio::test]
async fn no_sequence_of_grants_gives_anybody_what_nobody_above_them_could() {
    const SEED: u64 = 11;
    const PICKS: [&str; 8] =
        ["archive", "update", "kick", "manage_roles", "set_role", "pin", "react", "list_members"];
    let house = House::open().await;
    let service = house.service().await;
    let users: Vec<UserId> = (0..5).map(|_| house.user()).collect();
    let clients: Vec<TestClient> = users.iter().map(|user| house.client(&service, *user)).collect();
    let group: ConversationId = make_group(&clients[0], &users[1..]).await;
    let path = format!("/v1/conversations/{group}");
    for (user, role) in [(1, "admin"), (2, "admin"), (3, "moderator")] {
        let body = json!({"role": role});
        clients[0].put(&format!("{path}/members/{}", users[user]), &body).await.expect(200);
    }
    let ids: Vec<RoleId> = (0..3).map(|_| house.ambient.ids.next()).collect();
    let mut dice = Dice(SEED);
    for _ in 0..900 {
        let (asker, subject) = (&clients[dice.roll(4)], users[dice.roll(5)]);
        let role = ids[dice.roll(3)];
        let mut some = || (0..dice.roll(3)).map(|_| PICKS[dice.roll(PICKS.len())]).collect::<Vec<_>>();
        let (allow, deny) = (some(), some());
        let (of_role, carried) =
            (format!("{path}/roles/{role}"), format!("{path}/members/{subject}/roles/{role}"));
        let (own, member) =
            (format!("{path}/members/{subject}/override"), format!("{path}/members/{subject}"));
        let answer = match dice.roll(12) {
            ..3 => asker.put(&of_role, &json!({"name": "R", "allow": allow, "deny": deny})).await,
            3 => asker.delete(&of_role).await,
            4..6 => asker.put(&carried, &()).await,
            6 => asker.delete(&carried).await,
            7..9 => asker.put(&own, &json!({"allow": allow, "deny": deny})).await,
            9 => {
                let role = ["member", "moderator", "admin"][dice.roll(3)];
                asker.put(&member, &json!({"role": role})).await
            }
            10 => asker.put(&member, &()).await,
            _ => asker.delete(&member).await,
        };
        assert!(answer.status.as_u16() < 500, "{}", answer.text());
    }
    let grants = check(&whole_log(&clients[0], group).await, SEED);
    assert!(grants > 30, "only {grants} grants: the run proves little");
}
