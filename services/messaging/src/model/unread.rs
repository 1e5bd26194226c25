//! Unread is arithmetic: no row per reader and message is ever written.

/// How many messages stand behind what somebody has read. Each argument is a count of messages up to and
/// including an entry of the log: its head, the reader's cursor, and the reader's own last message, which they
/// have certainly seen along with all before it.
pub fn unread(head: u64, cursor: u64, own_last: u64) -> u64 {
    head.saturating_sub(cursor.max(own_last))
}

#[cfg(test)]
mod tests {
    use super::unread;
    use proptest::prelude::*;

    /// One entry of a random log: a message by one of three authors, or something else.
    fn log() -> impl Strategy<Value = Vec<Option<u8>>> {
        prop::collection::vec(prop::option::weighted(0.7, 0..3_u8), 0..60)
    }

    proptest! {
        #[test]
        fn the_arithmetic_agrees_with_counting(log in log(), cursor in 0_usize..70, reader in 0_u8..4) {
            let cursor = cursor.min(log.len());
            let messages_at = |seq: usize| log[..seq].iter().flatten().count() as u64;
            let own_last = log.iter().rposition(|author| *author == Some(reader)).map_or(0, |index| index + 1);

            let naive = (1..=log.len()).filter(|seq| log[seq - 1].is_some() && *seq > cursor && *seq > own_last).count();
            let counted = unread(messages_at(log.len()), messages_at(cursor), messages_at(own_last));
            prop_assert_eq!(counted, naive as u64);
        }
    }
}
