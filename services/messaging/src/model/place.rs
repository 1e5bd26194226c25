//! Where an entry stands, and the ids that follow from it.
//!
//! The id of a message and the id of an entry's event are derived from the entry's place in its log rather
//! than drawn: an event that is published again after a crash has the id it had before, and a message is
//! found by its id without an index that every post would have to write.

use tertulia_contracts::MessageId;
use tertulia_runtime::{Id, IdKind, Timestamp, event::EventId};
use ulid::Ulid;

/// A ULID has 80 bits beside its moment: the lower 40 hold the seq, the upper 40 tell logs apart.
const SEQ_BITS: u32 = 40;
const SEQ_MASK: u128 = (1 << SEQ_BITS) - 1;

/// The id of the document that holds an entry: the log's owner and the seq, so that documents in the order of
/// their ids are entries in the order of their log.
pub fn entry_id(owner: &str, seq: u64) -> String {
    format!("{owner}/{seq:016x}")
}

/// What every [`entry_id`] of a log begins with.
pub fn entry_id_prefix(owner: &str) -> String {
    format!("{owner}/")
}

/// The id of the message posted at this place.
pub fn message_id<T: IdKind>(at: Timestamp, log: Id<T>, seq: u64) -> MessageId {
    Id::from_ulid(ulid_of(at, log, seq))
}

/// The id of the event that tells of the entry at this place.
pub fn event_id<T: IdKind>(at: Timestamp, log: Id<T>, seq: u64) -> EventId {
    Id::from_ulid(ulid_of(at, log, seq))
}

/// Where a message of this id can only stand, in whichever log it is a message of.
pub fn seq_of(message: MessageId) -> u64 {
    // The mask leaves 40 bits, so nothing is cut off.
    (message.ulid().random() & SEQ_MASK) as u64
}

fn ulid_of<T: IdKind>(at: Timestamp, log: Id<T>, seq: u64) -> Ulid {
    assert!(u128::from(seq) <= SEQ_MASK, "no log reaches 2^40 entries");
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    // The lower bits of the log's own id: random, or counted up within one millisecond, so never equal for
    // two logs of one millisecond.
    let log = log.ulid().random() & SEQ_MASK;
    Ulid::from_parts(millis, (log << SEQ_BITS) | u128::from(seq))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tertulia_contracts::ConversationId;

    #[test]
    fn a_message_id_says_where_the_message_stands() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let log: ConversationId = Id::from_ulid(Ulid::from_parts(7, u128::MAX));
        for seq in [1, 2, 255, (1 << 40) - 1] {
            assert_eq!(seq_of(message_id(at, log, seq)), seq);
        }
        let neighbour: ConversationId = Id::from_ulid(Ulid::from_parts(7, u128::MAX - 1));
        assert_ne!(message_id(at, log, 1), message_id(at, neighbour, 1));
        assert_ne!(message_id(at, log, 1), message_id(at, log, 2));
    }

    #[test]
    fn entries_sort_by_their_seq() {
        assert!(entry_id("cnv_A", 9) < entry_id("cnv_A", 10));
        assert!(entry_id("cnv_A", 255) < entry_id("cnv_A", 256));
        assert!(entry_id("cnv_A", 7).starts_with(&entry_id_prefix("cnv_A")));
    }
}
