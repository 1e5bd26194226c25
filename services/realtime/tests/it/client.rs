//! The reference client against the service: what people are told in the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tertulia_client::{Api, Closed, Journal, Session, SessionEnd, Timeline};
use tertulia_contracts::{
    ConversationId,
    live::{Control, control_channel},
    messaging::Fact,
};
use tertulia_realtime::Config;
use tertulia_runtime::testkit::eventually_true;
use tokio::task::JoinSet;
use ulid::Ulid;

use crate::house::{House, SOON};

#[derive(Default)]
struct Seen {
    acked: Mutex<BTreeMap<Ulid, u64>>,
    shown: Mutex<Vec<(u64, Ulid)>>,
    ends: Mutex<Vec<u16>>,
    lost: Mutex<Vec<ConversationId>>,
}

impl Journal for Seen {
    fn acked(&self, _: ConversationId, client_id: Ulid, seq: u64) {
        self.acked.lock().unwrap().insert(client_id, seq);
    }

    fn shown(&self, _: ConversationId, seq: u64, fact: &Fact) {
        if let Fact::MessagePosted { message } = fact {
            self.shown.lock().unwrap().push((seq, message.client_id));
        }
    }

    fn closed(&self, conversation: ConversationId) {
        self.lost.lock().unwrap().push(conversation);
    }

    fn disconnected(&self, closed: &Closed) {
        self.ends.lock().unwrap().push(closed.code);
    }
}

fn start(house: &House, gateways: Vec<String>, c: ConversationId) -> (Session, Arc<Seen>) {
    // Holes are read through the gateway that stays.
    let api = Api::new(gateways.last().unwrap()).with_token(&house.signer.token(house.user()));
    let timeline = Timeline { seqs: BTreeMap::from([(c, 0)]), ..Timeline::default() };
    let seen = Arc::new(Seen::default());
    (Session::start(api, gateways, timeline, seen.clone()), seen)
}

#[tokio::test]
async fn a_client_whose_node_leaves_goes_on_at_another_and_misses_and_doubles_nothing() {
    let house = House::with(Config { drain_ms: 10, ..Config::default() }).await;
    let (other, _other_supervisor) = house.node(Config::default()).await;
    let (c, author) = (house.conversation(150), house.user());
    let (session, seen) = start(&house, vec![house.base.clone(), other], c);
    let fake = house.fake.clone();
    let mut writing = JoinSet::new();
    writing.spawn(async move {
        for nth in 0..300 {
            fake.post(c, author, &format!("from elsewhere {nth}")).await;
            tokio::task::yield_now().await;
        }
    });
    for nth in 0..40 {
        if nth == 10 {
            assert!(house.supervisor.shutdown(SOON).await.is_empty());
        }
        if nth == 20 {
            house.faults.lose.store(3, std::sync::atomic::Ordering::SeqCst);
        }
        session.send(c, house.ambient.ids.next_ulid(), &format!("mine {nth}")).await.unwrap();
    }
    writing.join_all().await;
    eventually_true(SOON, async || seen.shown.lock().unwrap().len() >= 490).await;
    assert_eq!(session.end().await, SessionEnd::Dropped);
    let shown = seen.shown.lock().unwrap().clone();
    assert_eq!(shown.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=490).collect::<Vec<_>>());
    let acked = seen.acked.lock().unwrap().clone();
    assert_eq!(acked.len(), 40);
    assert!(
        acked.iter().all(|(client_id, seq)| shown.contains(&(*seq, *client_id))),
        "acknowledged is in the log"
    );
    assert_eq!(*seen.ends.lock().unwrap(), [4000]);
}

#[tokio::test]
async fn a_client_whose_login_was_ended_does_not_come_back() {
    let house = House::new().await;
    let (user, session_id, c) = (house.user(), house.ambient.ids.next(), house.conversation(1));
    let api = Api::new(&house.base).with_token(&house.signer.token_of(user, session_id));
    let seen = Arc::new(Seen::default());
    let session = Session::start(api, vec![house.base.clone()], Timeline::default(), seen.clone());
    session.open(c, Some(0)).await;
    eventually_true(SOON, async || seen.shown.lock().unwrap().len() == 1).await;
    house.fake.broadcast(control_channel(user), &Control::AccessLost { conversation_id: c }).await;
    eventually_true(SOON, async || *seen.lost.lock().unwrap() == [c]).await;
    house.fake.broadcast(control_channel(user), &Control::SessionRevoked { session_id }).await;
    eventually_true(SOON, async || *seen.ends.lock().unwrap() == [4001]).await;
    let refused = session.send(c, house.ambient.ids.next_ulid(), "anybody?").await;
    assert_eq!(refused, Err("session_over".to_owned()));
    assert_eq!(session.end().await, SessionEnd::LoggedOut);
}
