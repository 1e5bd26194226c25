//! The keys that access tokens are signed with, and the times of each: it is published before it signs, and until the last
//! token that it signed is over. So whoever verifies always knows the key of a token that is good.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;

/// The private keys, in one document, so that all processes agree on them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRing {
    /// In the order in which they sign; all of them are published.
    pub(crate) keys: Vec<StoredKey>,
}

/// One private key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    /// The 32 bytes it is derived from, in base64url.
    pub(crate) seed: String,
    pub(crate) created_at: Timestamp,
    /// Since when it signs; since it was made if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signs_from: Option<Timestamp>,
}

impl StoredKey {
    /// Since when it signs.
    pub(crate) fn begins_at(&self) -> Timestamp {
        self.signs_from.unwrap_or(self.created_at)
    }
}

impl KeyRing {
    pub(crate) const ID: &'static str = "current";
    /// So many keys at most: fewer than verifiers keep.
    pub(crate) const MAX_KEYS: usize = 8;

    /// Which of them signs now: the last one whose time has come.
    pub(crate) fn signing(&self, now: Timestamp) -> usize {
        self.keys.iter().rposition(|key| key.begins_at() <= now).unwrap_or(0)
    }

    /// Whether the key that signs is so old that the next one is to be published: so long before it signs.
    pub(crate) fn is_due(&self, now: Timestamp, rotation: Duration, ahead: Duration) -> bool {
        let newest = self.keys.last().map(StoredKey::begins_at);
        newest.is_none_or(|begins_at| begins_at.plus(rotation) <= now.plus(ahead))
    }

    /// With a next key that signs from then on. One that would sign only later, and has signed nothing, gives way to it.
    #[must_use]
    pub(crate) fn with_next(&self, seed: String, now: Timestamp, signs_from: Timestamp) -> Self {
        let before = self.keys.iter().filter(|key| key.begins_at() < signs_from);
        let mut keys: Vec<StoredKey> = before.cloned().collect();
        keys.push(StoredKey { seed, created_at: now, signs_from: Some(signs_from) });
        Self { keys }
    }

    /// Without the keys whose last tokens, which live so long, are over.
    #[must_use]
    pub(crate) fn without_old(&self, now: Timestamp, life: Duration) -> Self {
        let over = |key: &StoredKey| key.begins_at().plus(life) <= now;
        // A key signs until the one behind it does.
        let kept = self.keys.iter().skip(1).position(|next| !over(next)).unwrap_or(self.keys.len() - 1);
        Self { keys: self.keys[kept..].to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn at(hour: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(HOUR * u32::try_from(hour).unwrap())
    }

    fn ring(hours: &[u64]) -> KeyRing {
        let key = |hour: &u64| StoredKey {
            seed: format!("seed {hour}"),
            created_at: at(0),
            signs_from: Some(at(*hour)),
        };
        KeyRing { keys: hours.iter().map(key).collect() }
    }

    fn begins(ring: &KeyRing) -> Vec<Timestamp> {
        ring.keys.iter().map(StoredKey::begins_at).collect()
    }

    #[test]
    fn each_key_signs_from_its_time_until_that_of_the_next() {
        let ring = ring(&[0, 10, 20]);
        for (hour, signing) in [(0, 0), (9, 0), (10, 1), (19, 1), (20, 2), (99, 2)] {
            assert_eq!(ring.signing(at(hour)), signing, "{hour}");
        }
    }

    #[test]
    fn a_key_goes_once_the_last_token_that_it_signed_is_over() {
        let whole = ring(&[0, 10, 20]);
        for (hour, left) in [
            (0, vec![0, 10, 20]),
            (12, vec![0, 10, 20]),
            (13, vec![10, 20]),
            (22, vec![10, 20]),
            (23, vec![20]),
            (99, vec![20]),
        ] {
            let left: Vec<Timestamp> = left.into_iter().map(at).collect();
            assert_eq!(begins(&whole.without_old(at(hour), HOUR * 3)), left, "{hour}");
        }
    }

    #[test]
    fn the_next_key_is_due_ahead_of_its_time_and_only_one_waits() {
        let one = ring(&[0]);
        let due = |ring: &KeyRing, hour| ring.is_due(at(hour), HOUR * 10, HOUR);
        assert!(!due(&one, 8) && due(&one, 9));
        let two = one.with_next("next".to_owned(), at(9), at(10));
        assert!(!due(&two, 9) && !due(&two, 18) && due(&two, 19));
        // At once, in place of the one that waits.
        let now = two.with_next("now".to_owned(), at(9), at(9));
        assert_eq!(begins(&now), [at(0), at(9)]);
        assert_eq!(now.signing(at(9)), 1);
    }

    #[test]
    fn a_ring_that_was_kept_before_keys_had_times_still_reads() {
        let text = r#"{"keys":[{"seed":"AA","created_at":"2026-01-01T00:00:00.000Z"}]}"#;
        let ring: KeyRing = serde_json::from_str(text).unwrap();
        assert_eq!(ring.keys[0].begins_at(), ring.keys[0].created_at);
    }
}
