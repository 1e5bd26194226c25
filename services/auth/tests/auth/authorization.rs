//! Who may call what: every route has its case here, and a route without one fails the test.

use std::collections::BTreeMap;

use http::Method;
use tertulia_contracts::{
    SessionId, UserId,
    identity::testkit::Signer,
    routes::{Access, ROUTES, role},
};
use tertulia_runtime::testkit::TestClient;

use crate::app::App;

/// What a caller without a valid token is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// 401, whatever they ask for.
    Refused,
    /// Anybody may call it.
    Admitted,
}

const CASES: &[(Method, &str, Stranger)] = &[
    (Method::POST, "/v1/accounts", Stranger::Admitted),
    (Method::POST, "/v1/sessions", Stranger::Admitted),
    (Method::POST, "/v1/sessions/refresh", Stranger::Admitted),
    (Method::GET, "/v1/sessions", Stranger::Refused),
    (Method::DELETE, "/v1/sessions/{id}", Stranger::Refused),
    (Method::DELETE, "/v1/sessions", Stranger::Refused),
    (Method::POST, "/v1/sessions/current/step-up", Stranger::Refused),
    (Method::GET, "/v1/me/credentials", Stranger::Refused),
    (Method::POST, "/v1/me/totp", Stranger::Refused),
    (Method::DELETE, "/v1/me/totp", Stranger::Refused),
    (Method::POST, "/v1/me/totp/confirm", Stranger::Refused),
    (Method::POST, "/v1/me/recovery-codes", Stranger::Refused),
    (Method::POST, "/v1/tokens", Stranger::Refused),
    (Method::GET, "/v1/tokens", Stranger::Refused),
    (Method::DELETE, "/v1/tokens/{id}", Stranger::Refused),
    (Method::POST, "/v1/bots", Stranger::Refused),
    (Method::GET, "/v1/bots", Stranger::Refused),
    (Method::DELETE, "/v1/bots/{id}", Stranger::Refused),
    (Method::GET, "/v1/me", Stranger::Refused),
    (Method::PATCH, "/v1/me", Stranger::Refused),
    (Method::DELETE, "/v1/me", Stranger::Refused),
    (Method::POST, "/v1/erasures/report", Stranger::Admitted),
    (Method::DELETE, "/v1/operator/accounts/{id}", Stranger::Refused),
    (Method::GET, "/v1/operator/erasures", Stranger::Refused),
    (Method::PUT, "/v1/me/email", Stranger::Refused),
    (Method::POST, "/v1/me/email/verification", Stranger::Refused),
    (Method::PUT, "/v1/me/password", Stranger::Refused),
    (Method::POST, "/v1/email/verify", Stranger::Admitted),
    (Method::POST, "/v1/password/forgot", Stranger::Admitted),
    (Method::POST, "/v1/password/reset", Stranger::Admitted),
    (Method::GET, "/v1/operator/mail", Stranger::Refused),
    (Method::POST, "/v1/operator/invitations", Stranger::Refused),
    (Method::GET, "/v1/operator/invitations", Stranger::Refused),
    (Method::DELETE, "/v1/operator/invitations/{id}", Stranger::Refused),
    (Method::GET, "/v1/operator/accounts", Stranger::Refused),
    (Method::PUT, "/v1/operator/accounts/{id}/moderator", Stranger::Refused),
    (Method::DELETE, "/v1/operator/accounts/{id}/moderator", Stranger::Refused),
    (Method::PUT, "/v1/operator/accounts/{id}/suspension", Stranger::Refused),
    (Method::DELETE, "/v1/operator/accounts/{id}/suspension", Stranger::Refused),
    (Method::GET, "/v1/operator/audit", Stranger::Refused),
    (Method::GET, "/v1/operator/audit/verification", Stranger::Refused),
    (Method::GET, "/v1/operator/keys", Stranger::Refused),
    (Method::POST, "/v1/operator/keys/rotation", Stranger::Refused),
    (Method::GET, "/v1/instance", Stranger::Admitted),
    (Method::GET, "/v1/users", Stranger::Refused),
    (Method::GET, "/v1/users/{id}", Stranger::Refused),
    (Method::GET, "/.well-known/jwks.json", Stranger::Admitted),
    (Method::GET, "/setup", Stranger::Admitted),
    (Method::GET, "/verify-email", Stranger::Admitted),
    (Method::GET, "/reset-password", Stranger::Admitted),
    (Method::GET, "/v1/openid", Stranger::Admitted),
    (Method::POST, "/v1/openid/{provider}/start", Stranger::Admitted),
    (Method::POST, "/v1/openid/finish", Stranger::Admitted),
    (Method::POST, "/v1/openid/accounts", Stranger::Admitted),
    (Method::GET, "/openid/callback", Stranger::Admitted),
    (Method::GET, "/v1/me/openid", Stranger::Refused),
    (Method::POST, "/v1/me/openid/{provider}/start", Stranger::Refused),
    (Method::POST, "/v1/me/openid/finish", Stranger::Refused),
    (Method::DELETE, "/v1/me/openid/{id}", Stranger::Refused),
    (Method::POST, "/v1/passkeys/start", Stranger::Admitted),
    (Method::POST, "/v1/passkeys/finish", Stranger::Admitted),
    (Method::POST, "/v1/me/passkeys/start", Stranger::Refused),
    (Method::POST, "/v1/me/passkeys", Stranger::Refused),
    (Method::GET, "/v1/me/passkeys", Stranger::Refused),
    (Method::DELETE, "/v1/me/passkeys/{id}", Stranger::Refused),
];

