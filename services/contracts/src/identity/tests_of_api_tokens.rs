//! API tokens as a verifier sees them: asked of auth, remembered for a while, forgotten when it is told to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Json, Router, routing::post};
use bytes::Bytes;
use http::StatusCode;
use tertulia_bus::{Broadcast, Heard, Listener};
use tertulia_discovery::StaticDiscovery;
use tertulia_mesh::{Mesh, MeshConfig};
use tertulia_runtime::{Ambient, Kind, testkit::frozen};
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::{
    auth::{LookUpToken, TokenOwner},
    live::{Control, REVOCATIONS},
    routes::role,
};

/// An auth that knows one token, counts how often it is asked, and can be slow or away.
struct Auth {
    ambient: Ambient,
    token: String,
    owner: Mutex<Option<TokenOwner>>,
    status: Mutex<Option<StatusCode>>,
    asked: AtomicUsize,
    /// A question waits for one of these.
    gate: Semaphore,
}

impl Auth {
    fn new() -> Arc<Self> {
        let (ambient, _) = frozen(3);
        let owner = TokenOwner {
            moderator: false,
            user_id: ambient.ids.next(),
            session_id: ambient.ids.next(),
            operator: false,
            bot: true,
            scopes: vec![Scope::Read],
            expires_at: None,
        };
        let token = ApiToken::generate(&*ambient.entropy).reveal().to_owned();
        let (owner, status) = (Mutex::new(Some(owner)), Mutex::default());
        let (asked, gate) = (AtomicUsize::new(0), Semaphore::new(1_000));
        Arc::new(Self { ambient, token, owner, status, asked, gate })
    }

    async fn answer(&self, question: LookUpToken) -> Result<Json<TokenOwner>, StatusCode> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // Read before it is let through: what is revoked meanwhile comes too late for this answer.
        let owner = self.owner.lock().unwrap().clone();
        self.gate.acquire().await.unwrap().forget();
        if let Some(status) = *self.status.lock().unwrap() {
            return Err(status);
        }
        let owner = owner.filter(|_| question.token == self.token);
        owner.map(Json).ok_or(StatusCode::NOT_FOUND)
    }

    fn verifier(self: &Arc<Self>) -> Arc<Verifier> {
        let auth = self.clone();
        let answer = move |Json(question): Json<LookUpToken>| {
            let auth = auth.clone();
            async move { auth.answer(question).await }
        };
        let discovery = Arc::new(StaticDiscovery::default());
        let mesh = Mesh::new(discovery, self.ambient.entropy.clone(), MeshConfig::default());
        mesh.mount(role::AUTH, Router::new().route(LOOK_UP_PATH, post(answer)));
        Arc::new(Verifier::new(mesh, self.ambient.clock.clone()))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// What a test says is heard.
pub(super) struct Ear(pub(super) tokio::sync::Mutex<mpsc::UnboundedReceiver<Heard>>);

#[async_trait]
impl Listener for Ear {
    async fn join(&self, channel: &str) -> Result<(), tertulia_bus::Error> {
        assert_eq!(channel, REVOCATIONS);
        Ok(())
    }

    async fn leave(&self, _: &str) -> Result<(), tertulia_bus::Error> {
        Ok(())
    }

    async fn hear(&self) -> Heard {
        match self.0.lock().await.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}

pub(super) fn said(payload: Vec<u8>) -> Heard {
    let payload = Bytes::from(payload);
    Heard::Message(Arc::new(Broadcast { channel: REVOCATIONS.to_owned(), payload }))
}

pub(super) fn revoked(session_id: SessionId) -> Heard {
    said(serde_json::to_vec(&Control::SessionRevoked { session_id }).unwrap())
}

/// Lets everybody else of this thread do what they have to.
pub(super) async fn pass() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn auth_is_asked_once_a_minute_and_may_be_away_meanwhile() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    *auth.status.lock().unwrap() = Some(StatusCode::SERVICE_UNAVAILABLE);
    let unknown = verifier.verify(&auth.token).await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.code()), (Kind::Unavailable, "tokens_unavailable"));

    *auth.status.lock().unwrap() = None;
    let identity = verifier.verify(&auth.token).await.unwrap();
    assert_eq!((identity.account(), identity.is_login()), (InstanceRole::Bot, false));
    assert_eq!(identity.permit(Scope::Read), Ok(()));
    for scope in [Scope::Write, Scope::Account] {
        assert_eq!(identity.permit(scope), Err(IdentityError::InsufficientScope(scope)));
    }
    *auth.status.lock().unwrap() = Some(StatusCode::INTERNAL_SERVER_ERROR);
    let moment = Duration::from_millis(1);
    tokio::time::advance(TOKEN_MEMORY.saturating_sub(moment)).await;
    assert_eq!(verifier.verify(&auth.token).await, Ok(identity));
    assert_eq!(auth.asked(), 2);
    tokio::time::advance(moment).await;
    let unknown = verifier.verify(&auth.token).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::Unavailable, "never that the token is wrong");
    *auth.status.lock().unwrap() = None;
    *auth.owner.lock().unwrap() = None;
    assert!(matches!(verifier.verify(&auth.token).await, Err(IdentityError::Refused(_))));
}

