//! One log as this node hears it: who listens, how far they have been told, and what to do about holes.
//!
//! The rule that all rests on: a listener is **live** from the moment when everything up to some position has
//! been queued for it and nothing behind that has been missed; both are decided under the feed's one lock.
//! Whoever catches up has the feed *record* what is broadcast, from before it reads the log until it is live.
//! So every entry is either in the pages it read, in the record, or still to come.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use tertulia_contracts::{
    ConversationId, UserId,
    frames::ServerFrame,
    live::{control_channel, log_channel},
};

use crate::{
    socket::Socket,
    typing::Hush,
    wire::{self, Batch, Frames, RawEntry},
};

/// The most bytes a feed records while somebody catches up. What falls out is read from the log again.
const RECORD_BYTES: usize = 256 << 10;

/// Up to so many listeners a log has room for no more than there are: of ten thousand users' own logs each has one.
const FEW: usize = 4;

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// A conversation's.
    Conversation(ConversationId),
    /// A user's own.
    User(UserId),
}

impl Owner {
    /// The channels a node joins for it: the log's, and for a user what no log holds.
    pub(crate) fn channels(self) -> Vec<String> {
        match self {
            Self::Conversation(conversation) => vec![log_channel(conversation)],
            Self::User(user) => vec![log_channel(user), control_channel(user)],
        }
    }
}

/// One log, shared by the sockets of this node that hear it.
pub(crate) struct Feed {
    pub owner: Owner,
    /// Whether the node's ear has joined the channels. Held across joining and leaving, so that they alternate.
    pub joined: tokio::sync::Mutex<bool>,
    /// Whether typing is told in it.
    pub hush: Hush,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Attachments alive; at none the node may leave the channel.
    attachments: usize,
    live: Vec<Listener>,
    watching: Vec<Watcher>,
    /// The position every live listener has been told up to, without a hole.
    head: Option<u64>,
    /// The newest position heard of in whatever way.
    known: u64,
    /// Whether entries may have been missed that nobody told of.
    in_doubt: bool,
    /// Whether somebody mends it already.
    in_repair: bool,
    /// How often the sweeper found it behind.
    found_behind: bool,
    /// How many read the log just now, and so need the record.
    readers: usize,
    record: BTreeMap<u64, Frames>,
    record_bytes: usize,
    /// How often fewer could read it from then on: what was read before the last time does not count as allowed.
    narrowings: u64,
}

struct Listener {
    socket: Arc<Socket>,
    /// What it has been told; at least the feed's head, further when it read the log a moment ago.
    last: u64,
}

/// Who wants to know that something happens, not what. Told by the sweep, so that an entry costs the same
/// however many watch.
struct Watcher {
    socket: Arc<Socket>,
    /// The newest position it knows of.
    told: u64,
}

/// What a delivery came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Frames queued, over all sockets.
    pub frames: u64,
    /// There is a hole before the newest entry: the log must be read.
    pub hole: bool,
}

/// What became of a wish to go live.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GoLive {
    /// It is.
    Live,
    /// There are entries behind this position, in the log only: read on from there.
    Behind(u64),
    /// Nobody wants it any more.
    Detached,
}

