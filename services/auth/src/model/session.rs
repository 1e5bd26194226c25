//! A login: how long it lasts, and how its refresh tokens follow one another.
//!
//! A refresh token is `<session id>.<family>.<turn>`. The family stays the same as long as the session lives, the
//! turn changes with each refresh; of both only fingerprints are stored. So a token of the right family with a
//! turn that is not the current one is certainly a copy of an older token, while a made-up one can do no harm
//! (OAuth 2.1 §4.3.1, refresh token rotation).

use std::{str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use tertulia_contracts::{SessionId, UserId, auth};
use tertulia_runtime::{Ambient, Timestamp, secret};

const FAMILY_BYTES: usize = 16;
const TURN_BYTES: usize = 32;
/// How long somebody who proved who they are is believed in what matters most.
const FRESH: Duration = Duration::from_mins(10);
/// So much of a `User-Agent` is kept.
const MAX_DEVICE_CHARS: usize = 120;

/// A login as it is stored.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: SessionId,
    /// Whose.
    pub(crate) user_id: UserId,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// When a token was last issued to it.
    pub(crate) last_used_at: Timestamp,
    /// When it ends unless it is refreshed before.
    pub(crate) expires_at: Timestamp,
    /// When its holder last proved who they are; as it began if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proved_at: Option<Timestamp>,
    /// The client's `User-Agent`, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<String>,
    /// The [generation](super::account::Account::generation) of the password that it began by.
    #[serde(default)]
    pub(crate) generation: u64,
    /// The fingerprint of what all its refresh tokens have in common.
    family: String,
    /// The fingerprint of what its newest refresh token has alone.
    turn: String,
}

/// What a refresh token turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The newest of its session.
    Current,
    /// An older one: there is a copy of it somewhere.
    Reused,
    /// None of this session's, or the session is over.
    Invalid,
}

impl Session {
    /// A login that begins now, and its first refresh token.
    pub(crate) fn begin(
        ambient: &Ambient,
        user_id: UserId,
        generation: u64,
        device: Option<&str>,
        life: Duration,
    ) -> (Self, RefreshToken) {
        let now = ambient.now();
        let token = RefreshToken {
            session_id: ambient.ids.next(),
            family: secret::random(&*ambient.entropy, FAMILY_BYTES),
            turn: secret::random(&*ambient.entropy, TURN_BYTES),
        };
        let session = Self {
            id: token.session_id,
            user_id,
            generation,
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(life),
            proved_at: None,
            device: device.map(|device| device.chars().take(MAX_DEVICE_CHARS).collect()),
            family: secret::fingerprint(&token.family),
            turn: secret::fingerprint(&token.turn),
        };
        (session, token)
    }

    /// What this token is to this session now.
    pub(crate) fn judge(&self, token: &RefreshToken, now: Timestamp) -> Verdict {
        if token.session_id != self.id
            || now >= self.expires_at
            || !secret::matches(&token.family, &self.family)
        {
            return Verdict::Invalid;
        }
        if secret::matches(&token.turn, &self.turn) { Verdict::Current } else { Verdict::Reused }
    }

    /// The session after a refresh with `current`, and the token that follows it.
    #[must_use]
    pub(crate) fn refreshed(
        &self,
        ambient: &Ambient,
        current: &RefreshToken,
        life: Duration,
    ) -> (Self, RefreshToken) {
        let now = ambient.now();
        let next = RefreshToken { turn: secret::random(&*ambient.entropy, TURN_BYTES), ..current.clone() };
        let turn = secret::fingerprint(&next.turn);
        let session = Self { last_used_at: now, expires_at: now.plus(life), turn, ..self.clone() };
        (session, next)
    }

    fn proved(&self) -> Timestamp {
        self.proved_at.unwrap_or(self.created_at)
    }

    /// The session after its holder proved who they are.
    #[must_use]
    pub(crate) fn proved_again(self, now: Timestamp) -> Self {
        Self { proved_at: Some(now), ..self }
    }

    /// Whether its holder proved lately who they are.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.proved().plus(FRESH)
    }

    /// As its owner sees it through the session `current`.
    pub(crate) fn view(&self, current: SessionId) -> auth::Session {
        auth::Session {
            id: self.id,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            authenticated_at: self.proved(),
            device: self.device.clone(),
            current: self.id == current,
        }
    }
}

/// A refresh token, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    /// The session it refreshes.
    pub(crate) session_id: SessionId,
    family: String,
    turn: String,
}

impl RefreshToken {
    /// As the client carries it.
    pub(crate) fn reveal(&self) -> String {
        format!("{}.{}.{}", self.session_id, self.family, self.turn)
    }
}

/// The text does not have a refresh token's form.
pub(crate) struct Malformed;

impl FromStr for RefreshToken {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.splitn(3, '.');
        let (Some(session_id), Some(family), Some(turn)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed);
        };
        let session_id = session_id.parse().map_err(|_| Malformed)?;
        Ok(Self { session_id, family: family.to_owned(), turn: turn.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    #[test]
    fn of_all_the_tokens_a_session_ever_had_only_the_newest_is_current() {
        let (ambient, _) = frozen(1);
        let (mut session, mut token) = Session::begin(&ambient, ambient.ids.next(), 0, None, LIFE);
        let mut older = Vec::new();
        for _ in 0..5 {
            let (refreshed, next) = session.refreshed(&ambient, &token, LIFE);
            session = refreshed;
            older.push(std::mem::replace(&mut token, next));
            assert_eq!(session.judge(&token, ambient.now()), Verdict::Current);
            assert!(older.iter().all(|old| session.judge(old, ambient.now()) == Verdict::Reused));
        }
    }

    #[test]
    fn a_made_up_token_is_not_taken_for_an_old_one() {
        let (ambient, clock) = frozen(2);
        let (session, token) = Session::begin(&ambient, ambient.ids.next(), 0, None, LIFE);
        let (other, others) = Session::begin(&ambient, session.user_id, 0, None, LIFE);
        let made_up = RefreshToken { session_id: session.id, ..others };
        assert_eq!(session.judge(&made_up, ambient.now()), Verdict::Invalid);
        assert_eq!(other.judge(&token, ambient.now()), Verdict::Invalid);
        clock.advance(LIFE);
        assert_eq!(session.judge(&token, ambient.now()), Verdict::Invalid);
    }

    #[test]
    fn a_token_is_read_as_it_is_written_and_nothing_secret_is_stored() {
        let (ambient, _) = frozen(3);
        let (session, token) = Session::begin(&ambient, ambient.ids.next(), 0, Some(&"é".repeat(500)), LIFE);
        assert!(token.reveal().parse::<RefreshToken>().is_ok_and(|read| read == token));
        for wrong in ["", ".", "..", "a.b.c", &token.session_id.to_string()] {
            assert!(wrong.parse::<RefreshToken>().is_err(), "{wrong} was accepted");
        }
        let stored = serde_json::to_string(&session).unwrap();
        assert!(!stored.contains(&token.family) && !stored.contains(&token.turn));
        assert_eq!(session.device.map(|device| device.chars().count()), Some(MAX_DEVICE_CHARS));
    }
}
