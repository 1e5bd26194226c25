//! Random lives of one feed: broadcasts are lost, swapped and doubled, listeners come at any moment and any place,
//! and whoever is live in the end has been told everything since it came, once and in order.

use bytes::Buf as _;
use serde_json::value::to_raw_value;
use tertulia_contracts::frames::ServerFrame;
use tertulia_runtime::{
    Id,
    entropy::{SeededEntropy, random_below},
};
use tokio_tungstenite::tungstenite::Message;
use ulid::Ulid;

use super::*;

struct World {
    entropy: SeededEntropy,
    feed: Arc<Feed>,
    /// The log holds 1 to this.
    log: u64,
    /// Broadcasts on their way.
    air: Vec<u64>,
    listeners: Vec<Listening>,
}

struct Listening {
    attachment: Attachment,
    began_after: u64,
    /// What it reads, until it is live: from behind the first up to the second.
    reading: Option<(u64, u64, Recording)>,
}

fn tell(feed: &Feed, seqs: impl Iterator<Item = u64>) -> Delivered {
    let fact = to_raw_value("fact").unwrap();
    let entries: Vec<_> = seqs.map(|seq| RawEntry { seq, e: &fact }).collect();
    feed.deliver(&entries)
}

impl World {
    fn new(seed: u64) -> Self {
        let feed = Arc::new(Feed::new(Owner::User(Id::from_ulid(Ulid::nil()))));
        Self { entropy: SeededEntropy::new(seed), feed, log: 0, air: Vec::new(), listeners: Vec::new() }
    }

    fn below(&self, bound: u64) -> u64 {
        random_below(&self.entropy, bound)
    }

    fn pick<T>(&self, from: &[T]) -> Option<usize> {
        (!from.is_empty()).then(|| usize::try_from(self.below(from.len() as u64)).unwrap())
    }

    fn act(&mut self) {
        match self.below(10) {
            0..=2 => {
                self.log += 1;
                self.air.push(self.log);
            }
            3..=5 if !self.air.is_empty() => {
                // Mostly in order; at times a later one overtakes, is lost, of which the bus tells, or comes twice.
                let at = if self.below(5) == 0 { self.pick(&self.air).unwrap() } else { 0 };
                let seq = self.air.remove(at);
                if self.below(8) == 0 {
                    self.lose();
                } else if tell(&self.feed, std::iter::once(seq)).hole {
                    self.repair(false);
                }
                if self.below(8) == 0 {
                    self.air.push(seq);
                }
            }
            6 if self.listeners.len() < 8 => self.come(),
            7 => {
                if let Some(at) = self.pick(&self.listeners).filter(|_| self.below(4) == 0) {
                    self.listeners.swap_remove(at);
                }
            }
            8 => self.repair(true),
            _ => {
                if let Some(at) = self.pick(&self.listeners) {
                    self.read(at);
                }
            }
        }
    }

    fn come(&mut self) {
        let socket = Arc::new(Socket::new(
            Id::from_ulid(Ulid::from_parts(self.log, self.below(u64::MAX).into())),
            0,
            1 << 20,
        ));
        let attachment = Attachment::new(self.feed.clone(), socket);
        let began_after = self.log - self.below(self.log.min(20) + 1);
        let recording = attachment.record();
        let reading = Some((began_after, self.log, recording));
        self.listeners.push(Listening { attachment, began_after, reading });
    }

    /// Goes one page further, or live.
    fn read(&mut self, at: usize) {
        let log = self.log;
        let listening = &mut self.listeners[at];
        let Some((after, until, recording)) = listening.reading.take() else { return };
        let fact = to_raw_value("fact").unwrap();
        for seq in after + 1..=until {
            listening.attachment.socket.push(wire::entry(self.feed.owner, seq, &fact));
        }
        if let GoLive::Behind(last) = listening.attachment.go_live(until, |_| None) {
            listening.reading = Some((last, log, recording));
        }
    }

    fn repair(&mut self, patient: bool) {
        if let Some(claim) = self.feed.claim_repair(patient) {
            let after = claim.after.expect("everybody here wants the entries");
            tell(&self.feed, after + 1..=self.log);
            claim.done();
        }
    }

    /// Something is lost, and the bus tells so at once: also while some still read, and perhaps nobody is live.
    fn lose(&mut self) {
        self.feed.doubt();
        self.repair(false);
    }

    /// What is in the air is lost, all read on until they are live, and the sweep comes by.
    fn settle(&mut self) {
        self.lose();
        for at in 0..self.listeners.len() {
            while self.listeners[at].reading.is_some() {
                self.read(at);
            }
        }
        self.repair(true);
        self.repair(true);
    }
}

fn told(socket: &Socket) -> Vec<u64> {
    let mut wire = Vec::new();
    loop {
        let mut queue = socket.take().frames;
        if !queue.has_remaining() {
            break;
        }
        wire.extend_from_slice(&queue.copy_to_bytes(queue.remaining()));
    }
    let useq = |message: Message| match ServerFrame::from_json(message.to_text().unwrap()).unwrap() {
        ServerFrame::User { useq, .. } => useq,
        other => panic!("{other:?}"),
    };
    wire::read_messages(wire).into_iter().map(useq).collect()
}

