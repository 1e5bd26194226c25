//! Programs: sockets that come with an API token.

use http::Method;
use tertulia_client::Socket;
use tertulia_contracts::{
    frames::{ClientFrame, ServerFrame},
    identity::Scope,
    live::{Control, control_channel},
};

use crate::house::{House, closed, hear, heard_by_now};

#[tokio::test]
async fn a_program_hears_and_posts_as_far_as_its_token_is_good_for_it() {
    let house = House::new().await;
    let c = house.conversation(1);
    let bot = house.user();
    let mut listener = house.connect_and_open(house.user(), c).await;
    for (scopes, may_write) in [(&[Scope::Read][..], false), (&[Scope::Read, Scope::Write], true)] {
        let (token, _) = house.signer.api_token(bot, scopes, true);
        let (mut socket, ready) = Socket::hello(&house.base, &token, None).await.unwrap();
        assert!(matches!(ready, ServerFrame::Ready { user: ref whom, .. } if whom.id == bot), "{ready:?}");
        socket.say(&ClientFrame::Open { c, after: None }).await.unwrap();
        assert!(matches!(hear(&mut socket).await, ServerFrame::Opened { .. }));
        socket.say(&ClientFrame::Typing { c }).await.unwrap();
        let (reference, client_id) = ("1".to_owned(), house.ambient.ids.next_ulid());
        let (body, reply_to, silent) = ("Sunny".to_owned(), None, false);
        socket
            .say(&ClientFrame::Send { reference, c, client_id, body, reply_to, thread_id: None, silent })
            .await
            .unwrap();
        loop {
            match hear(&mut socket).await {
                ServerFrame::Ack { .. } if may_write => break,
                ServerFrame::Error { reference: Some(_), code, .. } if !may_write => {
                    assert_eq!(code, "insufficient_scope");
                    break;
                }
                ServerFrame::Event { .. } if may_write => {}
                other => panic!("{other:?}"),
            }
        }
    }
    // Of the first nothing was heard, not even that it typed.
    assert!(matches!(hear(&mut listener).await, ServerFrame::Typing { user, .. } if user == bot));
    assert!(matches!(hear(&mut listener).await, ServerFrame::Event { seq: 2, .. }));
    assert!(heard_by_now(&mut listener).await.is_empty());
}

#[tokio::test]
async fn a_token_that_may_not_read_hears_nothing() {
    let house = House::new().await;
    let (token, _) = house.signer.api_token(house.user(), &[Scope::Write], true);
    let mut socket = Socket::connect(&house.base).await.unwrap();
    socket.say(&ClientFrame::Hello { token: token.clone(), resume: None }).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 4002);
    let api = house.api(house.user()).with_token(&token);
    let refused = api.send::<(), serde_json::Value>(Method::GET, "/v1/events", None).await.unwrap_err();
    assert_eq!(refused.code(), Some("insufficient_scope"));
}

#[tokio::test]
async fn a_token_that_is_taken_back_closes_its_sockets_and_no_others() {
    let house = House::new().await;
    let bot = house.user();
    let [(first, session_id), (second, _)] =
        [(); 2].map(|()| house.signer.api_token(bot, &[Scope::Read], true));
    let (mut revoked, _) = Socket::hello(&house.base, &first, None).await.unwrap();
    let (mut other, _) = Socket::hello(&house.base, &second, None).await.unwrap();
    house.fake.broadcast(control_channel(bot), &Control::SessionRevoked { session_id }).await;
    assert_eq!(closed(&mut revoked).await.0.code, 4001);
    assert!(heard_by_now(&mut other).await.is_empty());
}
