//! What is known of a role's instances: who is healthy, how busy each is with our requests, and how each answered
//! lately.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tertulia_discovery::{Instance, View};
use tokio::{sync::watch, time::Instant};
use tower::retry::budget::{Budget as _, TpsBudget};

use crate::{
    Affinity,
    breaker::{Breaker, Cause, Rules, Verdict},
    choice,
};

/// Requests of this time earn retries.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);

/// The instances of one role. It remembers only those that are busy or failed us, so it is bounded by the
/// requests in flight and the instances there are.
pub(crate) struct Pool {
    view: watch::Receiver<View>,
    rules: Rules,
    budget: TpsBudget,
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Default)]
struct Known {
    in_flight: usize,
    breaker: Breaker,
}

impl Pool {
    /// `retries_per_second` is what may be retried however few requests there are; besides it, `retry_share` of them.
    pub(crate) fn new(
        view: watch::Receiver<View>,
        rules: Rules,
        retries_per_second: u32,
        retry_share: f32,
    ) -> Arc<Self> {
        let budget = TpsBudget::new(BUDGET_WINDOW, retries_per_second, retry_share);
        Arc::new(Self { view, rules, budget, known: Mutex::default() })
    }

    /// The healthy instances. While discovery has not said anything yet, or its agent is away, none is not an
    /// answer: then this waits for one, at most until `end`.
    pub(crate) async fn instances(&self, end: Instant) -> Arc<[Instance]> {
        let mut view = self.view.clone();
        let settled = view.wait_for(|view| !view.instances.is_empty() || !view.stale);
        match tokio::time::timeout_at(end, settled).await {
            Ok(Ok(view)) => view.instances.clone(),
            _ => self.view.borrow().instances.clone(),
        }
    }

    /// Every request earns its part of a retry.
    pub(crate) fn earn(&self) {
        self.budget.deposit();
    }

    /// Whether something that may have been done can be tried once more; spends a retry.
    pub(crate) fn spend(&self) -> bool {
        self.budget.withdraw()
    }

