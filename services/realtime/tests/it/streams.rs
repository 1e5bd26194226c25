//! Server-sent events: what a socket tells, for clients that cannot have one.

use std::time::Duration;

use http::{HeaderName, Method};
use tertulia_client::{Api, EventStream};
use tertulia_contracts::{
    ConversationId,
    frames::{ClientFrame, CloseCode, MAX_STREAMED, ServerFrame},
    live::{Control, control_channel},
};
use tertulia_realtime::Config;
use tertulia_runtime::{
    Metrics, Supervisor,
    testkit::{TestClient, eventually_true},
};
use tokio::task::JoinSet;

use crate::house::{House, SOON, metric, seqs, told, told_until_opened};

/// The stream's last word, and how many frames came before it.
async fn ended(stream: &mut EventStream) -> (u16, CloseCode, usize) {
    let mut frames = 0;
    loop {
        match told(stream).await.expect("a stream does not end without a word") {
            ServerFrame::End { code, then, .. } => {
                assert!(told(stream).await.is_none(), "nothing follows the end");
                return (code, then, frames);
            }
            _ => frames += 1,
        }
    }
}

#[tokio::test]
async fn what_is_posted_is_told_and_a_stream_that_was_cut_resumes_by_its_last_id() {
    let house = House::new().await;
    let (user, author) = (house.user(), house.user());
    let (one, other) = (house.conversation(5), house.conversation(2));
    let query = format!("open={one},{other}");
    let mut stream = house.listen(user, &query, None).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert!(matches!(told(&mut stream).await, Some(ServerFrame::Ready { .. })));
    let mut opened = 0;
    while opened < 2 {
        opened += usize::from(matches!(told(&mut stream).await, Some(ServerFrame::Opened { .. })));
    }
    house.fake.post(one, author, "live").await;
    assert_eq!(seqs(&[told(&mut stream).await.unwrap()], one), [6]);
    let id = stream.reader.last_id.clone().unwrap();
    assert!(id.len() < 40, "an id is short: {id}");
    drop(stream);
    eventually_true(SOON, async || house.metric("sockets") == 0).await;
    for c in [one, other, one] {
        house.fake.post(c, author, "missed").await;
    }
    let mut stream = house.listen(user, &query, Some(&id)).await;
    let (mut frames, mut heads) = (Vec::new(), Vec::new());
    while heads.len() < 2 {
        match told(&mut stream).await.unwrap() {
            ServerFrame::Opened { head, .. } => heads.push(head),
            frame => frames.push(frame),
        }
    }
    heads.sort_unstable();
    assert_eq!((seqs(&frames, one), seqs(&frames, other), heads), (vec![7, 8], vec![3], vec![3, 8]));
    house.fake.post(other, author, "live again").await;
    assert_eq!(seqs(&[told(&mut stream).await.unwrap()], other), [4]);
}

#[tokio::test]
async fn a_stream_begins_where_its_address_says() {
    let house = House::new().await;
    let c = house.conversation(1_200);
    let query = format!("epoch=1&useq=0&open={c}:1198");
    let mut stream = house.listen(house.user(), &query, None).await;
    let (frames, head) = told_until_opened(&mut stream, c).await;
    assert_eq!((seqs(&frames, c), head), (vec![1_199, 1_200], 1_200));
    for (query, id) in [
        (format!("epoch=0&open={c}:1198"), None),
        (format!("open={c}:1198"), None),
        (format!("epoch=1&open={c}:199"), None),
        (format!("open={c}"), Some("1.2.3")),
        (format!("open={c}"), Some("no id")),
    ] {
        let mut stream = house.listen(house.user(), &query, id).await;
        let (frames, head) = told_until_opened(&mut stream, c).await;
        let resynced = |frame: &ServerFrame| matches!(frame, ServerFrame::Resync { c: Some(of) } if *of == c);
        assert!(frames.iter().any(resynced) && head == 1_200, "{query} {id:?}: {frames:?}");
        assert!(seqs(&frames, c).is_empty());
    }
}

