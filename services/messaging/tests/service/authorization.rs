//! Every route, asked by those who may not.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;
use tertulia_contracts::{
    MessageId, ReportId, UserId,
    identity::Scope,
    messaging::{Conversations, Fact, UserLog},
    routes::{Access, ROUTES, Route, role},
};
use tertulia_runtime::testkit::TestClient;
use ulid::Ulid;

use crate::harness::{House, make, make_group, message_path, reaction_path, whole_log};

const NO_INVITATION: &str = "inv_01J00000000000000000000000";
/// What a client could have called a message.
const NAME: &str = "01J00000000000000000000000";

fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.role == role::MESSAGING)
}

/// A body with which the route would work for whoever may call it.
fn body_of(route: &Route, client_id: Ulid, user: UserId) -> Option<String> {
    let body = match (route.method.as_str(), route.path) {
        ("POST", "/v1/conversations") => json!({"kind": "group", "title": "Mine"}),
        ("POST", path) if path.ends_with("/scheduled") => {
            json!({"message": {"client_id": client_id, "body": "Hello"}, "send_at": "2026-06-01T00:00:00Z"})
        }
        ("PATCH", path) if path.ends_with("/{client_id}") => json!({"body": "Mine"}),
        ("PATCH", path) if path.ends_with("/{message_id}") => json!({"body": "Mine"}),
        ("PATCH", path) if path.ends_with("/membership") => json!({"hidden": true}),
        ("PATCH", _) => json!({"title": "Mine"}),
        ("POST", path) if path.ends_with("/reports") => json!({"user_id": user, "category": "spam"}),
        ("POST", path) if path.ends_with("/decision") => json!({"decision": "acted"}),
        ("PUT", path) if path.ends_with("/filters") => json!({"words": ["mine"]}),
        ("POST", path) if path.ends_with("/purge") => json!({}),
        ("POST", path) if path.ends_with("/invitations") || path.ends_with("/requests") => json!({}),
        ("POST", path) if path.ends_with("/hooks") => json!({"name": "Mine"}),
        ("PUT", path) if path.ends_with("/poll/vote") => json!({"options": [0]}),
        ("POST", path) if path.ends_with("/poll/close") => return None,
        ("POST", path) if path.ends_with("/accept") || path.ends_with("/approve") => return None,
        ("POST", path) if path.ends_with("/owner") => json!({"user_id": user}),
        ("PUT", path) if path.ends_with("/roles/{role_id}") && !path.contains("{user_id}") => {
            json!({"name": "Mine", "allow": ["pin"]})
        }
        ("PUT", path) if path.contains("/emoji/") => json!({"media_id": format!("med_{NAME}")}),
        ("PUT", path) if path.ends_with("/override") => json!({"allow": ["pin"]}),
        ("PUT", path) if path.contains("/bans/") || path.contains("/mutes/") => json!({"reason": "Mine"}),
        ("PUT", path) if path.ends_with("/{user_id}") => json!({"role": "moderator"}),
        ("POST", _) => json!({"client_id": client_id, "body": "Hello"}),
        ("PUT", path) if path.ends_with("/cursor") => json!({"seq": 1}),
        ("PUT", path) if path.ends_with("/draft") => json!({"body": "Mine"}),
        ("PUT", path) if path.ends_with("/saved") => json!({"note": "Mine"}),
        ("PUT", path) if path.ends_with("/privacy") => json!({"show_receipts": false}),
        ("PUT", "/v1/me/presence") => json!({"status": "away"}),
        _ => return None,
    };
    Some(body.to_string())
}

/// What is one's own may be let go of, wherever it was about.
fn is_letting_go(route: &Route) -> bool {
    route.method == Method::DELETE && (route.path.ends_with("/draft") || route.path.ends_with("/saved"))
}

/// The route's path with something that is there in every place.
fn path_of(route: &Route, conversation: &str, user: UserId, message: MessageId) -> String {
    let path = route.path.replace("{id}", conversation).replace("{user_id}", &user.to_string());
    path.replace("{message_id}", &message.to_string())
        .replace("{emoji}", "%F0%9F%91%8D")
        .replace("{code}", "none")
        .replace("{handle}", "none")
        .replace("{name}", "party")
        .replace("{invitation_id}", NO_INVITATION)
        .replace("{report_id}", &ReportId::from_ulid(message.ulid()).to_string())
        .replace("{client_id}", NAME)
        .replace("{hook_id}", &format!("hok_{NAME}"))
        .replace("{role_id}", &format!("rol_{NAME}"))
}