    /// Picks an instance that was not tried yet and counts it as busy.
    ///
    /// Who refuses connections is passed over as long as there is anybody else. Who fails is passed over unless most
    /// do: then it is more likely that all have the same trouble, and sending everything to the few that are left
    /// would bring them down, too.
    pub(crate) fn enter(
        self: &Arc<Self>,
        instances: &[Instance],
        affinity: Option<&Affinity>,
        tried: &[Instance],
        random: [u32; 2],
    ) -> Option<(Instance, InFlight)> {
        let mut known = self.known();
        let now = Instant::now();
        known.retain(|id, known| {
            known.in_flight > 0
                || !known.breaker.is_fresh(now) && instances.iter().any(|instance| instance.id == *id)
        });
        let out = |instance: &Instance| known.get(&instance.id).and_then(|known| known.breaker.out(now));
        let failing = instances.iter().filter(|instance| out(instance) == Some(Cause::Failing)).count();
        let most_fail = failing * 2 > instances.len();
        let untried = instances.iter().filter(|instance| !tried.contains(instance));
        let (passed_over, mut candidates): (Vec<_>, Vec<_>) =
            untried.partition(|instance| match out(instance) {
                Some(Cause::Refusing) => true,
                Some(Cause::Failing) => !most_fail,
                None => false,
            });
        if candidates.is_empty() {
            candidates = passed_over;
        }
        let instance = match affinity {
            Some(Affinity(key)) => choice::rendezvous(key, &candidates),
            None => choice::two_choices(random, &candidates, |instance| {
                known.get(&instance.id).map_or(0, |known| known.in_flight)
            }),
        }?;
        let entered = known.entry(instance.id.clone()).or_default();
        entered.in_flight += 1;
        let is_probe = entered.breaker.enter(now);
        Some((instance.clone(), InFlight { pool: self.clone(), id: instance.id.clone(), is_probe }))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one request as in flight until it is dropped.
pub(crate) struct InFlight {
    pool: Arc<Pool>,
    id: String,
    /// Whether it tries an instance that was left alone, and has told nothing yet.
    is_probe: bool,
}

impl InFlight {
    /// Tells how the attempt went; returns why its instance is left alone from now on, if it is.
    pub(crate) fn judge(&mut self, verdict: Verdict) -> Option<Cause> {
        let is_probe = std::mem::take(&mut self.is_probe);
        let mut known = self.pool.known();
        let breaker = &mut known.get_mut(&self.id)?.breaker;
        breaker.judge(verdict, is_probe, &self.pool.rules, Instant::now())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut known = self.pool.known();
        if let Some(instance) = known.get_mut(&self.id) {
            let now = Instant::now();
            instance.in_flight -= 1;
            if self.is_probe {
                instance.breaker.abandon(now);
            }
            if instance.in_flight == 0 && instance.breaker.is_fresh(now) {
                known.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Duration = Duration::from_secs(3);

    fn pool(count: u16) -> (Arc<Pool>, Vec<Instance>) {
        let instance = |n: u16| Instance {
            role: "auth".to_owned(),
            id: format!("auth-{n}"),
            address: ([127, 0, 0, 1], 9000 + n).into(),
        };
        let (_, view) = watch::channel(View::default());
        let rules = Rules { pass_over: ALONE, window: Duration::from_secs(10), failures: 3 };
        (Pool::new(view, rules, 1, 0.1), (0..count).map(instance).collect())
    }

    /// Takes an instance out.
    fn take_out(pool: &Arc<Pool>, instances: &[Instance], which: usize, verdict: Verdict) {
        let mut others = instances.to_vec();
        others.remove(which);
        while pool.enter(instances, None, &others, [0, 0]).unwrap().1.judge(verdict).is_none() {}
    }

    /// Who is asked by many requests.
    fn asked(pool: &Arc<Pool>, instances: &[Instance]) -> Vec<String> {
        let one = |random| pool.enter(instances, None, &[], [random, random / 3]).unwrap().0.id;
        let mut asked: Vec<_> = (0..30).map(one).collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_refused_is_passed_over_unless_it_is_the_only_one() {
        let (pool, instances) = pool(3);
        take_out(&pool, &instances, 0, Verdict::Refused);
        take_out(&pool, &instances, 1, Verdict::Refused);
        assert_eq!(asked(&pool, &instances), ["auth-2"], "however many refuse");
        assert!(pool.enter(&instances[..1], None, &[], [0, 0]).is_some());
        assert!(pool.enter(&instances, None, &instances[2..], [0, 0]).is_some());
        assert!(pool.enter(&instances, None, &instances, [0, 0]).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_fail_are_passed_over_until_most_do() {
        let (pool, instances) = pool(4);
        take_out(&pool, &instances, 0, Verdict::Failed);
        assert_eq!(asked(&pool, &instances), ["auth-1", "auth-2", "auth-3"]);
        take_out(&pool, &instances, 1, Verdict::Failed);
        assert_eq!(asked(&pool, &instances), ["auth-2", "auth-3"]);
        take_out(&pool, &instances, 2, Verdict::Failed);
        assert_eq!(asked(&pool, &instances).len(), 4, "then it is not them");
    }

    #[tokio::test(start_paused = true)]
    async fn when_its_time_is_over_one_request_decides_whether_an_instance_has_its_keys_again() {
        let (pool, instances) = pool(2);
        let key = Affinity("cnv_1".to_owned());
        let home = choice::rendezvous(&key.0, &instances.iter().collect::<Vec<_>>()).unwrap().clone();
        let enter = || pool.enter(&instances, Some(&key), &[], [0, 0]).unwrap();
        let which = instances.iter().position(|instance| *instance == home).unwrap();
        take_out(&pool, &instances, which, Verdict::Refused);
        assert_ne!(enter().0, home);
        tokio::time::advance(ALONE).await;
        let (probed, mut probe) = enter();
        assert_eq!(probed, home);
        assert_ne!(enter().0, home, "while it is tried nobody else goes there");
        probe.judge(Verdict::Good);
        assert_eq!(enter().0, home);
        drop(probe);
        assert!(pool.known().is_empty(), "what is idle is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn an_instance_that_is_gone_is_forgotten_with_all_that_it_did() {
        let (pool, instances) = pool(2);
        take_out(&pool, &instances, 0, Verdict::Failed);
        drop(pool.enter(&instances[1..], None, &[], [0, 0]));
        assert!(pool.known().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_tenth_of_the_requests_and_a_few() {
        let (pool, _) = pool(1);
        let retries = || (0..1000).filter(|_| pool.spend()).count();
        assert_eq!(retries(), 10, "one a second");
        (0..1000).for_each(|_| pool.earn());
        assert_eq!(retries(), 100);
    }

    #[test]
    fn requests_spread_over_instances_by_how_busy_they_are() {
        let (pool, instances) = pool(4);
        let spread = |n: u32| [n.wrapping_mul(0x9E37_79B9), n.wrapping_mul(0x85EB_CA6B)].map(|it| it >> 8);
        let entered: Vec<_> =
            (0..100).map(|n| pool.enter(&instances, None, &[], spread(n)).unwrap()).collect();
        for instance in &instances {
            let count = entered.iter().filter(|(chosen, _)| chosen == instance).count();
            assert!((20..=30).contains(&count), "{} has {count} of 100", instance.id);
        }
    }
}
