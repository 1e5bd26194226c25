//! Tokens that are absent, made up, tampered with, another instance's, or too old.

use reqwest::Method;
use tertulia_client::{Api, Socket, SocketError};

use crate::{
    process::{DEADLINE, Folder, Product},
    wire::{refused, request},
};

/// A member's address of each service that has one.
const PATHS: [&str; 3] = ["/v1/me", "/v1/sessions", "/v1/conversations"];

async fn refused_everywhere(product: &Product, token: &str, code: &str) {
    for path in PATHS {
        refused(request(product, Method::GET, path, token), 401, code).await;
    }
    let greeted = Socket::hello(&product.url, token, None).await;
    match greeted.map(|_| ()) {
        Err(SocketError::Closed(closed)) => assert_eq!(closed.code, 4001, "{closed:?}"),
        other => panic!("a socket with {token:?} is not closed: {other:?}"),
    }
}

/// The same token with one character of its `part`-th part changed.
fn tampered(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(ToOwned::to_owned).collect();
    let middle = parts[part].len() / 2;
    let other = if parts[part].as_bytes()[middle] == b'A' { "B" } else { "A" };
    parts[part].replace_range(middle..=middle, other);
    parts.join(".")
}

#[tokio::test]
async fn tokens_that_are_not_ours_are_refused() {
    let (folder, foreign_folder) = (Folder::new(), Folder::new());
    let (product, foreign) = (Product::up(&folder, &[]), Product::up(&foreign_folder, &[]));
    let (ana, _) = product.member("ana").await;
    let (stranger, _) = foreign.member("ana").await;
    let token = ana.token();
    for path in PATHS {
        refused(request(&product, Method::GET, path, ""), 401, "token_missing").await;
        let basic = request(&product, Method::GET, path, "").basic_auth("ana", Some("x"));
        refused(basic, 401, "token_invalid").await;
    }
    let unsigned = {
        // {"alg":"none","typ":"at+jwt"}
        let payload = token.split('.').nth(1).unwrap();
        format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.")
    };
    let signature_of_another = {
        let (head, _) = token.rsplit_once('.').unwrap();
        format!("{head}.{}", stranger.token().rsplit_once('.').unwrap().1)
    };
    let wrong = [
        "x".to_owned(),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
        tampered(&token, 0),
        tampered(&token, 1),
        tampered(&token, 2),
        token.rsplit_once('.').unwrap().0.to_owned(),
        unsigned,
        signature_of_another,
        stranger.token(),
    ];
    for token in wrong {
        refused_everywhere(&product, &token, "token_invalid").await;
    }
    // And the right one still is.
    ana.conversations().await.unwrap();
}

#[tokio::test]
async fn an_expired_token_is_refused_and_a_fresh_one_is_not() {
    let folder = Folder::new();
    let product = Product::up(&folder, &["--set", "auth.access_token_s=1"]);
    let (ana, _) = product.member("ana").await;
    let old = ana.token();
    let expired = async { while ana.conversations().await.is_ok() {} };
    tokio::time::timeout(DEADLINE, expired).await.expect("a token of one second is good for ever");
    refused_everywhere(&product, &old, "token_expired").await;
    ana.refresh().await.unwrap();
    ana.conversations().await.unwrap();
    let with_old = Api::new(&product.url).with_token(&old);
    assert_eq!(with_old.conversations().await.unwrap_err().code(), Some("token_expired"));
}
