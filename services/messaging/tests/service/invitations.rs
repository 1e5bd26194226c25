//! Invitations: who makes them, who comes in by them, and how often.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{
        Conversation, Entry, Fact, Invitation, InvitationPreview, Invitations, MAX_INVITATIONS,
        MadeInvitation, MemberRole,
    },
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, make_group, reason, whole_log};

async fn invite(client: &TestClient, id: ConversationId, wish: Value) -> MadeInvitation {
    client.post(&format!("/v1/conversations/{id}/invitations"), &wish).await.expect(201).read()
}

async fn listed(client: &TestClient, id: ConversationId) -> Vec<Invitation> {
    let path = format!("/v1/conversations/{id}/invitations");
    client.get(&path).await.expect(200).read::<Invitations>().items
}

fn accept(code: &str) -> String {
    format!("/v1/invitations/{code}/accept")
}

/// Those who came in by an invitation, and by whom.
fn entrances(log: &[Entry]) -> Vec<&Fact> {
    let by_invitation = |fact: &&Fact| matches!(fact, Fact::MemberJoined { invitation_id: Some(_), .. });
    log.iter().map(|entry| &entry.e).filter(by_invitation).collect()
}

#[tokio::test]
async fn who_holds_a_code_sees_where_it_leads_and_joins_once() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[]).await;
    let MadeInvitation { invitation, code } = invite(&anns, group, json!({})).await;
    assert!(code.len() >= 22, "{code} has not 128 bits");
    let seen: InvitationPreview = bens.get(&format!("/v1/invitations/{code}")).await.expect(200).read();
    assert_eq!((seen.title.as_deref(), seen.invited_by, seen.member_count), (Some("Books"), ann, Some(1)));
    bens.get(&format!("/v1/conversations/{group}")).await.expect(404);

    for _ in 0..2 {
        let joined: Conversation = bens.post(&accept(&code), &()).await.expect(200).read();
        assert_eq!(joined.membership.unwrap().role, MemberRole::Member);
    }
    let log = whole_log(&bens, group).await;
    let [Fact::MemberJoined { member, by, invitation_id }] = entrances(&log)[..] else { panic!("{log:?}") };
    assert_eq!((member.user_id, *by, *invitation_id), (ben, ann, Some(invitation.id)));
    let list = anns.get(&format!("/v1/conversations/{group}/invitations")).await.expect(200);
    assert!(!list.text().contains(&code), "a code is shown once");
    assert_eq!(listed(&bens, group).await, [Invitation { uses: 1, ..invitation }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_who_come_at_once_through_two_services_ten_get_in() {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let ann = house.client(&services[0], house.user());
    let group = make_group(&ann, &[]).await;
    let code = invite(&ann, group, json!({"max_uses": 10})).await.code;
    let acceptors: Vec<TestClient> =
        (0..50).map(|index| house.client(&services[index % 2], house.user())).collect();
    // Each asks twice at once: a double tap uses nothing up.
    let asked = acceptors.iter().map(async |client| {
        let path = accept(&code);
        let (one, other) = tokio::join!(client.post(&path, &()), client.post(&path, &()));
        assert_eq!(one.status, other.status, "{} {}", one.text(), other.text());
        one.status.as_u16()
    });
    let statuses = futures_util::future::join_all(asked).await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(404)), (10, 40), "{statuses:?}");
    assert_eq!(entrances(&whole_log(&ann, group).await).len(), 10);
    let seen: Conversation = ann.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!((seen.member_count, listed(&ann, group).await[0].uses), (Some(11), 10));
}

