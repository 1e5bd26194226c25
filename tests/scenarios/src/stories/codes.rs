//! Somebody has one-time codes asked for, and each is good once, wherever it is shown.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::auth::{RecoveryCodes, SignedIn, TotpSecret};
use tertulia_runtime::{Clock as _, SystemClock};

use crate::{authenticator::code, system::System};

const PASSWORD: &str = "correct horse battery staple";
const AT_ONCE: usize = 8;

/// Ana turns codes on at one gateway: from then on every gateway asks for one. A recovery code is good at one of them, and
/// then at none. Eight show one and the same code at once, at all gateways: one gets in.
pub(super) async fn each_is_good_once_wherever_it_is_shown(system: &System) -> Result<()> {
    let handle = format!("ana-{}", system.next_number());
    let gateways = system.gateways_from(0);
    let gateways: Vec<Api> =
        gateways.iter().map(|gateway| system.stranger(gateway)).collect::<Result<_>>()?;
    let wish = json!({"handle": handle, "password": PASSWORD});
    let signed_in: SignedIn = gateways[0].send(Method::POST, "/v1/accounts", Some(&wish)).await?;
    let ana = gateways[0].with_token(&signed_in.access_token);
    let secret: TotpSecret = ana.send(Method::POST, "/v1/me/totp", Some(&json!({}))).await?;
    let first = json!({"code": code(&secret.secret, SystemClock.now())?});
    let codes: RecoveryCodes =
        ana.send(Method::POST, "/v1/me/totp/confirm", Some(&first)).await.context("turning codes on")?;

    for gateway in &gateways {
        let refused = sign_in(gateway, &handle, json!({})).await;
        ensure!(is(&refused, "totp_required"), "{refused:?}");
    }
    let recovery = json!({"recovery_code": codes.recovery_codes[0]});
    sign_in(&gateways[0], &handle, recovery.clone()).await.context("with a recovery code")?;
    let again = sign_in(&gateways[1 % gateways.len()], &handle, recovery).await;
    ensure!(is(&again, "totp_wrong"), "{again:?}");

    // One step ahead, as a phone may be whose clock is: the code of this step was used.
    let next = code(&secret.secret, SystemClock.now().plus(Duration::from_secs(30)))?;
    let shown = (0..AT_ONCE).map(|n| {
        let (gateway, next) = (&gateways[n % gateways.len()], &next);
        let handle = &handle;
        async move { sign_in(gateway, handle, json!({"totp": next})).await }
    });
    let answers = join_all(shown).await;
    let inside = answers.iter().filter(|answer| answer.is_ok()).count();
    let told = |answer: &Result<SignedIn, ApiError>| is(answer, "totp_wrong") || is(answer, "too_often");
    ensure!(inside == 1 && answers.iter().all(|answer| answer.is_ok() || told(answer)), "{answers:?}");
    Ok(())
}

async fn sign_in(api: &Api, handle: &str, besides: Value) -> Result<SignedIn, ApiError> {
    let mut wish = json!({"identifier": handle, "password": PASSWORD});
    if let (Some(wish), Some(besides)) = (wish.as_object_mut(), besides.as_object()) {
        wish.extend(besides.clone());
    }
    api.send(Method::POST, "/v1/sessions", Some(&wish)).await
}

fn is<T>(answer: &Result<T, ApiError>, code: &str) -> bool {
    answer.as_ref().err().and_then(ApiError::code) == Some(code)
}
