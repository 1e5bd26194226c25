//! The merged document and its check.

use serde_json::{Value, json};
use tertulia_contracts::routes::{Access, ROUTES};
use tertulia_gateway::openapi::{contradictions, merge};
use utoipa::openapi::OpenApi;

use crate::inside::Inside;

/// A document that says of every route what the table says.
fn faithful() -> OpenApi {
    let mut paths = json!({});
    for (n, route) in ROUTES.iter().enumerate() {
        let mut operation = json!({
            "operationId": format!("operation_{n}"),
            "responses": { "200": { "description": "Done." }, "409": { "description": "`taken`" } },
        });
        if route.access == Access::Member {
            operation["security"] = json!([{ "access_token": [] }]);
        }
        paths[route.path][route.method.as_str().to_lowercase()] = operation;
    }
    serde_json::from_value(json!({
        "openapi": "3.1.0", "info": { "title": "A part", "version": "0" }, "paths": paths,
    }))
    .unwrap()
}

#[test]
fn a_document_that_says_what_the_table_says_passes() {
    let document = merge(vec![faithful()]);
    assert_eq!(contradictions(&document), Vec::<String>::new());
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["access_token"]["scheme"], "bearer");
    let responses = &document["paths"]["/v1/accounts"]["post"]["responses"];
    for status in ["409", "default"] {
        let reference = &responses[status]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(reference, "#/components/schemas/Problem", "{status}");
    }
    assert!(responses["200"].get("content").is_none());
    assert!(document["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
}

#[test]
fn whatever_a_document_says_differently_is_found() {
    type Change = dyn Fn(&mut Value);
    let whole = merge(vec![faithful()]);
    let found = |change: &Change| {
        let mut document = whole.clone();
        change(&mut document);
        contradictions(&document)
    };
    let setup = whole["paths"]["/setup"]["get"]["operationId"].as_str().unwrap();
    let twice = format!("get /v1/me: another operation is called {setup}, too");
    let cases: [(&Change, &str); 6] = [
        (
            &|it| drop(it["paths"]["/v1/me"].as_object_mut().unwrap().remove("get")),
            "get /v1/me is in the route table and not described",
        ),
        (
            &|it| it["paths"]["/v1/extra"]["get"] = json!({ "operationId": "extra" }),
            "get /v1/extra is described and not in the route table",
        ),
        (
            &|it| drop(it["paths"]["/v1/me"]["get"].as_object_mut().unwrap().remove("security")),
            "get /v1/me: the table and the document differ on whether it needs a token",
        ),
        (
            &|it| it["paths"]["/v1/me"]["get"]["security"] = json!([{ "bearer": [] }]),
            "the security scheme bearer is asked for and not declared",
        ),
        (
            &|it| {
                it["paths"]["/v1/me"]["get"]["operationId"] =
                    it["paths"]["/setup"]["get"]["operationId"].clone();
            },
            &twice,
        ),
        (
            &|it| {
                it["paths"]["/v1/me"]["get"]["responses"]["200"]["$ref"] =
                    json!("#/components/schemas/Nobody");
            },
            "#/components/schemas/Nobody is referred to and not there",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(found(change), [sentence]);
    }
}

#[tokio::test]
async fn the_document_and_the_page_to_browse_it_are_served() {
    let stranger = Inside::whole().stranger();
    let answer = stranger.get("/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["info"]["title"], "Tertulia");
    assert_eq!(stranger.get("/docs").await.expect(303).header("location"), Some("/docs/"));
    let page = stranger.get("/docs/").await.expect(200);
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    // The policy allows no script that stands in the page itself.
    let html = page.text();
    assert!(html.contains("<script src=") && !html.contains("<script>"), "{html}");
    for file in [
        "swagger-initializer.js",
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-ui.css",
    ] {
        assert!(!stranger.get(&format!("/docs/{file}")).await.expect(200).body.is_empty());
    }
    assert!(stranger.get("/docs/swagger-initializer.js").await.text().contains("/openapi.json"));
    assert_eq!(stranger.get("/docs/nothing").await.expect(404).code(), "route_not_found");
}
