//! What the cache holds of one user: on which nodes they are connected, as what, and until when that holds unless the
//! node says it again. A node that dies says nothing any more, and its word runs out.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{NodeId, UserId, presence::DeviceStatus};
use tertulia_runtime::Timestamp;

/// The most nodes that are remembered of one user; of more, those whose word lasts longest.
const MAX_NODES: usize = 16;

/// Where a user's pulse is kept.
pub(crate) fn key(user: UserId) -> String {
    format!("presence/{user}")
}

/// The words of nodes about one user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse {
    beats: Vec<Beat>,
}

/// One node's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Beat {
    /// Whose.
    pub node: NodeId,
    /// As what they are connected there.
    pub status: DeviceStatus,
    /// From then on it says nothing.
    pub until: Timestamp,
}

impl Pulse {
    /// What was kept. What cannot be read may be forgotten: it is said again soon.
    pub(crate) fn read(kept: &[u8]) -> Self {
        serde_json::from_slice(kept).unwrap_or_default()
    }

    /// To be kept.
    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a pulse is plain data and encodes")
    }

    /// With a node's newest word, and without what has run out.
    pub(crate) fn with(mut self, beat: Beat, now: Timestamp) -> Self {
        self.beats.retain(|other| other.until > now && other.node != beat.node);
        self.beats.push(beat);
        self.beats.sort_by_key(|beat| std::cmp::Reverse(beat.until));
        self.beats.truncate(MAX_NODES);
        self
    }

    /// The most present of the user's devices at a moment; none if none is connected.
    pub(crate) fn at(&self, now: Timestamp) -> Option<DeviceStatus> {
        self.beats.iter().filter(|beat| beat.until > now).map(|beat| beat.status).max()
    }

    /// When the next of these words runs out.
    pub(crate) fn ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.beats.iter().map(|beat| beat.until).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    fn beat(node: u128, status: DeviceStatus, until: i64) -> Beat {
        Beat {
            node: NodeId::from_ulid(Ulid::from_parts(1, node)),
            status,
            until: Timestamp::from_millis(until),
        }
    }

    #[test]
    fn the_most_present_device_counts_for_as_long_as_its_node_says_so() {
        let at = Timestamp::from_millis;
        let pulse = Pulse::default()
            .with(beat(1, DeviceStatus::Online, 30), at(0))
            .with(beat(2, DeviceStatus::Away, 40), at(10));
        let read = Pulse::read(&pulse.write());
        assert_eq!(read, pulse);
        assert_eq!((read.at(at(29)), read.ends_at(at(29))), (Some(DeviceStatus::Online), Some(at(30))));
        assert_eq!((read.at(at(30)), read.ends_at(at(30))), (Some(DeviceStatus::Away), Some(at(40))));
        assert_eq!((read.at(at(40)), read.ends_at(at(40))), (None, None));
        let changed = pulse.with(beat(1, DeviceStatus::Away, 50), at(20));
        assert_eq!(
            changed.at(at(21)),
            Some(DeviceStatus::Away),
            "a node's newest word takes the older's place"
        );
        assert_eq!(Pulse::read(b"what is this?"), Pulse::default());
    }

    #[test]
    fn it_stays_small() {
        let mut pulse = Pulse::default();
        for node in 0..100 {
            let until = 100 + i64::try_from(node).unwrap();
            pulse = pulse.with(beat(node, DeviceStatus::Online, until), Timestamp::from_millis(0));
        }
        assert_eq!(pulse.beats.len(), MAX_NODES);
        assert_eq!(pulse.ends_at(Timestamp::from_millis(0)), Some(Timestamp::from_millis(184)));
        let later = pulse.with(beat(0, DeviceStatus::Online, 500), Timestamp::from_millis(300));
        assert_eq!(later.beats.len(), 1, "what has run out is not kept");
    }
}
