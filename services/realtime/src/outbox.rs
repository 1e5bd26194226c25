//! What waits to be written to one socket: bounded in bytes, filled by many, emptied by the socket's task.

use std::{collections::VecDeque, io::IoSlice};

use bytes::Buf;
use tertulia_contracts::ConversationId;

use crate::{parting::Parting, wire::Frames};

/// The most bytes one turn takes out, so that what is in hand stays bounded too; a batch counts as one.
const TURN_BYTES: usize = 64 << 10;

/// A bounded queue of encoded frames, and the notes that travel beside them.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Frames>,
    bytes: usize,
    ping: bool,
    lost: Vec<ConversationId>,
    parting: Option<Parting>,
}

/// What the socket's task writes next, in one go.
#[derive(Default)]
pub(crate) struct Turn {
    /// Frames in their order.
    pub frames: Queue,
    /// Conversations the user may no longer read.
    pub lost: Vec<ConversationId>,
    /// More is queued than one turn takes.
    pub more: bool,
}

/// Frames on their way to the kernel, which takes them from where they lie: they are shared with other sockets.
#[derive(Default)]
pub(crate) struct Queue(VecDeque<Frames>);

impl Queue {
    /// How many frames there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(Frames::count).sum()
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The texts of the frames; a ping has none.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(Frames::texts)
    }
}

impl Buf for Queue {
    fn remaining(&self) -> usize {
        self.0.iter().map(Frames::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], Frames::as_slice)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let filled = slices.iter_mut().zip(&self.0);
        filled.map(|(slice, frames)| *slice = IoSlice::new(frames.as_slice())).count()
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(front) = self.0.front_mut() {
            let here = written.min(front.len());
            front.advance(here);
            written -= here;
            if !front.is_empty() {
                break;
            }
            self.0.pop_front();
        }
        assert_eq!(written, 0, "no more was written than there was");
    }
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Why the socket closes, if it does.
    pub(crate) fn parting(&self) -> Option<Parting> {
        self.parting
    }

    /// Queues frames; false if that would exceed the bound, or the socket closes anyway. An empty outbox takes
    /// whatever comes at once, or one large batch would end those who have read all before it.
    pub(crate) fn push(&mut self, frames: Frames, bound: usize) -> bool {
        let fits = self.bytes == 0 || self.bytes + frames.len() <= bound;
        if self.parting.is_some() || !fits {
            return false;
        }
        self.bytes += frames.len();
        self.frames.push_back(frames);
        true
    }

    /// Whether nothing waits, so that whoever adds something must wake the task.
    pub(crate) fn is_quiet(&self) -> bool {
        self.frames.is_empty() && !self.ping && self.lost.is_empty() && self.parting.is_none()
    }

    /// Asks for a ping.
    pub(crate) fn ping(&mut self) {
        self.ping = true;
    }

    /// Notes that a conversation may no longer be read.
    pub(crate) fn lose(&mut self, conversation: ConversationId) {
        self.lost.push(conversation);
    }

    /// Closes after what is queued; the first reason stands.
    pub(crate) fn part(&mut self, parting: Parting) {
        self.parting.get_or_insert(parting);
    }

    /// Forgets what is queued: the client will ask for it again when it resumes.
    pub(crate) fn discard(&mut self) {
        self.frames = VecDeque::new();
        self.bytes = 0;
    }

    /// Takes what one write may carry. An emptied outbox keeps no memory.
    pub(crate) fn take(&mut self) -> Turn {
        let mut turn = Turn { lost: std::mem::take(&mut self.lost), ..Turn::default() };
        if self.bytes <= TURN_BYTES {
            turn.frames = Queue(std::mem::take(&mut self.frames));
            self.bytes = 0;
        } else {
            let mut taken = 0;
            while taken < TURN_BYTES
                && let Some(frames) = self.frames.pop_front()
            {
                taken += frames.len();
                turn.frames.0.push_back(frames);
            }
            self.bytes -= taken;
        }
        if std::mem::take(&mut self.ping) {
            turn.frames.0.push_back(Frames::PING);
        }
        turn.more = !self.frames.is_empty();
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Frames {
        // The head of a frame of this size takes two or four bytes, or ten.
        let head = if bytes < 128 { 2 } else { 4 };
        let frames = Frames::of_text(&"x".repeat(bytes - head));
        assert_eq!(frames.len(), bytes);
        frames
    }

    #[test]
    fn an_outbox_never_holds_more_than_its_bound() {
        let mut outbox = Outbox::default();
        let accepted = (0..100).filter(|_| outbox.push(frame(1_000), 10_500)).count();
        assert_eq!((accepted, outbox.bytes()), (10, 10_000));
    }

    #[test]
    fn an_empty_outbox_takes_a_batch_of_any_size_and_then_nothing_more() {
        let mut outbox = Outbox::default();
        assert!(outbox.push(frame(20_000), 10_000));
        assert!(!outbox.push(frame(10), 10_000));
    }

    #[test]
    fn a_turn_is_bounded_and_nothing_follows_a_parting() {
        let mut outbox = Outbox::default();
        for _ in 0..10 {
            assert!(outbox.push(frame(20_000), 1 << 20));
        }
        outbox.part(Parting::resume("test"));
        assert!(!outbox.push(frame(10), 1 << 20));
        let turns: Vec<Turn> = std::iter::repeat_with(|| outbox.take()).take(3).collect();
        assert_eq!(turns.iter().map(|turn| turn.frames.count()).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(turns.iter().map(|turn| turn.more).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(outbox.bytes(), 0);
    }

    #[test]
    fn a_queue_goes_on_wherever_a_write_stopped() {
        let mut outbox = Outbox::default();
        for length in [10, 300, 7] {
            outbox.push(frame(length), 1 << 20);
        }
        outbox.ping();
        let whole: Vec<u8> = {
            let mut queue = outbox.take().frames;
            queue.copy_to_bytes(queue.remaining()).to_vec()
        };
        assert_eq!(whole.len(), 10 + 300 + 7 + 2);
        for step in [1, 9, 10, 11, 310, 319] {
            for length in [10, 300, 7] {
                outbox.push(frame(length), 1 << 20);
            }
            outbox.ping();
            let mut queue = outbox.take().frames;
            let mut written = Vec::new();
            while queue.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = queue.chunks_vectored(&mut slices);
                let offered: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
                let taken = offered.len().min(step);
                written.extend_from_slice(&offered[..taken]);
                queue.advance(taken);
            }
            assert_eq!(written, whole, "in steps of {step}");
        }
    }
}
