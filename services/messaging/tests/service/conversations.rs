//! Making, finding and changing conversations.

use serde_json::json;
use tertulia_contracts::{
    UserId,
    messaging::{
        Conversation, ConversationKind, Conversations, MemberRole, Members, UserFact, UserLog, Visibility,
    },
};
use tertulia_runtime::testkit::{TestClient, eventually};

use crate::harness::{DEADLINE, House, make, make_group};

async fn members(client: &TestClient, path: &str) -> Vec<(UserId, MemberRole)> {
    let page: Members = client.get(&format!("{path}/members")).await.expect(200).read();
    page.items.into_iter().map(|member| (member.user_id, member.role)).collect()
}

#[tokio::test]
async fn a_pair_has_one_direct_conversation() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let made = make(&anns, json!({"kind": "direct", "members": [ben]})).await;
    assert_eq!((made.kind, made.head_seq, made.created_by), (ConversationKind::Direct, 3, ann));

    let again = anns.post("/v1/conversations", &json!({"kind": "direct", "members": [ben]})).await;
    assert_eq!(again.expect(200).read::<Conversation>().id, made.id);
    let other_way = bens.post("/v1/conversations", &json!({"kind": "direct", "members": [ann]})).await;
    assert_eq!(other_way.expect(200).read::<Conversation>().id, made.id);

    let path = format!("/v1/conversations/{}", made.id);
    bens.delete(&format!("{path}/members/{ben}")).await.expect(403);
    anns.put(&format!("{path}/members/{}", house.user()), &()).await.expect(403);
    anns.patch(&path, &json!({"title": "Us"})).await.expect(403);
}

#[tokio::test]
async fn a_direct_conversation_that_both_ask_for_at_once_is_one() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let asked = [(ann, ben), (ben, ann), (ann, ben), (ben, ann)].map(|(one, other)| {
        let client = house.client(&service, one);
        async move { client.post("/v1/conversations", &json!({"kind": "direct", "members": [other]})).await }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    let mut ids: Vec<_> = answers.iter().map(|answer| answer.read::<Conversation>().id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_group_begins_with_its_members_and_its_owner_changes_them() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, cid) = (house.user(), house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben, ben, ann]).await;
    let path = format!("/v1/conversations/{group}");
    let (owner, member) = (MemberRole::Owner, MemberRole::Member);
    assert_eq!(members(&anns, &path).await, [(ann, owner), (ben, member)]);

    bens.put(&format!("{path}/members/{cid}"), &()).await.expect(403);
    for _ in 0..2 {
        anns.put(&format!("{path}/members/{cid}"), &()).await.expect(200);
    }
    assert_eq!(members(&bens, &path).await, [(ann, owner), (ben, member), (cid, member)]);
    bens.delete(&format!("{path}/members/{cid}")).await.expect(403);
    for _ in 0..2 {
        anns.delete(&format!("{path}/members/{cid}")).await.expect(204);
    }
    bens.delete(&format!("{path}/members/{ben}")).await.expect(204);
    assert_eq!(members(&anns, &path).await, [(ann, owner)]);
    bens.get(&path).await.expect(404);

    let renamed: Conversation = anns.patch(&path, &json!({"title": "Films"})).await.expect(200).read();
    assert_eq!(renamed.title.as_deref(), Some("Films"));
    // Founding took three entries, then came one fact for each change that was one.
    assert_eq!(renamed.head_seq, 7);
}

#[tokio::test]
async fn who_comes_back_is_a_member_again() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}");
    anns.delete(&format!("{path}/members/{ben}")).await.expect(204);
    house.post(&anns, group, "He is gone").await;
    anns.put(&format!("{path}/members/{ben}"), &()).await.expect(200);
    let seen: Conversation = bens.get(&path).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().unread, 0, "what was said while he was away is not unread");
}

#[tokio::test]
async fn a_public_channel_is_joined_by_whoever_wants_and_its_handle_is_unique() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let request = json!({"kind": "channel", "title": "News", "handle": "news", "visibility": "public"});
    let channel = make(&anns, request.clone()).await;
    assert_eq!((channel.handle.as_deref(), channel.visibility), (Some("news"), Visibility::Public));
    assert_eq!(bens.post("/v1/conversations", &request).await.expect(409).code(), "handle_taken");

    let path = format!("/v1/conversations/{}", channel.id);
    let seen: Conversation = bens.get(&path).await.expect(200).read();
    assert_eq!(seen.membership, None);
    bens.get(&format!("{path}/log")).await.expect(200);
    bens.get(&format!("{path}/members")).await.expect(403);
    bens.put(&format!("{path}/members/{ben}"), &()).await.expect(200);
    let seen: Conversation = bens.get(&path).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().role, MemberRole::Member);
    bens.delete(&format!("{path}/members/{ben}")).await.expect(204);
}

#[tokio::test]
async fn only_people_who_exist_can_be_members() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let nobody: UserId = house.ambient.ids.next();
    let request = json!({"kind": "group", "title": "Ghosts", "members": [house.user(), nobody]});
    let refused = anns.post("/v1/conversations", &request).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["members[1]"]);
    let group = make_group(&anns, &[]).await;
    let refused = anns.put(&format!("/v1/conversations/{group}/members/{nobody}"), &()).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["user_id"]);
}

#[tokio::test]
async fn the_list_pages_through_all_of_ones_conversations_newest_first() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, make_group(&anns, &[]).await);
    }
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page: Conversations =
            anns.get(&format!("/v1/conversations?limit=2{cursor}")).await.expect(200).read();
        assert!(page.items.len() <= 2);
        listed.extend(page.items.into_iter().map(|conversation| conversation.id));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(listed, made);
}

#[tokio::test]
async fn memberships_are_told_in_the_users_own_logs_once() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let path = format!("/v1/conversations/{group}/members/{ben}");
    let log = async || bens.get("/v1/me/log").await.expect(200).read::<UserLog>();
    let until = async |head: u64| {
        eventually(DEADLINE, || async { Some(log().await).filter(|log| log.head_useq >= head) }).await
    };

    let facts = |log: UserLog| log.items.into_iter().map(|entry| entry.e).collect::<Vec<UserFact>>();
    let conversation_id = group;
    let (joined, left) =
        (UserFact::ConversationJoined { conversation_id }, UserFact::ConversationLeft { conversation_id });
    assert_eq!(facts(until(1).await), std::slice::from_ref(&joined));
    anns.delete(&path).await.expect(204);
    assert_eq!(facts(until(2).await), [UserFact::Superseded {}, left]);
    anns.put(&path, &()).await.expect(200);
    assert_eq!(facts(until(3).await), [UserFact::Superseded {}, UserFact::Superseded {}, joined]);

    // The same events again tell nothing new.
    let events = service.bus.published();
    tertulia_bus::Bus::publish(&*house.bus, &events).await.unwrap();
    eventually(DEADLINE, || async {
        let depths = tertulia_bus::Bus::depths(&*house.bus).await.unwrap();
        depths.iter().all(|(_, waiting)| *waiting == 0).then_some(())
    })
    .await;
    assert_eq!(log().await.head_useq, 3);
    let page: UserLog = bens.get("/v1/me/log?after_useq=1&limit=1").await.expect(200).read();
    assert_eq!((page.items.len(), page.items[0].useq), (1, 2));
}
