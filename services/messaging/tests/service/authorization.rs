//! Every route, asked by those who may not.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;
use tertulia_contracts::{
    UserId,
    messaging::{Conversations, UserLog},
    routes::{ROUTES, Route, role},
};
use tertulia_runtime::testkit::TestClient;
use ulid::Ulid;

use crate::harness::{House, make_group, whole_log};

fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.role == role::MESSAGING)
}

/// A body with which the route would work for whoever may call it.
fn body_of(route: &Route, client_id: Ulid, user: UserId) -> Option<String> {
    let body = match (route.method.as_str(), route.path) {
        ("POST", "/v1/conversations") => json!({"kind": "group", "title": "Mine"}),
        ("PATCH", _) => json!({"title": "Mine"}),
        ("POST", path) if path.ends_with("/owner") => json!({"user_id": user}),
        ("PUT", path) if path.ends_with("/{user_id}") => json!({"role": "moderator"}),
        ("POST", _) => json!({"client_id": client_id, "body": "Hello"}),
        ("PUT", path) if path.ends_with("/cursor") => json!({"seq": 1}),
        _ => return None,
    };
    Some(body.to_string())
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
    house.post(&anns, group, "A secret").await;
    let before = whole_log(&anns, group).await;
    let strangers = house.client(&service, stranger);
    let unknown = house.ambient.ids.next::<tertulia_contracts::ids::Conversation>();

    let mut asked = 0;
    for route in routes().filter(|route| route.path.contains("{id}")) {
        for user in [ann, ben, stranger] {
            let path = |id: String| route.path.replace("{id}", &id).replace("{user_id}", &user.to_string());
            let body = || body_of(route, house.client_id(), user);
            let refused = call(&strangers, route, &path(group.to_string()), body()).await;
            assert_eq!(
                refused,
                (404, Some("conversation_not_found".to_owned())),
                "{} {}",
                route.method,
                route.path
            );
            // What is not there at all looks the same.
            let absent = call(&strangers, route, &path(unknown.to_string()), body()).await;
            assert_eq!(absent, refused, "{} {}", route.method, route.path);
            asked += 1;
        }
    }
    assert_eq!(asked, 30, "10 routes name a conversation");

    // The routes that name none show nothing of it.
    let listed: Conversations = strangers.get("/v1/conversations").await.expect(200).read();
    assert!(listed.items.is_empty());
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
    let foreign = tertulia_contracts::identity::testkit::Signer::new(&house.ambient);
    let token = house.signer.token(ann);
    let tampered = format!("{}A{}", &token[..40], &token[41..]);
    let strangers = [
        service.client.clone(),
        service.client.with_token("not a token"),
        service.client.with_token(&foreign.token(ann)),
        service.client.with_token(&tampered),
    ];
    for route in routes() {
        let path = route.path.replace("{id}", &group.to_string()).replace("{user_id}", &ann.to_string());
        for client in &strangers {
            let body = body_of(route, house.client_id(), ann);
            let (status, _) = call(client, route, &path, body).await;
            assert_eq!(status, 401, "{} {}", route.method, route.path);
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
                for status in ["401", "422", "503"] {
                    assert!(
                        !operation["responses"][status].is_null(),
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
