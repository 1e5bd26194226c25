//! Who is there, and who is told.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use serde_json::json;
use tertulia_cache::Cache as _;
use tertulia_client::Socket;
use tertulia_contracts::{
    ConversationId, NodeId, UserId,
    frames::{ClientFrame, ServerFrame},
    live::{Glance, LookAgain, Typing, log_channel, presence_channel},
    presence::{ChosenStatus, DeviceStatus, Face, MAX_PRESENCE_USERS, Presence, PresenceStatus, Presences},
};
use tertulia_realtime::Config;
use tertulia_runtime::testkit::eventually;

use crate::house::{House, SOON, hear, heard_by_now};

async fn watch(socket: &mut Socket, users: &[UserId]) {
    socket.say(&ClientFrame::PresenceWatch { users: users.to_vec() }).await.unwrap();
}

/// The next frame, which tells how somebody is seen.
async fn told(socket: &mut Socket) -> (UserId, PresenceStatus) {
    match hear(socket).await {
        ServerFrame::Presence { user, status, .. } => (user, status),
        other => panic!("{other:?}"),
    }
}

fn face(user_id: UserId, status: ChosenStatus) -> Face {
    Face { user_id, status, text: None, last_seen: None, until: None }
}

impl House {
    async fn glance(&self, user: UserId, sight: bool) {
        self.fake.broadcast(presence_channel(user), &Glance { sight }).await;
    }

    /// Two who see each other.
    fn friends(&self) -> (UserId, UserId) {
        let (one, other) = (self.user(), self.user());
        self.fake.acquaint(one, other, true);
        (one, other)
    }

    async fn seen(&self, by: UserId, users: &[UserId]) -> Vec<Presence> {
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        let path = format!("/v1/presence?users={}", users.join(","));
        let answer: Presences = self.api(by).send::<(), _>(http::Method::GET, &path, None).await.unwrap();
        answer.items
    }
}

#[tokio::test]
async fn who_comes_and_goes_is_told_to_who_watches_on_another_node() {
    let house = House::new().await;
    let (elsewhere, _supervisor) = house.node(Config::default()).await;
    let (ann, ben) = house.friends();
    let mut anns = house.connect(ann).await;
    watch(&mut anns, &[ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Offline));
    let (bens, _) = Socket::hello(&elsewhere, &house.signer.token(ben), None).await.unwrap();
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    drop(bens);
    eventually(SOON, async || (house.fake.seen() == [(ben, house.ambient.now())]).then_some(())).await;
    assert!(heard_by_now(&mut anns).await.is_empty(), "who comes back at once was not away");
    let (bens, _) = Socket::hello(&elsewhere, &house.signer.token(ben), None).await.unwrap();
    drop(bens);
    eventually(SOON, async || (house.fake.seen().len() == 2).then_some(())).await;
    assert!(heard_by_now(&mut anns).await.is_empty());
    house.clock.advance(Duration::from_secs(9));
    assert!(heard_by_now(&mut anns).await.is_empty(), "the grace is ten seconds");
    let minute = house.ambient.now();
    house.fake.show(Face { last_seen: Some(minute), ..face(ben, ChosenStatus::Online) });
    house.clock.advance(Duration::from_secs(1));
    let heard = hear(&mut anns).await;
    assert!(
        matches!(heard, ServerFrame::Presence { user, status: PresenceStatus::Offline, last_seen, text: None }
            if user == ben && last_seen == Some(minute)),
        "{heard:?}"
    );
}

#[tokio::test]
async fn the_most_present_device_counts_and_what_is_chosen_counts_more() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let (mut phone, mut desktop) = (house.connect(ben).await, house.connect(ben).await);
    let mut anns = house.connect(ann).await;
    watch(&mut anns, &[ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    let idle = ClientFrame::Presence { status: DeviceStatus::Away };
    phone.say(&idle).await.unwrap();
    heard_by_now(&mut phone).await;
    desktop.say(&idle).await.unwrap();
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Away), "once both are idle, and not before");
    phone.say(&ClientFrame::Presence { status: DeviceStatus::Online }).await.unwrap();
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));

    let text = Some("Writing".to_owned());
    house.fake.show(Face { text: text.clone(), ..face(ben, ChosenStatus::Dnd) });
    house.glance(ben, false).await;
    let heard = hear(&mut anns).await;
    assert!(
        matches!(heard, ServerFrame::Presence { status: PresenceStatus::Dnd, text: ref said, .. } if *said == text),
        "{heard:?}"
    );
    // What is chosen ends by itself, and nobody says so.
    let until = Some(house.ambient.now().plus(Duration::from_secs(5)));
    house.fake.show(Face { until, ..face(ben, ChosenStatus::Away) });
    house.glance(ben, false).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Away));
    house.fake.show(face(ben, ChosenStatus::Online));
    house.clock.advance(Duration::from_secs(5));
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
}

