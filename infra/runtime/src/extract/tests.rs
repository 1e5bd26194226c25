use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};
use garde::Validate;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{PathParam, QueryParams, ValidJson};
use crate::{
    Id, IdKind,
    problem::layers,
    testkit::{TestClient, TestResponse},
};

enum Room {}
impl IdKind for Room {
    const PREFIX: &'static str = "rom";
}

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Order {
    #[garde(length(chars, min = 2))]
    name: String,
    #[garde(range(max = 10))]
    amount: u32,
    #[garde(dive)]
    #[serde(default)]
    lines: Vec<Line>,
    #[garde(skip)]
    #[serde(default)]
    _speed: Speed,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum Speed {
    #[default]
    Slow,
    Fast,
}

#[derive(Deserialize, Validate)]
struct Line {
    #[garde(length(min = 1))]
    text: String,
}

#[derive(Deserialize, Validate)]
struct Paging {
    #[garde(inner(range(min = 1, max = 200)))]
    limit: Option<u32>,
}

fn client() -> TestClient {
    let router = Router::new()
        .route("/orders", post(async |ValidJson(order): ValidJson<Order>| order.name))
        .route("/rooms/{id}", get(async |PathParam(id): PathParam<Id<Room>>| id.to_string()))
        .route("/list", get(async |QueryParams(page): QueryParams<Paging>| format!("{:?}", page.limit)))
        .layer(DefaultBodyLimit::max(4096));
    TestClient::new(layers(router))
}

async fn send(body: impl Into<Vec<u8>>) -> TestResponse {
    client().send(Method::POST, "/orders", Some("application/json; charset=utf-8"), body.into()).await
}

#[tokio::test]
async fn a_right_body_reaches_the_handler() {
    let body = json!({"name": "tea", "amount": 3, "lines": [{"text": "green"}]});
    assert_eq!(client().post("/orders", &body).await.expect(200).text(), "tea");
}

#[tokio::test]
async fn every_broken_rule_is_told_at_once_with_its_path() {
    let body = json!({"name": "t", "amount": 11, "lines": [{"text": "x"}, {"text": ""}]});
    let answer = client().post("/orders", &body).await.expect(422);
    assert_eq!(answer.code(), "invalid_fields");
    assert_eq!(answer.wrong_fields(), ["amount", "lines[1].text", "name"]);
}

#[tokio::test]
async fn a_wrong_type_a_missing_and_an_unknown_field_are_named() {
    let cases = [
        (json!({"name": "tea", "amount": "three"}), "amount"),
        (json!({"name": "tea", "amount": 1, "lines": [{"text": 5}]}), "lines[0].text"),
        (json!({"name": "tea"}), "amount"),
        (json!({"name": "tea", "amount": 1, "lines": [{}]}), "lines[0].text"),
        (json!({"name": "tea", "amount": 1, "colour": "red"}), "colour"),
        (json!({"name": null, "amount": 1}), "name"),
        (json!({"name": "tea", "amount": 1, "_speed": "slowly"}), "_speed"),
        (json!({"name": "tea", "amount": 1, "_speed": 7}), "_speed"),
        (json!("tea"), "."),
        (json!(["tea", 1, []]), "."),
    ];
    for (body, field) in cases {
        let answer = client().post("/orders", &body).await.expect(422);
        assert_eq!(
            (answer.code().as_str(), answer.wrong_fields()),
            ("invalid_fields", vec![field.to_owned()]),
            "{body}"
        );
        assert!(!answer.text().contains(" line "), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let deep = format!(r#"{{"name":{}"#, "[".repeat(2_000));
    let unfinished = r#"{"name": "tea""#.to_owned();
    for body in ["", "   ", "{", "tea", r#"{"name":"tea","amount":1} extra"#, &deep, &unfinished] {
        let answer = send(body).await.expect(400);
        assert_eq!(answer.code(), "malformed_json", "{body}");
    }
    for not_utf8 in [&b"{\"name\":\"\xff\xfe\",\"amount\":1}"[..], b"{\"colour\":\"\xff\"}"] {
        assert_eq!(send(not_utf8).await.expect(400).code(), "malformed_json");
    }
}

#[tokio::test]
async fn a_large_body_and_another_media_type_are_refused() {
    assert_eq!(send(vec![b' '; 5_000]).await.expect(413).code(), "body_too_large");
    for media_type in [None, Some("text/plain"), Some("application/jsonp")] {
        let answer = client().send(Method::POST, "/orders", media_type, "{}").await.expect(415);
        assert_eq!(answer.code(), "unsupported_media_type");
    }
}

#[tokio::test]
async fn an_id_of_the_wrong_kind_names_nothing() {
    let right = "rom_01HF7YAT00000000000000C1S9";
    assert_eq!(client().get(&format!("/rooms/{right}")).await.expect(200).text(), right);
    for wrong in ["usr_01HF7YAT00000000000000C1S9", "1", "rom_", "%ff", "..%2f..%2fetc"] {
        assert_eq!(client().get(&format!("/rooms/{wrong}")).await.expect(404).code(), "not_found", "{wrong}");
    }
}

#[tokio::test]
async fn a_wrong_query_parameter_is_named() {
    assert_eq!(client().get("/list?limit=5").await.expect(200).text(), "Some(5)");
    for wrong in
        ["/list?limit=many", "/list?limit=0", "/list?limit=201", "/list?limit=-1", "/list?limit=1&limit=2"]
    {
        let answer = client().get(wrong).await.expect(422);
        assert_eq!(
            (answer.code().as_str(), answer.wrong_fields()),
            ("invalid_fields", vec!["limit".to_owned()]),
            "{wrong}"
        );
    }
}
