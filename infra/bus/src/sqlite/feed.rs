//! Who gets which of a group's events next. Plain bookkeeping in memory, lost without harm in a crash.
//!
//! Promise: an event is given out only when no earlier one of its key is in hand, so a key's order holds and
//! competing consumers never meet on one key.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio::sync::mpsc;

use crate::lanes::Delivery;

/// How far ahead a group looks for an event whose key is free. While one failing key has more events than
/// this waiting, events behind them wait as well.
pub(super) const WINDOW: usize = 4_096;

/// A consumer of a group.
pub(super) struct Taker {
    pub(super) deliveries: mpsc::Sender<Delivery>,
    pub(super) prefetch: usize,
}

struct Seat {
    taker: Taker,
    in_hand: usize,
}

/// The state of one group.
#[derive(Default)]
pub(super) struct Feed {
    /// Everything up to here is in the window, in hand, or settled.
    cursor: i64,
    /// Whether the queue may hold events after the cursor.
    behind: bool,
    window: BTreeMap<i64, String>,
    in_hand: HashMap<i64, (u64, String)>,
    busy: HashSet<String>,
    seats: HashMap<u64, Seat>,
    next_seat: u64,
}

impl Feed {
    pub(super) fn add(&mut self, taker: Taker) {
        self.behind = true;
        self.next_seat += 1;
        self.seats.insert(self.next_seat, Seat { taker, in_hand: 0 });
    }

    /// Takes back what consumers that have gone held.
    pub(super) fn tidy(&mut self) {
        let gone: Vec<u64> =
            self.seats.extract_if(|_, seat| seat.taker.deliveries.is_closed()).map(|(id, _)| id).collect();
        if gone.is_empty() {
            return;
        }
        for (seq, (_, key)) in self.in_hand.extract_if(|_, (seat, _)| gone.contains(seat)) {
            self.busy.remove(&key);
            self.window.insert(seq, key);
        }
    }

    /// New events may have been queued.
    pub(super) fn nudge(&mut self) {
        self.behind = true;
    }

    /// An event is no longer in hand.
    pub(super) fn release(&mut self, seq: i64) {
        if let Some((seat, key)) = self.in_hand.remove(&seq) {
            self.busy.remove(&key);
            if let Some(seat) = self.seats.get_mut(&seat) {
                seat.in_hand -= 1;
            }
        }
    }

    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// Where to read on, if there is somebody to read for and something to read.
    pub(super) fn wants(&self) -> Option<(i64, usize)> {
        let room = WINDOW - self.window.len().min(WINDOW);
        (self.behind && room > 0 && !self.seats.is_empty()).then_some((self.cursor, room))
    }

    /// What was found after the cursor, where at most `room` were asked for.
    pub(super) fn found(&mut self, events: Vec<(i64, String)>, room: usize) {
        self.behind = events.len() == room;
        self.cursor = events.last().map_or(self.cursor, |(seq, _)| *seq);
        self.window.extend(events);
    }

    /// Chooses, for every consumer with room, the oldest events whose keys are free.
    pub(super) fn claim(&mut self) -> Vec<(i64, String, mpsc::Sender<Delivery>)> {
        let mut claimed = Vec::new();
        for (&seq, key) in &self.window {
            let most_room = self.seats.iter_mut().max_by_key(|(id, seat)| {
                (seat.taker.prefetch.saturating_sub(seat.in_hand), std::cmp::Reverse(**id))
            });
            let Some((&id, seat)) = most_room.filter(|(_, seat)| seat.in_hand < seat.taker.prefetch) else {
                break;
            };
            if self.busy.insert(key.clone()) {
                seat.in_hand += 1;
                self.in_hand.insert(seq, (id, key.clone()));
                claimed.push((seq, key.clone(), seat.taker.deliveries.clone()));
            }
        }
        for (seq, ..) in &claimed {
            self.window.remove(seq);
        }
        claimed
    }
}
