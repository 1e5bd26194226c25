//! Faults on purpose: an adapter wrapped so that exactly one promise is broken.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::FutureExt;
use tertulia_runtime::Event;
use tokio::task::JoinSet;

use super::Rig;
use crate::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Heard, Listener, Outcome,
    RetryPolicy, Subscription, Topology,
};

/// What is wrong with an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Only the group that is quickest gets an event.
    FirstGroupOnly,
    /// Consumers of a group all get a copy.
    EveryConsumerGetsAll,
    /// The last event of each call is accepted and dropped.
    LosesOne,
    /// Events of one call come out backwards.
    Reverses,
    /// Takes as much as there is.
    IgnoresPrefetch,
    /// One handler call at a time in the whole process, waits for retries included.
    OneAtATime,
    /// All queues are said to be empty.
    TellsNoDepths,
    /// Strips the trace context.
    DropsTraces,
    /// Says that all is well.
    SwallowsErrors,
    /// Settles an event before it is handled.
    SettlesEarly,
    /// Begins anew after a restart.
    ForgetsAtRestart,
    /// Cuts off what is in hand.
    StopsAtOnce,
    /// Never waits before a retry.
    RetriesAtOnce,
    /// Takes a panic for success.
    SwallowsPanics,
    /// Lets later events pass while one waits for its retry.
    RetriesLater,
    /// Loses the reasons of dead letters.
    ForgetsReasons,
    /// Drops what was rejected.
    SwallowsRejections,
    /// Lists no dead letters.
    HidesLetters,
    /// Does nothing to replay a letter.
    ReplaysNothing,
    /// Does nothing to drop a letter.
    DropsNothing,
    /// Only the first listener hears anything.
    FirstListenerOnly,
    /// Goes on hearing channels that were left.
    NeverLeaves,
    /// Never speaks of a gap.
    HidesGaps,
}

/// A rig whose buses have a fault.
pub struct SabotagedRig {
    inner: Arc<dyn Rig>,
    /// What a restart that forgets opens instead.
    spare: Arc<dyn Rig>,
    fault: Fault,
}

impl SabotagedRig {
    /// Breaks a sound adapter.
    pub fn new(inner: Arc<dyn Rig>, spare: Arc<dyn Rig>, fault: Fault) -> Self {
        Self { inner, spare, fault }
    }

    fn sabotage(&self, inner: Arc<dyn Bus>) -> Arc<dyn Bus> {
        let shared = Arc::new(Shared::new(self.fault));
        Arc::new(SabotagedBus { inner, shared })
    }
}

#[async_trait]
impl Rig for SabotagedRig {
    async fn open(&self, topology: Topology) -> Arc<dyn Bus> {
        self.sabotage(self.inner.open(topology).await)
    }

    async fn restart(&self, bus: Arc<dyn Bus>, topology: Topology) -> Arc<dyn Bus> {
        if self.fault == Fault::ForgetsAtRestart {
            return self.spare.open(topology).await;
        }
        self.inner.restart(bus, topology).await
    }

    async fn cut(&self) {
        self.inner.cut().await;
    }

    async fn restore(&self) {
        self.inner.restore().await;
    }

    /// An adapter in one process has no connection to lose: that it said nothing of a loss is planted here.
    fn has_connections(&self) -> bool {
        self.fault == Fault::HidesGaps || self.inner.has_connections()
    }

    async fn break_routing(&self, group: &str) {
        self.inner.break_routing(group).await;
    }

    async fn plant(&self, group: &str, bytes: &[u8]) {
        self.inner.plant(group, bytes).await;
    }

    /// Every case has to fail here, and most do by waiting in vain.
    fn patience(&self) -> Duration {
        Duration::from_secs(3)
    }
}

struct SabotagedBus {
    inner: Arc<dyn Bus>,
    shared: Arc<Shared>,
}

/// What all wrappers of one bus know.
struct Shared {
    fault: Fault,
    seen: Mutex<HashMap<String, &'static str>>,
    handlers: Mutex<HashMap<&'static str, Vec<Arc<dyn Handler>>>>,
    detached: Mutex<JoinSet<()>>,
    one_at_a_time: tokio::sync::Mutex<()>,
    heard_by_one: AtomicBool,
}

impl Shared {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            seen: Mutex::default(),
            handlers: Mutex::default(),
            detached: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
            heard_by_one: AtomicBool::new(false),
        }
    }

    fn detach(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.detached.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }
}

