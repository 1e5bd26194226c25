//! Conversations of which a client wants to know that something happens, not what.

use std::sync::atomic::Ordering::SeqCst;

use tertulia_client::Socket;
use tertulia_contracts::{
    ConversationId,
    frames::{ClientFrame, ServerFrame},
    live::{Control, control_channel},
};

use crate::house::{House, hear, heard_by_now, seqs, told, told_until_opened, until_opened};

async fn watch(socket: &mut Socket, cs: &[ConversationId]) {
    socket.say(&ClientFrame::Watch { cs: cs.to_vec() }).await.unwrap();
}

/// The heads told of a conversation until one is as far as this; whatever else comes is a mistake.
async fn dirty_until(socket: &mut Socket, of: ConversationId, head: u64) -> Vec<u64> {
    let mut heads = Vec::new();
    while heads.last() != Some(&head) {
        match hear(socket).await {
            ServerFrame::Dirty { c, head } if c == of => heads.push(head),
            other => panic!("{other:?}"),
        }
    }
    heads
}

#[tokio::test]
async fn who_watches_is_told_that_something_happened_and_how_far_it_goes() {
    let house = House::new().await;
    let (busy, calm) = (house.conversation(3), house.conversation(5));
    let mut socket = house.connect(house.user()).await;
    watch(&mut socket, &[busy, calm]).await;
    let mut opened = [hear(&mut socket).await, hear(&mut socket).await].map(|frame| match frame {
        ServerFrame::Opened { c, head } => (c, head),
        other => panic!("{other:?}"),
    });
    opened.sort_unstable();
    let mut expected = [(busy, 3), (calm, 5)];
    expected.sort_unstable();
    assert_eq!(opened, expected, "the heads say at once what was missed");
    for nth in 0..200 {
        house.fake.post(busy, house.user(), &nth.to_string()).await;
    }
    let heads = dirty_until(&mut socket, busy, 203).await;
    assert!(heads.is_sorted() && heads.len() < 20, "many entries are one word: {heads:?}");
    assert!(heard_by_now(&mut socket).await.is_empty(), "nothing of the calm one");
}

#[tokio::test]
async fn a_watched_conversation_is_not_open_and_is_opened_and_watched_again() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect(house.user()).await;
    let mut other = house.connect_and_open(house.user(), c).await;
    watch(&mut socket, &[c]).await;
    until_opened(&mut socket, c).await;
    other.say(&ClientFrame::Typing { c }).await.unwrap();
    house.fake.post(c, house.user(), "two").await;
    assert_eq!(dirty_until(&mut socket, c, 2).await, [2], "typing is for those who look");
    socket.say(&ClientFrame::Open { c, after: Some(1) }).await.unwrap();
    let (frames, head) = until_opened(&mut socket, c).await;
    assert_eq!((seqs(&frames, c), head), (vec![2], 2));
    house.fake.post(c, house.user(), "three").await;
    assert_eq!(seqs(&[hear(&mut socket).await], c), [3]);
    watch(&mut socket, &[c]).await;
    until_opened(&mut socket, c).await;
    house.fake.post(c, house.user(), "four").await;
    dirty_until(&mut socket, c, 4).await;
    socket.say(&ClientFrame::Close { c }).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Closed { c: of } if of == c));
    house.fake.post(c, house.user(), "five").await;
    assert_eq!(seqs(&[hear(&mut other).await, hear(&mut other).await], c), [2, 3]);
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn what_the_live_lane_lost_is_told_to_who_watches_too() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect(house.user()).await;
    watch(&mut socket, &[c]).await;
    until_opened(&mut socket, c).await;
    house.faults.lose.store(1, SeqCst);
    house.fake.post(c, house.user(), "lost, and nothing follows").await;
    house.faults.gap.notify_one();
    assert_eq!(dirty_until(&mut socket, c, 2).await, [2]);
}

#[tokio::test]
async fn only_what_one_may_read_is_watched() {
    let house = House::new().await;
    let (user, mine, secret) = (house.user(), house.conversation(1), house.conversation(1));
    house.fake.estrange(secret, user);
    let mut socket = house.connect(user).await;
    watch(&mut socket, &[secret]).await;
    let refused = hear(&mut socket).await;
    assert!(matches!(refused, ServerFrame::Error { c: Some(c), .. } if c == secret), "{refused:?}");
    watch(&mut socket, &[mine]).await;
    until_opened(&mut socket, mine).await;
    house.fake.broadcast(control_channel(user), &Control::AccessLost { conversation_id: mine }).await;
    assert!(matches!(hear(&mut socket).await, ServerFrame::Closed { c } if c == mine));
    for c in [secret, mine] {
        house.fake.post(c, house.user(), "not for you").await;
    }
    // Another's watch shows that the sweep has been there since.
    let mut other = house.connect(house.user()).await;
    watch(&mut other, &[mine]).await;
    until_opened(&mut other, mine).await;
    house.fake.post(mine, house.user(), "nor this").await;
    dirty_until(&mut other, mine, 3).await;
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn a_stream_watches_too() {
    let house = House::new().await;
    let (c, watched) = (house.conversation(1), house.conversation(4));
    let mut stream = house.listen(house.user(), &format!("open={c}:0&epoch=1&watch={watched}"), None).await;
    let (frames, head) = told_until_opened(&mut stream, watched).await;
    assert_eq!((seqs(&frames, c), head), (vec![1], 4));
    house.fake.post(watched, house.user(), "news").await;
    loop {
        match told(&mut stream).await.unwrap() {
            ServerFrame::Dirty { c, head } => break assert_eq!((c, head), (watched, 5)),
            ServerFrame::Opened { c: of, .. } => assert_eq!(of, c),
            other => panic!("{other:?}"),
        }
    }
}
