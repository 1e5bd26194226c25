//! Passkeys: what an account keeps of them, and the challenges that they answer.
//!
//! They stand in the account alone. Who signs in names their account (the user handle that the passkey was made with), so
//! nothing has to be found by a credential's id, and whether one may be removed is decided by one commit.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{PasskeyId, UserId, auth};
use tertulia_runtime::{Ambient, Timestamp, secret};

use crate::webauthn::{PublicKey, Used};

/// How long somebody has to touch their device.
pub(crate) const CHALLENGE_LIFE: Duration = Duration::from_mins(5);
/// Twice what is asked for at least (WebAuthn Level 3 §13.4.3).
const CHALLENGE_BYTES: usize = 32;

/// A passkey as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Passkey {
    pub(crate) id: PasskeyId,
    pub(crate) name: String,
    /// What its authenticator calls it, in base64url.
    pub(crate) credential_id: String,
    pub(crate) key: PublicKey,
    /// How often it was used, where it counts.
    pub(crate) counter: u32,
    pub(crate) backed_up: bool,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
}

impl Passkey {
    /// Whether a use follows those before it. A counter that does not go on tells of a copy; one that is always zero counts
    /// nothing (§6.1.1).
    pub(crate) fn is_followed_by(&self, used: Used) -> bool {
        (self.counter == 0 && used.counter == 0) || used.counter > self.counter
    }

    /// It was used.
    pub(crate) fn note(&mut self, used: Used, now: Timestamp) {
        self.counter = used.counter;
        self.backed_up = used.backed_up;
        self.last_used_at = Some(now);
    }

    /// As its owner sees it.
    pub(crate) fn view(&self) -> auth::Passkey {
        auth::Passkey {
            id: self.id,
            name: self.name.clone(),
            backed_up: self.backed_up,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
        }
    }
}

/// What a challenge may be answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Ceremony {
    /// A passkey of this account is made.
    Registration { user_id: UserId },
    /// Somebody comes in.
    Authentication,
}

/// A challenge that waits for its answer. Named by its fingerprint.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) fingerprint: String,
    ceremony: Ceremony,
    pub(crate) expires_at: Timestamp,
}

impl Challenge {
    /// A new one, and what it is, in base64url.
    pub(crate) fn new(ambient: &Ambient, ceremony: Ceremony) -> (Self, String) {
        let text = secret::random(&*ambient.entropy, CHALLENGE_BYTES);
        let expires_at = ambient.now().plus(CHALLENGE_LIFE);
        (Self { fingerprint: secret::fingerprint(&text), ceremony, expires_at }, text)
    }

    /// Whether it may be answered so now.
    pub(crate) fn is_for(&self, ceremony: Ceremony, now: Timestamp) -> bool {
        self.ceremony == ceremony && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    #[test]
    fn a_counter_goes_on_or_was_never_one() {
        let (ambient, _) = frozen(1);
        let key = PublicKey::EdDsa { x: String::new() };
        let follows = |before: u32, after: u32| {
            let passkey = Passkey {
                id: ambient.ids.next(),
                name: "key".to_owned(),
                credential_id: String::new(),
                key: key.clone(),
                counter: before,
                backed_up: false,
                created_at: ambient.now(),
                last_used_at: None,
            };
            passkey.is_followed_by(Used { counter: after, backed_up: false })
        };
        for (before, after, fine) in
            [(0, 0, true), (0, 1, true), (1, 2, true), (1, 1, false), (2, 1, false), (1, 0, false)]
        {
            assert_eq!(follows(before, after), fine, "{before} then {after}");
        }
    }

    #[test]
    fn a_challenge_has_its_time_and_its_purpose() {
        let (ambient, clock) = frozen(2);
        let ana = Ceremony::Registration { user_id: ambient.ids.next() };
        let (challenge, text) = Challenge::new(&ambient, ana);
        assert!(!serde_json::to_string(&challenge).unwrap().contains(&text));
        let bea = Ceremony::Registration { user_id: ambient.ids.next() };
        let now = ambient.now();
        assert!(challenge.is_for(ana, now) && !challenge.is_for(bea, now));
        assert!(!challenge.is_for(Ceremony::Authentication, now));
        clock.advance(CHALLENGE_LIFE);
        assert!(!challenge.is_for(ana, ambient.now()));
    }
}
