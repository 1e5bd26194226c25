//! Roles: who gives them, what they are good for, and what becomes of the owner's.

use http::Method;
use serde_json::json;
use tertulia_contracts::{
    UserId,
    messaging::{Conversation, Fact, Member, MemberRole, Members},
};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::harness::{DEADLINE, House, make, make_group, reason, whole_log};

/// Sets a role, and says what was answered: the role, or why not.
async fn set(client: &TestClient, path: &str, user: UserId, role: &str) -> Result<MemberRole, String> {
    let answer = client.put(&format!("{path}/members/{user}"), &json!({"role": role})).await;
    match answer.status.as_u16() {
        200 => Ok(answer.read::<Member>().role),
        403 => Err(reason(&answer.read())),
        status => panic!("{status} is no answer to a role"),
    }
}

async fn roles(client: &TestClient, path: &str) -> Vec<(UserId, MemberRole)> {
    let page: Members = client.get(&format!("{path}/members")).await.expect(200).read();
    page.items.into_iter().map(|member| (member.user_id, member.role)).collect()
}

#[tokio::test]
async fn a_promoted_moderator_removes_members_but_no_admin() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, dan] = [(); 4].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben, cid, dan]).await;
    let path = format!("/v1/conversations/{group}");
    let remove = async |user: UserId| {
        let answer = bens.delete(&format!("{path}/members/{user}")).await;
        if answer.status == 204 { Ok(()) } else { Err(reason(&answer.expect(403).read())) }
    };
    let refused = |code: &str| Err(code.to_owned());

    assert_eq!(remove(dan).await, refused("role_lacks_it"));
    assert_eq!(set(&anns, &path, ben, "moderator").await, Ok(MemberRole::Moderator));
    assert_eq!(set(&anns, &path, cid, "admin").await, Ok(MemberRole::Admin));
    assert_eq!(remove(cid).await, refused("outranked"));
    assert_eq!(remove(ann).await, refused("outranked"));
    assert_eq!(remove(dan).await, Ok(()));

    // The admin appoints and dismisses moderators, and raises nobody to their own rank.
    assert_eq!(set(&cids, &path, ben, "admin").await, Err("outranked".to_owned()));
    assert_eq!(set(&cids, &path, ben, "owner").await, Err("outranked".to_owned()));
    assert_eq!(set(&cids, &path, cid, "owner").await, Err("outranked".to_owned()));
    assert_eq!(set(&bens, &path, ben, "admin").await, Err("role_lacks_it".to_owned()));
    assert_eq!(set(&cids, &path, ben, "member").await, Ok(MemberRole::Member));
    assert_eq!(remove(cid).await, refused("role_lacks_it"));

    let facts = whole_log(&anns, group).await;
    let changed = |fact: &Fact| match fact {
        Fact::MemberRoleChanged { user_id, role, by, .. } => Some((*user_id, *role, *by)),
        _ => None,
    };
    let told: Vec<_> = facts.iter().filter_map(|entry| changed(&entry.e)).collect();
    assert_eq!(
        told,
        [(ben, MemberRole::Moderator, ann), (cid, MemberRole::Admin, ann), (ben, MemberRole::Member, cid)]
    );
}

#[tokio::test]
async fn asked_for_twice_a_role_is_given_once_and_without_a_body_it_stays() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    for _ in 0..2 {
        assert_eq!(set(&anns, &path, ben, "moderator").await, Ok(MemberRole::Moderator));
        assert_eq!(set(&anns, &path, cid, "guest").await, Ok(MemberRole::Guest), "let in as a guest");
    }
    let member = format!("{path}/members/{ben}");
    for body in ["", "null", "{}"] {
        let media_type = (!body.is_empty()).then_some("application/json");
        let answer = anns.send(Method::PUT, &member, media_type, body).await.expect(200);
        assert_eq!(answer.read::<Member>().role, MemberRole::Moderator, "{body:?}");
    }
    assert_eq!(whole_log(&anns, group).await.len(), 5, "one fact for each change that was one");
    for (body, field) in [(json!({"role": "king"}), "role"), (json!({"rank": "admin"}), "rank")] {
        assert_eq!(anns.put(&member, &body).await.expect(422).wrong_fields(), [field]);
    }
    let untyped = anns.send(Method::PUT, &member, Some("text/plain"), "{}").await;
    untyped.expect(415);
}

#[tokio::test]
async fn a_conversation_is_handed_over_and_its_owner_leaves_last_or_not_at_all() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let leave =
        async |client: &TestClient, user: UserId| client.delete(&format!("{path}/members/{user}")).await;
    let hand_over = async |client: &TestClient, to: UserId| {
        client.post(&format!("{path}/owner"), &json!({"user_id": to})).await
    };

    let refused = leave(&anns, ann).await.expect(403);
    assert_eq!(reason(&refused.read()), "owner_must_hand_over");
    assert_eq!(reason(&hand_over(&bens, ben).await.expect(403).read()), "role_lacks_it");
    assert_eq!(hand_over(&anns, cid).await.expect(422).wrong_fields(), ["user_id"], "no member");
    for _ in 0..2 {
        let seen: Conversation = hand_over(&anns, ben).await.expect(200).read();
        assert_eq!(seen.membership.unwrap().role, MemberRole::Admin);
    }
    assert_eq!(roles(&bens, &path).await, [(ann, MemberRole::Admin), (ben, MemberRole::Owner)]);
    let last = whole_log(&bens, group).await.pop().unwrap();
    assert!(matches!(last.e, Fact::OwnerChanged { from, to, .. } if (from, to) == (Some(ann), ben)));
    assert_eq!(last.seq, 4, "asked for again, nothing changes");

    leave(&anns, ann).await.expect(204);
    leave(&bens, ben).await.expect(204);
    bens.get(&path).await.expect(404);
}

