//! Accounts of which not every access token is good: told at once, and asked for by whoever may have missed it.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, routing::get};
use tertulia_bus::Heard;
use tertulia_discovery::StaticDiscovery;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::testkit::frozen;
use tokio::sync::mpsc;

use super::{
    testkit::{Signer, TOKEN_LIFE},
    tests_of_api_tokens::{Ear, pass, said},
    *,
};
use crate::{auth::Jwks, live::Control, routes::role};

#[tokio::test(start_paused = true)]
async fn earlier_tokens_of_a_denied_account_are_refused_also_by_who_missed_the_word() {
    let (ambient, _) = frozen(5);
    let signer = Signer::new(&ambient);
    let keys = Jwks { keys: vec![signer.key().public().clone()] };
    let told = Arc::new(Mutex::new(Denials::default()));
    let known = told.clone();
    let router = Router::new()
        .route("/.well-known/jwks.json", get(async move || Json(keys)))
        .route(DENIALS_PATH, get(async move || Json(known.lock().unwrap().clone())));
    let discovery = Arc::new(StaticDiscovery::default());
    let mesh = Mesh::new(discovery, ambient.entropy.clone(), MeshConfig::default());
    mesh.mount(role::AUTH, router);
    let verifier = Verifier::new(mesh, ambient.clock.clone());

    let user_id = ambient.ids.next();
    let token = |epoch: u64| {
        let claims = Claims::new(user_id, ambient.ids.next(), false, ambient.now(), TOKEN_LIFE);
        signer.key().sign(&Claims { epoch, ..claims })
    };
    let tokens = [token(0), token(1), token(2)];
    let denial = |least_epoch| Denial { user_id, least_epoch, until: ambient.now().plus(TOKEN_LIFE) };
    let (say, heard) = mpsc::unbounded_channel();
    let ear = Ear(tokio::sync::Mutex::new(heard));
    let good_from = async |least: usize| {
        for (epoch, token) in tokens.iter().enumerate() {
            let told = verifier.verify(token).await.map(|identity| identity.user_id);
            assert_eq!(
                told,
                if epoch < least { Err(IdentityError::Expired) } else { Ok(user_id) },
                "{epoch}"
            );
        }
    };
    let test = async {
        good_from(0).await;
        let control = Control::AccountChanged { denial: denial(1) };
        say.send(said(serde_json::to_vec(&control).unwrap())).unwrap();
        pass().await;
        good_from(1).await;
        // The next one is missed, and asked for together with the keys; auth is not hammered.
        told.lock().unwrap().items.push(denial(2));
        say.send(Heard::Gap).unwrap();
        pass().await;
        tokio::time::advance(MIN_FETCH_INTERVAL).await;
        good_from(2).await;
    };
    tokio::select! {
        ended = verifier.hear_revocations(&ear) => panic!("{ended:?}"),
        () = test => {}
    }
}

#[tokio::test]
async fn an_auth_of_an_older_version_that_knows_no_denials_is_good_enough() {
    let (ambient, _) = frozen(6);
    let signer = Signer::new(&ambient);
    let keys = Jwks { keys: vec![signer.key().public().clone()] };
    let discovery = Arc::new(StaticDiscovery::default());
    let mesh = Mesh::new(discovery, ambient.entropy.clone(), MeshConfig::default());
    mesh.mount(role::AUTH, Router::new().route("/.well-known/jwks.json", get(async move || Json(keys))));
    let verifier = Verifier::new(mesh, ambient.clock.clone());
    verifier.verify(&signer.token(ambient.ids.next())).await.unwrap();
}
