//! Remembers which tokens were verified. A signature check costs some fifty microseconds, and a client sends
//! the same token hundreds of times.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use super::Identity;

/// So many tokens a generation; there are two.
const GENERATION: usize = 4096;

/// A bounded memory of verified tokens in two generations: when the young one is full it becomes the old
/// one, and what was not asked for since is forgotten. Only what was verified gets in, so strangers
/// cannot push anything out.
#[derive(Default)]
pub(super) struct Verified(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Box<str>, Identity>,
    old: HashMap<Box<str>, Identity>,
}

impl Generations {
    fn put(&mut self, token: Box<str>, identity: Identity) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(token, identity);
    }
}

impl Verified {
    pub(super) fn get(&self, token: &str) -> Option<Identity> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = generations.young.get(token) {
            return Some(*identity);
        }
        let (token, identity) = generations.old.remove_entry(token)?;
        generations.put(token, identity);
        Some(identity)
    }

    pub(super) fn put(&self, token: &str, identity: Identity) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(token.into(), identity);
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Generations::default();
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::Timestamp;
    use ulid::Ulid;

    use super::*;
    use crate::{SessionId, UserId};

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_asked_for() {
        let verified = Verified::default();
        let identity = Identity {
            user_id: UserId::from_ulid(Ulid::nil()),
            session_id: SessionId::from_ulid(Ulid::nil()),
            expires_at: Timestamp::EPOCH,
            operator: false,
        };
        verified.put("asked for", identity);
        verified.put("not asked for", identity);
        for n in 0..3 * GENERATION {
            verified.put(&n.to_string(), identity);
            assert_eq!(verified.get("asked for"), Some(identity));
        }
        assert_eq!(verified.get("not asked for"), None);
        let generations = verified.0.lock().unwrap();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }
}