#[tokio::test]
async fn what_is_no_token_costs_auth_nothing() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    let mut mistyped = auth.token.clone();
    mistyped.replace_range(10..11, if &mistyped[10..11] == "x" { "y" } else { "x" });
    for wrong in ["tert_", &mistyped, &auth.token[..40], &format!("{} ", auth.token), "tert_🦀", "tert_\u{0}"]
    {
        assert!(matches!(verifier.verify(wrong).await, Err(IdentityError::Refused(_))), "{wrong}");
    }
    assert_eq!(auth.asked(), 0);
    assert!(verifier.verify(&auth.token).await.is_ok());
}

#[tokio::test]
async fn a_revocation_is_heard_and_so_is_that_one_may_have_been_missed() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    let session_id = auth.owner.lock().unwrap().as_ref().unwrap().session_id;
    let (say, heard) = mpsc::unbounded_channel();
    let ear = Ear(tokio::sync::Mutex::new(heard));
    let test = async {
        // It joins first, and forgets what it may not have heard of.
        pass().await;
        let other = auth.ambient.ids.next();
        let told = [(revoked(other), 1), (revoked(session_id), 2), (Heard::Gap, 3), (said(b"?".to_vec()), 4)];
        for (message, asked) in told {
            verifier.verify(&auth.token).await.unwrap();
            say.send(message).unwrap();
            pass().await;
            verifier.verify(&auth.token).await.unwrap();
            assert_eq!(auth.asked(), asked);
        }
    };
    tokio::select! {
        ended = verifier.hear_revocations(&ear) => panic!("{ended:?}"),
        () = test => {}
    }
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_while_the_token_was_revoked_is_not_remembered() {
    let auth = Auth::new();
    let verifier = auth.verifier();
    let session_id = auth.owner.lock().unwrap().as_ref().unwrap().session_id;
    auth.gate.forget_permits(1_000);
    let (say, heard) = mpsc::unbounded_channel();
    let ear = Ear(tokio::sync::Mutex::new(heard));
    let test = async {
        let (asking, revoking) = (verifier.verify(&auth.token), async {
            while auth.asked() == 0 {
                tokio::task::yield_now().await;
            }
            *auth.owner.lock().unwrap() = None;
            say.send(revoked(session_id)).unwrap();
            pass().await;
            auth.gate.add_permits(1_000);
        });
        let (first, ()) = tokio::join!(asking, revoking);
        assert!(first.is_ok(), "it was good when auth was asked");
        assert!(matches!(verifier.verify(&auth.token).await, Err(IdentityError::Refused(_))));
    };
    tokio::select! {
        ended = verifier.hear_revocations(&ear) => panic!("{ended:?}"),
        () = test => {}
    }
}
