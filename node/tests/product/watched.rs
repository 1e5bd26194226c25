//! What its operator sees of it while it runs.

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::{
    process::{Folder, PASSWORD, Product},
    wire::{post, refused, request},
};

#[tokio::test]
async fn one_trace_leads_from_the_request_to_the_consumer_of_its_event() {
    let folder = Folder::new();
    let product = Product::up(&folder, &["--set", "telemetry.log=debug"]);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let account = format!(r#"{{"handle":"ana","password":"{PASSWORD}"}}"#);
    let request = post(&product, "/v1/accounts", "", account);
    let answer =
        request.header("traceparent", format!("00-{trace}-b7ad6b7169203331-01")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    // A line that the consumer's span is around, as each line names the spans it was written in.
    product.process.err.wait_for("a line of the event's consumer in the request's trace", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let spans = line["spans"].as_array()?;
        let consumer = spans.iter().find(|span| span["name"] == "event")?;
        (consumer["group"] == "messaging"
            && consumer["kind"] == "user.registered"
            && consumer["trace_id"] == trace)
            .then_some(())
    });
}

#[tokio::test]
async fn readiness_lists_each_dependency() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let live = request(&product, Method::GET, "/health/live", "").send().await.unwrap();
    assert_eq!(live.status(), StatusCode::OK);
    let ready = request(&product, Method::GET, "/health/ready", "").send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "up", "{ready}");
    for name in ["documents:auth", "documents:messaging", "bus", "cache", "discovery", "mail"] {
        assert_eq!(ready["checks"][name]["status"], "up", "{name}: {ready}");
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_show_queues() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    refused(request(&product, Method::GET, "/v1/me", ""), 401, "token_missing").await;
    let metrics = request(&product, Method::GET, "/metrics", "").send().await.unwrap().text().await.unwrap();
    let counted = |line: &&str| line.contains("route=\"/v1/me\"") && line.contains("status=\"4xx\"");
    assert!(metrics.lines().any(|line| counted(&line)), "{metrics}");
}

#[tokio::test]
async fn the_api_is_described_and_can_be_browsed() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let described = request(&product, Method::GET, "/openapi.json", "").send().await.unwrap();
    let described: Value = described.json().await.unwrap();
    assert!(described["openapi"].as_str().unwrap().starts_with("3.1"), "{}", described["openapi"]);
    assert!(described["paths"]["/v1/accounts"]["post"].is_object());
    let live = request(&product, Method::GET, "/asyncapi.json", "").send().await.unwrap();
    let live: Value = live.json().await.unwrap();
    assert_eq!(live["asyncapi"], "3.0.0");
    assert_eq!(live["channels"]["events"]["address"], "/v1/events");
    let page = request(&product, Method::GET, "/docs", "").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
}
