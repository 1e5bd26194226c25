//! Bad input: refused with words, never with a fault of ours, and nothing is changed.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{House, make_group, message_path, reaction_path, whole_log};

#[tokio::test]
async fn a_bad_message_is_refused_field_by_field() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let group = make_group(&ann, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let id = house.client_id().to_string();
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({"client_id": id, "body": ""}), &["body"]),
        (json!({"client_id": id, "body": " \n\t\u{3000}"}), &["body"]),
        (json!({"client_id": id, "body": "a\u{0}b"}), &["body"]),
        (json!({"client_id": id, "body": "a\u{7}b"}), &["body"]),
        (json!({"client_id": id, "body": "a\u{85}b"}), &["body"]),
        (json!({"client_id": id, "body": "é".repeat(8_001)}), &["body"]),
        (json!({"client_id": id, "body": 7}), &["body"]),
        (json!({"client_id": "x", "body": "Hello"}), &["client_id"]),
        (json!({"body": "Hello"}), &["client_id"]),
        (json!({"client_id": id, "body": "Hello", "colour": "red"}), &["colour"]),
        (json!({"client_id": id, "body": "Hello", "reply_to": group}), &["reply_to"]),
    ];
    for (post, fields) in cases {
        let refused = ann.post(&path, &post).await.expect(422);
        assert_eq!(
            (refused.code().as_str(), refused.wrong_fields()),
            ("invalid_fields", fields.iter().map(|field| (*field).to_owned()).collect()),
            "{post}"
        );
    }
    ann.post(&path, &json!({"client_id": id, "body": "é".repeat(8_000)})).await.expect(201);
    assert_eq!(whole_log(&ann, group).await.len(), 3);
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let deep = "[".repeat(100_000);
    let cases: [&[u8]; 5] = [b"", b"{", b"{\"kind\":\"group\",}", b"{\"kind\":\"\xff\"}", deep.as_bytes()];
    for body in cases {
        let answer =
            ann.send(Method::POST, "/v1/conversations", Some("application/json"), body.to_vec()).await;
        assert_eq!(answer.expect(400).code(), "malformed_json");
    }
    let untyped = ann.send(Method::POST, "/v1/conversations", Some("text/plain"), "{}").await;
    untyped.expect(415);
}

#[tokio::test]
async fn a_bad_conversation_is_refused_field_by_field() {
    let house = House::open().await;
    let service = house.service().await;
    let user = house.user();
    let ann = house.client(&service, user);
    let others: Vec<_> = (0..101).map(|_| house.user()).collect();
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({"kind": "crowd"}), &["kind"]),
        (json!({"kind": "group"}), &["title"]),
        (json!({"kind": "group", "title": "  "}), &["title"]),
        (json!({"kind": "group", "title": "a\nb"}), &["title"]),
        (json!({"kind": "group", "title": "t".repeat(121)}), &["title"]),
        (json!({"kind": "group", "title": "T", "handle": "books"}), &["handle"]),
        (json!({"kind": "group", "title": "T", "visibility": "public"}), &["visibility"]),
        (json!({"kind": "channel", "title": "T", "handle": "No Handle"}), &["handle"]),
        (json!({"kind": "direct", "members": []}), &["members"]),
        (json!({"kind": "direct", "members": [user]}), &["members"]),
        (json!({"kind": "direct", "members": others[..2]}), &["members"]),
        (json!({"kind": "direct", "title": "Us", "members": others[..1]}), &["title"]),
        (json!({"kind": "group", "title": "T", "members": others}), &["members"]),
        (json!({"kind": "group", "title": "T", "members": ["cnv_1"]}), &["members[0]"]),
        (json!({"kind": "group", "title": "T", "owner": user}), &["owner"]),
    ];
    for (request, fields) in cases {
        let refused = ann.post("/v1/conversations", &request).await.expect(422);
        assert_eq!(refused.wrong_fields(), *fields, "{request}");
    }
}

