//! What counts as one client, and who is believed about it.

use reqwest::{Method, Response};

use crate::{
    process::{Folder, Product},
    wire::{refused, request},
};

async fn stream_from(product: &Product, token: &str, claimed: &str) -> Response {
    let request = request(product, Method::GET, "/v1/events", token);
    let answer = request.header("x-forwarded-for", claimed).send().await.unwrap();
    answer.error_for_status().unwrap()
}

#[tokio::test]
async fn one_address_has_a_bounded_number_of_sockets_and_a_listed_proxy_tells_it() {
    let folder = Folder::new();
    let trusting =
        ["--set", "realtime.max_sockets_per_address=2", "--set", "gateway.trusted_proxies=127.0.0.1"];
    let product = Product::up(&folder, &trusting);
    let (ana, _) = product.member("ana").await;
    let token = ana.token();
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(stream_from(&product, &token, "203.0.113.7").await);
    }
    let third = request(&product, Method::GET, "/v1/events", &token);
    refused(third.header("x-forwarded-for", "203.0.113.7"), 429, "too_many_sockets").await;
    streams.push(stream_from(&product, &token, "203.0.113.8").await);
    // What stands before the proxy's own note, the client may have made up.
    let made_up = request(&product, Method::GET, "/v1/events", &token);
    refused(made_up.header("x-forwarded-for", "203.0.113.9, 203.0.113.7"), 429, "too_many_sockets").await;
}

#[tokio::test]
async fn nobody_else_is_believed_about_their_address() {
    let folder = Folder::new();
    let product = Product::up(&folder, &["--set", "realtime.max_sockets_per_address=1"]);
    let (ana, _) = product.member("ana").await;
    // All of these come from this machine, which is not counted, whatever they say.
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(stream_from(&product, &ana.token(), "203.0.113.7").await);
    }
    assert_eq!(streams.len(), 3);
}
