//! Single flight: of the callers that miss one key at the same time on one node, one fills it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::Cache;

/// Reads through a cache. Works the same over every adapter, also while its server is away: then each miss
/// is filled, still once for all who wait for it. `E` is what filling can end with; all who wait hear of it.
///
/// It remembers only keys that somebody waits for just now.
pub struct SingleFlight<E> {
    cache: Arc<dyn Cache>,
    flights: Mutex<Flights<E>>,
}

type Flights<E> = HashMap<String, Flight<E>>;
type Flight<E> = Arc<OnceCell<Result<Bytes, E>>>;

impl<E: Clone + Send + Sync> SingleFlight<E> {
    /// Over this cache.
    pub fn new(cache: Arc<dyn Cache>) -> Self {
        Self { cache, flights: Mutex::default() }
    }

    /// What the cache keeps under this key; otherwise what `fill` makes, which is then kept for `ttl`. When the
    /// caller that fills gives up (is dropped), another one that waits takes over with its own `fill`.
    ///
    /// # Errors
    /// What `fill` ended with. It is not kept: the next caller tries again.
    pub async fn get_or_fill<F>(
        &self,
        key: &str,
        ttl: Duration,
        fill: impl FnOnce() -> F + Send,
    ) -> Result<Bytes, E>
    where
        F: Future<Output = Result<Bytes, E>> + Send,
    {
        let seat = self.board(key);
        let outcome = seat.flight.get_or_init(async || {
            if let Some(kept) = self.cache.get(key).await {
                return Ok(kept);
            }
            let made = fill().await?;
            self.cache.set(key, made.clone(), ttl).await;
            Ok(made)
        });
        outcome.await.clone()
    }

    fn board<'a>(&'a self, key: &'a str) -> Seat<'a, E> {
        let flight = self.flights().entry(key.to_owned()).or_default().clone();
        Seat { key, flight, flights: &self.flights }
    }

    fn flights(&self) -> MutexGuard<'_, Flights<E>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One caller's part in a flight. The flight ends with its outcome, or when the last caller leaves.
struct Seat<'a, E> {
    key: &'a str,
    flight: Flight<E>,
    flights: &'a Mutex<Flights<E>>,
}

impl<E> Drop for Seat<'_, E> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one; nobody can board while the lock is held.
        let is_last = Arc::strong_count(&self.flight) == 2;
        let is_listed = flights.get(self.key).is_some_and(|listed| Arc::ptr_eq(listed, &self.flight));
        if is_listed && (is_last || self.flight.initialized()) {
            flights.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, future::join_all};

    use super::*;
    use crate::{MemoryCache, MemoryConfig};

    const TTL: Duration = Duration::from_mins(1);

    fn single_flight() -> SingleFlight<&'static str> {
        SingleFlight::new(Arc::new(MemoryCache::new(&MemoryConfig::default())))
    }

    #[tokio::test]
    async fn all_who_wait_hear_of_a_failure_and_the_next_tries_again() {
        let single = single_flight();
        let failing = || async {
            tokio::task::yield_now().await;
            Err("away")
        };
        let outcomes = join_all((0..5).map(|_| single.get_or_fill("k", TTL, failing))).await;
        assert_eq!(outcomes, vec![Err("away"); 5]);
        assert!(single.flights().is_empty());
        assert_eq!(single.get_or_fill("k", TTL, || async { Ok(Bytes::from("v")) }).await.unwrap(), "v");
    }

    #[tokio::test]
    async fn when_the_one_that_fills_gives_up_another_takes_over() {
        let single = single_flight();
        let mut first = Box::pin(single.get_or_fill("k", TTL, std::future::pending));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(single.get_or_fill("k", TTL, || async { Ok(Bytes::from("v")) }));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert_eq!(second.await.unwrap(), "v");
        assert!(single.flights().is_empty());
    }

    #[tokio::test]
    async fn a_flight_that_all_have_left_is_forgotten() {
        let single = single_flight();
        let mut only = Box::pin(single.get_or_fill("k", TTL, std::future::pending));
        assert!(only.as_mut().now_or_never().is_none());
        drop(only);
        assert!(single.flights().is_empty());
    }
}