#[tokio::test]
async fn a_stream_that_is_not_allowed_or_not_understood_is_refused_with_a_status() {
    let house = House::new().await;
    let (api, c) = (house.api(house.user()), house.conversation(1));
    let code = async |api: &Api, query: &str| {
        let refused = EventStream::open(api, query, None).await.err().expect("it is refused");
        refused.code().unwrap_or_default().to_owned()
    };
    assert_eq!(code(&Api::new(&house.base), "").await, "token_invalid");
    assert_eq!(code(&api.with_token("a.b.c"), "").await, "token_invalid");
    for query in ["open=usr_1", "open=cnv_1", "watch=x", "useq=-1", "token=x"] {
        assert_eq!(code(&api, query).await, "invalid_fields", "{query}");
    }
    for query in [format!("open={c}:x"), format!("open={c}:"), format!("open={c},{c}:2")] {
        assert_eq!(code(&api, &query).await, "invalid_fields", "{query}");
    }
    let many = |count: usize| {
        let ids: Vec<String> = (0..count).map(|_| house.conversation(1).to_string()).collect();
        format!("open={}&watch={}", ids[..count / 2].join(","), ids[count / 2..].join(","))
    };
    assert_eq!(code(&api, &many(MAX_STREAMED + 1)).await, "invalid_fields");
    let mut stream = EventStream::open(&api, &many(MAX_STREAMED), None).await.unwrap();
    let mut opened = 0;
    while opened < MAX_STREAMED {
        opened += usize::from(matches!(told(&mut stream).await.unwrap(), ServerFrame::Opened { .. }));
    }
    assert!(stream.reader.last_id.unwrap().len() < 4_096, "an id fits into a header's line");
    let posted = api.send::<(), serde_json::Value>(Method::POST, "/v1/events", None).await.unwrap_err();
    assert_eq!(posted.code(), Some("method_not_allowed"));
}

#[tokio::test]
async fn a_conversation_that_may_not_be_read_is_refused_and_the_stream_goes_on() {
    let house = House::new().await;
    let (user, c, secret) = (house.user(), house.conversation(1), house.conversation(1));
    house.fake.estrange(secret, user);
    let query = format!("open={secret},{c}");
    let mut stream = house.listen(user, &query, None).await;
    let mut frames = Vec::new();
    while frames.len() < 3 {
        frames.push(told(&mut stream).await.unwrap());
    }
    let is_refusal =
        |frame: &ServerFrame| matches!(frame, ServerFrame::Error { c: Some(of), .. } if *of == secret);
    assert!(frames.iter().any(is_refusal), "{frames:?}");
    house.fake.broadcast(control_channel(user), &Control::AccessLost { conversation_id: c }).await;
    assert!(matches!(told(&mut stream).await, Some(ServerFrame::Closed { c: of }) if of == c));
    assert!(stream.reader.last_id.unwrap().ends_with(".x.x"), "neither is asked for again");
}

#[tokio::test]
async fn a_login_that_ends_and_a_token_that_runs_out_end_the_stream() {
    let house = House::new().await;
    let (user, session_id) = (house.user(), house.ambient.ids.next());
    let of_session = Api::new(&house.base).with_token(&house.signer.token_of(user, session_id));
    let mut revoked = EventStream::open(&of_session, "", None).await.unwrap();
    let mut other = house.listen(user, "", None).await;
    for stream in [&mut revoked, &mut other] {
        assert!(matches!(told(stream).await, Some(ServerFrame::Ready { .. })));
    }
    house.fake.broadcast(control_channel(user), &Control::SessionRevoked { session_id }).await;
    assert_eq!(ended(&mut revoked).await, (4001, CloseCode::LogInAgain, 0));
    house.clock.advance(Duration::from_hours(1));
    assert_eq!(ended(&mut other).await, (4001, CloseCode::LogInAgain, 0));
}

