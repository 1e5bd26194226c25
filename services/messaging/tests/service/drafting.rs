//! Drafts follow a person from device to device, and leave nothing behind.

use serde_json::{Value, json};
use tertulia_contracts::{
    ConversationId,
    messaging::{Draft, Drafts, MAX_DRAFTS, UserFact, UserLog},
};
use tertulia_runtime::testkit::TestClient;

use crate::harness::{House, make_group};

fn path(group: ConversationId) -> String {
    format!("/v1/conversations/{group}/draft")
}

async fn put(client: &TestClient, group: ConversationId, draft: Value) -> Option<Draft> {
    client.put(&path(group), &draft).await.expect(200).read()
}

#[tokio::test]
async fn a_draft_is_taken_up_on_another_device_and_neither_overwrites_the_other() {
    let house = House::open().await;
    let services = [house.service().await, house.service().await];
    let (ann, ben) = (house.user(), house.user());
    let [phone, desktop] = services.each_ref().map(|service| house.client(service, ann));
    let group = make_group(&phone, &[ben]).await;
    assert_eq!(phone.get(&path(group)).await.expect(404).code(), "draft_not_found");
    let first = put(&phone, group, json!({"body": "Dear"})).await.unwrap();
    let found: Draft = desktop.get(&path(group)).await.expect(200).read();
    assert_eq!(found, first);
    let second = put(&desktop, group, json!({"body": "Dear Ben", "revision": first.revision})).await.unwrap();
    assert!(second.revision > first.revision);

    // The phone went on from what it had.
    for revision in [json!(first.revision), Value::Null] {
        let late = json!({"body": "Dear Cid", "revision": revision});
        assert_eq!(phone.put(&path(group), &late).await.expect(409).code(), "draft_changed");
    }
    let gone = format!("{}?revision={}", path(group), first.revision);
    assert_eq!(phone.delete(&gone).await.expect(409).code(), "draft_changed");
    // An answer was lost, and the same is put again.
    let again = put(&desktop, group, json!({"body": "Dear Ben", "revision": first.revision})).await.unwrap();
    assert_eq!(again, second);

    // Sent from the desktop; what the phone has is of a draft that is no more.
    desktop.delete(&format!("{}?revision={}", path(group), second.revision)).await.expect(204);
    desktop.delete(&path(group)).await.expect(204);
    let late = json!({"body": "Dear Ben,", "revision": second.revision});
    assert_eq!(phone.put(&path(group), &late).await.expect(409).code(), "draft_changed");
    assert!(put(&phone, group, json!({"body": "Anew"})).await.is_some());
    // Nobody else has it, and nobody else sees it.
    let bens = house.client(&services[0], ben);
    assert_eq!(bens.get(&path(group)).await.expect(404).code(), "draft_not_found");
}

#[tokio::test]
async fn a_draft_that_is_empty_is_gone_and_its_words_are_in_no_log() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let draft = put(&anns, group, json!({"body": "A secret"})).await.unwrap();
    let told = async || anns.get("/v1/me/log").await.expect(200);
    assert!(!told().await.text().contains("secret"));
    // That they are a member is told too, whenever the bus brings it.
    let newest = async || {
        let mut facts = told().await.read::<UserLog>().items.into_iter().map(|entry| entry.e);
        facts.rfind(|fact| matches!(fact, UserFact::DraftChanged { .. })).unwrap()
    };
    let fact = |revision| UserFact::DraftChanged { conversation_id: group, revision };
    assert_eq!(newest().await, fact(Some(draft.revision)));
    assert_eq!(put(&anns, group, json!({"body": " \n", "revision": draft.revision})).await, None);
    assert_eq!(newest().await, fact(None));
    anns.get(&path(group)).await.expect(404);
    assert_eq!(anns.get("/v1/me/drafts").await.expect(200).json(), json!({"items": []}));
    assert_eq!(put(&anns, group, json!({"body": ""})).await, None, "there is none already");
    // To answer is something to say, even without words yet.
    let message = house.post(&anns, group, "Hello").await;
    let answer = put(&anns, group, json!({"body": "", "reply_to": message.id})).await.unwrap();
    assert_eq!(answer.reply_to, Some(message.id));
}

#[tokio::test]
async fn drafts_are_paged_and_bounded() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let mut groups = Vec::new();
    for _ in 0..=MAX_DRAFTS {
        groups.push(make_group(&anns, &[]).await);
    }
    let last = groups.pop().unwrap();
    for group in &groups {
        put(&anns, *group, json!({"body": "é".repeat(8_000)})).await.unwrap();
    }
    let one_more = json!({"body": "One more"});
    assert_eq!(anns.put(&path(last), &one_more).await.expect(409).code(), "too_many_drafts");
    let mut listed = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Drafts = anns.get(&format!("/v1/me/drafts?limit=7{cursor}")).await.expect(200).read();
        listed.extend(page.items.into_iter().map(|draft| draft.conversation_id));
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={next}");
    }
    groups.reverse();
    assert_eq!(listed, groups, "the one begun last first");
    // One that is there can change, and one that goes makes room.
    let there: Draft = anns.get(&path(groups[0])).await.expect(200).read();
    let changed = json!({"body": "Shorter", "revision": there.revision});
    put(&anns, groups[0], changed).await.unwrap();
    anns.delete(&path(groups[1])).await.expect(204);
    put(&anns, last, one_more).await.unwrap();

    for (draft, field) in [
        (json!({"body": "é".repeat(8_001)}), "body"),
        (json!({"body": "a\u{0}b"}), "body"),
        (json!({}), "body"),
        (json!({"body": "a", "revision": -1}), "revision"),
        (json!({"body": "a", "reply_to": "msg_1"}), "reply_to"),
    ] {
        assert_eq!(anns.put(&path(last), &draft).await.expect(422).wrong_fields(), [field], "{draft}");
    }
    let refused = anns.delete(&format!("{}?revision=x", path(last))).await.expect(422);
    assert_eq!(refused.wrong_fields(), ["revision"]);
}
