//! Invitations that need approval: who waits, who comes in by them and how often, and who keeps apart.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{
        Conversation, Fact, Invitation, InvitationPreview, Invitations, JoinRequest, JoinRequests,
        MadeInvitation, Member, MemberRole,
    },
};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::harness::{House, make, make_group, reason, whole_log};

async fn invite(client: &TestClient, id: ConversationId, mut wish: Value) -> MadeInvitation {
    wish["needs_approval"] = json!(true);
    client.post(&format!("/v1/conversations/{id}/invitations"), &wish).await.expect(201).read()
}

async fn accept(client: &TestClient, code: &str) -> TestResponse {
    client.post(&format!("/v1/invitations/{code}/accept"), &()).await
}

async fn approve(client: &TestClient, id: ConversationId, user: UserId) -> TestResponse {
    client.post(&format!("/v1/conversations/{id}/requests/{user}/approve"), &()).await
}

async fn waiting(client: &TestClient, id: ConversationId) -> Vec<JoinRequest> {
    let path = format!("/v1/conversations/{id}/requests");
    client.get(&path).await.expect(200).read::<JoinRequests>().items
}

async fn invitation(client: &TestClient, id: ConversationId) -> Invitation {
    let path = format!("/v1/conversations/{id}/invitations");
    client.get(&path).await.expect(200).read::<Invitations>().items.remove(0)
}

#[tokio::test]
async fn who_comes_by_such_an_invitation_waits_and_is_let_in_by_it() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&one, user));
    let cids = house.client(&other, cid);
    let group = make_group(&anns, &[ben]).await;
    let MadeInvitation { invitation: made, code } = invite(&anns, group, json!({"role": "moderator"})).await;
    assert!(made.needs_approval);
    let seen: InvitationPreview = cids.get(&format!("/v1/invitations/{code}")).await.expect(200).read();
    assert!(seen.needs_approval);
    let path = format!("/v1/invitations/{code}/accept");
    let asked: JoinRequest = cids.post(&path, &json!({"note": "Please"})).await.expect(202).read();
    assert_eq!(
        (asked.user_id, asked.invitation_id, asked.note.as_deref()),
        (cid, Some(made.id), Some("Please"))
    );
    assert_eq!(accept(&cids, &code).await.expect(202).read::<JoinRequest>(), asked, "one wish of a person");
    // Until then they are strangers, and nothing is used up.
    cids.get(&format!("/v1/conversations/{group}")).await.expect(404);
    assert_eq!((waiting(&anns, group).await, invitation(&anns, group).await.uses), (vec![asked], 0));
    assert_eq!(reason(&approve(&bens, group, cid).await.expect(403).read()), "role_lacks_it");
    for _ in 0..2 {
        let member: Member = approve(&anns, group, cid).await.expect(200).read();
        assert_eq!(member.role, MemberRole::Moderator, "what the invitation says");
    }
    assert!(waiting(&anns, group).await.is_empty());
    assert_eq!(invitation(&anns, group).await.uses, 1);
    let last = whole_log(&cids, group).await.pop().unwrap().e;
    let Fact::MemberJoined { member, by, invitation_id } = last else { panic!("{last:?}") };
    assert_eq!((member.user_id, by, invitation_id), (cid, ann, Some(made.id)));
    // Who is in already just is.
    let joined: Conversation = accept(&cids, &code).await.expect(200).read();
    assert!(joined.membership.is_some());
    // Who could just join a public channel does so.
    let channel = make(&anns, json!({"kind": "channel", "title": "Open", "visibility": "public"})).await.id;
    let code = invite(&anns, channel, json!({})).await.code;
    assert_eq!(accept(&cids, &code).await.expect(409).code(), "join_instead");
    // A ban keeps somebody out who holds an invitation, and one that came later whoever waits.
    let code = invite(&anns, group, json!({})).await.code;
    let (dan, eve) = (house.user(), house.user());
    let (dans, eves) = (house.client(&one, dan), house.client(&one, eve));
    anns.put(&format!("/v1/conversations/{group}/bans/{dan}"), &()).await.expect(204);
    assert_eq!(reason(&accept(&dans, &code).await.expect(403).read()), "banned");
    accept(&eves, &code).await.expect(202);
    anns.put(&format!("/v1/conversations/{group}/bans/{eve}"), &()).await.expect(204);
    assert_eq!(approve(&anns, group, eve).await.expect(409).code(), "user_banned");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_who_are_approved_at_once_three_come_in() {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let ann = house.user();
    let anns = [0, 1].map(|index| house.client(&services[index], ann));
    let group = make_group(&anns[0], &[]).await;
    let code = invite(&anns[0], group, json!({"max_uses": 3})).await.code;
    let people: Vec<UserId> = (0..10).map(|_| house.user()).collect();
    for user in &people {
        accept(&house.client(&services[0], *user), &code).await.expect(202);
    }
    let approvals = people.iter().enumerate().map(|(index, user)| approve(&anns[index % 2], group, *user));
    let answers = join_all(approvals).await;
    let (inside, spent): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((inside.len(), spent.len()), (3, 7));
    for answer in spent {
        assert_eq!(answer.expect(409).code(), "invitation_spent");
    }
    assert_eq!(invitation(&anns[0], group).await.uses, 3);
    // Used up, it takes no more wishes; those who wait can still be added, and then they wait no longer.
    let late = house.client(&services[0], house.user());
    assert_eq!(accept(&late, &code).await.expect(404).code(), "invitation_not_found");
    let left = waiting(&anns[0], group).await;
    assert_eq!(left.len(), 7);
    anns[0].put(&format!("/v1/conversations/{group}/members/{}", left[0].user_id), &()).await.expect(200);
    assert_eq!(waiting(&anns[0], group).await.len(), 6);
}

