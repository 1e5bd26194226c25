//! The pages that links open: each takes a secret from the link's fragment, which is not sent with the request for the page.

use axum::{
    extract::State,
    response::{Html, IntoResponse},
};
use http::header;

use tertulia_runtime::secret;

use crate::App;

const SETUP: &str = include_str!("setup.html");
const VERIFY_EMAIL: &str = include_str!("verify_email.html");
const RESET_PASSWORD: &str = include_str!("reset_password.html");
const OPENID_CALLBACK: &str = include_str!("openid_callback.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const NONCE_BYTES: usize = 16;

/// The page that makes the operator's account
///
/// The link's token stands in the fragment, so it is not sent with this request.
#[utoipa::path(
    get, path = "/setup", tag = "accounts",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(super) async fn get_setup_page(State(app): State<App>) -> impl IntoResponse {
    page(&app, SETUP)
}

/// The page that verifies an e-mail address
///
/// The link's token stands in the fragment. Nothing happens before a person says so: programs that look at links in mails
/// open this page, too.
#[utoipa::path(
    get, path = "/verify-email", tag = "accounts",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(super) async fn get_verify_email_page(State(app): State<App>) -> impl IntoResponse {
    page(&app, VERIFY_EMAIL)
}

/// The page that sets another password
///
/// The link's token stands in the fragment, so it is not sent with this request.
#[utoipa::path(
    get, path = "/reset-password", tag = "accounts",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(super) async fn get_reset_password_page(State(app): State<App>) -> impl IntoResponse {
    page(&app, RESET_PASSWORD)
}

/// The page that a provider sends people back to
///
/// It hands the answer to the window of this site that began to sign in, and to nobody else: no other address is ever gone to from here.
#[utoipa::path(
    get, path = "/openid/callback", tag = "openid",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(super) async fn get_openid_callback_page(State(app): State<App>) -> impl IntoResponse {
    page(&app, OPENID_CALLBACK)
}

fn page(App(auth): &App, page: &str) -> impl IntoResponse + use<> {
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
    let page = page.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT);
    (headers, Html(page.replace("{{nonce}}", &nonce)))
}
