//! What a client may not do, and what a slow one costs the others.

use tertulia_contracts::frames::{ClientFrame, MAX_CLIENT_FRAME_BYTES, MAX_OPEN, ServerFrame};
use tertulia_realtime::Config;
use tertulia_runtime::testkit::eventually_true;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::house::{House, SOON, closed, hear, heard_by_now, seqs};

#[tokio::test]
async fn a_slow_reader_is_sent_away_to_resume_and_costs_the_others_nothing() {
    let house = House::with(Config { outbox_bytes: 64 << 10, ..Config::default() }).await;
    let c = house.conversation(1);
    let mut slow = house.connect_and_open(house.user(), c).await;
    let mut fast = house.connect_and_open(house.user(), c).await;
    let posted = house.post_until_one_is_too_slow(c, &mut fast).await;
    let mut heard = Vec::new();
    let closed = loop {
        match tokio::time::timeout(SOON, slow.hear()).await.unwrap() {
            Ok(frame) => heard.extend(seqs(&[frame], c)),
            Err(tertulia_client::SocketError::Closed(closed)) => break closed,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(closed.code, 4000);
    assert_eq!(heard, (2..2 + heard.len() as u64).collect::<Vec<_>>(), "what came was whole up to its end");
    assert!((heard.len() as u64) < posted);
}

#[tokio::test]
async fn frames_that_are_not_the_protocol_are_refused_and_ten_of_them_are_enough() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect_and_open(house.user(), c).await;
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let wrong = [
        "",
        "{",
        "null",
        "[1]",
        r#"{"t":"dance"}"#,
        r#"{"t":"ping","x":1}"#,
        r#"{"t":"open","c":7}"#,
        r#"{"t":"open","c":"usr_01HF7YAT000000000000000000"}"#,
        &deep,
    ];
    for text in wrong {
        socket.say_raw(Message::Text(text.into())).await.unwrap();
        let answer = hear(&mut socket).await;
        assert!(
            matches!(answer, ServerFrame::Error { ref code, .. } if code == "malformed_frame"),
            "{answer:?}"
        );
    }
    socket.say_raw(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Error { .. }));
    house.fake.post(c, house.user(), "still served").await;
    assert_eq!(seqs(&[hear(&mut socket).await], c), [2]);
    socket.say_raw(Message::Text("once more".into())).await.unwrap();
    assert_eq!(
        closed(&mut socket).await,
        (tertulia_client::Closed { code: 4002, reason: "too many malformed frames".to_owned() }, 1)
    );
}

#[tokio::test]
async fn a_frame_over_its_bound_or_not_utf8_ends_the_socket() {
    let house = House::new().await;
    let mut socket = house.connect(house.user()).await;
    let fits = format!(r#"{{"t":"ping"{}}}"#, " ".repeat(MAX_CLIENT_FRAME_BYTES - 12));
    socket.say_raw(Message::Text(fits.clone().into())).await.unwrap();
    assert!(matches!(hear(&mut socket).await, ServerFrame::Pong));
    socket.say_raw(Message::Text(format!("{fits} ").into())).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 1009);

    let mut socket = house.connect(house.user()).await;
    let not_utf8 = Frame::message(vec![b'"', 0xff, b'"'], OpCode::Data(Data::Text), true);
    socket.say_raw(Message::Frame(not_utf8)).await.unwrap();
    assert_eq!(closed(&mut socket).await.0.code, 1007);
}

