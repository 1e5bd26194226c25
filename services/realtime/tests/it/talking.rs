//! Opening, sending, hearing, typing, and losing access.

use tertulia_client::SocketError;
use tertulia_contracts::{
    frames::{ClientFrame, ServerFrame},
    live::{Control, Narrowed, Read, Receipt, control_channel, log_channel},
    messaging::UserFact,
};
use tertulia_runtime::testkit::eventually;

use crate::house::{House, SOON, hear, heard_by_now, seqs, until_opened};

fn send(house: &House, reference: &str, c: tertulia_contracts::ConversationId, body: &str) -> ClientFrame {
    ClientFrame::Send {
        reference: reference.to_owned(),
        c,
        client_id: house.ambient.ids.next_ulid(),
        body: body.to_owned(),
        reply_to: None,
        thread_id: None,
        silent: false,
    }
}

#[tokio::test]
async fn what_one_sends_is_acknowledged_and_both_hear_it() {
    let house = House::new().await;
    let c = house.conversation(2);
    let mut ada = house.connect_and_open(house.user(), c).await;
    let mut bob = house.connect_and_open(house.user(), c).await;
    ada.say(&send(&house, "r1", c, "hello, Bob")).await.unwrap();
    let heard = [hear(&mut ada).await, hear(&mut ada).await];
    let acks: Vec<_> =
        heard.iter().filter(|frame| matches!(frame, ServerFrame::Ack { seq: 3, .. })).collect();
    assert!(matches!(acks[..], [ServerFrame::Ack { reference, .. }] if reference == "r1"), "{heard:?}");
    assert_eq!(seqs(&heard, c), [3]);
    let ServerFrame::Event { seq: 3, e, .. } = hear(&mut bob).await else { panic!("Bob hears the message") };
    assert!(e.get().contains("hello, Bob"), "{e}");
}

#[tokio::test]
async fn sends_are_posted_in_the_order_they_were_sent() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect(house.user()).await;
    for nth in 0..30 {
        socket.say(&send(&house, &nth.to_string(), c, &nth.to_string())).await.unwrap();
    }
    let mut acks = Vec::new();
    while acks.len() < 30 {
        match hear(&mut socket).await {
            ServerFrame::Ack { reference, seq, .. } => acks.push((reference, seq)),
            other => panic!("{other:?}"),
        }
    }
    let expected: Vec<_> = (0..30).map(|nth| (nth.to_string(), nth + 2)).collect();
    assert_eq!(acks, expected);
    assert_eq!(*house.fake.posts.lock().unwrap(), (0..30).map(|nth| nth.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refusal_names_what_it_refuses() {
    let house = House::new().await;
    let (user, secret) = (house.user(), house.conversation(3));
    house.fake.estrange(secret, user);
    let nowhere = house.ambient.ids.next();
    let mut socket = house.connect(user).await;
    for c in [secret, nowhere] {
        socket.say(&ClientFrame::Open { c, after: None }).await.unwrap();
        let refused = hear(&mut socket).await;
        let ServerFrame::Error { reference: None, c: Some(of), ref code, .. } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (of, code.as_str()),
            (c, "not_found"),
            "a private conversation does not exist for a stranger"
        );
    }
    socket.say(&send(&house, "r9", nowhere, "x")).await.unwrap();
    let refused = hear(&mut socket).await;
    assert!(
        matches!(refused, ServerFrame::Error { reference: Some(ref it), .. } if it == "r9"),
        "{refused:?}"
    );
    house.fake.post(secret, house.user(), "not for you").await;
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn a_closed_conversation_is_not_heard_and_opens_again_from_where_it_was() {
    let house = House::new().await;
    let c = house.conversation(5);
    let mut socket = house.connect_and_open(house.user(), c).await;
    socket.say(&ClientFrame::Close { c }).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Closed { c: of } if of == c));
    house.fake.post(c, house.user(), "unheard").await;
    assert!(heard_by_now(&mut socket).await.is_empty());
    socket.say(&ClientFrame::Open { c, after: Some(5) }).await.unwrap();
    let (frames, head) = until_opened(&mut socket, c).await;
    assert_eq!((seqs(&frames, c), head), (vec![6], 6));
}