#[test]
fn whatever_the_live_lane_does_a_listener_is_told_everything_once_and_in_order() {
    let mut listened = 0;
    for seed in 0..2_000 {
        let mut world = World::new(seed);
        // Short lives, too, in which some read and nobody is live yet.
        for _ in 0..=seed % 200 {
            world.act();
        }
        world.settle();
        for listening in &world.listeners {
            let expected: Vec<u64> = (listening.began_after + 1..=world.log).collect();
            assert_eq!(told(&listening.attachment.socket), expected, "seed {seed}");
            listened += 1;
        }
        let state = world.feed.state();
        assert!(state.readers == 0 && state.record.is_empty() && state.record_bytes == 0, "seed {seed}");
        assert_eq!(state.attachments, world.listeners.len());
    }
    assert!(listened > 5_000, "the lives are lived by somebody: {listened}");
}

/// The heads that a watcher was told, in order.
fn heads(socket: &Socket) -> Vec<u64> {
    let frames = socket.take().frames;
    let head = |text: &str| match ServerFrame::from_json(text).unwrap() {
        ServerFrame::Opened { head, .. } | ServerFrame::Dirty { head, .. } => head,
        other => panic!("{other:?}"),
    };
    frames.texts().map(head).collect()
}

#[test]
fn whatever_the_live_lane_does_a_watcher_learns_how_far_the_log_goes() {
    let c = ConversationId::from_ulid(Ulid::nil());
    let mut watched = 0;
    for seed in 0..1_000 {
        let entropy = SeededEntropy::new(seed);
        let below = |bound| random_below(&entropy, bound);
        let feed = Arc::new(Feed::new(Owner::Conversation(c)));
        let (mut log, mut watchers) = (0, Vec::<Attachment>::new());
        for turn in 0..100 {
            match below(6) {
                // At times broadcast late, or not at all.
                0..=2 => {
                    log += 1;
                    tell(&feed, (log - below(log.min(3))..=log).filter(|_| below(4) > 0));
                }
                3 => drop(feed.tell_watchers()),
                4 if watchers.len() < 5 => {
                    let id = Id::from_ulid(Ulid::from_parts(turn, below(u64::MAX).into()));
                    let socket = Arc::new(Socket::new(id, 0, 1 << 20));
                    let attachment = Attachment::new(feed.clone(), socket);
                    // The head was read a moment ago.
                    let read = log - below(log.min(2) + 1);
                    attachment.watch(read, |head| Some(wire::encode(&ServerFrame::Opened { c, head })));
                    watchers.push(attachment);
                }
                _ if below(8) == 0 => drop(watchers.pop()),
                _ => {}
            }
        }
        feed.doubt();
        if let Some(claim) = feed.claim_repair(false) {
            assert_eq!(claim.after, None, "nobody here wants the entries");
            feed.heard_of(log);
            claim.done();
        }
        feed.tell_watchers();
        for watcher in &watchers {
            let told = heads(&watcher.socket);
            assert!(told.is_sorted_by(|one, next| one < next), "seed {seed}: {told:?}");
            assert_eq!(told.last(), Some(&log), "seed {seed}");
            watched += 1;
        }
    }
    assert!(watched > 1_000, "the lives are lived by somebody: {watched}");
}

#[test]
fn a_record_is_bounded() {
    let feed = Arc::new(Feed::new(Owner::User(Id::from_ulid(Ulid::nil()))));
    let socket = Arc::new(Socket::new(Id::from_ulid(Ulid::nil()), 0, 1 << 20));
    let attachment = Attachment::new(feed.clone(), socket);
    let _recording = attachment.record();
    tell(&feed, 1..=20_000);
    let state = feed.state();
    assert!(state.record_bytes <= RECORD_BYTES && state.record.len() < 20_000);
    assert_eq!(state.record.last_key_value().map(|(seq, _)| *seq), Some(20_000), "the newest are kept");
}

#[test]
fn who_read_the_log_before_fewer_might_reads_again() {
    let feed = Arc::new(Feed::new(Owner::User(Id::from_ulid(Ulid::nil()))));
    let socket = Arc::new(Socket::new(Id::from_ulid(Ulid::nil()), 0, 1 << 20));
    let attachment = Attachment::new(feed.clone(), socket);
    assert!(feed.narrow().is_empty(), "who reads yet is not sent away");
    assert_eq!(attachment.go_live(0, |_| None), GoLive::Behind(0));
    assert_eq!(attachment.go_live(0, |_| None), GoLive::Live);
    assert_eq!(feed.narrow().len(), 1);
}

/// Found by the simulation: a client opened a conversation twice in a row, the first catch-up ended after the second,
/// and the client heard nothing more.
#[test]
fn a_hold_that_was_given_up_takes_nothing_from_the_one_after_it() {
    let feed = Arc::new(Feed::new(Owner::User(Id::from_ulid(Ulid::nil()))));
    let socket = Arc::new(Socket::new(Id::from_ulid(Ulid::nil()), 0, 1 << 20));
    let first = Attachment::new(feed.clone(), socket.clone());
    first.detach();
    let second = Attachment::new(feed.clone(), socket.clone());
    assert_eq!(second.go_live(0, |_| None), GoLive::Live);
    assert_eq!(first.go_live(0, |_| None), GoLive::Detached);
    drop(first);
    assert_eq!(tell(&feed, 1..=1).frames, 1, "it is still told");
    second.detach();
    assert_eq!(tell(&feed, 2..=2).frames, 0);
}
