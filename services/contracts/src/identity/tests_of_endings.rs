//! Logins that end while their access tokens would still be good: told at once, and asked for by whoever may have missed it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{Json, Router, extract::Path, routing::get};
use http::StatusCode;
use tertulia_bus::Heard;
use tertulia_discovery::StaticDiscovery;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{
    Ambient,
    testkit::{FrozenClock, frozen},
};
use tokio::sync::mpsc;

use super::{
    testkit::Signer,
    tests_of_api_tokens::{Ear, pass, revoked},
    *,
};
use crate::{auth::Jwks, routes::role};

/// An auth that knows which logins have ended, counts how often it is asked, and can be away.
struct Auth {
    ambient: Ambient,
    clock: Arc<FrozenClock>,
    signer: Signer,
    ended: Mutex<HashSet<SessionId>>,
    away: AtomicBool,
    asked: AtomicUsize,
}

impl Auth {
    fn new() -> Arc<Self> {
        let (ambient, clock) = frozen(8);
        let signer = Signer::new(&ambient);
        let (ended, away, asked) = (Mutex::default(), AtomicBool::new(false), AtomicUsize::new(0));
        Arc::new(Self { ambient, clock, signer, ended, away, asked })
    }

    fn verifier(self: &Arc<Self>) -> Verifier {
        let keys = Jwks { keys: vec![self.signer.key().public().clone()] };
        let auth = self.clone();
        let runs = move |Path(id): Path<SessionId>| {
            let auth = auth.clone();
            async move {
                auth.asked.fetch_add(1, Ordering::SeqCst);
                let away = auth.away.load(Ordering::SeqCst);
                let runs = !auth.ended.lock().unwrap().contains(&id);
                if away { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok(Json(runs)) }
            }
        };
        let router = Router::new()
            .route("/.well-known/jwks.json", get(async move || Json(keys)))
            .route(&format!("{SESSIONS_PATH}/{{id}}"), get(runs));
        let discovery = Arc::new(StaticDiscovery::default());
        let mesh = Mesh::new(discovery, self.ambient.entropy.clone(), MeshConfig::default());
        mesh.mount(role::AUTH, router);
        Verifier::new(mesh, self.ambient.clock.clone())
    }

    fn login(&self) -> (SessionId, String) {
        let session_id = self.ambient.ids.next();
        (session_id, self.signer.token_of(self.ambient.ids.next(), session_id))
    }

    /// Long after whatever happened, so that tokens from now on are certainly newer.
    fn wait(&self) {
        self.clock.advance(LEEWAY + LEEWAY);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_of_a_login_that_ended_are_refused_at_once() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    let (say, heard) = mpsc::unbounded_channel();
    let ear = Ear(tokio::sync::Mutex::new(heard));
    let test = async {
        pass().await;
        auth.wait();
        let ((ended, token), (_, other), (unseen, hidden)) = (auth.login(), auth.login(), auth.login());
        for token in [&token, &other] {
            verifier.verify(token).await.unwrap();
        }
        for session_id in [ended, unseen] {
            say.send(revoked(session_id)).unwrap();
        }
        pass().await;
        for token in [&token, &hidden] {
            assert_eq!(verifier.verify(token).await, Err(IdentityError::SessionEnded));
        }
        verifier.verify(&other).await.unwrap();
        assert_eq!(auth.asked(), 0, "nothing was missed");
    };
    tokio::select! {
        ended = verifier.hear_revocations(&ear) => panic!("{ended:?}"),
        () = test => {}
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_have_missed_an_end_asks_and_goes_on_while_auth_is_away() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    let (say, heard) = mpsc::unbounded_channel();
    let ear = Ear(tokio::sync::Mutex::new(heard));
    let test = async {
        pass().await;
        auth.wait();
        let ((ended, token), (_, other)) = (auth.login(), auth.login());
        for token in [&token, &other] {
            verifier.verify(token).await.unwrap();
        }
        auth.ended.lock().unwrap().insert(ended);
        auth.away.store(true, Ordering::SeqCst);
        say.send(Heard::Gap).unwrap();
        pass().await;
        verifier.verify(&token).await.expect("as long as nobody says otherwise");

        auth.away.store(false, Ordering::SeqCst);
        tokio::time::advance(MIN_FETCH_INTERVAL).await;
        assert_eq!(verifier.verify(&token).await, Err(IdentityError::SessionEnded));
        verifier.verify(&other).await.unwrap();
        let asked = auth.asked();
        verifier.verify(&other).await.unwrap();
        auth.wait();
        verifier.verify(&auth.login().1).await.unwrap();
        assert_eq!(auth.asked(), asked, "of one that runs once, and of newer ones never");
    };
    tokio::select! {
        ended = verifier.hear_revocations(&ear) => panic!("{ended:?}"),
        () = test => {}
    }
}
