//! Ids of the wrong kind, and conversations that are another's.

use reqwest::Method;
use serde_json::{Value, json};
use tertulia_client::{Api, Socket};
use tertulia_contracts::{
    ConversationId, MessageId,
    frames::{ClientFrame, ServerFrame},
    messaging::{ConversationKind, CreateConversation},
};
use ulid::Ulid;

use crate::{
    process::{Folder, Product},
    wire::{hear, refused, request},
};

/// A group of one.
pub(crate) async fn conversation_of(api: &Api) -> ConversationId {
    let title = Some("Tertulia".to_owned());
    let kind = ConversationKind::Group;
    let group = CreateConversation { kind, title, handle: None, visibility: None, members: Vec::new() };
    api.create(&group).await.unwrap().id
}

/// Every address of one conversation, with a body that would do.
fn addresses(c: &str, user: &str) -> Vec<(Method, String, Option<Value>)> {
    let message = json!({"client_id": Ulid::from_parts(1, 1).to_string(), "body": "Hola"});
    let at = |rest: &str| format!("/v1/conversations/{c}{rest}");
    let of_message =
        |rest: &str| at(&format!("/messages/{}{rest}", MessageId::from_ulid(Ulid::from_parts(1, 1))));
    vec![
        (Method::GET, at(""), None),
        (Method::PATCH, at(""), Some(json!({"title": "Mine"}))),
        (Method::GET, at("/members"), None),
        (Method::PUT, at(&format!("/members/{user}")), None),
        (Method::DELETE, at(&format!("/members/{user}")), None),
        (Method::POST, at("/owner"), Some(json!({"user_id": user}))),
        (Method::POST, at("/messages"), Some(message)),
        (Method::GET, at("/messages"), None),
        (Method::PATCH, of_message(""), Some(json!({"body": "Mine"}))),
        (Method::DELETE, of_message(""), None),
        (Method::GET, of_message("/edits"), None),
        (Method::PUT, of_message("/reactions/%F0%9F%91%8D"), None),
        (Method::DELETE, of_message("/reactions/%F0%9F%91%8D"), None),
        (Method::PUT, of_message("/pin"), None),
        (Method::DELETE, of_message("/pin"), None),
        (Method::GET, at("/pins"), None),
        (Method::GET, at("/log"), None),
        (Method::PUT, at("/cursor"), Some(json!({"seq": 1}))),
    ]
}

async fn refused_at_each(product: &Product, token: &str, c: &str, user: &str, code: &str) {
    for (method, path, body) in addresses(c, user) {
        let mut request = request(product, method, &path, token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        refused(request, 404, code).await;
    }
}

#[tokio::test]
async fn anothers_conversation_does_not_exist() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, _) = product.member("ana").await;
    let (bea, stranger) = product.member("bea").await;
    let c = conversation_of(&ana).await;
    let before = ana.log(c, 0, 10).await.unwrap().items.len();
    let (stranger, absent) = (stranger.id.to_string(), ConversationId::from_ulid(Ulid::from_parts(1, 1)));
    // What is private and what is not there are told apart by nothing.
    for c in [c, absent] {
        refused_at_each(&product, &bea.token(), &c.to_string(), &stranger, "conversation_not_found").await;
    }
    let (mut socket, _) = Socket::hello(&product.url, &bea.token(), None).await.unwrap();
    for c in [c, absent] {
        let (reference, client_id) = ("1".to_owned(), Ulid::from_parts(1, 1));
        let send = ClientFrame::Send {
            reference,
            c,
            client_id,
            body: "Hola".to_owned(),
            reply_to: None,
            thread_id: None,
            silent: false,
        };
        for frame in [ClientFrame::Open { c, after: None }, send] {
            socket.say(&frame).await.unwrap();
            let answer = hear(&mut socket).await.unwrap();
            let ServerFrame::Error { code, .. } = &answer else { panic!("{answer:?}") };
            assert_eq!(code, "conversation_not_found");
        }
    }
    assert_eq!(ana.log(c, 0, 10).await.unwrap().items.len(), before, "somebody wrote into it");
}

#[tokio::test]
async fn ids_of_another_kind_name_nothing() {
    let folder = Folder::new();
    let product = Product::up(&folder, &[]);
    let (ana, me) = product.member("ana").await;
    let c = conversation_of(&ana).await.to_string();
    let me = me.id.to_string();
    let ulid = c.strip_prefix("cnv_").unwrap();
    let lower = c.to_lowercase();
    let wrong = [&*me, ulid, "cnv_", "x", "%00", "%ff", "..%2f..%2fme", &lower, &"x".repeat(5_000)];
    for id in wrong {
        refused_at_each(&product, &ana.token(), id, &me, "not_found").await;
    }
    for path in [format!("/v1/users/{c}"), format!("/v1/conversations/{c}/members/{c}")] {
        let method = if path.contains("members") { Method::PUT } else { Method::GET };
        refused(request(&product, method, &path, &ana.token()), 404, "not_found").await;
    }
    refused(request(&product, Method::DELETE, &format!("/v1/sessions/{c}"), &ana.token()), 404, "not_found")
        .await;
}