#[tokio::test]
async fn an_owner_who_leaves_while_another_joins_leaves_nobody_without_an_owner() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let owner = house.user();
    for _ in 0..8 {
        let owners = house.client(&one, owner);
        let request = json!({"kind": "channel", "title": "News", "visibility": "public"});
        let path = format!("/v1/conversations/{}", make(&owners, request).await.id);
        let newcomer = house.user();
        let newcomers = house.client(&other, newcomer);
        let (owners_place, newcomers_place) =
            (format!("{path}/members/{owner}"), format!("{path}/members/{newcomer}"));
        let (left, joined) = tokio::join!(owners.delete(&owners_place), newcomers.put(&newcomers_place, &()));
        joined.expect(200);
        let log = whole_log(&newcomers, path.rsplit_once('/').unwrap().1.parse().unwrap()).await;
        let seq_of = |wanted: fn(&Fact, UserId) -> bool, user: UserId| {
            log.iter().find(|entry| wanted(&entry.e, user)).map(|entry| entry.seq)
        };
        let left_at =
            seq_of(|fact, user| matches!(fact, Fact::MemberLeft { user_id, .. } if *user_id == user), owner);
        let joined_at = seq_of(
            |fact, user| matches!(fact, Fact::MemberJoined { member, .. } if member.user_id == user),
            newcomer,
        );
        match left.status.as_u16() {
            204 => assert!(left_at < joined_at, "the owner left somebody behind"),
            403 => assert_eq!((left_at, reason(&left.read())), (None, "owner_must_hand_over".to_owned())),
            status => panic!("{status}"),
        }
    }
}

#[tokio::test]
async fn a_role_holds_at_every_process_and_is_told_with_the_membership() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    // Now the other service's writer remembers that Ben is a plain member.
    house.post(&bens, group, "Hello").await;
    assert_eq!(set(&anns, &path, ben, "moderator").await, Ok(MemberRole::Moderator));
    bens.put(&format!("{path}/members/{cid}"), &json!({})).await.expect(200);
    assert_eq!(set(&anns, &path, ben, "guest").await, Ok(MemberRole::Guest));
    bens.delete(&format!("{path}/members/{cid}")).await.expect(403);

    // Who is given a role at once after they were let in still hears that they were.
    assert_eq!(set(&anns, &path, cid, "moderator").await, Ok(MemberRole::Moderator));
    let cids = house.client(&one, cid);
    eventually(DEADLINE, || async {
        let log: tertulia_contracts::messaging::UserLog = cids.get("/v1/me/log").await.expect(200).read();
        (log.head_useq == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_guest_talks_in_a_group_and_sees_nobody() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}");
    assert_eq!(set(&anns, &path, ben, "guest").await, Ok(MemberRole::Guest));
    house.post(&bens, group, "Hello").await;
    let refused = bens.get(&format!("{path}/members")).await.expect(403);
    assert_eq!(reason(&refused.read()), "role_lacks_it");
}

#[tokio::test]
async fn the_two_of_a_direct_conversation_stay_equals() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&service, ann);
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let path = format!("/v1/conversations/{direct}");
    assert_eq!(set(&anns, &path, ben, "guest").await, Err("kind_forbids".to_owned()));
    let refused = anns.post(&format!("{path}/owner"), &json!({"user_id": ben})).await.expect(403);
    assert_eq!(reason(&refused.read()), "kind_forbids");
}

#[tokio::test]
async fn whoever_runs_the_instance_keeps_order_in_what_is_public_and_nowhere_else() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, eve] = [(); 3].map(|()| house.user());
    let anns = house.client(&service, ann);
    let eves = service.client.with_token(&house.signer.operator_token(eve));
    let channel = json!({"kind": "channel", "title": "News", "visibility": "public", "members": [ben]});
    let channel = make(&anns, channel).await.id;
    let group = make_group(&anns, &[ben]).await;

    let said = house.post(&anns, channel, "Buy now").await;
    eves.delete(&format!("/v1/conversations/{channel}/messages/{}", said.id)).await.expect(204);
    eves.delete(&format!("/v1/conversations/{channel}/members/{ben}")).await.expect(204);
    let post = json!({"client_id": house.client_id(), "body": "I am no member"});
    eves.post(&format!("/v1/conversations/{channel}/messages"), &post).await.expect(403);

    let said = house.post(&anns, group, "Among us").await;
    for (method, path) in [
        (Method::GET, format!("/v1/conversations/{group}")),
        (Method::GET, format!("/v1/conversations/{group}/messages")),
        (Method::DELETE, format!("/v1/conversations/{group}/messages/{}", said.id)),
        (Method::DELETE, format!("/v1/conversations/{group}/members/{ben}")),
    ] {
        eves.send(method, &path, None, "").await.expect(404);
    }
}
