//! The lossy lane.

use std::sync::Arc;

use super::{Rig, kit::Stage};
use crate::{Broadcast, Error, Heard, Listener, port::MAX_MESSAGE_BYTES};

fn message(channel: &str, text: &str) -> Broadcast {
    Broadcast { channel: channel.to_owned(), payload: text.to_owned().into() }
}

impl Stage {
    async fn say(&self, channel: &str, text: &str) {
        self.bus().broadcast(message(channel, text)).await.expect("the bus sends");
    }

    async fn ear(&self, channels: &[&str]) -> Arc<dyn Listener> {
        let ear = self.bus().listen().await.expect("the bus lets listen");
        for channel in channels {
            ear.join(channel).await.expect("a channel can be joined");
        }
        ear
    }

    async fn hear(&self, ear: &Arc<dyn Listener>) -> Heard {
        tokio::time::timeout(self.rig.patience(), ear.hear()).await.expect("something is heard")
    }
}

pub(super) async fn a_broadcast_reaches_every_listener(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let elsewhere = stage.another_node().await;
    let (here, there) = (stage.ear(&["a", "b"]).await, elsewhere.ear(&["a"]).await);
    stage.say("a", "one").await;
    stage.say("b", "two").await;
    stage.say("a", "three").await;
    for expected in [message("a", "one"), message("b", "two"), message("a", "three")] {
        assert_eq!(stage.hear(&here).await, Heard::Message(Arc::new(expected)));
    }
    for expected in [message("a", "one"), message("a", "three")] {
        assert_eq!(stage.hear(&there).await, Heard::Message(Arc::new(expected)));
    }
}

pub(super) async fn only_joined_channels_are_heard(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let ear = stage.ear(&["a", "b"]).await;
    stage.say("c", "never joined").await;
    ear.leave("b").await.expect("a channel can be left");
    stage.say("b", "left").await;
    stage.say("a", "heard").await;
    assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(message("a", "heard"))));
    // Joining twice is joining once.
    for _ in 0..2 {
        ear.join("b").await.expect("a channel can be joined again");
    }
    stage.say("b", "back").await;
    stage.say("a", "end").await;
    assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(message("b", "back"))));
    assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(message("a", "end"))));
}

pub(super) async fn a_listener_that_falls_behind_hears_a_gap(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let (slow, quick) = (stage.ear(&["a"]).await, stage.ear(&["b"]).await);
    // Some may still be on their way when the last is sent.
    let too_many = crate::ear::MAX_WAITING * 3 / 2;
    for _ in 0..too_many {
        stage.say("a", "x").await;
    }
    // Nobody else is held up.
    stage.say("b", "past").await;
    assert_eq!(stage.hear(&quick).await, Heard::Message(Arc::new(message("b", "past"))));
    while stage.hear(&slow).await != Heard::Gap {}
    // A gap, and then it goes on.
    stage.say("a", "end").await;
    let end = Heard::Message(Arc::new(message("a", "end")));
    while stage.hear(&slow).await != end {}
}

pub(super) async fn a_lost_connection_is_a_gap(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let ear = stage.ear(&["a"]).await;
    stage.say("a", "before").await;
    assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(message("a", "before"))));
    stage.rig.cut().await;
    // Joined while cut off: heard from when the way is mended.
    if stage.rig.has_connections() {
        ear.join("b").await.expect("a channel can be joined at any time");
    }
    stage.rig.restore().await;
    if stage.rig.has_connections() {
        assert_eq!(stage.hear(&ear).await, Heard::Gap);
    } else {
        ear.join("b").await.expect("a channel can be joined at any time");
    }
    for channel in ["a", "b"] {
        let after = message(channel, "after");
        stage.until(async || stage.bus().broadcast(after.clone()).await.is_ok()).await;
        assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(after)));
    }
}

pub(super) async fn an_oversized_broadcast_is_refused(rig: Arc<dyn Rig>) {
    let stage = Stage::open(rig).await;
    let ear = stage.ear(&["a"]).await;
    let of_bytes = |bytes| Broadcast { channel: "a".to_owned(), payload: vec![7; bytes].into() };
    let refused = stage.bus().broadcast(of_bytes(MAX_MESSAGE_BYTES + 1)).await;
    assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    stage.bus().broadcast(of_bytes(MAX_MESSAGE_BYTES)).await.expect("the largest message is accepted");
    assert_eq!(stage.hear(&ear).await, Heard::Message(Arc::new(of_bytes(MAX_MESSAGE_BYTES))));
}
