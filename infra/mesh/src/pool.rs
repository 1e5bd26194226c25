//! What is known of a role's instances: who is healthy, how busy each is with our requests, and who refused
//! us lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tertulia_discovery::{Instance, View};
use tokio::{sync::watch, time::Instant};

use crate::{Affinity, choice};

/// The instances of one role. It remembers only those that are busy or refused us, so it is bounded by the
/// requests in flight and the instances there are.
pub(crate) struct Pool {
    view: watch::Receiver<View>,
    pass_over: Duration,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    in_flight: usize,
    passed_over_until: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(view: watch::Receiver<View>, pass_over: Duration) -> Arc<Self> {
        Arc::new(Self { view, pass_over, known: Mutex::default() })
    }

    /// The healthy instances. While discovery has not said anything yet, or its agent is away, none is not an
    /// answer: then this waits a little for one.
    pub(crate) async fn instances(&self, wait: Duration) -> Arc<[Instance]> {
        let mut view = self.view.clone();
        let settled = view.wait_for(|view| !view.instances.is_empty() || !view.stale);
        match tokio::time::timeout(wait, settled).await {
            Ok(Ok(view)) => view.instances.clone(),
            _ => self.view.borrow().instances.clone(),
        }
    }

    /// Picks an instance other than `except` and counts it as busy.
    pub(crate) fn enter(
        self: &Arc<Self>,
        instances: &[Instance],
        affinity: Option<&Affinity>,
        except: Option<&Instance>,
        random: [u32; 2],
    ) -> Option<(Instance, InFlight)> {
        let mut known = self.known();
        let now = Instant::now();
        known.retain(|_, known| {
            known.passed_over_until = known.passed_over_until.filter(|until| *until > now);
            !known.is_idle()
        });
        let others = instances.iter().filter(|instance| Some(*instance) != except);
        let (passed_over, mut candidates): (Vec<_>, Vec<_>) = others
            .partition(|instance| known.get(&instance.id).is_some_and(|it| it.passed_over_until.is_some()));
        if candidates.is_empty() {
            candidates = passed_over;
        }
        let instance = match affinity {
            Some(Affinity(key)) => choice::rendezvous(key, &candidates),
            None => choice::two_choices(random, &candidates, |instance| {
                known.get(&instance.id).map_or(0, |known| known.in_flight)
            }),
        }?;
        known.entry(instance.id.clone()).or_default().in_flight += 1;
        Some((instance.clone(), InFlight { pool: self.clone(), id: instance.id.clone() }))
    }

    /// Prefers others to this instance for a while.
    pub(crate) fn pass_over(&self, instance: &Instance) {
        let until = Instant::now() + self.pass_over;
        self.known().entry(instance.id.clone()).or_default().passed_over_until = Some(until);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.passed_over_until.is_none()
    }
}

/// Counts one request as in flight until it is dropped.
pub(crate) struct InFlight {
    pool: Arc<Pool>,
    id: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut known = self.pool.known();
        if let Some(instance) = known.get_mut(&self.id) {
            instance.in_flight -= 1;
            if instance.is_idle() {
                known.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: u16, pass_over: Duration) -> (Arc<Pool>, Vec<Instance>) {
        let instance = |n: u16| Instance {
            role: "auth".to_owned(),
            id: format!("auth-{n}"),
            address: ([127, 0, 0, 1], 9000 + n).into(),
        };
        let (_, view) = watch::channel(View::default());
        (Pool::new(view, pass_over), (0..count).map(instance).collect())
    }

    #[test]
    fn an_instance_that_refused_is_passed_over_unless_it_is_the_only_one() {
        let (pool, instances) = pool(2, Duration::from_hours(1));
        pool.pass_over(&instances[0]);
        for random in 0..20 {
            let (instance, _) = pool.enter(&instances, None, None, [random, 0]).unwrap();
            assert_eq!(instance, instances[1]);
        }
        assert!(pool.enter(&instances[..1], None, None, [0, 0]).is_some());
        assert!(pool.enter(&instances, None, Some(&instances[1]), [0, 0]).is_some());
    }

    #[test]
    fn when_its_time_is_over_an_instance_has_its_keys_again() {
        let (pool, instances) = pool(2, Duration::ZERO);
        let key = Affinity("cnv_1".to_owned());
        let home = choice::rendezvous(&key.0, &instances.iter().collect::<Vec<_>>()).unwrap();
        pool.pass_over(home);
        let (instance, _) = pool.enter(&instances, Some(&key), None, [0, 0]).unwrap();
        assert_eq!(instance, *home);
        assert!(pool.known().is_empty(), "what is idle is forgotten");
    }

    #[test]
    fn requests_spread_over_instances_by_how_busy_they_are() {
        let (pool, instances) = pool(4, Duration::ZERO);
        let spread = |n: u32| [n.wrapping_mul(0x9E37_79B9), n.wrapping_mul(0x85EB_CA6B)].map(|it| it >> 8);
        let entered: Vec<_> =
            (0..100).map(|n| pool.enter(&instances, None, None, spread(n)).unwrap()).collect();
        for instance in &instances {
            let count = entered.iter().filter(|(chosen, _)| chosen == instance).count();
            assert!((20..=30).contains(&count), "{} has {count} of 100", instance.id);
        }
    }
}
