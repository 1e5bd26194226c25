//! Remembers what was found out about tokens. A signature check costs some fifty microseconds, asking auth far more, and
//! a client sends the same token hundreds of times.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

/// So many tokens a generation; there are two.
const GENERATION: usize = 4096;

/// Stands for a token, of which it is a tenth: nobody finds another token with the same one.
type Fingerprint = [u8; 32];

fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token).into()
}

/// A bounded memory of verified tokens in two generations: when the young one is full it becomes the old
/// one, and what was not asked for since is forgotten. Only what was verified gets in, so strangers
/// cannot push anything out.
pub(super) struct Verified<T>(Mutex<Generations<T>>);

struct Generations<T> {
    young: HashMap<Fingerprint, T>,
    old: HashMap<Fingerprint, T>,
}

impl<T> Default for Verified<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Default for Generations<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<T> Generations<T> {
    fn put(&mut self, token: Fingerprint, found: T) {
        // An old answer about the same token would come back when the young one is forgotten.
        self.old.remove(&token);
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(token, found);
    }
}

impl<T: Copy> Verified<T> {
    fn generations(&self) -> MutexGuard<'_, Generations<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, token: &str) -> Option<T> {
        let token = fingerprint(token);
        let mut generations = self.generations();
        if let Some(found) = generations.young.get(&token) {
            return Some(*found);
        }
        let found = generations.old.remove(&token)?;
        generations.put(token, found);
        Some(found)
    }

    pub(super) fn put(&self, token: &str, found: T) {
        self.generations().put(fingerprint(token), found);
    }

    /// Forgets those of which this is so.
    pub(super) fn forget(&self, is_over: impl Fn(&T) -> bool) {
        let mut generations = self.generations();
        generations.young.retain(|_, found| !is_over(found));
        generations.old.retain(|_, found| !is_over(found));
    }

    pub(super) fn clear(&self) {
        *self.generations() = Generations::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_asked_for() {
        let verified = Verified::default();
        verified.put("asked for", 1);
        verified.put("not asked for", 1);
        for n in 0..3 * GENERATION {
            verified.put(&n.to_string(), n);
            assert_eq!(verified.get("asked for"), Some(1));
        }
        assert_eq!(verified.get("not asked for"), None);
        let generations = verified.0.lock().unwrap();
        assert!(generations.young.len() <= GENERATION && generations.old.len() <= GENERATION);
    }

    #[test]
    fn what_is_forgotten_is_forgotten_of_both_generations() {
        let verified = Verified::default();
        verified.put("old", 1);
        (0..GENERATION).for_each(|n| verified.put(&n.to_string(), 2));
        verified.put("young", 1);
        assert!(verified.0.lock().unwrap().old.contains_key(&fingerprint("old")));
        verified.forget(|found| *found == 1);
        assert_eq!((verified.get("old"), verified.get("young"), verified.get("7")), (None, None, Some(2)));
    }
}