#[tokio::test]
async fn a_flood_is_refused_at_first_and_then_stopped() {
    let house = House::with(Config { frames_per_second: 5.0, frame_burst: 20, ..Config::default() }).await;
    let mut socket = house.connect(house.user()).await;
    let mut bystander = house.connect(house.user()).await;
    for _ in 0..1_000 {
        // The server may have stopped listening by now.
        let _ = socket.say(&ClientFrame::Ping {}).await;
    }
    let (mut pongs, mut refused) = (0, 0);
    let closed = loop {
        match tokio::time::timeout(SOON, socket.hear()).await.unwrap() {
            Ok(ServerFrame::Pong) => pongs += 1,
            Ok(ServerFrame::Error { code, .. }) if code == "rate_limited" => refused += 1,
            Ok(other) => panic!("{other:?}"),
            Err(tertulia_client::SocketError::Closed(closed)) => break closed,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(closed.code, 4002, "{closed:?}");
    // The burst less the hello, and what the rate allows while the test runs.
    assert!((19..40).contains(&pongs) && (70..200).contains(&refused), "{pongs} pongs, {refused} refused");
    assert!(heard_by_now(&mut bystander).await.is_empty());
}

#[tokio::test]
async fn a_socket_opens_a_bounded_number_of_conversations() {
    let house = House::with(Config { frame_burst: 10_000, ..Config::default() }).await;
    let mut socket = house.connect(house.user()).await;
    for _ in 0..MAX_OPEN {
        socket.say(&ClientFrame::Open { c: house.conversation(1), after: None }).await.unwrap();
    }
    let mut opened = 0;
    while opened < MAX_OPEN {
        let heard = hear(&mut socket).await;
        assert!(matches!(heard, ServerFrame::Opened { .. }), "{heard:?}");
        opened += 1;
    }
    socket.say(&ClientFrame::Open { c: house.conversation(1), after: None }).await.unwrap();
    let heard = hear(&mut socket).await;
    assert!(matches!(heard, ServerFrame::Error { ref code, .. } if code == "too_many_open"), "{heard:?}");
}

#[tokio::test]
async fn a_socket_watches_no_more_than_it_may_have_open() {
    let house = House::new().await;
    let mut socket = house.connect(house.user()).await;
    let cs: Vec<_> = (0..=MAX_OPEN).map(|_| house.conversation(1)).collect();
    let last = cs[MAX_OPEN];
    socket.say(&ClientFrame::Watch { cs }).await.unwrap();
    let (mut opened, mut refused) = (0, Vec::new());
    while opened < MAX_OPEN {
        match hear(&mut socket).await {
            ServerFrame::Opened { .. } => opened += 1,
            ServerFrame::Error { c, code, .. } => refused.push((c, code)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, [(Some(last), "too_many_open".to_owned())]);
    assert!(heard_by_now(&mut socket).await.is_empty());
}

#[tokio::test]
async fn a_socket_has_a_bounded_number_of_sends_on_their_way() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect(house.user()).await;
    let held = house.fake.posting.write().await;
    // One is being posted, 32 wait for it, and one is too many.
    for nth in 0..34 {
        let (reference, client_id) = (nth.to_string(), house.ambient.ids.next_ulid());
        let send = ClientFrame::Send {
            reference,
            c,
            client_id,
            body: "x".to_owned(),
            reply_to: None,
            thread_id: None,
            silent: false,
        };
        socket.say(&send).await.unwrap();
    }
    let refused = hear(&mut socket).await;
    let ServerFrame::Error { reference: Some(reference), code, retry_after: Some(1), .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((reference.as_str(), code.as_str()), ("33", "rate_limited"));
    drop(held);
    for nth in 0..33 {
        let answer = hear(&mut socket).await;
        assert!(matches!(answer, ServerFrame::Ack { ref reference, .. } if *reference == nth.to_string()));
    }
}

#[tokio::test]
async fn a_reference_is_bounded() {
    let house = House::new().await;
    let c = house.conversation(1);
    let mut socket = house.connect(house.user()).await;
    for length in [64, 65] {
        let (reference, client_id) = ("r".repeat(length), house.ambient.ids.next_ulid());
        let send = ClientFrame::Send {
            reference,
            c,
            client_id,
            body: "x".to_owned(),
            reply_to: None,
            thread_id: None,
            silent: false,
        };
        socket.say(&send).await.unwrap();
        match hear(&mut socket).await {
            ServerFrame::Ack { reference, .. } => assert_eq!(reference.len(), 64),
            ServerFrame::Error { reference, code, .. } => {
                assert_eq!((length, reference, code.as_str()), (65, None, "malformed_frame"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_is_gone_without_a_word_is_found_and_one_that_answers_stays() {
    let config = Config { ping_interval_ms: 100, pong_timeout_ms: 100, ..Config::default() };
    let house = House::with(config).await;
    // Answers pings only while it is read.
    let silent = house.connect(house.user()).await;
    let mut alive = house.connect(house.user()).await;
    let reading = async { alive.hear().await };
    tokio::select! {
        heard = reading => panic!("{heard:?}"),
        () = eventually_true(SOON, async || house.metric("sockets") == 1) => {}
    }
    assert!(heard_by_now(&mut alive).await.is_empty());
    drop(silent);
}
