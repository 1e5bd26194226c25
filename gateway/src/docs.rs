//! `/openapi.json` and `/asyncapi.json`, and `/docs` to browse the former: Swagger UI, served from here, so that
//! reading the documentation asks nobody else.

use axum::{Router, http::HeaderValue, middleware::map_response, response::Response, routing::get};
use bytes::Bytes;
use http::header;
use serde_json::Value;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Its scripts are files of ours; it styles its elements as it draws them, and its icons are data.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub(crate) fn router(openapi: &Value, asyncapi: &Value) -> Router {
    let json = |document: &Value| {
        let text = Bytes::from(document.to_string());
        get(async move || ([(header::CONTENT_TYPE, "application/json")], text))
    };
    // Without this the page would send the document to a validator on the internet.
    let config = Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true);
    let pages: Router = SwaggerUi::new("/docs").config(config).into();
    let documents =
        Router::new().route("/openapi.json", json(openapi)).route("/asyncapi.json", json(asyncapi));
    documents.merge(pages.layer(map_response(restrict)))
}

async fn restrict(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}
