//! Somebody signs their other devices out.

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, ApiError};
use tertulia_contracts::auth::SignedIn;
use tertulia_runtime::testkit::eventually_true;

use crate::{person::PATIENCE, system::System};

const PASSWORD: &str = "correct horse battery staple";

/// Ana's other device is known at every gateway. She ends all sessions but her own: no gateway and no service behind one
/// takes the other's access token any more, though it has not expired, and hers goes on.
pub(super) async fn other_devices_are_out_everywhere(system: &System) -> Result<()> {
    let handle = format!("ana-{}", system.next_number());
    let gateways = system.gateways_from(0);
    let gateways: Vec<Api> =
        gateways.iter().map(|gateway| system.stranger(gateway)).collect::<Result<_>>()?;
    let wish = json!({"handle": handle, "password": PASSWORD});
    let here: SignedIn = gateways[0].send(Method::POST, "/v1/accounts", Some(&wish)).await?;
    let there = json!({"identifier": handle, "password": PASSWORD});
    let there: SignedIn = gateways[0].send(Method::POST, "/v1/sessions", Some(&there)).await?;
    let faces = |token: &str| gateways.iter().map(|gateway| gateway.with_token(token)).collect::<Vec<Api>>();
    let (mine, others) = (faces(&here.access_token), faces(&there.access_token));
    for face in &others {
        face.conversations().await.context("the other device is in")?;
    }
    let _: Value =
        mine[0].send::<(), _>(Method::DELETE, "/v1/sessions", None).await.context("signing out")?;
    for face in &others {
        let is_out = async || {
            let answer = face.conversations().await;
            answer.as_ref().err().and_then(ApiError::code) == Some("session_ended")
        };
        eventually_true(PATIENCE, is_out).await;
    }
    for face in &mine {
        face.conversations().await.context("her own goes on")?;
    }
    let refresh = json!({"refresh_token": there.refresh_token});
    let answer = gateways[0].send::<_, Value>(Method::POST, "/v1/sessions/refresh", Some(&refresh)).await;
    ensure!(answer.as_ref().err().and_then(ApiError::code) == Some("refresh_token_invalid"), "{answer:?}");
    Ok(())
}
