//! Password hashing: Argon2id (RFC 9106), beside the async threads and never more at once than there are
//! processors, since each takes megabytes and milliseconds.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use serde::{Deserialize, Serialize};
use tertulia_runtime::Entropy;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::strength;
use crate::Error;

const SALT_BYTES: usize = 16;

/// What a password costs. The defaults are OWASP's (Password Storage Cheat Sheet, 2025).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordCost {
    /// Memory a hash fills.
    pub memory_kib: u32,
    /// How often it goes over it.
    pub passes: u32,
    /// How many hashes are made at once; 0 means one a processor.
    pub parallel: usize,
    /// How many more may wait; who comes after is told to come back later.
    pub waiting: usize,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19 << 10, passes: 2, parallel: 0, waiting: 64 }
    }
}

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    entropy: Arc<dyn Entropy>,
    /// A place at work; fair, so nobody waits for ever.
    work: Arc<Semaphore>,
    /// A place at work or in the waiting room.
    room: Arc<Semaphore>,
    /// What the password of an unknown account is checked against, at the usual cost.
    decoy: PasswordHash,
}

impl Passwords {
    pub(crate) fn new(cost: &PasswordCost, entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let params = Params::new(cost.memory_kib, cost.passes, 1, None).map_err(hashing)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = decoy(argon2.params(), &*entropy)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = if cost.parallel == 0 { processors } else { cost.parallel };
        let work = Arc::new(Semaphore::new(parallel));
        let room = Arc::new(Semaphore::new(parallel + cost.waiting));
        Ok(Self { argon2, entropy, work, room, decoy })
    }

    /// The password's hash as a PHC string, with a salt of its own.
    pub(crate) async fn hash(&self, password: String) -> Result<String, Error> {
        let mut salt = [0; SALT_BYTES];
        self.entropy.fill(&mut salt);
        let argon2 = self.argon2.clone();
        self.work(move || {
            let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt).map_err(hashing)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether this is the password that was hashed. Without a hash, because there is no such account, it
    /// costs the same and is not.
    pub(crate) async fn verify(&self, password: String, stored: Option<String>) -> Result<bool, Error> {
        let (argon2, known) = (self.argon2.clone(), stored.is_some());
        let hash = stored
            .map_or_else(|| Ok(self.decoy.clone()), |stored| PasswordHash::new(&stored).map_err(hashing))?;
        let matches =
            self.work(move || Ok(argon2.verify_password(password.as_bytes(), &hash).is_ok())).await?;
        Ok(matches && known)
    }

    /// Whether the password cost less to hash than it would today, or was hashed another way.
    pub(crate) fn is_outdated(&self, stored: &str) -> bool {
        // The decoy has today's cost.
        PasswordHash::new(stored).is_ok_and(|hash| {
            (hash.algorithm, hash.version, &hash.params)
                != (self.decoy.algorithm, self.decoy.version, &self.decoy.params)
        })
    }

    /// Whether a password can be guessed, and if so, why and what would be better. `known` is what others know of its
    /// owner.
    pub(crate) async fn weakness(
        &self,
        password: String,
        known: Vec<String>,
    ) -> Result<Option<String>, Error> {
        self.work(move || Ok(strength::weakness(&password, &known))).await
    }

    async fn work<T: Send + 'static>(
        &self,
        hash: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let room = self.room.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let place = self.work.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        // The places go along: a caller that hangs up does not make room before the work is done.
        let places: [OwnedSemaphorePermit; 2] = [room, place];
        let done = tokio::task::spawn_blocking(move || {
            let _places = places;
            hash()
        });
        done.await.map_err(|error| Error::Hashing(error.to_string()))?
    }
}

/// A hash of nothing: random bytes in a hash's form, so that making it costs nothing.
fn decoy(params: &Params, entropy: &dyn Entropy) -> Result<PasswordHash, Error> {
    let (mut salt, mut output) = ([0; SALT_BYTES], [0; Params::DEFAULT_OUTPUT_LEN]);
    entropy.fill(&mut salt);
    entropy.fill(&mut output);
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(hashing)?,
        salt: Some(Salt::new(&salt).map_err(hashing)?),
        hash: Some(Output::new(&output).map_err(hashing)?),
    })
}

fn hashing(error: impl std::fmt::Display) -> Error {
    Error::Hashing(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tertulia_runtime::testkit::{eventually_true, frozen};

    use super::*;

    fn passwords(parallel: usize, waiting: usize) -> Arc<Passwords> {
        let cost = PasswordCost { memory_kib: 64, passes: 1, parallel, waiting };
        Arc::new(Passwords::new(&cost, frozen(1).0.entropy).unwrap())
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let passwords = passwords(1, 4);
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(
            hash,
            passwords.hash("correct horse".to_owned()).await.unwrap(),
            "each hash has its own salt"
        );
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horsf".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".to_owned(), None).await.unwrap());
        assert!(matches!(
            passwords.verify("x".to_owned(), Some("md5".to_owned())).await,
            Err(Error::Hashing(_))
        ));
    }

    #[test]
    fn the_default_cost_is_owasps() {
        let passwords = Passwords::new(&PasswordCost::default(), frozen(1).0.entropy).unwrap();
        assert!(passwords.decoy.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[tokio::test]
    async fn who_finds_the_waiting_room_full_is_told_at_once() {
        let passwords = passwords(1, 1);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let working = passwords.clone();
        let worker = async move {
            working.work(move || held.recv().map_err(hashing)).await.unwrap();
        };
        let waiting = passwords.clone();
        let waiter = async move { waiting.hash("second".to_owned()).await.unwrap() };
        let refused = async {
            eventually_true(Duration::from_secs(5), async || passwords.room.available_permits() == 0).await;
            assert!(matches!(passwords.hash("third".to_owned()).await, Err(Error::Busy)));
            release.send(()).unwrap();
        };
        tokio::join!(worker, waiter, refused);
        passwords.hash("fourth".to_owned()).await.expect("there is room again");
    }
}