impl Feed {
    pub(crate) fn new(owner: Owner) -> Self {
        Self { owner, joined: tokio::sync::Mutex::new(false), hush: Hush::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives entries, ascending, to everyone live; what they have already is skipped.
    pub(crate) fn deliver(&self, entries: &[RawEntry<'_>]) -> Delivered {
        let mut delivered = Delivered::default();
        let Some(newest) = entries.last().map(|entry| entry.seq) else { return delivered };
        let mut state = self.state();
        state.known = state.known.max(newest);
        if state.live.is_empty() && state.readers == 0 {
            // Nobody to tell: whoever comes later reads the log.
            state.head = state.head.max(Some(newest));
            return delivered;
        }
        let head = state.head;
        let news = entries.partition_point(|entry| head.is_some_and(|head| entry.seq <= head));
        let (fitting, ahead) = split_at_hole(head, &entries[news..]);
        for &RawEntry { seq, e } in ahead {
            state.keep(seq, wire::entry(self.owner, seq, e));
        }
        let batch = Batch::of_entries(self.owner, fitting);
        if state.readers > 0 {
            for (entry, frame) in fitting.iter().zip(batch.frames()) {
                state.keep(entry.seq, frame);
            }
        }
        delivered.frames += state.tell(&batch);
        delivered.frames += state.tell_recorded();
        delivered.hole = !state.live.is_empty() && state.head.is_some_and(|head| head < newest);
        delivered
    }

    /// Gives those users who are live and are to have it a frame that matters only now. Tells how many sockets got it
    /// and how many were too busy for it.
    pub(crate) fn whisper(&self, frame: &Frames, is_for: impl Fn(UserId) -> bool) -> (u64, u64) {
        let (mut told, mut dropped) = (0, 0);
        for listener in &self.state().live {
            if !listener.socket.login().is_some_and(|login| is_for(login.user)) {
                continue;
            }
            let count = if listener.socket.push_ephemeral(frame.clone()) { &mut told } else { &mut dropped };
            *count += 1;
        }
        (told, dropped)
    }

    /// The log is known to reach at least this far: an acknowledged send, a page's head.
    pub(crate) fn heard_of(&self, seq: u64) {
        let mut state = self.state();
        state.known = state.known.max(seq);
    }

    /// Broadcasts may have been missed.
    pub(crate) fn doubt(&self) {
        self.hush.forget();
        self.state().in_doubt = true;
    }

    /// Whether nobody is attached any more.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().attachments == 0
    }

    /// How many sockets are live.
    pub(crate) fn listeners(&self) -> usize {
        self.state().live.len()
    }

    /// Stops telling a socket anything, at once.
    pub(crate) fn silence(&self, socket: &Socket) {
        self.state().silence(socket);
    }

    /// Fewer may read it from now on. Gives back everybody who hears it, to be sent away; who is still reading the log
    /// reads on, and is told there whether they may.
    pub(crate) fn narrow(&self) -> Vec<Arc<Socket>> {
        let mut state = self.state();
        state.narrowings += 1;
        let live = state.live.iter().map(|listener| &listener.socket);
        live.chain(state.watching.iter().map(|watcher| &watcher.socket)).cloned().collect()
    }

    /// Takes everyone live to a position without what lies between, and tells them so.
    pub(crate) fn skip_to(&self, seq: u64, resync: &Frames) {
        let mut state = self.state();
        for listener in state.live.iter_mut().filter(|listener| listener.last < seq) {
            listener.socket.push(resync.clone());
            listener.last = seq;
        }
        state.head = state.head.max(Some(seq));
        state.known = state.known.max(seq);
    }

    /// Tells who watches how far the log reaches, if that is news; who is busy is told later, the newest alone.
    /// Tells how many were.
    pub(crate) fn tell_watchers(&self) -> u64 {
        let Owner::Conversation(c) = self.owner else { return 0 };
        let mut state = self.state();
        let head = state.known;
        let mut behind = state.watching.iter_mut().filter(|watcher| watcher.told < head).peekable();
        if behind.peek().is_none() {
            return 0;
        }
        let (dirty, mut told) = (wire::encode(&ServerFrame::Dirty { c, head }), 0);
        for watcher in behind {
            if watcher.socket.push_ephemeral(dirty.clone()) {
                watcher.told = head;
                told += 1;
            }
        }
        told
    }

    /// Claims the repair, if one is called for and nobody is at it. A feed that is only behind what it heard
    /// of gets until the next look when the caller is patient: the broadcast may be on its way.
    pub(crate) fn claim_repair(self: &Arc<Self>, patient: bool) -> Option<Repair> {
        let mut state = self.state();
        let behind = state.is_behind();
        let waited = std::mem::replace(&mut state.found_behind, behind);
        if state.in_repair || !(state.in_doubt || behind && (waited || !patient)) {
            return None;
        }
        let (socket, after) = if let Some(listener) = state.live.first() {
            (listener.socket.clone(), Some(state.head?))
        } else if let Some(watcher) = state.watching.first() {
            (watcher.socket.clone(), None)
        } else {
            // Who is reading the log may have read it before what was missed, and is not live yet: it is mended for them
            // once they are. Whoever comes later reads it whole.
            state.in_doubt &= state.readers > 0;
            return None;
        };
        state.in_repair = true;
        state.in_doubt = false;
        state.readers += 1;
        Some(Repair { feed: self.clone(), after, socket, is_done: false })
    }
}

/// Splits entries, ascending, into those that follow the head without a hole, and the rest.
fn split_at_hole<'a, 'b>(
    head: Option<u64>,
    entries: &'a [RawEntry<'b>],
) -> (&'a [RawEntry<'b>], &'a [RawEntry<'b>]) {
    let follows = |(entry, seq): &(&RawEntry<'_>, u64)| entry.seq == *seq;
    let fitting = head.map_or(0, |head| entries.iter().zip(head + 1..).take_while(follows).count());
    entries.split_at(fitting)
}

impl State {
    fn is_behind(&self) -> bool {
        !self.live.is_empty() && self.head.is_some_and(|head| head < self.known)
    }

    /// Tells everyone live the entries that follow the head, visiting each listener once.
    fn tell(&mut self, batch: &Batch) -> u64 {
        let Some(head) = self.head else { return 0 };
        let newest = head + batch.count() as u64;
        let mut told = 0;
        for listener in self.live.iter_mut().filter(|listener| listener.last < newest) {
            // Further than the head is whoever read the log a moment ago: those frames they have.
            let has = usize::try_from(listener.last.saturating_sub(head)).unwrap_or(usize::MAX);
            let Some(missing) = batch.behind(has) else { continue };
            told += missing.count() as u64;
            listener.socket.push(missing);
            listener.last = newest;
        }
        self.head = Some(newest);
        told
    }

    /// Tells what was recorded out of order and fits now.
    fn tell_recorded(&mut self) -> u64 {
        let fitting = self.head.map_or_else(Batch::default, |head| {
            Batch::of_frames((head + 1..).map_while(|seq| self.record.get(&seq)))
        });
        let told = self.tell(&fitting);
        self.forget_if_unneeded();
        told
    }

    fn keep(&mut self, seq: u64, frame: Frames) {
        self.record_bytes += frame.len();
        if let Some(replaced) = self.record.insert(seq, frame) {
            self.record_bytes -= replaced.len();
        }
        while self.record_bytes > RECORD_BYTES
            && let Some((_, dropped)) = self.record.pop_first()
        {
            self.record_bytes -= dropped.len();
        }
    }

    fn forget_if_unneeded(&mut self) {
        if self.readers == 0 && !self.is_behind() {
            self.record.clear();
            self.record_bytes = 0;
        }
    }

    fn end_reading(&mut self) {
        self.readers -= 1;
        self.forget_if_unneeded();
    }

    fn silence(&mut self, socket: &Socket) {
        self.live.retain(|listener| listener.socket.id != socket.id);
        self.watching.retain(|watcher| watcher.socket.id != socket.id);
        self.forget_if_unneeded();
    }
}

/// The right and duty to read what a feed has missed. Dropped undone, the repair is called for again.
pub(crate) struct Repair {
    pub feed: Arc<Feed>,
    /// Everything up to here has been told. None if there is nobody to tell entries to: then the head will do.
    pub after: Option<u64>,
    /// One who listens, in whose name the log is read.
    pub socket: Arc<Socket>,
    is_done: bool,
}

impl Repair {
    /// Nothing is missing any more.
    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Repair {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        state.in_repair = false;
        state.in_doubt |= !self.is_done;
        state.end_reading();
    }
}

/// A socket's hold on a feed: keeps the channel joined, and ends the listening when it is dropped.
pub(crate) struct Attachment {
    pub feed: Arc<Feed>,
    pub socket: Arc<Socket>,
    detached: AtomicBool,
    /// How often the feed had been narrowed when it was last said that the socket's user may read.
    narrowings: AtomicU64,
}

impl Attachment {
    /// Holds a feed for a socket that is not live yet.
    pub(crate) fn new(feed: Arc<Feed>, socket: Arc<Socket>) -> Self {
        let narrowings = {
            let mut state = feed.state();
            state.attachments += 1;
            AtomicU64::new(state.narrowings)
        };
        Self { feed, socket, detached: AtomicBool::new(false), narrowings }
    }

    /// From here on the feed records. Call it after the channel is joined and before the log is read.
    pub(crate) fn record(&self) -> Recording {
        self.feed.state().readers += 1;
        Recording(self.feed.clone())
    }

    /// Queues what was recorded behind `last`, then `opened` with the position reached, and is live, unless a
    /// part is in the log only.
    pub(crate) fn go_live(&self, mut last: u64, opened: impl FnOnce(u64) -> Option<Frames>) -> GoLive {
        let mut state = self.feed.state();
        if self.detached.load(Relaxed) {
            return GoLive::Detached;
        }
        while let Some(frame) = state.record.get(&(last + 1)) {
            self.socket.push(frame.clone());
            last += 1;
        }
        let narrowed = self.narrowings.swap(state.narrowings, Relaxed) != state.narrowings;
        if narrowed || state.known > last {
            return GoLive::Behind(last);
        }
        state.known = last;
        if state.live.is_empty() {
            state.head = Some(last);
        }
        if let Some(frame) = opened(last) {
            self.socket.push(frame);
        }
        if state.live.len() < FEW {
            state.live.reserve_exact(1);
        }
        state.live.push(Listener { socket: self.socket.clone(), last });
        GoLive::Live
    }

    /// Queues `opened` with the head, and is told from now on when something happens behind it. Call it after the
    /// channel is joined and the head was read.
    pub(crate) fn watch(&self, head: u64, opened: impl FnOnce(u64) -> Option<Frames>) {
        let mut state = self.feed.state();
        if self.detached.load(Relaxed) {
            return;
        }
        state.known = state.known.max(head);
        let told = state.known;
        if let Some(frame) = opened(told) {
            self.socket.push(frame);
        }
        state.watching.push(Watcher { socket: self.socket.clone(), told });
    }

    /// Whether the listening has ended.
    pub(crate) fn is_detached(&self) -> bool {
        self.detached.load(Relaxed)
    }

    /// Ends the listening now; a catch-up that is still under way will not go live.
    pub(crate) fn detach(&self) {
        let mut state = self.feed.state();
        // Once: another hold of the same socket may be live by the time that this one is dropped.
        if !self.detached.swap(true, Relaxed) {
            state.silence(&self.socket);
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.detach();
        self.feed.state().attachments -= 1;
    }
}

/// While it lives, the feed records what is broadcast.
pub(crate) struct Recording(Arc<Feed>);

impl Drop for Recording {
    fn drop(&mut self) {
        self.0.state().end_reading();
    }
}
