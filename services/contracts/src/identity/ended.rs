//! Logins that have ended while access tokens of theirs have not expired.
//!
//! An end is broadcast, and remembered until no token of the login can be good any more. Whoever may have missed some asks
//! auth once of each token that was made until then.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::Method;
use tertulia_mesh::{Mesh, MeshError};
use tertulia_runtime::{Kind, Timestamp};

use super::{LEEWAY, MAX_ACCESS_TOKEN_LIFE};
use crate::{SessionId, routes::role};

/// Where auth tells whether a login still runs, below it the login's id. Not in the route table, so that no gateway leads
/// there.
pub const SESSIONS_PATH: &str = "/internal/sessions";
/// So many ends are remembered. More than this within a token's life, and all of them are asked for instead.
pub const MAX_ENDED: usize = 20_000;
/// How long auth is waited for.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);

/// What was heard of ends.
#[derive(Default)]
pub(super) struct Ended {
    heard: Mutex<Heard>,
    /// Counts what was heard and missed: a check that was begun before the latest is not remembered.
    turn: AtomicU64,
}

#[derive(Default)]
struct Heard {
    /// Until when each is to be remembered.
    sessions: HashMap<SessionId, Timestamp>,
    /// Ends before this may have been missed.
    missed_until: Option<Timestamp>,
}

/// What is known of a login without asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    Runs,
    HasEnded,
    /// Its end may have been missed.
    Unknown,
}

impl Ended {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A login has ended. Answers whether that is remembered: if not, all that may have ended is to be asked for.
    pub(super) fn hear(&self, session_id: SessionId, now: Timestamp) -> bool {
        let mut heard = self.heard();
        if heard.sessions.len() >= MAX_ENDED {
            heard.sessions.retain(|_, until| now < *until);
        }
        let is_room = heard.sessions.len() < MAX_ENDED;
        if is_room {
            // A token is good a leeway longer than it says, and may say what a clock said that was ahead.
            heard.sessions.insert(session_id, now.plus(MAX_ACCESS_TOKEN_LIFE + LEEWAY + LEEWAY));
        }
        drop(heard);
        self.turn.fetch_add(1, Ordering::SeqCst);
        is_room
    }

    /// Ends may have been missed until now.
    pub(super) fn miss(&self, now: Timestamp) {
        // Tokens of what was heard before were made before, and are asked for with the others.
        *self.heard() = Heard { sessions: HashMap::new(), missed_until: Some(now) };
        self.turn.fetch_add(1, Ordering::SeqCst);
    }

    /// Changes with everything that is heard or missed.
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }

    /// What is known of the login of a token that was made then.
    pub(super) fn known(&self, session_id: SessionId, made_at: Timestamp) -> Known {
        let heard = self.heard();
        match heard.missed_until {
            _ if heard.sessions.contains_key(&session_id) => Known::HasEnded,
            Some(missed_until) if made_at <= missed_until.plus(LEEWAY) => Known::Unknown,
            _ => Known::Runs,
        }
    }
}

/// Whether auth says that a login still runs; none if it does not say.
pub(super) async fn ask(mesh: &Mesh, session_id: SessionId) -> Option<bool> {
    let path = format!("{SESSIONS_PATH}/{session_id}");
    let answer = mesh.call_json::<(), bool>(role::AUTH, Method::GET, &path, None, None);
    match tokio::time::timeout(ASK_TIMEOUT, answer).await.ok()? {
        Ok(runs) => Some(runs),
        // An auth of an older version does not tell.
        Err(MeshError::Refused { kind: Kind::NotFound, .. }) => Some(true),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    #[test]
    fn what_is_too_much_to_remember_is_asked_for() {
        let (ambient, clock) = frozen(1);
        let ended = Ended::default();
        let (first, made_at) = (ambient.ids.next(), ambient.now());
        for _ in 1..MAX_ENDED {
            assert!(ended.hear(ambient.ids.next(), ambient.now()));
        }
        clock.advance(Duration::from_mins(1));
        assert!(ended.hear(first, ambient.now()));
        let other = ambient.ids.next();
        assert_eq!(ended.known(first, made_at), Known::HasEnded);
        assert_eq!(ended.known(other, made_at), Known::Runs);
        assert!(!ended.hear(other, ambient.now()));
        ended.miss(ambient.now());
        for session_id in [first, other] {
            assert_eq!(ended.known(session_id, made_at), Known::Unknown);
        }
        let later = ambient.now().plus(LEEWAY + Duration::from_millis(1));
        assert_eq!(ended.known(other, later), Known::Runs);
    }

    #[test]
    fn what_no_token_outlives_makes_room() {
        let (ambient, clock) = frozen(2);
        let ended = Ended::default();
        for _ in 0..MAX_ENDED {
            ended.hear(ambient.ids.next(), ambient.now());
        }
        clock.advance(MAX_ACCESS_TOKEN_LIFE + LEEWAY + LEEWAY);
        assert!(ended.hear(ambient.ids.next(), ambient.now()));
        assert_eq!(ended.heard().sessions.len(), 1);
    }
}
