//! Asking to be let in, and what becomes of it.

use std::time::Duration;

use serde_json::json;
use tertulia_contracts::{
    UserId,
    messaging::{
        ASK_AGAIN_AFTER, Conversation, Fact, JoinRequest, JoinRequests, MAX_REQUESTS, Member, UserFact,
        UserLog,
    },
};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::harness::{DEADLINE, House, make, make_group, reason, whole_log};

async fn paid_channel(client: &TestClient, members: &[UserId]) -> String {
    let wish = json!({"kind": "channel", "title": "Exclusive", "visibility": "paid", "members": members});
    format!("/v1/conversations/{}", make(client, wish).await.id)
}

async fn waiting(client: &TestClient, path: &str) -> Vec<UserId> {
    let page: JoinRequests = client.get(&format!("{path}/requests")).await.expect(200).read();
    page.items.into_iter().map(|request| request.user_id).collect()
}

async fn told(client: &TestClient) -> Vec<UserFact> {
    let log: UserLog = client.get("/v1/me/log").await.expect(200).read();
    log.items.into_iter().map(|entry| entry.e).collect()
}

#[tokio::test]
async fn who_asks_is_let_in_by_a_moderator() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens] = [ann, ben].map(|user| house.client(&one, user));
    let cids = house.client(&other, cid);
    let path = paid_channel(&anns, &[ben]).await;
    for status in [201, 200] {
        let asked = cids.post(&format!("{path}/requests"), &json!({"note": "Please"})).await.expect(status);
        let JoinRequest { user_id, note, .. } = asked.read();
        assert_eq!((user_id, note.as_deref()), (cid, Some("Please")));
    }
    assert_eq!(waiting(&anns, &path).await, [cid]);
    assert_eq!(reason(&bens.get(&format!("{path}/requests")).await.expect(403).read()), "role_lacks_it");
    let approve = format!("{path}/requests/{cid}/approve");
    assert_eq!(reason(&bens.post(&approve, &()).await.expect(403).read()), "role_lacks_it");
    cids.post(&approve, &()).await.expect(403);
    for _ in 0..2 {
        assert_eq!(anns.post(&approve, &()).await.expect(200).read::<Member>().user_id, cid);
    }
    assert_eq!(waiting(&anns, &path).await, []);
    let seen: Conversation = cids.get(&path).await.expect(200).read();
    assert!(seen.membership.is_some() && seen.member_count == Some(3));
    let last = whole_log(&anns, seen.id).await.pop().unwrap().e;
    assert!(matches!(last, Fact::MemberJoined { by, .. } if by == ann), "{last:?}");
    let joined = UserFact::ConversationJoined { conversation_id: seen.id };
    eventually(DEADLINE, || async { told(&cids).await.contains(&joined).then_some(()) }).await;
}

#[tokio::test]
async fn who_is_declined_reads_it_once_and_asks_again_after_a_week() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, cid] = [(); 2].map(|()| house.user());
    let [anns, cids] = [ann, cid].map(|user| house.client(&service, user));
    let path = paid_channel(&anns, &[]).await;
    let (requests, own) = (format!("{path}/requests"), format!("{path}/requests/{cid}"));
    cids.post(&requests, &json!({})).await.expect(201);
    // The moderator's process dies between the telling and the decision.
    service.store.break_writes("requests");
    anns.delete(&own).await.expect(503);
    service.store.mend();
    for _ in 0..2 {
        anns.delete(&own).await.expect(204);
    }
    let declined = told(&cids).await;
    assert!(matches!(declined[..], [UserFact::JoinRequestDeclined { .. }]), "{declined:?}");
    assert_eq!(anns.post(&format!("{own}/approve"), &()).await.expect(404).code(), "request_not_found");
    let refused = cids.post(&requests, &json!({})).await.expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("asked_too_soon", Some("604800")));
    house.clock.advance(ASK_AGAIN_AFTER.checked_sub(Duration::from_secs(1)).unwrap());
    let [anns, cids] = [ann, cid].map(|user| house.client(&service, user));
    cids.post(&requests, &json!({})).await.expect(429);
    house.clock.advance(Duration::from_secs(1));
    cids.post(&requests, &json!({})).await.expect(201);
    anns.post(&format!("{own}/approve"), &()).await.expect(200);
}

#[tokio::test]
async fn one_asks_where_one_can_and_takes_it_back() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid] = [(); 3].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let path = paid_channel(&anns, &[ben]).await;
    let requests = format!("{path}/requests");
    assert_eq!(bens.post(&requests, &json!({})).await.expect(409).code(), "already_member");
    let open = make(&anns, json!({"kind": "channel", "title": "Open", "visibility": "public"})).await.id;
    let refused = cids.post(&format!("/v1/conversations/{open}/requests"), &json!({})).await;
    assert_eq!(refused.expect(409).code(), "join_instead");
    let group = make_group(&anns, &[]).await;
    cids.post(&format!("/v1/conversations/{group}/requests"), &json!({})).await.expect(404);

    cids.post(&requests, &json!({})).await.expect(201);
    // The channel becomes private: nobody else can ask, and who asked can still take it back or be let in.
    anns.patch(&path, &json!({"visibility": "private"})).await.expect(200);
    house.client(&service, house.user()).post(&requests, &json!({})).await.expect(404);
    cids.post(&requests, &json!({})).await.expect(404);
    cids.delete(&format!("{requests}/{cid}")).await.expect(204);
    cids.delete(&format!("{requests}/{cid}")).await.expect(404);
    assert_eq!(waiting(&anns, &path).await, []);
    anns.patch(&path, &json!({"visibility": "paid"})).await.expect(200);
    cids.delete(&format!("{requests}/{cid}")).await.expect(204);
    cids.post(&requests, &json!({})).await.expect(201);
    // Who comes in by another way waits no longer; nobody is let into an archive.
    anns.put(&format!("{path}/archive"), &()).await.expect(200);
    let refused = anns.post(&format!("{requests}/{cid}/approve"), &()).await.expect(403);
    assert_eq!(reason(&refused.read()), "archived");
    anns.delete(&format!("{path}/archive")).await.expect(200);
    anns.put(&format!("{path}/members/{cid}"), &()).await.expect(200);
    assert_eq!(waiting(&anns, &path).await, []);
    anns.post(&format!("{requests}/{cid}/approve"), &()).await.expect(200);
}

#[tokio::test]
async fn every_bound_of_asking_holds_at_it_and_one_past_it() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let path = paid_channel(&ann, &[]).await;
    let requests = format!("{path}/requests");
    let ask = async |wish| house.client(&service, house.user()).post(&requests, &wish).await;
    ask(json!({"note": "x".repeat(500)})).await.expect(201);
    ask(json!({"note": "x".repeat(501)})).await.expect(422);
    for _ in 1..MAX_REQUESTS {
        ask(json!({})).await.expect(201);
    }
    assert_eq!(ask(json!({})).await.expect(409).code(), "too_many_requests");
    let (mut people, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: JoinRequests = ann.get(&format!("{requests}?limit=150{cursor}")).await.expect(200).read();
        people.extend(page.items.into_iter().map(|request| request.user_id));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(people.len(), MAX_REQUESTS);
    ann.delete(&format!("{requests}/{}", people[0])).await.expect(204);
    ask(json!({})).await.expect(201);
}