async fn call(client: &TestClient, route: &Route, path: &str, body: Option<String>) -> (u16, Option<String>) {
    let media_type = body.is_some().then_some("application/json");
    let answer = client.send(route.method.clone(), path, media_type, body.unwrap_or_default()).await;
    let status = answer.status.as_u16();
    (status, (status >= 400).then(|| answer.code()))
}

#[tokio::test]
async fn a_stranger_is_refused_every_route_of_a_private_conversation() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben, stranger) = (house.user(), house.user(), house.user());
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[ben]).await;
    let message = house.post(&anns, group, "A secret").await.id;
    let before = whole_log(&anns, group).await;
    let strangers = house.client(&service, stranger);
    // Whoever runs the instance is a stranger to what is private, like any other.
    let operators = service.client.with_token(&house.signer.operator_token(stranger));
    let unknown = house.ambient.ids.next::<tertulia_contracts::ids::Conversation>();

    let mut asked = 0;
    for route in routes().filter(|route| route.path.contains("{id}")) {
        for (user, client) in
            [ann, ben, stranger].into_iter().flat_map(|user| [(user, &strangers), (user, &operators)])
        {
            let path = |id: String| path_of(route, &id, user, message);
            let body = || body_of(route, house.client_id(), user);
            let refused = call(client, route, &path(group.to_string()), body()).await;
            let hidden = (404, Some("conversation_not_found".to_owned()));
            let expected = if is_letting_go(route) { (204, None) } else { hidden };
            assert_eq!(refused, expected, "{} {}", route.method, route.path);
            // What is not there at all looks the same.
            let absent = call(client, route, &path(unknown.to_string()), body()).await;
            assert_eq!(absent, refused, "{} {}", route.method, route.path);
            asked += 1;
        }
    }
    assert_eq!(asked, 450, "75 routes name a conversation");

    // The routes that name none show nothing of it.
    let listed: Conversations = strangers.get("/v1/conversations").await.expect(200).read();
    assert!(listed.items.is_empty());
    for path in ["/v1/me/drafts", "/v1/me/saved", "/v1/me/blocks"] {
        assert_eq!(strangers.get(path).await.expect(200).json(), json!({"items": []}), "{path}");
    }
    let log: UserLog = strangers.get("/v1/me/log").await.expect(200).read();
    assert_eq!((log.items.len(), log.head_useq), (0, 0));
    assert_eq!(whole_log(&anns, group).await, before, "nothing was changed");
}

