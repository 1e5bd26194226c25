//! Filters: words and links that are kept out.

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Fact, Filters},
};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::harness::{House, make_group, message_path, reason, whole_log};

fn filters_path(conversation: ConversationId) -> String {
    format!("/v1/conversations/{conversation}/filters")
}

async fn say(house: &House, client: &TestClient, conversation: ConversationId, body: &str) -> TestResponse {
    let post = json!({"client_id": house.client_id(), "body": body});
    client.post(&format!("/v1/conversations/{conversation}/messages"), &post).await
}

#[tokio::test]
async fn what_is_kept_out_is_refused_in_posts_and_edits_and_the_list_is_nobodys_business() {
    let house = House::open().await;
    let (one, other) = (house.service().await, house.service().await);
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&one, ann), house.client(&other, ben));
    let group = make_group(&anns, &[ben]).await;
    let own = house.post(&bens, group, "An early durian").await;
    let filters = json!({"words": ["durian"], "links": {"mode": "deny_listed", "domains": ["spam.example"]}});
    for _ in 0..2 {
        let set: Value = anns.put(&filters_path(group), &filters).await.expect(200).json();
        assert_eq!(set, filters);
    }
    // Also through a service whose writer remembers the conversation as it was.
    for (body, sort) in [("Fresh DURIAN!", "a word"), ("See https://www.spam.example/x", "a link")] {
        let refused = say(&house, &bens, group, body).await.expect(422);
        assert_eq!(refused.wrong_fields(), ["body"]);
        let text = refused.text();
        assert!(text.contains(sort) && !text.contains("durian") && !text.contains("spam.example"), "{text}");
    }
    let edit = bens.patch(&message_path(&own), &json!({"body": "A late durian"})).await.expect(422);
    assert_eq!(edit.wrong_fields(), ["body"]);
    // What stands there stays, and may stay as it is.
    bens.patch(&message_path(&own), &json!({"body": "An early durian"})).await.expect(200);
    say(&house, &bens, group, "A durianless day").await.expect(201);
    // Whoever may set them is not held to them.
    say(&house, &anns, group, "Durian").await.expect(201);

    assert_eq!(reason(&bens.get(&filters_path(group)).await.expect(403).read()), "role_lacks_it");
    assert_eq!(reason(&bens.put(&filters_path(group), &filters).await.expect(403).read()), "role_lacks_it");
    let log = whole_log(&bens, group).await;
    let changes: Vec<_> =
        log.iter().filter(|entry| matches!(entry.e, Fact::FiltersChanged { by, .. } if by == ann)).collect();
    assert_eq!(changes.len(), 1, "set to what they are, nothing changes");
    let text = bens.get(&format!("/v1/conversations/{group}/log")).await.expect(200).text();
    assert!(!text.contains("spam.example"), "{text}");
    let acts = anns.get(&format!("/v1/conversations/{group}/moderation-log")).await.expect(200).text();
    assert!(acts.contains("filters_changed") && !acts.contains("spam.example"), "{acts}");

    assert_eq!(
        anns.put(&filters_path(group), &json!({})).await.expect(200).read::<Filters>(),
        Filters::default()
    );
    say(&house, &bens, group, "Durian at last").await.expect(201);
}

#[tokio::test]
async fn filters_have_their_bounds() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let words = |count: usize| (0..count).map(|number| format!("word{number}")).collect::<Vec<_>>();
    let domains = |count: usize| (0..count).map(|number| format!("d{number}.example")).collect::<Vec<_>>();
    let links = |domains: Vec<String>| json!({"links": {"mode": "allow_listed", "domains": domains}});
    for good in [json!({"words": words(100)}), json!({"words": ["ä".repeat(40)]}), links(domains(100))] {
        anns.put(&filters_path(group), &good).await.expect(200);
    }
    for bad in [
        json!({"words": words(101)}),
        json!({"words": ["ä".repeat(41)]}),
        json!({"words": [" "]}),
        links(domains(101)),
        links(vec!["Example.org".to_owned()]),
        links(vec!["localhost".to_owned()]),
        links(vec!["https://example.org".to_owned()]),
        json!({"links": {"mode": "some", "domains": []}}),
    ] {
        anns.put(&filters_path(group), &bad).await.expect(422);
    }
}