#[tokio::test]
async fn nobody_is_told_who_is_invisible_hidden_or_made_up() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let (cid, made_up) = (house.user(), house.user());
    let hidden = Face {
        last_seen: Some(house.ambient.now()),
        text: Some("Here".to_owned()),
        ..face(cid, ChosenStatus::Dnd)
    };
    house.fake.show(hidden);
    house.fake.show(face(ben, ChosenStatus::Invisible));
    let mut anns = house.connect(ann).await;
    watch(&mut anns, &[ben, cid, made_up]).await;
    let mut offline: Vec<_> = [ben, cid, made_up].map(|user| (user, PresenceStatus::Offline)).into();
    offline.sort_unstable_by_key(|(user, _)| *user);
    for expected in offline {
        assert_eq!(told(&mut anns).await, expected);
    }
    let (_bens, _cids) = (house.connect(ben).await, house.connect(cid).await);
    // Somebody who comes after them shows that the node has looked since.
    house.fake.acquaint(ann, made_up, true);
    let _last = house.connect(made_up).await;
    house.glance(made_up, true).await;
    assert_eq!(told(&mut anns).await, (made_up, PresenceStatus::Online));
    let blank = |user_id| Presence { user_id, status: PresenceStatus::Offline, last_seen: None, text: None };
    let nobody = house.user();
    assert_eq!(house.seen(ann, &[nobody, cid, ben]).await, [nobody, cid, ben].map(blank));
}

#[tokio::test]
async fn who_loses_sight_of_somebody_is_told_that_they_are_offline_and_nothing_more() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let _bens = house.connect(ben).await;
    let mut anns = house.connect(ann).await;
    watch(&mut anns, &[ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    for said_of in [ben, ann] {
        house.fake.acquaint(ann, ben, false);
        house.glance(said_of, true).await;
        assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Offline), "whoever of the two did it");
        house.fake.show(face(ben, ChosenStatus::Dnd));
        house.glance(ben, false).await;
        assert!(heard_by_now(&mut anns).await.is_empty());
        house.fake.show(face(ben, ChosenStatus::Online));
        house.fake.acquaint(ann, ben, true);
        house.glance(said_of, true).await;
        assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    }
}

#[tokio::test]
async fn should_the_word_that_sight_is_another_be_lost_it_is_asked_again_in_time() {
    let house = House::new().await;
    let (ann, ben) = (house.user(), house.user());
    let mut anns = house.connect(ann).await;
    let at = Some(house.ambient.now());
    house.fake.show(Face { last_seen: at, ..face(ben, ChosenStatus::Online) });
    watch(&mut anns, &[ben]).await;
    let heard = hear(&mut anns).await;
    assert!(matches!(heard, ServerFrame::Presence { last_seen: None, .. }), "{heard:?}");
    house.fake.acquaint(ann, ben, true);
    house.glance(ben, false).await;
    assert!(heard_by_now(&mut anns).await.is_empty(), "nobody said that");
    house.clock.advance(Duration::from_mins(5));
    let heard = hear(&mut anns).await;
    assert!(matches!(heard, ServerFrame::Presence { last_seen, .. } if last_seen == at), "{heard:?}");
}

#[tokio::test]
async fn a_watch_takes_the_place_of_the_one_before_and_is_bounded() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let cid = house.user();
    house.fake.acquaint(ann, cid, true);
    let mut anns = house.connect(ann).await;
    watch(&mut anns, &[ben, ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Offline));
    let mut many: Vec<UserId> = (1..MAX_PRESENCE_USERS).map(|_| house.user()).collect();
    many.push(cid);
    watch(&mut anns, &many).await;
    for _ in 0..MAX_PRESENCE_USERS {
        assert_eq!(told(&mut anns).await.1, PresenceStatus::Offline);
    }
    many.push(house.user());
    watch(&mut anns, &many).await;
    let refused = hear(&mut anns).await;
    assert!(
        matches!(refused, ServerFrame::Error { ref code, .. } if code == "too_many_watched"),
        "{refused:?}"
    );
    let _sockets = (house.connect(ben).await, house.connect(cid).await);
    assert_eq!(told(&mut anns).await, (cid, PresenceStatus::Online), "the last that was taken holds");
    watch(&mut anns, &[]).await;
    let _again = house.connect(cid).await;
    house.fake.show(face(cid, ChosenStatus::Dnd));
    house.glance(cid, false).await;
    assert!(heard_by_now(&mut anns).await.is_empty());
    // Two were taken, and the empty one.
    for _ in 3..10 {
        watch(&mut anns, &[cid]).await;
        assert_eq!(told(&mut anns).await, (cid, PresenceStatus::Dnd));
    }
    watch(&mut anns, &[ben]).await;
    let refused = hear(&mut anns).await;
    assert!(matches!(refused, ServerFrame::Error { ref code, .. } if code == "rate_limited"), "{refused:?}");

    let many: Vec<String> = many.iter().map(ToString::to_string).collect();
    let path = |count: usize| format!("/v1/presence?users={}", many[..count].join(","));
    let api = house.api(ann);
    let ask = async |path: String| api.send::<(), Presences>(http::Method::GET, &path, None).await;
    assert_eq!(ask(path(MAX_PRESENCE_USERS)).await.unwrap().items.len(), MAX_PRESENCE_USERS);
    assert_eq!(ask(path(MAX_PRESENCE_USERS + 1)).await.unwrap_err().code(), Some("invalid_fields"));
    assert_eq!(ask("/v1/presence?users=nobody".to_owned()).await.unwrap_err().code(), Some("invalid_fields"));
}