#[tokio::test]
async fn a_bad_query_is_refused_and_an_id_of_another_kind_names_nothing() {
    let house = House::open().await;
    let service = house.service().await;
    let user = house.user();
    let ann = house.client(&service, user);
    let group = make_group(&ann, &[]).await;
    for (path, field) in [
        (format!("/v1/conversations/{group}/messages?limit=0"), "limit"),
        (format!("/v1/conversations/{group}/messages?limit=201"), "limit"),
        (format!("/v1/conversations/{group}/messages?limit=ten"), "limit"),
        (format!("/v1/conversations/{group}/messages?before_seq=-1"), "before_seq"),
        (format!("/v1/conversations/{group}/messages?before_seq=3&after_seq=1"), "before_seq"),
        (format!("/v1/conversations/{group}/messages?cursor=zz"), "cursor"),
        (format!("/v1/conversations/{group}/log?after_seq=x"), "after_seq"),
        ("/v1/conversations?cursor=%00".to_owned(), "cursor"),
        ("/v1/conversations?limit=1000".to_owned(), "limit"),
        ("/v1/me/log?after_useq=x".to_owned(), "after_useq"),
        ("/v1/me/log?after_seq=1".to_owned(), "after_seq"),
    ] {
        let refused = ann.get(&path).await.expect(422);
        assert_eq!(refused.wrong_fields(), [field], "{path}");
    }
    for id in [user.to_string(), "1".to_owned(), group.to_string().to_lowercase(), "%00".to_owned()] {
        ann.get(&format!("/v1/conversations/{id}")).await.expect(404);
        ann.get(&format!("/v1/conversations/{id}/log")).await.expect(404);
    }
    ann.put(&format!("/v1/conversations/{group}/members/{group}"), &()).await.expect(404);
    let cursor = ann.put(&format!("/v1/conversations/{group}/cursor"), &json!({"seq": -1})).await.expect(422);
    assert_eq!(cursor.wrong_fields(), ["seq"]);
}

#[tokio::test]
async fn a_bad_edit_or_reaction_is_refused_and_a_message_of_elsewhere_is_not_found() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.client(&service, house.user());
    let (group, other) = (make_group(&ann, &[]).await, make_group(&ann, &[]).await);
    let message = house.post(&ann, group, "Hello").await;
    let path = message_path(&message);
    let cases: Vec<(Value, &str)> = vec![
        (json!({}), "body"),
        (json!({"body": ""}), "body"),
        (json!({"body": " \n"}), "body"),
        (json!({"body": "a\u{0}b"}), "body"),
        (json!({"body": "é".repeat(8_001)}), "body"),
        (json!({"body": "Hello", "client_id": house.client_id()}), "client_id"),
    ];
    for (edit, field) in cases {
        assert_eq!(ann.patch(&path, &edit).await.expect(422).wrong_fields(), [field], "{edit}");
    }
    for emoji in ["a", "👍👍", " ", "1", ":Tada:", &["👩"; 10].join("\u{200D}")] {
        for method in [Method::PUT, Method::DELETE] {
            let refused = ann.send(method, &reaction_path(&message, emoji), None, "").await.expect(422);
            assert_eq!(refused.wrong_fields(), ["emoji"], "{emoji:?}");
        }
    }
    ann.send(Method::PUT, &format!("{path}/reactions/%FF%FE"), None, "").await.expect(404);

    // Another conversation's message, an id of no message, and an id of another kind.
    let elsewhere = format!("/v1/conversations/{other}/messages/{}", message.id);
    let unknown: tertulia_contracts::MessageId = house.ambient.ids.next();
    for path in [elsewhere, format!("/v1/conversations/{group}/messages/{unknown}")] {
        for rest in ["", "/pin", "/reactions/%F0%9F%91%8D"] {
            let refused = ann.delete(&format!("{path}{rest}")).await.expect(404);
            assert_eq!(refused.code(), "message_not_found", "{path}{rest}");
        }
        assert_eq!(ann.get(&format!("{path}/edits")).await.expect(404).code(), "message_not_found");
        assert_eq!(ann.patch(&path, &json!({"body": "B"})).await.expect(404).code(), "message_not_found");
    }
    ann.delete(&format!("/v1/conversations/{group}/messages/{group}")).await.expect(404);
    assert_eq!(whole_log(&ann, group).await.len(), 3);
    assert_eq!(whole_log(&ann, other).await.len(), 2);
    ann.patch(&path, &json!({"body": "é".repeat(8_000)})).await.expect(200);
}
