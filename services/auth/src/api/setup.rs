//! `/setup`: the page that the one-time setup link opens.

use axum::{
    extract::State,
    response::{Html, IntoResponse},
};
use http::header;

use tertulia_runtime::secret;

use crate::App;

const PAGE: &str = include_str!("setup.html");
const NONCE_BYTES: usize = 16;

/// The page that makes the operator's account
///
/// The link's token stands in the fragment, so it is not sent with this request.
#[utoipa::path(
    get, path = "/setup", tag = "accounts",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(super) async fn get_setup_page(State(App(auth)): State<App>) -> impl IntoResponse {
    let nonce = secret::random(&*auth.ambient.entropy, NONCE_BYTES);
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, Html(PAGE.replace("{{nonce}}", &nonce)))
}
