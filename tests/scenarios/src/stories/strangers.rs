//! What is private does not exist for others.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use tertulia_client::ApiError;
use tertulia_contracts::{
    ConversationId, ReportId, UserId,
    frames::{ClientFrame, ServerFrame},
    messaging::{ConversationKind, PostMessage},
    routes::{ROUTES, Route, role},
};
use ulid::Ulid;

use crate::{journal::Journal, person::Person, system::System};

/// Every route of a conversation that the table knows, as somebody who is not in it, and the socket too.
pub(super) async fn a_stranger_finds_nothing(system: &System) -> Result<()> {
    let journal = Arc::new(Journal::default());
    let ana = Person::sign_up(system, 0, "ana", &journal).await?;
    let bea = Person::sign_up(system, 1, "bea", &journal).await?;
    let eve = Person::sign_up(system, 0, "eve", &journal).await?;
    for kind in [ConversationKind::Direct, ConversationKind::Group, ConversationKind::Channel] {
        let private = ana.start(kind, &[&bea]).await?;
        let secret = PostMessage::new(Ulid::generate(), "a secret".to_owned());
        let secret = ana.api.post(private, &secret).await?.message.id;
        let mut tried = 0;
        for route in
            ROUTES.iter().filter(|route| route.role == role::MESSAGING && route.path.contains("{id}"))
        {
            let path =
                route.path.replace("{id}", &private.to_string()).replace("{user_id}", &eve.id().to_string());
            let path = path.replace("{report_id}", &ReportId::from_ulid(secret.ulid()).to_string());
            let path = path.replace("{message_id}", &secret.to_string()).replace("{emoji}", "%F0%9F%91%8D");
            let path = path.replace("{invitation_id}", "inv_01J00000000000000000000000");
            let path = path.replace("{hook_id}", "hok_01J00000000000000000000000");
            let path = path.replace("{name}", "party");
            let path = path.replace("{role_id}", "rol_01J00000000000000000000000");
            let path = path.replace("{client_id}", "01J00000000000000000000000");
            let body = body_of(route.method.as_str(), route.path, eve.id());
            let answer: Result<serde_json::Value, ApiError> =
                eve.api.send(route.method.clone(), &path, body.as_ref()).await;
            match answer {
                Err(ApiError::Refused { status, .. }) if status == 404 => tried += 1,
                // What is one's own may be let go of, wherever it was about.
                Ok(serde_json::Value::Null) if is_letting_go(route) => tried += 1,
                other => bail!("{} {path} as a stranger: {other:?}", route.method),
            }
        }
        ensure!(tried >= 16, "only {tried} routes were tried");
        the_socket_is_closed_to(&eve, private).await?;
    }
    Ok(())
}

fn is_letting_go(route: &Route) -> bool {
    route.method == http::Method::DELETE && (route.path.ends_with("/draft") || route.path.ends_with("/saved"))
}

/// A body that a member could send, so that it is the stranger who is refused and not the body.
fn body_of(method: &str, path: &str, eve: UserId) -> Option<serde_json::Value> {
    match (method, path) {
        ("POST", "/v1/conversations/{id}/owner") => Some(serde_json::json!({"user_id": eve})),
        ("POST", "/v1/conversations/{id}/reports") => {
            Some(serde_json::json!({"user_id": eve, "category": "spam"}))
        }
        ("POST", "/v1/conversations/{id}/reports/{report_id}/decision") => {
            Some(serde_json::json!({"decision": "acted"}))
        }
        ("POST", "/v1/conversations/{id}/members/{user_id}/purge") => None,
        ("POST", path) if path.ends_with("/poll/close") => None,
        ("PUT", path) if path.ends_with("/poll/vote") => Some(serde_json::json!({"options": [0]})),
        ("PUT", "/v1/conversations/{id}/filters") => Some(serde_json::json!({"words": ["mine"]})),
        ("POST", path) if path.ends_with("/invitations") || path.ends_with("/requests") => {
            Some(serde_json::json!({}))
        }
        ("POST", path) if path.ends_with("/hooks") => Some(serde_json::json!({"name": "Mine"})),
        ("POST", path) if path.ends_with("/scheduled") => {
            let message = serde_json::json!({"client_id": Ulid::generate().to_string(), "body": "let me in"});
            Some(serde_json::json!({"message": message, "send_at": "2100-01-01T00:00:00Z"}))
        }
        ("PATCH", path) if path.ends_with("/membership") => Some(serde_json::json!({"hidden": true})),
        ("PATCH", path) if path.ends_with("/{client_id}") => Some(serde_json::json!({"body": "mine"})),
        ("POST", _) => {
            Some(serde_json::json!({"client_id": Ulid::generate().to_string(), "body": "let me in"}))
        }
        ("PATCH", "/v1/conversations/{id}/messages/{message_id}") => {
            Some(serde_json::json!({"body": "mine"}))
        }
        ("PATCH", _) => Some(serde_json::json!({"title": "mine"})),
        ("PUT", path) if path.ends_with("/cursor") => Some(serde_json::json!({"seq": 1})),
        ("PUT", "/v1/conversations/{id}/roles/{role_id}") => {
            Some(serde_json::json!({"name": "Mine", "allow": ["pin"]}))
        }
        ("PUT", path) if path.ends_with("/override") => Some(serde_json::json!({"allow": ["pin"]})),
        ("PUT", path) if path.contains("/emoji/") => {
            Some(serde_json::json!({"media_id": "med_01J00000000000000000000000"}))
        }
        ("PUT", path) if path.ends_with("/draft") => Some(serde_json::json!({"body": "mine"})),
        _ => None,
    }
}

async fn the_socket_is_closed_to(eve: &Person, private: ConversationId) -> Result<()> {
    let (mut socket, _ready) = eve.api.hello(None).await?;
    socket.say(&ClientFrame::Open { c: private, after: Some(0) }).await?;
    loop {
        match socket.hear().await.context("hearing what becomes of an open")? {
            ServerFrame::Error { c: Some(c), code, .. } if c == private => {
                ensure!(code == "not_found" || code == "conversation_not_found", "{code}");
                return Ok(());
            }
            ServerFrame::Event { .. } | ServerFrame::Opened { .. } => {
                bail!("a stranger hears a private conversation")
            }
            _ => {}
        }
    }
}