#[async_trait]
impl Bus for SabotagedBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let mut events = events.to_vec();
        match self.shared.fault {
            Fault::LosesOne => drop(events.pop()),
            Fault::Reverses => events.reverse(),
            Fault::DropsTraces => events.iter_mut().for_each(|event| event.traceparent = None),
            _ => {}
        }
        let published = self.inner.publish(&events).await;
        if self.shared.fault == Fault::SwallowsErrors { Ok(()) } else { published }
    }

    async fn subscribe(
        &self,
        mut subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error> {
        let retry = subscription.retry;
        match self.shared.fault {
            Fault::IgnoresPrefetch => subscription.prefetch = 1_000,
            Fault::RetriesAtOnce => {
                subscription.retry = RetryPolicy { max_delay: Duration::ZERO, ..retry };
            }
            Fault::EveryConsumerGetsAll => {
                let mut handlers = self.shared.handlers.lock().unwrap_or_else(PoisonError::into_inner);
                handlers.entry(subscription.group).or_default().push(handler.clone());
            }
            _ => {}
        }
        let handler = SabotagedHandler {
            inner: handler,
            group: subscription.group,
            retry,
            shared: self.shared.clone(),
        };
        let consumer = self.inner.subscribe(subscription, Arc::new(handler)).await?;
        Ok(if self.shared.fault == Fault::StopsAtOnce { Box::new(Dropped(consumer)) } else { consumer })
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), Error> {
        let sent = self.inner.broadcast(message).await;
        if self.shared.fault == Fault::SwallowsErrors { Ok(()) } else { sent }
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        let deaf = self.shared.fault == Fault::FirstListenerOnly
            && self.shared.heard_by_one.swap(true, Ordering::SeqCst);
        let inner = self.inner.listen().await?;
        Ok(Arc::new(SabotagedListener { inner, fault: self.shared.fault, deaf }))
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let mut letters = self.inner.dead_letters(group, limit).await?;
        match self.shared.fault {
            Fault::HidesLetters => letters.clear(),
            Fault::ForgetsReasons => letters.iter_mut().for_each(|letter| letter.reason.clear()),
            _ => {}
        }
        Ok(letters)
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        if self.shared.fault == Fault::ReplaysNothing {
            return Ok(());
        }
        self.inner.replay(group, letter).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        if self.shared.fault == Fault::DropsNothing {
            return Ok(());
        }
        self.inner.drop_letter(group, letter).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        let mut depths = self.inner.depths().await?;
        if self.shared.fault == Fault::TellsNoDepths {
            for (_, depth) in &mut depths {
                *depth = 0;
            }
        }
        Ok(depths)
    }

    async fn check(&self) -> Result<(), Error> {
        self.inner.check().await
    }
}

struct SabotagedHandler {
    inner: Arc<dyn Handler>,
    group: &'static str,
    retry: RetryPolicy,
    shared: Arc<Shared>,
}

impl SabotagedHandler {
    async fn until_settled(inner: Arc<dyn Handler>, event: Event, retry: RetryPolicy) {
        for failed in 1..=retry.attempts {
            tokio::time::sleep(retry.delay(failed)).await;
            if !matches!(inner.handle(&event).await, Outcome::Retry(_)) {
                return;
            }
        }
    }

    fn is_for_another_group(&self, event: &Event) -> bool {
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(event.id.to_string()).or_insert(self.group) != self.group
    }

    async fn under_the_lock(&self, event: &Event) -> Outcome {
        let _alone = self.shared.one_at_a_time.lock().await;
        let mut outcome = self.inner.handle(event).await;
        for failed in 1..self.retry.attempts {
            if !matches!(outcome, Outcome::Retry(_)) {
                break;
            }
            tokio::time::sleep(self.retry.delay(failed)).await;
            outcome = self.inner.handle(event).await;
        }
        outcome
    }
}

#[async_trait]
impl Handler for SabotagedHandler {
    async fn handle(&self, event: &Event) -> Outcome {
        match self.shared.fault {
            Fault::FirstGroupOnly if self.is_for_another_group(event) => return Outcome::Done,
            Fault::OneAtATime => return self.under_the_lock(event).await,
            Fault::SettlesEarly => {
                let (inner, event) = (self.inner.clone(), event.clone());
                self.shared.detach(async move { drop(inner.handle(&event).await) });
                return Outcome::Done;
            }
            Fault::SwallowsPanics => {
                let call = AssertUnwindSafe(self.inner.handle(event)).catch_unwind();
                return call.await.unwrap_or(Outcome::Done);
            }
            Fault::EveryConsumerGetsAll => {
                let handlers = self.shared.handlers.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for handler in handlers.get(self.group).into_iter().flatten() {
                    handler.handle(event).await;
                }
                return Outcome::Done;
            }
            _ => {}
        }
        match (self.shared.fault, self.inner.handle(event).await) {
            (Fault::RetriesLater, Outcome::Retry(_)) => {
                let (inner, event) = (self.inner.clone(), event.clone());
                self.shared.detach(Self::until_settled(inner, event, self.retry));
                Outcome::Done
            }
            (Fault::SwallowsRejections, Outcome::Reject(_)) => Outcome::Done,
            (_, outcome) => outcome,
        }
    }
}

/// A consumer that is stopped by dropping it.
struct Dropped(Box<dyn Consumer>);

#[async_trait]
impl Consumer for Dropped {
    async fn stop(self: Box<Self>) {
        drop(self.0);
    }
}

struct SabotagedListener {
    inner: Arc<dyn Listener>,
    fault: Fault,
    deaf: bool,
}

#[async_trait]
impl Listener for SabotagedListener {
    async fn join(&self, channel: &str) -> Result<(), Error> {
        if self.deaf {
            return Ok(());
        }
        self.inner.join(channel).await
    }

    async fn leave(&self, channel: &str) -> Result<(), Error> {
        if self.fault == Fault::NeverLeaves {
            return Ok(());
        }
        self.inner.leave(channel).await
    }

    async fn hear(&self) -> Heard {
        loop {
            match self.inner.hear().await {
                Heard::Gap if self.fault == Fault::HidesGaps => {}
                heard => return heard,
            }
        }
    }
}
