//! Incoming webhooks: made, used, ended.

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{
        Conversation, Hooks, IssuedHook, MAX_HOOK_NAME_CHARS, MAX_HOOKS, Message, Messages, Purged, Via,
    },
};
use tertulia_documents::{Documents as _, Index, Key, Scan};
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::harness::{House, make, make_group, message_path, whole_log};

async fn make_hook(client: &TestClient, c: ConversationId) -> IssuedHook {
    client.post(&format!("/v1/conversations/{c}/hooks"), &json!({"name": "CI"})).await.expect(201).read()
}

async fn messages(client: &TestClient, c: ConversationId) -> Vec<Message> {
    client.get(&format!("/v1/conversations/{c}/messages")).await.expect(200).read::<Messages>().items
}

async fn send_form(client: &TestClient, path: &str, body: &str) -> TestResponse {
    client.send(Method::POST, path, Some("application/x-www-form-urlencoded"), body.to_owned()).await
}

/// The answer in Slack's manner: a status and one word.
fn word(answer: &TestResponse) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{}", answer.text());
    (answer.status.as_u16(), answer.text())
}

#[tokio::test]
async fn what_comes_through_a_hook_is_the_hooks_own() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let issued = make_hook(&anns, group).await;
    assert!(issued.path.starts_with("/v1/hooks/terh_"));

    // Nobody signs in to post.
    let program = &service.client;
    let answer = program.post(&issued.path, &json!({"text": "*Build 7* failed"})).await;
    assert_eq!(word(&answer), (200, "ok".to_owned()));
    let payload = r"payload=%7B%22text%22%3A%22a+%26amp%3B+b%22%2C%22username%22%3A%22Deploy%22%2C%22icon_emoji%22%3A%22%3Aghost%3A%22%7D";
    assert_eq!(word(&send_form(program, &issued.path, payload).await), (200, "ok".to_owned()));
    // What says by mistake that it is a form, as curl does.
    assert_eq!(word(&send_form(program, &issued.path, r#"{"text":"raw"}"#).await), (200, "ok".to_owned()));

    let shown = messages(&bens, group).await;
    let hooks = UserId::from_ulid(issued.hook.id.ulid());
    let via = |name: &str, icon_emoji: Option<&str>| {
        let icon_emoji = icon_emoji.map(str::to_owned);
        Some(Box::new(Via { name: Some(name.to_owned()), icon_emoji, ..Via::hook(issued.hook.id) }))
    };
    let said: Vec<_> =
        shown.iter().map(|message| (message.author_id, message.body.as_str(), message.via.clone())).collect();
    let expected = [
        (hooks, "**Build 7** failed", via("CI", None)),
        (hooks, "a & b", via("Deploy", Some(":ghost:"))),
        (hooks, "raw", via("CI", None)),
    ];
    assert_eq!(said, expected);
    // Its maker did not say it: it is unread for them, and not theirs to edit.
    let seen: Conversation = anns.get(&format!("/v1/conversations/{group}")).await.expect(200).read();
    assert_eq!(seen.membership.unwrap().unread, 3);
    anns.patch(&message_path(&shown[0]), &json!({"body": "Built"})).await.expect(403);
    // Nobody says of themselves that it came through a hook.
    let post = json!({"client_id": house.client_id(), "body": "x", "via": {"hook_id": issued.hook.id}});
    let refused = anns.post(&format!("/v1/conversations/{group}/messages"), &post).await;
    assert_eq!(refused.expect(422).wrong_fields().len(), 1);
    assert_eq!(house.post(&anns, group, "by hand").await.via, None);

    // What is deleted says nothing any more, not even who seemed to say it.
    anns.delete(&message_path(&shown[1])).await.expect(204);
    let log = serde_json::to_string(&whole_log(&bens, group).await).unwrap();
    assert!(!log.contains("Deploy") && !log.contains(":ghost:"), "{log}");
    assert_eq!(messages(&bens, group).await[1].via, Some(Box::new(Via::hook(issued.hook.id))));
    let purge = format!("/v1/conversations/{group}/members/{hooks}/purge");
    let purged: Purged = anns.post(&purge, &json!({})).await.expect(200).read();
    assert_eq!((purged.deleted, purged.more), (2, false));
}

#[tokio::test]
async fn what_is_wrong_is_said_in_slacks_words() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let path = make_hook(&anns, group).await.path;
    let before = whole_log(&anns, group).await;
    for (payload, code) in [
        (json!({}), "no_text"),
        (json!({"attachments": vec![json!({"text": "x"}); 101]}), "too_many_attachments"),
        (json!({"text": "x", "blocks": vec![json!({"type": "divider"}); 51]}), "invalid_blocks"),
        (json!({"text": 7}), "invalid_payload"),
        (json!(["x"]), "invalid_payload"),
        (json!("x"), "invalid_payload"),
    ] {
        let answer = service.client.post(&path, &payload).await;
        assert_eq!(word(&answer), (400, code.to_owned()), "{payload}");
    }
    for body in ["", "{", "payload", "payload=", "other=%7B%7D", "payload=%FF", "payload=%5B%5D"] {
        let answer = send_form(&service.client, &path, body).await;
        assert_eq!(word(&answer), (400, "invalid_payload".to_owned()), "{body}");
    }
    assert_eq!(whole_log(&anns, group).await, before);

    let filters = format!("/v1/conversations/{group}/filters");
    anns.put(&filters, &json!({"words": ["lottery"]})).await.expect(200);
    // Who sets the filters is not held to them, and nor is what they answer for.
    service.client.post(&path, &json!({"text": "lottery"})).await.expect(200);
    anns.put(&format!("/v1/conversations/{group}/archive"), &()).await.expect(200);
    let answer = service.client.post(&path, &json!({"text": "too late"})).await;
    assert_eq!(word(&answer), (410, "channel_is_archived".to_owned()));
}

#[tokio::test]
async fn a_hook_is_good_as_long_as_it_is_there_and_its_maker_may() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[]).await;
    let bens_place = format!("/v1/conversations/{group}/members/{ben}");
    anns.put(&bens_place, &json!({"role": "admin"})).await.expect(200);
    let (bens_hook, anns_hook) = (make_hook(&bens, group).await, make_hook(&anns, group).await);
    let payload = json!({"text": "hello"});
    let post = async |hook: &IssuedHook| word(&service.client.post(&hook.path, &payload).await);
    let mut expected = 0;
    for (role, answer) in [("admin", "ok"), ("moderator", "action_prohibited"), ("admin", "ok")] {
        anns.put(&bens_place, &json!({"role": role})).await.expect(200);
        assert_eq!(post(&bens_hook).await.1, answer);
        expected += usize::from(answer == "ok");
    }
    let mute = format!("/v1/conversations/{group}/mutes/{ben}");
    anns.put(&mute, &json!({})).await.expect(204);
    assert_eq!(post(&bens_hook).await, (403, "action_prohibited".to_owned()));
    anns.delete(&bens_place).await.expect(204);
    assert_eq!(post(&bens_hook).await, (404, "channel_not_found".to_owned()));
    post(&anns_hook).await;

    let own = format!("/v1/conversations/{group}/hooks/{}", anns_hook.hook.id);
    for _ in 0..2 {
        anns.delete(&own).await.expect(204);
        assert_eq!(post(&anns_hook).await, (404, "no_service".to_owned()));
    }
    let (head, last) = bens_hook.path.split_at(bens_hook.path.len() - 1);
    let mistyped = format!("{head}{}", if last == "0" { "1" } else { "0" });
    for wrong in [mistyped.as_str(), head, "/v1/hooks/x", &format!("/v1/hooks/{}", anns_hook.hook.id)] {
        let answer = service.client.post(wrong, &payload).await;
        assert_eq!(word(&answer), (404, "no_service".to_owned()), "{wrong}");
    }
    assert_eq!(messages(&anns, group).await.len(), expected + 1);
}

