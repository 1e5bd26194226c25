//! Resuming, and every way in which something could fall between.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use tertulia_client::Socket;
use tertulia_contracts::{
    ConversationId, UserId,
    frames::{ClientFrame, Resume, ServerFrame},
    messaging::UserFact,
};

use crate::house::{House, hear, heard_by_now, seqs, until_opened};

fn at(epoch: &str, places: &[(ConversationId, u64)]) -> Resume {
    Resume { epoch: Some(epoch.to_owned()), useq: 0, seqs: places.iter().copied().collect() }
}

async fn open(socket: &mut Socket, c: ConversationId, after: Option<u64>) {
    socket.say(&ClientFrame::Open { c, after }).await.unwrap();
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed_once_and_in_order() {
    let house = House::new().await;
    let (one, other) = (house.conversation(350), house.conversation(7));
    let mut socket = house.resume(house.user(), Some(at("1", &[(one, 20), (other, 7)]))).await;
    let (mut frames, mut heads) = (Vec::new(), BTreeMap::new());
    while heads.len() < 2 {
        match hear(&mut socket).await {
            ServerFrame::Opened { c, head } => drop(heads.insert(c, head)),
            frame => frames.push(frame),
        }
    }
    assert_eq!(heads, BTreeMap::from([(one, 350), (other, 7)]));
    assert_eq!(seqs(&frames, one), (21..=350).collect::<Vec<_>>());
    assert!(seqs(&frames, other).is_empty());
    house.fake.post(one, house.user(), "live").await;
    assert_eq!(seqs(&[hear(&mut socket).await], one), [351]);
}

#[tokio::test]
async fn a_users_own_log_resumes_too() {
    let house = House::new().await;
    let user = house.user();
    for _ in 0..5 {
        house
            .fake
            .post_own(user, UserFact::ConversationJoined { conversation_id: house.ambient.ids.next() })
            .await;
    }
    let resume = Resume { epoch: Some("1".to_owned()), useq: 2, seqs: BTreeMap::new() };
    let mut socket = house.resume(user, Some(resume)).await;
    for expected in 3..=5 {
        let heard = hear(&mut socket).await;
        assert!(matches!(heard, ServerFrame::User { useq, .. } if useq == expected), "{heard:?}");
    }
    assert!(heard_by_now(&mut socket).await.is_empty());
}

/// Opens a conversation in whose log an entry appears between the reading of the last page and its answer. Tells
/// what the client had when it was told that the conversation is open.
async fn open_while_something_happens(house: &House) -> (Socket, ConversationId, Vec<u64>) {
    let c = house.conversation(10);
    let mut socket = house.connect(house.user()).await;
    let (fake, author, runtime) = (house.fake.clone(), house.user(), tokio::runtime::Handle::current());
    let (told, is_told) = tokio::sync::oneshot::channel();
    let told = Arc::new(std::sync::Mutex::new(Some(told)));
    house.fake.after_next_read(move || {
        let seq = fake.commit(c, author, "between");
        runtime.spawn(async move {
            fake.tell(c, seq..=seq).await;
            let told = told.lock().unwrap().take();
            let _ = told.unwrap().send(());
        });
    });
    open(&mut socket, c, Some(8)).await;
    is_told.await.unwrap();
    house.faults.join_now().await;
    let (frames, _) = until_opened(&mut socket, c).await;
    (socket, c, seqs(&frames, c))
}

#[tokio::test]
async fn nothing_falls_between_subscribing_and_reading() {
    let house = House::new().await;
    let (mut socket, c, mut heard) = open_while_something_happens(&house).await;
    if heard.len() < 3 {
        heard.extend(seqs(&[hear(&mut socket).await], c));
    }
    assert_eq!(heard, [9, 10, 11]);
}

#[tokio::test]
async fn subscribing_after_reading_would_be_seen_by_the_test_above() {
    let house = House::new().await;
    house.faults.join_late.store(true, SeqCst);
    let (mut socket, c, mut heard) = open_while_something_happens(&house).await;
    // What is heard next is the next entry's broadcast, with a hole before it; until then nothing would come.
    heard.extend(seqs(&heard_by_now(&mut socket).await, c));
    assert_eq!(heard, [9, 10], "the planted fault loses the entry");
}

#[tokio::test]
async fn a_stream_that_never_rests_still_goes_live_without_a_hole() {
    let house = House::new().await;
    let c = house.conversation(500);
    let (fake, author) = (house.fake.clone(), house.user());
    let mut socket = house.connect(house.user()).await;
    let writing = tokio::task::JoinSet::from_iter([async move {
        for nth in 0..1_000 {
            fake.post(c, author, &format!("storm {nth}")).await;
            tokio::task::yield_now().await;
        }
    }]);
    open(&mut socket, c, Some(100)).await;
    let mut heard = Vec::new();
    while heard.last() != Some(&1_500) {
        heard.extend(seqs(&[hear(&mut socket).await], c));
    }
    writing.join_all().await;
    // Too far behind at the first page is told by a resync; then the stream begins at the head, still whole.
    assert!(heard.windows(2).all(|pair| pair[1] == pair[0] + 1), "{heard:?}");
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn a_lost_broadcast_is_read_from_the_log_when_the_next_one_shows_the_hole() {
    let house = House::new().await;
    let (c, author) = (house.conversation(3), house.user());
    let mut sockets =
        [house.connect_and_open(house.user(), c).await, house.connect_and_open(house.user(), c).await];
    house.faults.lose.store(2, SeqCst);
    for body in ["lost", "lost too", "heard"] {
        house.fake.post(c, author, body).await;
    }
    for socket in &mut sockets {
        let heard = [hear(socket).await, hear(socket).await, hear(socket).await];
        assert_eq!(seqs(&heard, c), [4, 5, 6]);
    }
    house.fake.post(c, author, "and on").await;
    for socket in &mut sockets {
        assert_eq!(seqs(&[hear(socket).await], c), [7]);
    }
    assert_eq!(house.metric("repairs_total"), 1, "one read for all who listen");
}

#[tokio::test]
async fn broadcasts_that_come_out_of_order_are_told_in_order() {
    let house = House::new().await;
    let (c, author) = (house.conversation(1), house.user());
    let mut socket = house.connect_and_open(house.user(), c).await;
    for body in ["a", "b", "c"] {
        house.fake.commit(c, author, body);
    }
    for seqs in [4..=4, 2..=3, 2..=4] {
        house.fake.tell(c, seqs).await;
    }
    let heard = [hear(&mut socket).await, hear(&mut socket).await, hear(&mut socket).await];
    assert_eq!(seqs(&heard, c), [2, 3, 4]);
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn after_a_gap_in_the_live_lane_every_open_log_is_compared() {
    let house = House::new().await;
    let (quiet, missed, user) = (house.conversation(1), house.conversation(1), house.user());
    let mut socket = house.connect_and_open(user, quiet).await;
    open(&mut socket, missed, None).await;
    until_opened(&mut socket, missed).await;
    house.faults.lose.store(2, SeqCst);
    house.fake.post(missed, house.user(), "lost, and nothing follows").await;
    house.fake.post_own(user, UserFact::ConversationJoined { conversation_id: quiet }).await;
    house.faults.gap.notify_one();
    let heard = [hear(&mut socket).await, hear(&mut socket).await];
    assert_eq!(seqs(&heard, missed), [2]);
    assert!(heard.iter().any(|frame| matches!(frame, ServerFrame::User { useq: 1, .. })), "{heard:?}");
}

#[tokio::test]
async fn an_acknowledged_send_shows_that_its_broadcast_was_lost() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect_and_open(house.user(), c).await;
    house.faults.lose.store(1, SeqCst);
    let client_id = house.ambient.ids.next_ulid();
    let send = ClientFrame::Send {
        reference: "1".to_owned(),
        c,
        client_id,
        body: "mine".to_owned(),
        reply_to: None,
        thread_id: None,
        silent: false,
    };
    socket.say(&send).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Ack { seq: 2, .. }));
    assert_eq!(seqs(&[hear(&mut socket).await], c), [2]);
}