#[tokio::test]
async fn a_node_that_leaves_says_resume_and_when_and_takes_nobody_more() {
    let house = House::new().await;
    let (supervisor, metrics) = (Supervisor::default(), Metrics::new());
    let router = house.router(Config { drain_ms: 50, ..Config::default() }, &supervisor, &metrics).await;
    let token = house.signer.token(house.user());
    let client = TestClient::new(router).with_token(&token);
    let mut streams = JoinSet::new();
    for _ in 0..5 {
        let client = client.clone();
        streams.spawn(async move { client.get("/v1/events").await.text() });
    }
    eventually_true(SOON, async || metric(&metrics, "sockets") == 5).await;
    assert!(supervisor.shutdown(SOON).await.is_empty(), "every stream ended");
    let mut pauses = Vec::new();
    while let Some(text) = streams.join_next().await {
        let text = text.unwrap();
        let end = text.split("\n\n").find(|event| event.starts_with("event: end\n")).unwrap();
        assert!(end.contains(r#""t":"end","code":4000,"then":"resume""#), "{end}");
        let pause: u64 = end.rsplit_once("retry: ").unwrap().1.parse().unwrap();
        assert!((500..=1_000).contains(&pause), "{pause}");
        pauses.push(pause);
    }
    pauses.dedup();
    assert!(pauses.len() > 1, "they do not come back in the same moment: {pauses:?}");
    let refused = client.get("/v1/events").await.expect(503);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("node_draining", Some("1")));
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_ended_and_costs_the_others_nothing() {
    let house = House::with(Config { outbox_bytes: 64 << 10, ..Config::default() }).await;
    let c = house.conversation(1);
    let mut slow = house.listen(house.user(), &format!("open={c}"), None).await;
    told_until_opened(&mut slow, c).await;
    let mut fast = house.connect_and_open(house.user(), c).await;
    let posted = house.post_until_one_is_too_slow(c, &mut fast).await;
    let mut heard = Vec::new();
    while let Some(frame) = told(&mut slow).await {
        heard.extend(seqs(&[frame], c));
    }
    assert_eq!(heard, (2..2 + heard.len() as u64).collect::<Vec<_>>(), "what came was whole up to its end");
    assert!((heard.len() as u64) < posted);
}

#[tokio::test]
async fn an_idle_stream_is_kept_alive_and_one_whose_client_is_gone_is_found() {
    let house = House::with(Config { ping_interval_ms: 10, pong_timeout_ms: 10, ..Config::default() }).await;
    let (user, c) = (house.user(), house.conversation(1));
    let mut stream = house.listen(user, &format!("open={c}"), None).await;
    told_until_opened(&mut stream, c).await;
    let signs_of_life = async {
        while stream.reader.comments < 2 {
            let heard = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
            assert!(heard.is_err(), "nothing happens: {heard:?}");
        }
    };
    tokio::time::timeout(SOON, signs_of_life).await.expect("the silence is not complete");
    house.fake.post(c, user, "still there").await;
    assert_eq!(seqs(&[told(&mut stream).await.unwrap()], c), [2]);
    drop(stream);
    eventually_true(SOON, async || house.metric("sockets") == 0).await;
}

#[tokio::test]
async fn streams_count_as_sockets_of_their_user_and_address() {
    let config =
        Config { max_sockets_per_user: 2, max_sockets_per_address: 3, max_sockets: 100, ..Config::default() };
    let house = House::with(config.clone()).await;
    let user = house.user();
    let (_socket, mut stream) = (house.connect(user).await, house.listen(user, "", None).await);
    assert!(matches!(told(&mut stream).await, Some(ServerFrame::Ready { .. })));
    let mut third = house.listen(user, "", None).await;
    assert_eq!(ended(&mut third).await, (4002, CloseCode::Stop, 0));
    assert_eq!(third.reader.retry_ms, Some(60_000));

    let (supervisor, metrics) = (Supervisor::default(), Metrics::new());
    let router = house.router(config, &supervisor, &metrics).await;
    let from = |address: &str| {
        let client = TestClient::new(router.clone()).with_token(&house.signer.token(house.user()));
        client.with_header(HeaderName::from_static("x-forwarded-for"), address)
    };
    let mut streams = JoinSet::new();
    for address in ["2001:db8::1", "2001:db8::2", "2001:db8::3", "127.0.0.1", "127.0.0.1", "127.0.0.1"] {
        let client = from(address);
        streams.spawn(async move { client.get("/v1/events").await });
    }
    eventually_true(SOON, async || metric(&metrics, "sockets") == 6).await;
    let refused = from("2001:db8::4").get("/v1/events").await.expect(429);
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("too_many_sockets", Some("30")));
    for address in ["2001:db8:0:1::1", "127.0.0.1"] {
        let client = from(address);
        streams.spawn(async move { client.get("/v1/events").await });
    }
    eventually_true(SOON, async || metric(&metrics, "sockets") == 8).await;
    assert!(supervisor.shutdown(SOON).await.is_empty());
    assert_eq!(streams.join_all().await.len(), 8);
}

#[tokio::test]
async fn typing_is_told_on_a_stream() {
    let house = House::new().await;
    let (c, ada): (ConversationId, _) = (house.conversation(1), house.user());
    let mut stream = house.listen(house.user(), &format!("open={c}"), None).await;
    told_until_opened(&mut stream, c).await;
    let mut socket = house.connect_and_open(ada, c).await;
    socket.say(&ClientFrame::Typing { c }).await.unwrap();
    assert!(matches!(told(&mut stream).await, Some(ServerFrame::Typing { user, .. }) if user == ada));
}