#[tokio::test]
async fn hooks_are_for_those_who_manage_them() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let group = make_group(&anns, &[ben]).await;
    let other = make_group(&anns, &[]).await;
    let direct = make(&anns, json!({"kind": "direct", "members": [ben]})).await.id;
    let issued = make_hook(&anns, group).await;
    let path = format!("/v1/conversations/{group}/hooks");
    let own = format!("{path}/{}", issued.hook.id);
    for refused in
        [bens.get(&path).await, bens.post(&path, &json!({"name": "x"})).await, bens.delete(&own).await]
    {
        assert_eq!(refused.expect(403).code(), "not_allowed");
    }
    let refused = anns.post(&format!("/v1/conversations/{direct}/hooks"), &json!({"name": "x"})).await;
    assert_eq!(refused.expect(403).code(), "not_allowed");
    // Through another conversation nothing is ended.
    anns.delete(&format!("/v1/conversations/{other}/hooks/{}", issued.hook.id)).await.expect(204);
    let listed = anns.get(&path).await.expect(200);
    assert!(!listed.text().contains("terh_"));
    assert_eq!(listed.read::<Hooks>().items, [issued.hook]);
    for name in ["", " ", "a\nb", &"n".repeat(MAX_HOOK_NAME_CHARS + 1)] {
        assert_eq!(anns.post(&path, &json!({"name": name})).await.expect(422).wrong_fields(), ["name"]);
    }
    // Only a fingerprint is kept of the secret.
    let hooks = tertulia_messaging::COLLECTIONS.iter().find(|it| it.name == "hooks").unwrap();
    let stored = service.store.scan(hooks, Scan::of(Index::ID, Key::new(), 10)).await.unwrap();
    let secret = issued.path.rsplit('/').next().unwrap();
    assert_eq!(stored.items.len(), 1);
    assert!(stored.items.iter().all(|stored| !stored.body.get().contains(&secret[5..])));
}

#[tokio::test]
async fn there_are_so_many_hooks_and_no_more() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let path = format!("/v1/conversations/{group}/hooks");
    let request = json!({"name": "n".repeat(MAX_HOOK_NAME_CHARS)});
    let answers = join_all((0..MAX_HOOKS + 3).map(|_| anns.post(&path, &request))).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(made.len(), MAX_HOOKS);
    assert!(refused.iter().all(|answer| answer.code() == "too_many_hooks"));
    let third: IssuedHook = made[3].read();
    anns.delete(&format!("{path}/{}", third.hook.id)).await.expect(204);
    make_hook(&anns, group).await;
    assert_eq!(anns.get(&path).await.expect(200).read::<Hooks>().items.len(), MAX_HOOKS);
}

#[tokio::test]
async fn who_is_only_quoted_is_not_called() {
    let house = House::open().await;
    let service = house.service().await;
    let anns = house.client(&service, house.user());
    let group = make_group(&anns, &[]).await;
    let path = make_hook(&anns, group).await.path;
    for payload in [
        json!({"text": "merged: ping @everyone"}),
        json!({"text": "<!channel> it is down"}),
        json!({"text": "@here it is up", "link_names": true}),
    ] {
        service.client.post(&path, &payload).await.expect(200);
    }
    let shown = messages(&anns, group).await;
    let calls: Vec<usize> = shown.iter().map(|message| message.entities.len()).collect();
    assert_eq!(calls, [0, 1, 1], "{shown:?}");
}