/// What a client hears that says it is at `place`, up to `opened`.
async fn resume_at(
    house: &House,
    user: UserId,
    epoch: &str,
    c: ConversationId,
    place: u64,
) -> (bool, Vec<u64>, u64) {
    let mut socket = house.resume(user, Some(at(epoch, &[(c, place)]))).await;
    let (frames, head) = until_opened(&mut socket, c).await;
    let resynced =
        frames.iter().any(|frame| matches!(frame, ServerFrame::Resync { c: Some(of) } if *of == c));
    house.fake.post(c, house.user(), "live").await;
    let live = seqs(&[hear(&mut socket).await], c);
    assert_eq!(live, [head + 1], "what follows the head is heard either way");
    (resynced, seqs(&frames, c), head)
}

#[tokio::test]
async fn a_client_too_far_behind_or_of_another_epoch_loads_that_conversation_anew() {
    let house = House::new().await;
    let (c, user) = (house.conversation(1_200), house.user());
    assert_eq!(resume_at(&house, user, "1", c, 199).await, (true, vec![], 1_200), "1,001 behind");
    assert_eq!(resume_at(&house, user, "0", c, 1_200).await, (true, vec![], 1_201), "another epoch");
    assert_eq!(resume_at(&house, user, "1", c, 9_999).await, (true, vec![], 1_202), "ahead of the log");
    let (resynced, seqs, head) = resume_at(&house, user, "1", c, 203).await;
    assert_eq!((resynced, seqs.len(), head), (false, 1_000, 1_203), "1,000 behind");
}
