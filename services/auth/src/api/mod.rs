//! The routes, thin: extract, one use case, convert.

mod accounts;
mod audit;
mod bots;
mod email;
mod erasures;
mod instance;
mod keys;
mod openid;
mod operator;
mod pages;
mod passkeys;
mod password;
mod second_factor;
mod sessions;
mod standing;
mod tokens;
mod users;

use axum::{
    Router,
    extract::{FromRef as _, FromRequestParts},
    routing::{get, post},
};
use http::request::Parts;
use tertulia_contracts::identity::{Caller, DENIALS_PATH, Identity, LOOK_UP_PATH, SESSIONS_PATH};
use tertulia_runtime::Problem;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::App;

fn public() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(accounts::create_account))
        .routes(routes!(accounts::get_me, accounts::update_me, erasures::erase_me))
        .routes(routes!(erasures::report_erasure))
        .routes(routes!(erasures::erase_account))
        .routes(routes!(erasures::list_erasures))
        .routes(routes!(sessions::list_sessions, sessions::create_session, sessions::delete_other_sessions))
        .routes(routes!(sessions::refresh_session))
        .routes(routes!(sessions::delete_session))
        .routes(routes!(tokens::list_tokens, tokens::create_token))
        .routes(routes!(tokens::delete_token))
        .routes(routes!(bots::list_bots, bots::create_bot))
        .routes(routes!(bots::delete_bot))
        .routes(routes!(users::find_users))
        .routes(routes!(users::get_user))
        .routes(routes!(keys::get_jwks))
        .routes(routes!(keys::list_keys))
        .routes(routes!(keys::rotate_keys))
        .routes(routes!(pages::get_setup_page))
        .routes(routes!(pages::get_verify_email_page))
        .routes(routes!(pages::get_reset_password_page))
        .routes(routes!(email::change_email))
        .routes(routes!(email::send_verification))
        .routes(routes!(email::verify_email))
        .routes(routes!(password::change_password))
        .routes(routes!(password::forgot_password))
        .routes(routes!(password::reset_password))
        .routes(routes!(second_factor::get_credentials))
        .routes(routes!(second_factor::enrol_totp, second_factor::disable_totp))
        .routes(routes!(second_factor::confirm_totp))
        .routes(routes!(second_factor::renew_recovery_codes))
        .routes(routes!(second_factor::step_up))
        .routes(routes!(operator::list_mail))
        .routes(routes!(audit::search_audit))
        .routes(routes!(audit::verify_audit))
        .routes(routes!(instance::get_instance))
        .routes(routes!(instance::list_instance_invitations, instance::create_instance_invitation))
        .routes(routes!(instance::delete_instance_invitation))
        .routes(routes!(standing::list_accounts))
        .routes(routes!(standing::appoint_moderator, standing::dismiss_moderator))
        .routes(routes!(standing::suspend_account, standing::restore_account))
        .routes(routes!(openid::list_providers))
        .routes(routes!(openid::start_openid))
        .routes(routes!(openid::finish_openid))
        .routes(routes!(openid::create_openid_account))
        .routes(routes!(pages::get_openid_callback_page))
        .routes(routes!(openid::list_identities))
        .routes(routes!(openid::start_linking))
        .routes(routes!(openid::finish_linking))
        .routes(routes!(openid::unlink))
        .routes(routes!(passkeys::start_passkey_sign_in))
        .routes(routes!(passkeys::finish_passkey_sign_in))
        .routes(routes!(passkeys::start_passkey))
        .routes(routes!(passkeys::list_passkeys, passkeys::create_passkey))
        .routes(routes!(passkeys::delete_passkey))
}

pub(crate) fn router(app: App) -> Router {
    let (public, _) = public().split_for_parts();
    // For other services, over the mesh; the gateway knows no such path.
    public
        .route("/internal/users/{id}", get(users::get_user_internally))
        .route(LOOK_UP_PATH, post(tokens::look_up_token))
        .route(DENIALS_PATH, get(standing::denials))
        .route(&format!("{SESSIONS_PATH}/{{id}}"), get(sessions::session_runs))
        .with_state(app)
}

/// The service's part of the OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    public().into_openapi()
}

/// A caller whose session still runs, or whose API token is still there: auth can look, so here an ended one ends at once.
struct LiveCaller(Identity);

impl FromRequestParts<App> for LiveCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Caller(identity) = Caller::from_request_parts(parts, app).await?;
        App::from_ref(app).0.check_live(&identity).await?;
        Ok(Self(identity))
    }
}

/// A live caller who proved lately who they are. Asked of every act that would let somebody who found an open device stay,
/// or keep the owner out.
struct FreshCaller(Identity);

impl FromRequestParts<App> for FreshCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let LiveCaller(identity) = LiveCaller::from_request_parts(parts, app).await?;
        app.0.must_be_fresh(&identity).await?;
        Ok(Self(identity))
    }
}
