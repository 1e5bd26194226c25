//! What waits to be written to one socket: bounded in bytes, filled by many, emptied by the socket's task.

use std::collections::VecDeque;

use axum::extract::ws::Utf8Bytes;
use tertulia_contracts::ConversationId;

use crate::parting::Parting;

/// The most bytes one turn takes out, so that what is in hand stays bounded too.
const TURN_BYTES: usize = 64 << 10;

/// A bounded queue of encoded frames, and the notes that travel beside them.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    ping: bool,
    lost: Vec<ConversationId>,
    parting: Option<Parting>,
}

/// What the socket's task does next: one write for all of it.
#[derive(Default)]
pub(crate) struct Turn {
    /// Frames in their order.
    pub frames: VecDeque<Utf8Bytes>,
    /// A ping is due.
    pub ping: bool,
    /// Conversations the user may no longer read.
    pub lost: Vec<ConversationId>,
    /// After the frames, the socket closes.
    pub parting: Option<Parting>,
    /// More is queued than one turn takes.
    pub more: bool,
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

    /// Queues a frame; false if that would exceed the bound, or the socket closes anyway.
    pub(crate) fn push(&mut self, frame: Utf8Bytes, bound: usize) -> bool {
        if self.parting.is_some() || self.bytes + frame.len() > bound {
            return false;
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
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
        let mut turn = Turn { ping: self.ping, lost: std::mem::take(&mut self.lost), ..Turn::default() };
        self.ping = false;
        if self.bytes <= TURN_BYTES {
            turn.frames = std::mem::take(&mut self.frames);
            self.bytes = 0;
        } else {
            let mut taken = 0;
            while taken < TURN_BYTES
                && let Some(frame) = self.frames.pop_front()
            {
                taken += frame.len();
                turn.frames.push_back(frame);
            }
            self.bytes -= taken;
        }
        turn.more = !self.frames.is_empty();
        turn.parting = if turn.more { None } else { self.parting };
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Utf8Bytes {
        "x".repeat(bytes).into()
    }

    #[test]
    fn an_outbox_never_holds_more_than_its_bound() {
        let mut outbox = Outbox::default();
        let accepted = (0..100).filter(|_| outbox.push(frame(1_000), 10_500)).count();
        assert_eq!((accepted, outbox.bytes()), (10, 10_000));
    }

    #[test]
    fn a_turn_is_bounded_and_the_parting_comes_after_the_last_frame() {
        let mut outbox = Outbox::default();
        for _ in 0..10 {
            assert!(outbox.push(frame(20_000), 1 << 20));
        }
        outbox.part(Parting::resume("test"));
        assert!(!outbox.push(frame(1), 1 << 20), "nothing follows a parting");
        let turns: Vec<Turn> = std::iter::repeat_with(|| outbox.take()).take(3).collect();
        assert_eq!(turns.iter().map(|turn| turn.frames.len()).collect::<Vec<_>>(), [4, 4, 2]);
        assert_eq!(turns.iter().map(|turn| turn.more).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(turns.iter().map(|turn| turn.parting.is_some()).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(outbox.bytes(), 0);
    }
}