#[tokio::test]
async fn whatever_keeps_an_invitation_from_working_looks_the_same() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let used_up = invite(&anns, group, json!({"max_uses": 1})).await;
    house.client(&service, house.user()).post(&accept(&used_up.code), &()).await.expect(200);
    let withdrawn = invite(&anns, group, json!({})).await;
    for _ in 0..2 {
        let one = format!("{path}/invitations/{}", withdrawn.invitation.id);
        anns.delete(&one).await.expect(204);
    }
    let orphaned = invite(&bens, group, json!({})).await;
    anns.delete(&format!("{path}/members/{ben}")).await.expect(204);
    let expired = invite(&anns, group, json!({"expires_in_s": 60})).await;
    let lasting = invite(&anns, group, json!({"expires_in_s": 3_600})).await;
    house.clock.advance(Duration::from_mins(1));

    let token = house.signer.token(cid);
    let cids = cids.with_token(&token);
    let mut answers = Vec::new();
    for code in [&used_up.code, &withdrawn.code, &orphaned.code, &expired.code, "unknown", &"x".repeat(65)] {
        for (method, path) in [(Method::GET, format!("/v1/invitations/{code}")), (Method::POST, accept(code))]
        {
            let refused = cids.send(method, &path, None, "").await.expect(404);
            let problem: Value = refused.read();
            answers.push((problem["code"].clone(), problem["detail"].clone()));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, "invitation_not_found");

    // An archive suspends an invitation, and so does a place that its maker lost.
    let anns = anns.with_token(&house.signer.token(ann));
    anns.put(&format!("{path}/archive"), &()).await.expect(200);
    cids.post(&accept(&lasting.code), &()).await.expect(404);
    anns.delete(&format!("{path}/archive")).await.expect(200);
    cids.post(&accept(&lasting.code), &()).await.expect(200);
    anns.put(&format!("{path}/members/{ben}"), &()).await.expect(200);
    let dee = house.client(&service, house.user());
    dee.post(&accept(&orphaned.code), &()).await.expect(200);
}

#[tokio::test]
async fn an_invitation_gives_at_most_what_its_maker_could_give() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, dan] = [(); 4].map(|()| house.user());
    let [anns, bens, cids, dans] = [ann, ben, cid, dan].map(|user| house.client(&service, user));
    let id = make(&anns, json!({"kind": "channel", "title": "News", "members": [ben, cid]})).await.id;
    let path = format!("/v1/conversations/{id}");
    let role = async |role: &str| {
        anns.put(&format!("{path}/members/{ben}"), &json!({"role": role})).await.expect(200);
    };
    let offer = async |role: &str| bens.post(&format!("{path}/invitations"), &json!({"role": role})).await;
    assert_eq!(reason(&offer("member").await.expect(403).read()), "role_lacks_it");
    role("moderator").await;
    offer("member").await.expect(201);
    assert_eq!(reason(&offer("moderator").await.expect(403).read()), "role_lacks_it");
    role("admin").await;
    for denied in ["admin", "owner"] {
        assert_eq!(reason(&offer(denied).await.expect(403).read()), "outranked");
    }
    let code = offer("moderator").await.expect(201).read::<MadeInvitation>().code;
    role("moderator").await;
    dans.post(&accept(&code), &()).await.expect(404);
    role("admin").await;
    let joined: Conversation = dans.post(&accept(&code), &()).await.expect(200).read();
    assert_eq!(joined.membership.unwrap().role, MemberRole::Moderator);
    // Who is a member already stays what they are.
    let member: Conversation = cids.post(&accept(&code), &()).await.expect(200).read();
    assert_eq!(member.membership.unwrap().role, MemberRole::Member);
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let refused = anns.post(&format!("/v1/conversations/{direct}/invitations"), &json!({})).await;
    assert_eq!(reason(&refused.expect(403).read()), "kind_forbids");
}

#[tokio::test]
async fn who_is_banned_does_not_come_in_by_any_door() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben] = [(); 2].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    let code = invite(&anns, group, json!({})).await.code;
    let paid = make(&anns, json!({"kind": "channel", "title": "Paid", "visibility": "paid"})).await.id;
    let paid = format!("/v1/conversations/{paid}");
    bens.post(&format!("{paid}/requests"), &json!({})).await.expect(201);
    for place in [&path, &paid] {
        anns.put(&format!("{place}/bans/{ben}"), &json!({})).await.expect(204);
        // He is a member of neither: of one no more, of the other never was.
        let seen: Conversation = anns.get(place).await.expect(200).read();
        assert_eq!(seen.member_count, Some(1));
    }
    let refused = bens.post(&accept(&code), &()).await.expect(403);
    assert_eq!(reason(&refused.read()), "banned");
    let refused = bens.post(&format!("{paid}/requests"), &json!({})).await.expect(403);
    assert_eq!(reason(&refused.read()), "banned");
    let approved = anns.post(&format!("{paid}/requests/{ben}/approve"), &()).await.expect(409);
    assert_eq!(approved.code(), "user_banned");
    anns.delete(&format!("{path}/bans/{ben}")).await.expect(204);
    bens.post(&accept(&code), &()).await.expect(200);
}

