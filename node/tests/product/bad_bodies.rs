//! Bodies, paths and methods that are wrong, sent to the running product.

use reqwest::Method;
use serde_json::{Value, json};
use ulid::Ulid;

use crate::{
    private::conversation_of,
    process::{Folder, PASSWORD, Product},
    wire::{post, raw_refused, refused, request},
};

/// The largest body that these addresses take.
const BODY_LIMIT_BYTES: usize = 64 << 10;

fn fields(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_not_json_is_refused_everywhere() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, _) = product.member("ana").await;
    let messages = format!("/v1/conversations/{}/messages", conversation_of(&ana).await);
    let bodies: [&[u8]; 10] = [
        b"",
        b"   \r\n\t ",
        b"{",
        b"{\"handle\":",
        b"{'handle':'ana'}",
        b"{\"handle\":\"bea\",}",
        b"{} {}",
        b"\0",
        b"\xef\xbb\xbf{}",
        b"{\"handle\":\"\xff\xfe\"}",
    ];
    for path in ["/v1/accounts", "/v1/sessions", "/v1/sessions/refresh", "/v1/conversations", &messages] {
        for body in bodies {
            let token = if path.starts_with("/v1/c") { ana.token() } else { String::new() };
            let problem = refused(post(&product, path, &token, body), 400, "malformed_json").await;
            assert_eq!(problem.get("errors"), None);
        }
    }
}

#[tokio::test]
async fn fields_of_the_wrong_shape_are_named() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, me) = product.member("ana").await;
    let c = conversation_of(&ana).await;
    let messages = format!("/v1/conversations/{c}/messages");
    let account = |field: &str, value: Value| {
        let mut account = json!({"handle": "bea", "password": PASSWORD});
        account[field] = value;
        ("/v1/accounts".to_owned(), account, field.to_owned())
    };
    let message = |field: &str, value: Value| {
        let mut message = json!({"client_id": Ulid::from_parts(1, 1).to_string(), "body": "Hola"});
        message[field] = value;
        (messages.clone(), message, field.to_owned())
    };
    let conversation = |field: &str, value: Value| {
        let mut conversation = json!({"kind": "group", "title": "Tertulia"});
        conversation[field] = value;
        ("/v1/conversations".to_owned(), conversation, field.to_owned())
    };
    let cases = [
        account("handle", json!(7)),
        account("handle", json!("Ana B")),
        account("handle", json!("a".repeat(33))),
        account("handle", json!("an\0a")),
        account("handle", json!("   ")),
        account("password", json!(null)),
        account("password", json!("short")),
        account("password", json!("x".repeat(257))),
        account("display_name", json!("\u{7}")),
        account("display_name", json!("x".repeat(65))),
        account("email", json!("nobody")),
        account("operator", json!(true)),
        message("body", json!(["Hola"])),
        message("body", json!("")),
        message("body", json!(" \n\t ")),
        message("body", json!("a\0b")),
        message("body", json!("x".repeat(8_001))),
        message("client_id", json!("not a ULID")),
        message("client_id", json!(1)),
        message("reply_to", json!(me.id.to_string())),
        message("seq", json!(1)),
        conversation("kind", json!("party")),
        conversation("title", json!(" ")),
        conversation("title", json!("x".repeat(121))),
        conversation("visibility", json!("secret")),
        conversation("created_by", json!(me.id.to_string())),
    ];
    for (path, body, field) in cases {
        let problem =
            refused(post(&product, &path, &ana.token(), body.to_string()), 422, "invalid_fields").await;
        assert!(fields(&problem).contains(&field.as_str()), "{field} is not named: {problem}");
    }
    let members = json!({"kind": "group", "title": "x", "members": [c.to_string()]});
    let wrong = post(&product, "/v1/conversations", &ana.token(), members.to_string());
    assert_eq!(fields(&refused(wrong, 422, "invalid_fields").await), ["members[0]"]);
}