#[tokio::test]
async fn the_word_of_a_node_that_died_runs_out() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let mut anns = house.connect(ann).await;
    let node: NodeId = house.ambient.ids.next();
    let until = house.ambient.now().plus(Duration::from_secs(30));
    let beat = json!({"beats": [{"node": node, "status": "online", "until": until}]});
    let key = format!("presence/{ben}");
    house.cache.set(&key, beat.to_string().into(), Duration::from_mins(1)).await;
    watch(&mut anns, &[ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    house.clock.advance(Duration::from_secs(30));
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Offline), "and nobody said so");
}

#[tokio::test]
async fn without_the_cache_or_messaging_nobody_is_known_to_be_there_and_all_else_goes_on() {
    let house = House::new().await;
    let (ann, ben) = house.friends();
    let stranger = house.user();
    let c = house.conversation(1);
    let _bens = house.connect(ben).await;
    let mut anns = house.connect_and_open(ann, c).await;
    watch(&mut anns, &[ben]).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online));
    let unknown =
        |user_id| Presence { user_id, status: PresenceStatus::Unknown, last_seen: None, text: None };
    house.cache.is_away.store(true, SeqCst);
    house.glance(ben, false).await;
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Unknown));
    assert_eq!(house.seen(ann, &[ben, stranger]).await, [ben, stranger].map(unknown), "of strangers no more");
    house.fake.post(c, ben, "I am here").await;
    assert!(matches!(hear(&mut anns).await, ServerFrame::Event { .. }));
    house.cache.is_away.store(false, SeqCst);
    house.clock.advance(Duration::from_secs(5));
    assert_eq!(told(&mut anns).await, (ben, PresenceStatus::Online), "it is looked for again");

    house.fake.be_silent(true);
    let mut other = house.connect(ann).await;
    watch(&mut other, &[ben]).await;
    assert_eq!(told(&mut other).await, (ben, PresenceStatus::Unknown));
    let path = format!("/v1/presence?users={ben}");
    let refused = house.api(ann).send::<(), Presences>(http::Method::GET, &path, None).await.unwrap_err();
    assert_eq!(refused.code(), Some("presence_unavailable"));
    house.fake.be_silent(false);
    assert_eq!(told(&mut other).await, (ben, PresenceStatus::Online));
}

#[tokio::test]
async fn a_node_that_leaves_says_who_went_with_it() {
    let house = House::new().await;
    let (elsewhere, supervisor) = house.node(Config { drain_ms: 10, ..Config::default() }).await;
    let ben = house.user();
    let (mut bens, _) = Socket::hello(&elsewhere, &house.signer.token(ben), None).await.unwrap();
    let leaving = supervisor.shutdown(SOON);
    let (_, closed) = tokio::join!(leaving, crate::house::closed(&mut bens));
    assert_eq!(closed.0.code, 4000);
    assert_eq!(house.fake.seen(), [(ben, house.ambient.now())]);
}

#[tokio::test]
async fn typing_is_not_told_where_two_keep_apart_and_that_is_not_asked_for_every_frame() {
    let house = House::new().await;
    let (c, ann, ben) = (house.conversation(1), house.user(), house.user());
    let mut bens = house.connect_and_open(ben, c).await;
    // A socket is heard typing once a second, so each of hers types once.
    let anns = async || {
        let mut socket = house.connect_and_open(ann, c).await;
        socket.say(&ClientFrame::Typing { c }).await.unwrap();
        socket
    };
    let mut hers = Vec::new();
    for _ in 0..3 {
        hers.push(anns().await);
        assert!(matches!(hear(&mut bens).await, ServerFrame::Typing { user, .. } if user == ann));
    }
    assert_eq!(house.fake.apart_asked(), 1);

    house.fake.keep_apart(c, true);
    look_again(&house, c, &mut bens).await;
    hers.push(anns().await);
    eventually(SOON, async || (house.fake.apart_asked() == 2).then_some(())).await;
    bens.say(&ClientFrame::Typing { c }).await.unwrap();
    assert!(heard_by_now(&mut bens).await.is_empty());
    let last = hers.last_mut().expect("she has four");
    assert!(heard_by_now(last).await.is_empty(), "neither hears the other, whoever wanted it");

    house.fake.keep_apart(c, false);
    look_again(&house, c, &mut bens).await;
    hers.push(anns().await);
    assert!(matches!(hear(&mut bens).await, ServerFrame::Typing { user, .. } if user == ann));
}

/// Messaging says to look again; the node has heard it when a listener heard what was said behind it.
async fn look_again(house: &House, c: ConversationId, listener: &mut Socket) {
    house.fake.broadcast(log_channel(c), &LookAgain { look_again: true }).await;
    let somebody = house.user();
    house.fake.broadcast(log_channel(c), &Typing { typing: somebody }).await;
    let heard = hear(listener).await;
    assert!(matches!(heard, ServerFrame::Typing { user, .. } if user == somebody), "{heard:?}");
}