#[tokio::test]
async fn who_asked_in_time_is_let_in_later_and_by_a_withdrawn_one_nobody() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let short = invite(&anns, group, json!({"expires_in_s": 60})).await;
    let withdrawn = invite(&anns, group, json!({})).await;
    accept(&house.client(&service, ben), &short.code).await.expect(202);
    let cids = house.client(&service, cid);
    accept(&cids, &withdrawn.code).await.expect(202);
    house.clock.advance(Duration::from_mins(1));
    accept(&house.client(&service, house.user()), &short.code).await.expect(404);
    approve(&anns, group, ben).await.expect(200);
    let path = format!("/v1/conversations/{group}/invitations/{}", withdrawn.invitation.id);
    anns.delete(&path).await.expect(204);
    assert_eq!(approve(&anns, group, cid).await.expect(409).code(), "invitation_spent");
    // Another invitation takes the place of the one that is behind their wish.
    let other = invite(&anns, group, json!({})).await;
    let asked: JoinRequest = accept(&cids, &other.code).await.expect(202).read();
    assert_eq!(asked.invitation_id, Some(other.invitation.id));
    assert_eq!(waiting(&anns, group).await, [asked]);
    approve(&anns, group, cid).await.expect(200);
}

#[tokio::test]
async fn who_keeps_apart_is_let_in_by_nobody_they_keep_apart_from() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let group = make_group(&anns, &[ben]).await;
    anns.put(&format!("/v1/conversations/{group}/members/{ben}"), &json!({"role": "admin"}))
        .await
        .expect(200);
    let plain: MadeInvitation =
        anns.post(&format!("/v1/conversations/{group}/invitations"), &json!({})).await.expect(201).read();
    let (hers, his) = (invite(&anns, group, json!({})).await, invite(&bens, group, json!({})).await);
    let block = format!("/v1/me/blocks/{cid}");
    anns.put(&block, &()).await.expect(200);
    for code in [&plain.code, &hers.code] {
        assert_eq!(accept(&cids, code).await.expect(403).code(), "out_of_reach");
    }
    // Another's invitation is another's matter, and so is who decides.
    accept(&cids, &his.code).await.expect(202);
    assert_eq!(approve(&anns, group, cid).await.expect(403).code(), "out_of_reach");
    assert_eq!(waiting(&anns, group).await.len(), 1, "they wait on");
    bens.put(&block, &()).await.expect(200);
    assert_eq!(approve(&bens, group, cid).await.expect(403).code(), "out_of_reach");
    bens.delete(&block).await.expect(204);
    approve(&bens, group, cid).await.expect(200);
    // They were let in; what is between two members ends nothing. A repeat is none for who is in.
    anns.delete(&block).await.expect(204);
    accept(&cids, &plain.code).await.expect(200);
}