#[tokio::test]
async fn every_wrong_field_is_told_at_once_and_missing_ones_by_name() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let wrong = json!({"handle": "A", "password": "x", "display_name": " ", "email": "@"});
    let problem = refused(post(&product, "/v1/accounts", "", wrong.to_string()), 422, "invalid_fields").await;
    assert_eq!(fields(&problem), ["display_name", "email", "handle", "password"]);
    let problem = refused(post(&product, "/v1/accounts", "", "{}"), 422, "invalid_fields").await;
    assert_eq!(fields(&problem), ["handle"]);
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let in_order = json!(["bea", PASSWORD, null, null, null]).to_string();
    for body in ["[]", "null", "7", "\"ana\"", &in_order, &deep, &format!(r#"{{"handle":{deep}}}"#)] {
        refused(post(&product, "/v1/accounts", "", body), 422, "invalid_fields").await;
    }
}

#[tokio::test]
async fn bodies_over_their_bound_are_refused_announced_or_not() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let head =
        "POST /v1/accounts HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let big = "x".repeat(BODY_LIMIT_BYTES + 1);
    let announced = format!("{head}content-length: {}\r\n\r\n{big}", big.len());
    raw_refused(&product, announced.as_bytes(), 413, "body_too_large");
    // An announcement alone is enough: who would send it may save themselves the trouble.
    let unsent = format!("{head}content-length: 4000000000\r\n\r\n");
    raw_refused(&product, unsent.as_bytes(), 413, "body_too_large");
    let chunks = format!("400\r\n{}\r\n", "x".repeat(1 << 10)).repeat(65);
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    raw_refused(&product, chunked.as_bytes(), 413, "body_too_large");
    // One that just fits is looked at.
    let fits = format!("\"{}\"", "x".repeat(BODY_LIMIT_BYTES - 2));
    refused(post(&product, "/v1/accounts", "", fits), 422, "invalid_fields").await;
}

#[tokio::test]
async fn addresses_methods_and_media_types_that_are_not_taken() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    for path in ["/", "/v1", "/v1/nothing", "/internal/users/x", "/v1/../internal/users/x", "/v1/accounts/"] {
        raw_refused(&product, get(path).as_bytes(), 404, "route_not_found");
    }
    let wrong = request(&product, Method::DELETE, "/v1/accounts", "").send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    refused(request(&product, Method::DELETE, "/v1/accounts", ""), 405, "method_not_allowed").await;
    let typed = |media_type: &'static str| {
        request(&product, Method::POST, "/v1/accounts", "").header("content-type", media_type).body("{}")
    };
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "json"] {
        refused(typed(media_type), 415, "unsupported_media_type").await;
    }
    refused(request(&product, Method::POST, "/v1/accounts", ""), 415, "unsupported_media_type").await;
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn query_strings_are_held_to_their_rules() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, _) = product.member("ana").await;
    let c = conversation_of(&ana).await;
    for query in [
        "messages?limit=0",
        "messages?limit=201",
        "messages?limit=many",
        "messages?after_seq=-1",
        "messages?nothing=1",
        "messages?before_seq=1&after_seq=1",
        "messages?cursor=zzz",
        "log?limit=0",
        "log?after_seq=1.5",
    ] {
        let path = format!("/v1/conversations/{c}/{query}");
        refused(request(&product, Method::GET, &path, &ana.token()), 422, "invalid_fields").await;
    }
}

#[tokio::test]
async fn a_request_id_is_kept_if_it_is_one() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let named = |id: &str| request(&product, Method::GET, "/v1/me", "").header("x-request-id", id);
    let problem = refused(named("of-my-own.7"), 401, "token_missing").await;
    assert_eq!(problem["request_id"], "of-my-own.7");
    for strange in ["", "two words", &"x".repeat(65)] {
        let problem = refused(named(strange), 401, "token_missing").await;
        assert_ne!(problem["request_id"], strange);
    }
}
