//! Offices of the instance: what its operator does in public conversations, and what not.

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::messaging::{Conversation, Fact, MemberRole, Members, ModerationLog};

use crate::harness::{House, make, message_path, reaction_path, reason, whole_log};

#[tokio::test]
async fn an_operator_keeps_order_in_a_public_channel_and_does_nothing_else_there() {
    let house = House::open().await;
    let service = house.service().await;
    let [ann, ben, cid, eve] = [(); 4].map(|()| house.user());
    let anns = house.client(&service, ann);
    let operator = service.client.with_token(&house.signer.operator_token(eve));
    let request = json!({"kind": "channel", "title": "News", "visibility": "public", "members": [ben, cid]});
    let channel = make(&anns, request).await.id;
    let path = format!("/v1/conversations/{channel}");
    let message = house.post(&anns, channel, "Buy now").await;
    let other = house.post(&anns, channel, "Buy later").await;
    let report = json!({"message_id": message.id, "category": "spam"});
    let report =
        house.client(&service, ben).post(&format!("{path}/reports"), &report).await.expect(201).json();
    let decision = format!("{path}/reports/{}/decision", report["id"].as_str().unwrap());
    // Over everybody's head, the owner's included.
    let table = [
        (Method::GET, format!("{path}/members"), Value::Null, 200),
        (Method::GET, format!("{path}/reports"), Value::Null, 200),
        (Method::POST, decision, json!({"decision": "acted"}), 200),
        (Method::GET, format!("{path}/bans"), Value::Null, 200),
        (Method::GET, format!("{path}/mutes"), Value::Null, 200),
        (Method::PUT, format!("{path}/mutes/{ann}"), json!({"reason": "Spam"}), 204),
        (Method::DELETE, format!("{path}/mutes/{ann}"), Value::Null, 204),
        (Method::PUT, format!("{path}/filters"), json!({"words": ["buy"]}), 200),
        (Method::PATCH, path.clone(), json!({"title": "Olds"}), 200),
        (Method::DELETE, message_path(&message), Value::Null, 204),
        (Method::POST, format!("{path}/members/{ann}/purge"), json!({}), 200),
        (Method::DELETE, format!("{path}/members/{cid}"), Value::Null, 204),
        (Method::GET, format!("{path}/moderation-log"), Value::Null, 200),
        (Method::POST, format!("{path}/messages"), json!({"client_id": house.client_id(), "body": "I"}), 403),
        (Method::PATCH, message_path(&other), json!({"body": "Mine"}), 403),
        (Method::PUT, reaction_path(&other, "👍"), Value::Null, 403),
        (Method::PUT, format!("{}/pin", message_path(&other)), Value::Null, 403),
        (Method::PUT, format!("{path}/cursor"), json!({"seq": 1}), 403),
        (Method::PUT, format!("{path}/members/{cid}"), Value::Null, 403),
        (Method::PUT, format!("{path}/members/{ben}"), json!({"role": "admin"}), 403),
    ];
    for (method, path, body, status) in table {
        let media_type = (!body.is_null()).then_some("application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let answer = operator.send(method.clone(), &path, media_type, text).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text());
    }
    let text = anns.get(&format!("{path}/messages")).await.expect(200).text();
    assert!(!text.contains("Buy"), "{text}");
}

#[tokio::test]
async fn a_public_channel_without_an_owner_is_given_one_and_never_has_two() {
    let house = House::open().await;
    let (service, other) = (house.service().await, house.service().await);
    let [ann, ben, cid, eve] = [(); 4].map(|()| house.user());
    let [anns, bens, cids] = [ann, ben, cid].map(|user| house.client(&service, user));
    let operators = [&service, &other].map(|it| it.client.with_token(&house.signer.operator_token(eve)));
    let request = json!({"kind": "channel", "title": "News", "visibility": "public", "members": [ben, cid]});
    let channel = make(&anns, request).await.id;
    let path = format!("/v1/conversations/{channel}");
    let owner = format!("{path}/owner");
    let owners = async || -> Vec<_> {
        let page: Members = operators[0].get(&format!("{path}/members")).await.expect(200).read();
        let members = page.items.into_iter();
        members.filter(|member| member.role == MemberRole::Owner).map(|member| member.user_id).collect()
    };
    // Its owner is banned, though they are that; nobody is left who could hand it over.
    operators[0].put(&format!("{path}/bans/{ann}"), &json!({"reason": "Fraud"})).await.expect(204);
    assert_eq!(owners().await, []);
    assert_eq!(
        reason(&bens.post(&owner, &json!({"user_id": ben})).await.expect(403).read()),
        "role_lacks_it"
    );
    assert_eq!(
        operators[1].post(&owner, &json!({"user_id": eve})).await.expect(422).wrong_fields(),
        ["user_id"]
    );
    for operator in &operators {
        operator.post(&owner, &json!({"user_id": ben})).await.expect(200);
    }
    assert_eq!(owners().await, [ben]);
    // From one who is there to another: the former is an admin then, as if they had done it themselves.
    operators[1].post(&owner, &json!({"user_id": cid})).await.expect(200);
    assert_eq!(owners().await, [cid]);
    let seen: Conversation = bens.get(&path).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().role, MemberRole::Admin);
    let log = whole_log(&cids, channel).await;
    let changes: Vec<_> = log
        .iter()
        .filter_map(|entry| match entry.e {
            Fact::OwnerChanged { from, to, by, .. } => Some((from, to, by)),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [(None, ben, Some(eve)), (Some(ben), cid, Some(eve))]);
    // At once through two services, there is one in the end.
    let (bens_turn, cids_turn) = (json!({"user_id": ben}), json!({"user_id": cid}));
    let (one, two) =
        tokio::join!(operators[0].post(&owner, &bens_turn), operators[1].post(&owner, &cids_turn));
    assert!(one.status == 200 && two.status == 200);
    assert_eq!(owners().await.len(), 1);
    let acts: ModerationLog = operators[0].get(&format!("{path}/moderation-log")).await.expect(200).read();
    assert!(acts.items.iter().any(|act| act.reason.as_deref() == Some("Fraud")));
}
