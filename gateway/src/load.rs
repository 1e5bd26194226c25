//! How much is let in at once. When answers take long, more requests at a time only make all of them take longer; so
//! the number let in falls until they are quick again, and who comes too many is told at once to come back.
//!
//! Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP finds its window, apart for each class of
//! routes: what is dear, as signing in, does not take the places of all else.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Method;
use tertulia_contracts::routes::{Access, Route};
use tertulia_runtime::{
    Metrics,
    metrics::{Counter, Family, Gauge},
};
use tokio::time::Instant;

/// The most requests of a class at a time, and the number that a gateway begins with.
const MOST: f64 = 1024.0;
/// The fewest: so many are let in however long they take.
const FEWEST: f64 = 16.0;
/// What is left of the number when an answer took too long.
const DECREASE: f64 = 0.8;
/// An answer takes too long when it takes this part of the time that its route has.
const SLOW_PART: u32 = 5;

/// What shares one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// What anybody may send: registering, signing in, hooks.
    Strangers,
    Reads,
    Writes,
}

const CLASSES: [(Class, &str); 3] =
    [(Class::Strangers, "strangers"), (Class::Reads, "reads"), (Class::Writes, "writes")];

impl Class {
    fn of(route: &Route) -> Self {
        match route.access {
            _ if route.method == Method::GET => Self::Reads,
            Access::Public => Self::Strangers,
            Access::Member | Access::InBand => Self::Writes,
        }
    }
}

/// Every class's number.
pub(crate) struct Load {
    gates: [Arc<Gate>; 3],
}

impl Load {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let edge = metrics.sub("edge");
        let limit: Family<[(&'static str, &'static str); 1], Gauge> =
            edge.family("limit", "Requests of a class that are let in at a time");
        let shed: Family<[(&'static str, &'static str); 1], Counter> =
            edge.family("shed", "Requests of a class that were told to come back");
        let gate = |(_, name)| {
            let labels = [("class", name)];
            let (limit, shed) = (limit.get_or_create_owned(&labels), shed.get_or_create_owned(&labels));
            Arc::new(Gate::new(limit, shed))
        };
        Self { gates: CLASSES.map(gate) }
    }

    /// A place for a request, if there is one. A socket and an answer without an end take none: they are not work,
    /// and their number is bounded where they are served.
    pub(crate) fn enter(&self, route: &Route) -> Result<Option<Place>, Full> {
        let Some(timeout) = route.timeout else { return Ok(None) };
        let class = Class::of(route);
        let gate = CLASSES.iter().zip(&self.gates).find(|((known, _), _)| *known == class);
        let (_, gate) = gate.expect("every class is in the list");
        gate.enter(timeout / SLOW_PART).map(Some)
    }
}

/// There is no place just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

struct Gate {
    state: Mutex<State>,
    limit: Gauge,
    shed: Counter,
}

struct State {
    limit: f64,
    in_flight: u32,
    /// One slow moment is many slow answers: only what began after the last decrease speaks for another.
    decreased_at: Option<Instant>,
}

impl Gate {
    fn new(limit: Gauge, shed: Counter) -> Self {
        limit.set(rounded(MOST));
        let state = State { limit: MOST, in_flight: 0, decreased_at: None };
        Self { state: Mutex::new(state), limit, shed }
    }

    fn enter(self: &Arc<Self>, slow: Duration) -> Result<Place, Full> {
        let mut state = self.state();
        if f64::from(state.in_flight) >= state.limit {
            self.shed.inc();
            return Err(Full);
        }
        state.in_flight += 1;
        Ok(Place { gate: self.clone(), began: Instant::now(), slow, is_told: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that was let in; it leaves when this is dropped.
pub(crate) struct Place {
    gate: Arc<Gate>,
    began: Instant,
    slow: Duration,
    is_told: bool,
}

impl Place {
    /// It was answered. A failure may have been quick because nothing was done, and lets nobody more in.
    pub(crate) fn answered(mut self) {
        self.is_told = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let mut state = self.gate.state();
        // Who left after waiting long has seen that it takes long, too.
        if took >= self.slow {
            if state.decreased_at.is_none_or(|at| self.began >= at) {
                state.limit = (state.limit * DECREASE).max(FEWEST);
                state.decreased_at = Some(Instant::now());
            }
        } else if self.is_told && f64::from(state.in_flight) * 2.0 >= state.limit {
            // Only a number that is made use of has shown that it is not too high.
            state.limit = (state.limit + 1.0 / state.limit).min(MOST);
        }
        state.in_flight -= 1;
        self.gate.limit.set(rounded(state.limit));
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a limit is between 16 and 1024")]
fn rounded(limit: f64) -> i64 {
    limit as i64
}

#[cfg(test)]
mod tests {
    use tertulia_contracts::routes::ROUTES;

    use super::*;

    fn route(method: &Method, path: &str) -> &'static Route {
        ROUTES.iter().find(|route| route.method == *method && route.path == path).unwrap()
    }

    fn fill(load: &Load, route: &Route) -> Vec<Place> {
        std::iter::from_fn(|| load.enter(route).ok().flatten()).take(5000).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn slow_answers_let_fewer_in_down_to_the_fewest_and_quick_ones_more_again() {
        let load = Load::new(&Metrics::new());
        let read = route(&Method::GET, "/v1/me");
        let mut before = fill(&load, read).len();
        assert_eq!(before, 1024);
        for _ in 0..40 {
            let places = fill(&load, read);
            tokio::time::advance(Duration::from_secs(4)).await;
            drop(places);
            let now = fill(&load, read).len();
            assert!(now * 10 >= before * 7, "from {before} to {now}: one step for all who waited at once");
            before = now;
        }
        assert_eq!(before, 16);
        for _ in 0..200 {
            fill(&load, read).into_iter().for_each(Place::answered);
        }
        assert!(fill(&load, read).len() > 50, "{}", fill(&load, read).len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_that_nobody_comes_near_does_not_grow() {
        let load = Load::new(&Metrics::new());
        let read = route(&Method::GET, "/v1/me");
        while fill(&load, read).len() > 100 {
            let places = fill(&load, read);
            tokio::time::advance(Duration::from_secs(4)).await;
            drop(places);
        }
        let before = fill(&load, read).len();
        for _ in 0..10_000 {
            load.enter(read).unwrap().unwrap().answered();
        }
        assert_eq!(fill(&load, read).len(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_class_that_is_full_leaves_the_others_their_places_and_sockets_take_none() {
        let load = Load::new(&Metrics::new());
        let full = fill(&load, route(&Method::POST, "/v1/sessions"));
        assert_eq!(load.enter(route(&Method::POST, "/v1/accounts")).err(), Some(Full));
        assert!(load.enter(route(&Method::GET, "/v1/me")).is_ok());
        assert!(load.enter(route(&Method::POST, "/v1/conversations")).is_ok());
        for path in ["/v1/realtime", "/v1/events"] {
            assert!(matches!(load.enter(route(&Method::GET, path)), Ok(None)), "{path}");
        }
        drop(full);
        assert!(load.enter(route(&Method::POST, "/v1/sessions")).is_ok());
    }
}