#[tokio::test]
async fn a_channel_is_left_when_nobody_listens_and_joined_again() {
    let house = House::new().await;
    let c = house.conversation(1);
    for round in 1..=3 {
        let mut socket = house.connect_and_open(house.user(), c).await;
        house.fake.post(c, house.user(), "heard").await;
        assert_eq!(seqs(&[hear(&mut socket).await], c), [round + 1]);
        socket.close().await;
        eventually(SOON, async || (house.metric("sockets") == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn who_loses_access_hears_no_more_and_the_others_go_on() {
    let house = House::new().await;
    let (c, leaving) = (house.conversation(1), house.user());
    let mut out = house.connect_and_open(leaving, c).await;
    let mut stays = house.connect_and_open(house.user(), c).await;
    house.fake.broadcast(control_channel(leaving), &Control::AccessLost { conversation_id: c }).await;
    assert!(matches!(hear(&mut out).await, ServerFrame::Closed { c: of } if of == c));
    house.fake.post(c, house.user(), "for members").await;
    assert_eq!(seqs(&[hear(&mut stays).await], c), [2]);
    assert!(heard_by_now(&mut out).await.is_empty());
}

#[tokio::test]
async fn when_fewer_may_read_everybody_asks_anew() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut opens = house.connect_and_open(house.user(), c).await;
    let mut watches = house.connect(house.user()).await;
    watches.say(&ClientFrame::Watch { cs: vec![c] }).await.unwrap();
    assert!(matches!(hear(&mut watches).await, ServerFrame::Opened { c: of, .. } if of == c));
    let mut elsewhere = house.connect_and_open(house.user(), house.conversation(1)).await;
    house.fake.broadcast(log_channel(c), &Narrowed { narrowed: true }).await;
    for socket in [&mut opens, &mut watches] {
        let heard = tokio::time::timeout(SOON, socket.hear()).await.unwrap();
        assert!(matches!(&heard, Err(SocketError::Closed(closed)) if closed.code == 4000), "{heard:?}");
    }
    assert!(heard_by_now(&mut elsewhere).await.is_empty(), "who follows something else stays");
    house.connect_and_open(house.user(), c).await;
}

#[tokio::test]
async fn typing_is_told_to_the_others_who_have_it_open() {
    let house = House::new().await;
    let (c, ada) = (house.conversation(1), house.user());
    let mut types = house.connect_and_open(ada, c).await;
    let mut other_device = house.connect_and_open(ada, c).await;
    let mut bob = house.connect_and_open(house.user(), c).await;
    let mut elsewhere = house.connect(house.user()).await;
    elsewhere.say(&ClientFrame::Typing { c }).await.unwrap();
    assert!(heard_by_now(&mut elsewhere).await.is_empty());
    types.say(&ClientFrame::Typing { c }).await.unwrap();
    types.say(&ClientFrame::Typing { c }).await.unwrap();
    assert!(matches!(hear(&mut bob).await, ServerFrame::Typing { c: of, user } if of == c && user == ada));
    for socket in [&mut types, &mut other_device, &mut elsewhere, &mut bob] {
        assert!(heard_by_now(socket).await.is_empty(), "typing is told once, and only to the others");
    }
}

#[tokio::test]
async fn that_somebody_has_read_on_is_told_to_who_may_know() {
    let house = House::new().await;
    let (c, ada, bob) = (house.conversation(1), house.user(), house.user());
    let mut hers = house.connect_and_open(ada, c).await;
    let mut his = house.connect_and_open(bob, c).await;
    let mut elsewhere = house.connect(bob).await;
    let mut strangers = house.connect_and_open(house.user(), c).await;
    let read = Read { user: ada, seq: 1, to: vec![bob, house.user()] };
    house.fake.broadcast(log_channel(c), &Receipt { read }).await;
    let heard = hear(&mut his).await;
    assert!(
        matches!(heard, ServerFrame::Read { c: of, user, seq: 1 } if of == c && user == ada),
        "{heard:?}"
    );
    for socket in [&mut hers, &mut his, &mut elsewhere, &mut strangers] {
        assert!(heard_by_now(socket).await.is_empty());
    }
}

#[tokio::test]
async fn a_user_hears_their_own_log() {
    let house = House::new().await;
    let user = house.user();
    let joined = || UserFact::ConversationJoined { conversation_id: house.ambient.ids.next() };
    house.fake.post_own(user, joined()).await;
    let mut socket = house.connect(user).await;
    house.fake.post_own(user, joined()).await;
    let heard = hear(&mut socket).await;
    assert!(matches!(heard, ServerFrame::User { useq: 2, .. }), "{heard:?}");
    house.fake.post_own(house.user(), joined()).await;
    assert!(heard_by_now(&mut socket).await.is_empty(), "and nobody else's");
}
