//! What browsers of other sites are told, and what is sent compressed.

use std::io::Read as _;

use flate2::read::GzDecoder;
use http::{HeaderName, Method, StatusCode, header};
use serde_json::{Value, json};
use tertulia_contracts::routes::Access;
use tertulia_gateway::Config;
use tertulia_runtime::testkit::{TestClient, TestResponse};

use crate::inside::{Inside, ask, every_route, from_address};

const SITE: &str = "https://app.example";

fn open_to_others(inside: &Inside) -> TestClient {
    let cors_origins = vec![SITE.to_owned().try_into().unwrap()];
    let gateway = inside.gateway(Config { cors_origins, ..Config::default() });
    TestClient::new(from_address(gateway, "203.0.113.7"))
}

fn from_page(client: &TestClient, origin: &str) -> TestClient {
    client.with_header(header::ORIGIN, origin)
}

fn allowed(answer: &TestResponse) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[tokio::test]
async fn a_listed_sites_page_reads_every_answer_and_no_other_sites_page_reads_any() {
    let inside = Inside::without(&["realtime"]);
    let client = open_to_others(&inside);
    let member = client.with_token(&inside.signer.token(inside.ambient.ids.next()));
    for (asker, path, status) in [
        (&member, "/v1/me", 200),
        (&client, "/v1/me", 401),
        (&member, "/v1/nowhere", 404),
        (&member, "/v1/events", 503),
        (&client, "/openapi.json", 200),
        (&client, "/health/live", 200),
    ] {
        let page = from_page(asker, SITE).get(path).await.expect(status);
        assert_eq!(allowed(&page), Some(SITE), "{path}");
        let varies =
            |on: &str| page.headers.get_all("vary").iter().any(|it| it.to_str().unwrap().contains(on));
        assert!(varies("origin"), "{path}");
        assert_eq!(page.header("access-control-allow-credentials"), None, "no cookie goes along");
        let exposed = page.header("access-control-expose-headers").unwrap();
        assert!(["ratelimit", "retry-after", "x-request-id"].iter().all(|name| exposed.contains(name)));
        for other in
            ["https://evil.example", "null", "https://app.example.evil.example", "http://app.example"]
        {
            assert_eq!(allowed(&from_page(asker, other).get(path).await.expect(status)), None, "{other}");
        }
    }
    // Whoever lists nobody says nothing.
    let closed = from_page(&inside.stranger(), SITE).get("/v1/me").await.expect(401);
    assert_eq!((allowed(&closed), closed.header("access-control-expose-headers")), (None, None));
}

#[tokio::test]
async fn a_browser_that_asks_first_is_told_and_no_service_hears_of_it() {
    let inside = Inside::without(&["auth", "messaging", "realtime"]);
    let client = open_to_others(&inside);
    for route in every_route().filter(|route| route.access != Access::InBand) {
        let asks = from_page(&client, SITE)
            .with_header(HeaderName::from_static("access-control-request-method"), route.method.as_str())
            .with_header(
                HeaderName::from_static("access-control-request-headers"),
                "authorization,content-type",
            );
        let answer = asks.send(Method::OPTIONS, route.path, None, "").await.expect(200);
        assert_eq!(allowed(&answer), Some(SITE));
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains(route.method.as_str()), "{methods}");
        assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
        assert_eq!(answer.header("access-control-max-age"), Some("3600"));
    }
}

/// What a client gets that takes this.
async fn asked(client: &TestClient, path: &str, takes: &str) -> TestResponse {
    client.with_header(header::ACCEPT_ENCODING, takes).get(path).await
}

fn plain(answer: &TestResponse) -> Value {
    let mut text = String::new();
    GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn long_texts_are_compressed_for_whoever_takes_it() {
    let inside = Inside::whole();
    let member = inside.member().with_header(HeaderName::from_static("x-long"), "long ".repeat(400).trim());
    let path = "/v1/conversations/cnv_1/messages";
    for takes in [
        "gzip",
        "br, gzip;q=0.5",
        "*",
        "GZIP, deflate",
        "identity;q=0, gzip;q=0.1",
        "*;q=0, gzip",
        "gzip;Q=0.5",
    ] {
        let answer = asked(&member, path, takes).await.expect(200);
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{takes}");
        assert!(answer.header("vary").unwrap().contains("accept-encoding"));
        assert_eq!(plain(&answer)["path"], json!(path));
        assert_eq!(plain(&answer)["headers"].get("content-encoding"), None);
    }
    for takes in [
        "",
        "br",
        "identity",
        "gzip;q=0",
        "*;q=0",
        "identity;q=0",
        "gzip;q=none",
        "gzip;q=0, *",
        "*, gzip;Q=0",
    ] {
        let answer = asked(&member, path, takes).await.expect(200);
        assert_eq!(answer.header("content-encoding"), None, "{takes}");
        assert_eq!(answer.json()["path"], json!(path));
    }
    let document = asked(&inside.stranger(), "/openapi.json", "gzip").await.expect(200);
    assert_eq!(plain(&document)["openapi"], "3.1.0");
    let short = asked(&inside.member(), "/v1/me/blocks", "gzip").await.expect(200);
    assert!(short.body.len() < 1_024 && short.header("content-encoding").is_none());
}

#[tokio::test]
async fn what_may_stand_beside_a_secret_is_sent_as_it_is() {
    let inside = Inside::whole();
    let long = inside.member().with_header(HeaderName::from_static("x-long"), "long ".repeat(400).trim());
    let client = long.with_header(header::ACCEPT_ENCODING, "gzip");
    let (mut sent_as_it_is, mut compressed) = (0, Vec::new());
    for route in every_route().filter(|route| route.access != Access::InBand && route.timeout.is_some()) {
        let answer = ask(&client, route).await;
        if answer.status != StatusCode::OK {
            continue;
        }
        match answer.header("content-encoding") {
            None => sent_as_it_is += 1,
            Some(_) => compressed.push((route.method.clone(), route.role, route.path)),
        }
    }
    assert!(sent_as_it_is > 100 && compressed.len() > 25, "{sent_as_it_is} {compressed:?}");
    let (auth, others): (Vec<_>, Vec<_>) = compressed.into_iter().partition(|(_, role, _)| *role == "auth");
    let mut auth: Vec<&str> = auth.into_iter().map(|(_, _, path)| path).collect();
    auth.sort_unstable();
    assert_eq!(auth, ["/.well-known/jwks.json", "/v1/users", "/v1/users/{id}"]);
    assert_eq!(others.iter().find(|(method, _, _)| *method != Method::GET), None);
}