#[tokio::test]
async fn nobody_is_served_without_a_good_token() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let anns = house.client(&service, ann);
    let group = make_group(&anns, &[]).await;
    let message = house.post(&anns, group, "A secret").await.id;
    let foreign = tertulia_contracts::identity::testkit::Signer::new(&house.ambient);
    let token = house.signer.token(ann);
    let tampered = format!("{}A{}", &token[..40], &token[41..]);
    let strangers = [
        service.client.clone(),
        service.client.with_token("not a token"),
        service.client.with_token(&foreign.token(ann)),
        service.client.with_token(&tampered),
    ];
    for route in routes().filter(|route| route.access == Access::Member) {
        let path = path_of(route, &group.to_string(), ann, message);
        for client in &strangers {
            let body = body_of(route, house.client_id(), ann);
            let (status, _) = call(client, route, &path, body).await;
            assert_eq!(status, 401, "{} {}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn a_token_is_refused_the_routes_that_are_not_of_its_scopes() {
    let house = House::open().await;
    let service = house.service().await;
    let ann = house.user();
    let group = make_group(&house.client(&service, ann), &[]).await;
    let message = house.post(&house.client(&service, ann), group, "A secret").await.id;
    for scopes in [&[Scope::Read][..], &[Scope::Write], &[]] {
        let (token, _) = house.signer.api_token(ann, scopes, false);
        let program = service.client.with_token(&token);
        let guarded = |route: &&Route| route.access == Access::Member && !scopes.contains(&route.scope);
        for route in routes().filter(guarded) {
            let path = path_of(route, &group.to_string(), ann, message);
            let body = body_of(route, house.client_id(), ann);
            let refused = call(&program, route, &path, body).await;
            let expected = (403, Some("insufficient_scope".to_owned()));
            assert_eq!(refused, expected, "{} {}", route.method, route.path);
        }
    }
}

#[tokio::test]
async fn the_router_serves_the_route_table_and_nothing_else() {
    let described = serde_json::to_value(tertulia_messaging::openapi()).unwrap();
    let mut served = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        for method in ["get", "put", "post", "delete", "patch"] {
            if let Some(operation) = item.get(method) {
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                let open = routes().any(|route| route.path == path && route.access == Access::Public);
                for status in if open { &["503"][..] } else { &["401", "422", "503"] } {
                    assert!(
                        !operation["responses"][*status].is_null(),
                        "{method} {path} does not describe {status}"
                    );
                }
                served.insert((method.to_uppercase(), path.clone()));
            }
        }
    }
    let table: BTreeSet<(String, String)> =
        routes().map(|route| (route.method.to_string(), route.path.to_owned())).collect();
    assert_eq!(served, table);
}

#[tokio::test]
async fn a_paid_channel_may_be_found_but_not_read() {
    let house = House::open().await;
    let service = house.service().await;
    let (ann, ben) = (house.user(), house.user());
    let (anns, bens) = (house.client(&service, ann), house.client(&service, ben));
    let request = json!({"kind": "channel", "title": "Exclusive", "visibility": "paid"});
    let channel = crate::harness::make(&anns, request).await.id;
    bens.get(&format!("/v1/conversations/{channel}")).await.expect(200);
    for (method, rest) in [(Method::GET, "log"), (Method::GET, "messages"), (Method::GET, "members")] {
        let path = format!("/v1/conversations/{channel}/{rest}");
        assert_eq!(bens.send(method, &path, None, "").await.expect(403).code(), "not_allowed", "{rest}");
    }
    bens.put(&format!("/v1/conversations/{channel}/members/{ben}"), &()).await.expect(403);
}

#[tokio::test]
async fn who_may_do_what_with_a_message() {
    let house = House::open().await;
    let service = house.service().await;
    let (owner, member, reader) = (house.user(), house.user(), house.user());
    let [owners, members, readers] = [owner, member, reader].map(|user| house.client(&service, user));
    let request = json!({"kind": "channel", "title": "News", "visibility": "public", "members": [member]});
    let channel = make(&owners, request).await.id;
    let group = make_group(&owners, &[member]).await;
    let direct = make(&owners, json!({"kind": "direct", "members": [member]})).await.id;
    let message = house.post(&owners, channel, "News").await;
    let (own, theirs) = (message_path(&message), house.post(&members, group, "Mine").await);
    let edit = json!({"body": "Other"});
    let refused = |answer: tertulia_runtime::testkit::TestResponse| answer.expect(403).code();

    // Somebody who may read a public channel and is no member of it may read what there was, and no more.
    readers.get(&format!("{own}/edits")).await.expect(200);
    readers.get(&format!("/v1/conversations/{channel}/pins")).await.expect(200);
    assert_eq!(refused(readers.patch(&own, &edit).await), "not_allowed");
    refused(readers.delete(&own).await);
    refused(readers.put(&reaction_path(&message, "👍"), &()).await);
    refused(readers.put(&format!("{own}/pin"), &()).await);
    // A member may react as well, but what the owner says and pins is the owner's.
    members.put(&reaction_path(&message, "👍"), &()).await.expect(204);
    refused(members.patch(&own, &edit).await);
    refused(members.delete(&own).await);
    refused(members.put(&format!("{own}/pin"), &()).await);
    refused(members.delete(&format!("{own}/pin")).await);
    // The owner may delete what others say, but not put words into their mouths.
    refused(owners.patch(&message_path(&theirs), &edit).await);
    owners.put(&format!("{}/pin", message_path(&theirs)), &()).await.expect(204);
    owners.delete(&message_path(&theirs)).await.expect(204);
    // The two of a direct conversation are equals.
    let said = house.post(&owners, direct, "Between us").await;
    refused(members.delete(&message_path(&said)).await);
    members.put(&format!("{}/pin", message_path(&said)), &()).await.expect(204);
    // Who was removed has no more to do with what they wrote.
    let left = house.post(&members, group, "Before I go").await;
    members.delete(&format!("/v1/conversations/{group}/members/{member}")).await.expect(204);
    assert_eq!(members.delete(&message_path(&left)).await.expect(404).code(), "conversation_not_found");
    let deleted = whole_log(&owners, group).await;
    assert_eq!(deleted.iter().filter(|entry| matches!(entry.e, Fact::MessageDeleted { .. })).count(), 1);
}