#[test]
fn every_route_has_a_case_and_stands_in_the_table() {
    type Routes = BTreeMap<(String, String), Stranger>;
    let key = |method: &str, path: &str| (method.to_lowercase(), path.to_owned());
    let cases: Routes =
        CASES.iter().map(|(method, path, case)| (key(method.as_str(), path), *case)).collect();
    let table = ROUTES.iter().filter(|route| route.role == role::AUTH).map(|route| {
        let member = route.access == Access::Member;
        let case = if member { Stranger::Refused } else { Stranger::Admitted };
        (key(route.method.as_str(), route.path), case)
    });
    assert_eq!(cases, table.collect::<Routes>());

    // The document is made from the very macros that make the router.
    let document = serde_json::to_value(tertulia_auth::openapi()).unwrap();
    let served = document["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().iter().map(move |(method, operation)| {
            let secured = operation.get("security").is_some();
            (key(method, path), if secured { Stranger::Refused } else { Stranger::Admitted })
        })
    });
    assert_eq!(cases, served.collect::<Routes>());
}

#[test]
fn the_document_refers_to_nothing_that_is_not_in_it() {
    let document = serde_json::to_value(tertulia_auth::openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let referred =
        text.split(r##""$ref":"#/components/schemas/"##).skip(1).filter_map(|rest| rest.split('"').next());
    let referred: Vec<&str> = referred.collect();
    assert!(referred.contains(&"SignedIn") && referred.contains(&"CreateAccount"));
    assert_eq!(referred.iter().find(|name| !schemas.contains_key(**name)), None);
}

async fn ask(
    client: &TestClient,
    method: &Method,
    path: &str,
    user: UserId,
    session: SessionId,
) -> (u16, String) {
    let id = if path.starts_with("/v1/users") { user.to_string() } else { session.to_string() };
    let path = path.replace("{id}", &id);
    let answer = client.send(method.clone(), &path, Some("application/json"), "{}".to_owned()).await;
    let code = if answer.status.is_success() { String::new() } else { answer.code() };
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn a_stranger_gets_into_no_members_route() {
    let (house, app) = App::open().await;
    let ana = app.register("ana").await;
    let foreign = Signer::new(&house.ambient).token_of(ana.account.id, ana.session.id);
    let (head, rest) = ana.access_token.split_once('.').unwrap();
    let tampered = format!("{head}.A{}", &rest[1..]);
    let cut = &ana.access_token[..ana.access_token.len() - 1];
    let clients = [
        (app.client.clone(), "token_missing"),
        (app.client.with_token(&foreign), "token_invalid"),
        (app.client.with_token(&tampered), "token_invalid"),
        (app.client.with_token(cut), "token_invalid"),
        (app.client.with_token("nonsense"), "token_invalid"),
        (app.client.with_token(&ana.refresh_token), "token_invalid"),
        (app.client.with_header(http::header::AUTHORIZATION, "Basic YW5hOnB3"), "token_invalid"),
    ];
    for (method, path, case) in CASES {
        for (client, code) in &clients {
            let answer = ask(client, method, path, ana.account.id, ana.session.id).await;
            match case {
                Stranger::Refused => assert_eq!(answer, (401, (*code).to_owned()), "{method} {path}"),
                Stranger::Admitted => assert_ne!(answer.0, 401, "{method} {path}"),
            }
        }
    }
    app.of(&ana).get("/v1/me").await.expect(200);
}

#[tokio::test]
async fn an_expired_token_or_one_of_an_ended_session_gets_into_no_members_route() {
    let (house, app) = App::open().await;
    let (expired, other) = (app.register("ana").await, app.sign_in("ana").await);
    let path = format!("/v1/sessions/{}", other.session.id);
    app.of(&expired).delete(&path).await.expect(204);
    for (method, path, _) in CASES.iter().filter(|(_, _, case)| *case == Stranger::Refused) {
        let answer = ask(&app.of(&other), method, path, other.account.id, expired.session.id).await;
        assert_eq!(answer, (401, "session_ended".to_owned()), "{method} {path}");
    }
    house.clock.advance(std::time::Duration::from_secs(605));
    for (method, path, _) in CASES.iter().filter(|(_, _, case)| *case == Stranger::Refused) {
        let answer = ask(&app.of(&expired), method, path, expired.account.id, other.session.id).await;
        assert_eq!(answer, (401, "token_expired".to_owned()), "{method} {path}");
    }
}