#[tokio::test]
async fn members_withdraw_their_own_and_moderators_anybodys() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let (group, other) = (make_group(&anns, &[ben, cid]).await, make_group(&anns, &[]).await);
    let (mine, theirs) = (invite(&bens, group, json!({})).await, invite(&cids, group, json!({})).await);
    let path =
        |id, made: &MadeInvitation| format!("/v1/conversations/{id}/invitations/{}", made.invitation.id);
    assert_eq!(reason(&bens.delete(&path(group, &theirs)).await.expect(403).read()), "role_lacks_it");
    bens.delete(&path(group, &mine)).await.expect(204);
    anns.delete(&path(other, &theirs)).await.expect(204);
    assert_eq!(listed(&anns, group).await.len(), 1, "one of another conversation is none of this one");
    anns.delete(&path(group, &theirs)).await.expect(204);
    assert_eq!(listed(&anns, group).await.len(), 0);
}

#[tokio::test]
async fn a_crash_right_after_somebody_came_in_loses_no_use() {
    let house = House::open().await;
    let (dying, heir) = (house.service().await, house.service().await);
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let anns = house.client(&dying, ann);
    let group = make_group(&anns, &[]).await;
    let code = invite(&anns, group, json!({"max_uses": 2})).await.code;
    dying.store.break_commits();
    house.client(&dying, ben).post(&accept(&code), &()).await.expect(503);
    // Ben came in, says the log. Asked again elsewhere he is in, and one use is left.
    let [bens, cids, late] = [ben, cid, house.user()].map(|user| house.client(&heir, user));
    bens.post(&accept(&code), &()).await.expect(200);
    cids.post(&accept(&code), &()).await.expect(200);
    late.post(&accept(&code), &()).await.expect(404);
    // Who took the last use may ask again, too.
    cids.post(&accept(&code), &()).await.expect(200);
    assert_eq!(entrances(&whole_log(&bens, group).await).len(), 2);
}

#[tokio::test]
async fn every_bound_of_invitations_holds_at_it_and_one_past_it() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}/invitations");
    let mut made = 0;
    for (wish, status) in [
        (json!({"expires_in_s": 59}), 422),
        (json!({"expires_in_s": 60}), 201),
        (json!({"expires_in_s": 31_536_000}), 201),
        (json!({"expires_in_s": 31_536_001}), 422),
        (json!({"max_uses": 0}), 422),
        (json!({"max_uses": 1}), 201),
        (json!({"max_uses": 10_000}), 201),
        (json!({"max_uses": 10_001}), 422),
    ] {
        anns.post(&path, &wish).await.expect(status);
        made += usize::from(status == 201);
    }
    for _ in made..MAX_INVITATIONS {
        anns.post(&path, &json!({})).await.expect(201);
    }
    assert_eq!(anns.post(&path, &json!({})).await.expect(409).code(), "too_many_invitations");
    let page: Invitations = anns.get(&format!("{path}?limit=30")).await.expect(200).read();
    let rest = anns.get(&format!("{path}?limit=30&cursor={}", page.next_cursor.unwrap())).await;
    assert_eq!((page.items.len(), rest.expect(200).read::<Invitations>().items.len()), (30, 20));
    // One that has expired makes room.
    house.clock.advance(Duration::from_mins(1));
    let anns = anns.with_token(&house.signer.token(ann));
    anns.post(&path, &json!({})).await.expect(201);
    assert_eq!(anns.post(&path, &json!({})).await.expect(409).code(), "too_many_invitations");
}
