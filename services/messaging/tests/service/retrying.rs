//! Posts that are sent again after something happened that would keep their author from posting them now.

use http::Method;
use serde_json::{Value, json};
use tertulia_contracts::{ConversationId, messaging::Posted};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make, make_group, reason, whole_log};

async fn send(client: &TestClient, to: ConversationId, post: &Value) -> (u16, Value) {
    let answer = client.post(&format!("/v1/conversations/{to}/messages"), post).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn what_was_posted_stands_for_whoever_sends_it_again_whatever_happened_since() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&one, ben));
    let group = make_group(&anns, &[ben]).await;
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let original = house.post(&anns, direct, "Elsewhere").await;
    let said = || json!({"client_id": house.client_id(), "body": "A durian"});
    let forward = json!({"conversation_id": direct, "message_id": original.id});
    let passed_on = || json!({"client_id": house.client_id(), "forward": forward});
    let first = [(direct, said()), (group, said()), (group, passed_on())];
    let mut posted = Vec::new();
    for (place, post) in &first {
        let (status, answer) = send(&bens, *place, post).await;
        assert_eq!(status, 201, "{answer}");
        posted.push(answer);
    }

    let path = format!("/v1/conversations/{group}");
    let filters = json!({"words": ["durian"], "links": {"mode": "allow_all"}});
    for (method, deed, body, places, refused) in [
        (Method::PUT, format!("/v1/me/blocks/{ben}"), json!({}), 0..1, 403),
        (Method::PUT, format!("{path}/filters"), filters, 1..2, 422),
        (Method::PUT, format!("{path}/mutes/{ben}"), json!({}), 1..3, 403),
        (Method::PUT, format!("{path}/archive"), Value::Null, 1..3, 403),
    ] {
        let media_type = (!body.is_null()).then_some("application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let done = anns.send(method, &deed, media_type, text).await;
        assert!(done.status.is_success(), "{deed}: {}", done.text());
        for index in places {
            let (place, post) = &first[index];
            let lengths = (whole_log(&anns, *place).await.len(), whole_log(&anns, direct).await.len());
            for service in [&one, &other] {
                let bens = house.client(service, ben);
                // Nothing but a repeat is one: neither another message, nor other words under the same name.
                let mut anew = post.clone();
                anew["client_id"] = json!(house.client_id());
                assert_eq!(send(&bens, *place, &anew).await.0, refused, "{deed}");
                let mut altered = post.clone();
                altered["silent"] = json!(true);
                assert_eq!(send(&bens, *place, &altered).await.0, refused, "{deed}");
                assert_eq!(send(&bens, *place, post).await, (200, posted[index].clone()), "{deed}");
            }
            let after = (whole_log(&anns, *place).await.len(), whole_log(&anns, direct).await.len());
            assert_eq!(after, lengths);
        }
    }
    // Who may not read any more is not told that their message stands, either.
    anns.delete(&format!("{path}/archive")).await.expect(200);
    anns.delete(&format!("{path}/members/{ben}")).await.expect(204);
    for (place, post) in &first[1..] {
        assert_eq!(send(&bens, *place, post).await.0, 404);
    }
}

#[tokio::test]
async fn what_one_service_took_another_knows_although_it_refuses_its_author() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let anns = house.client(&one, ann);
    let group = make_group(&anns, &[ben]).await;
    let post = json!({"client_id": house.client_id(), "body": "Hello"});
    // It was appended, and the answer was lost.
    one.store.lose_answers();
    let (status, _) = send(&house.client(&one, ben), group, &post).await;
    assert!(status >= 500, "{status}");
    one.store.mend();
    anns.put(&format!("/v1/conversations/{group}/mutes/{ben}"), &()).await.expect(204);
    let bens = house.client(&other, ben);
    let again = bens.post(&format!("/v1/conversations/{group}/messages"), &post).await.expect(200);
    assert_eq!(again.read::<Posted>().message.body, "Hello");
    let fresh = json!({"client_id": house.client_id(), "body": "Hello"});
    let (status, problem) = send(&bens, group, &fresh).await;
    assert_eq!((status, reason(&problem).as_str()), (403, "muted"));
}
