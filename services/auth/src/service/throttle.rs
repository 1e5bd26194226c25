//! Sign-in that slows down: who misses often waits longer and longer, and an account's owner does not wait for what
//! somebody else missed elsewhere.
//!
//! What was missed is counted in the cache. From where an account was signed in to before, its misses are counted by
//! themselves; from anywhere else by the name at that place, by the place, and by the name. Beyond a measure of each, one
//! attempt is let in at a time, after a delay that doubles with every miss. An attempt that comes too early is not looked
//! at: the right password is answered as a wrong one. Attempts that come at the same moment are all let in before the
//! first of them counts; how many those are, the gateway's quota for an address and the room for hashing bound.

use std::{net::IpAddr, time::Duration};

use bytes::Bytes;
use tertulia_cache::Quota;
use tertulia_contracts::{UserId, address::network};
use tertulia_runtime::secret;

use crate::{Auth, Error, model::account::Identifier};

/// After so long what was missed is forgotten.
const WINDOW: Duration = Duration::from_hours(24);
/// So long an account is at home where it was signed in to.
const AT_HOME: Duration = Duration::from_hours(90 * 24);
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// What a node grants for itself while the cache is away and nothing can be counted.
const UNCOUNTED: Quota = Quota { burst: 10, period: Duration::from_secs(30) };

/// How much is let pass.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// So many misses without any delay.
    free: u64,
    /// The delay grows no further.
    longest: Duration,
}

/// One account from where it is at home, or one name from one place.
const NAME_AT_PLACE: Patience = Patience { free: 10, longest: Duration::from_mins(15) };
/// All names from one place: many may share an address.
const PLACE: Patience = Patience { free: 50, longest: Duration::from_mins(15) };
/// One name from everywhere but home. Its owner may be among them, so that this never stops altogether.
const NAME: Patience = Patience { free: 100, longest: Duration::from_mins(1) };

impl Patience {
    fn delay(self, missed: u64) -> Duration {
        let doublings = u32::try_from(missed.saturating_sub(self.free)).unwrap_or(u32::MAX).min(16);
        FIRST_DELAY.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A sign-in that was let in, and where it counts if it misses.
pub(super) struct Attempt(Vec<String>);

impl Auth {
    /// Lets somebody try to sign in, or says when they may. What it costs and answers is the same whether there is such an
    /// account or not.
    pub(super) async fn attempt(
        &self,
        identifier: &Identifier,
        account: Option<UserId>,
        from: Option<IpAddr>,
    ) -> Result<Attempt, Error> {
        let (name, place) = (secret::fingerprint(identifier.as_str()), place_of(from));
        let whose = account.map_or_else(|| name.clone(), |account| account.to_string());
        let measures = if self.cache.get(&home_key(&whose, &place)).await.is_some() {
            vec![(format!("home:{whose}:{place}"), NAME_AT_PLACE)]
        } else {
            let name_at_place = (format!("name-at:{name}:{place}"), NAME_AT_PLACE);
            // This machine's own address is a proxy's that is not listed, or the operator's: no one's place.
            let by_place = from.is_some_and(|from| !from.is_loopback());
            let place = by_place.then(|| (format!("place:{place}"), PLACE));
            [name_at_place, (format!("name:{name}"), NAME)].into_iter().chain(place).collect()
        };
        for (key, patience) in &measures {
            self.patiently(key, *patience).await?;
        }
        Ok(Attempt(measures.into_iter().map(|(key, _)| key).collect()))
    }

    async fn patiently(&self, key: &str, patience: Patience) -> Result<(), Error> {
        match self.cache.add(&missed_key(key), 0, WINDOW).await {
            Some(missed) if missed < patience.free => Ok(()),
            Some(missed) => {
                let one_at_a_time = Quota { burst: 1, period: patience.delay(missed) };
                self.within(&format!("sign-in:{key}"), one_at_a_time).await
            }
            None => self.within(&format!("sign-in-uncounted:{key}"), UNCOUNTED).await,
        }
    }

    /// The attempt was a miss.
    pub(super) async fn missed(&self, attempt: &Attempt) {
        self.counters.sign_ins_refused.inc();
        for key in &attempt.0 {
            self.cache.add(&missed_key(key), 1, WINDOW).await;
        }
    }

    /// Somebody showed that an account is theirs: what is missed elsewhere does not keep them waiting here.
    pub(crate) async fn is_at_home(&self, account: UserId, from: Option<IpAddr>) {
        let key = home_key(&account.to_string(), &place_of(from));
        self.cache.set(&key, Bytes::from_static(b"1"), AT_HOME).await;
    }
}

fn place_of(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "unknown".to_owned(), |address| network(address).to_string())
}

fn home_key(whose: &str, place: &str) -> String {
    format!("auth:home:{whose}:{place}")
}

fn missed_key(key: &str) -> String {
    format!("auth:missed:{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_with_every_miss_up_to_its_longest() {
        let delays =
            |patience: Patience, misses: [u64; 5]| misses.map(|missed| patience.delay(missed).as_secs());
        assert_eq!(delays(NAME_AT_PLACE, [10, 11, 12, 19, 20]), [1, 2, 4, 512, 900]);
        assert_eq!(delays(NAME, [100, 103, 106, 10_000, u64::MAX]), [1, 8, 60, 60, 60]);
    }
}
