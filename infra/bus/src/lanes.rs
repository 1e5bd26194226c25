//! The consumer engine that every adapter shares: it turns a stream of deliveries into calls of a handler.
//!
//! Promises: one lane per partition key, in which events are handled one at a time and in order, also when
//! one of them has to be tried again; other lanes go on meanwhile. At most `prefetch` deliveries are in hand.
//! A handler that panics counts as one that asked for a retry.

use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt, Stream, StreamExt};
use tertulia_runtime::{Event, problem::panic_text, trace};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Consumer, Error, Handler, Outcome,
    port::{RetryPolicy, Subscription},
    wire::shorten,
};

/// How an adapter is told what became of a delivery.
#[async_trait]
pub(crate) trait Receipt: Send {
    /// It is done with.
    async fn done(self: Box<Self>);

    /// It failed so many times by now and is tried again after the delay.
    async fn failed(&mut self, failed: u32, delay: Duration);

    /// It becomes a dead letter. After an error the same is asked again later.
    async fn dead(&mut self, reason: &str, attempts: u32) -> Result<(), Error>;
}

/// What came out of a group's queue.
pub(crate) struct Delivery {
    /// Which lane it belongs to.
    pub(crate) key: String,
    /// The event, or why it is none.
    pub(crate) event: Result<Event, String>,
    /// How often it has failed already.
    pub(crate) failed: u32,
    /// How long to wait before it is tried.
    pub(crate) wait: Duration,
    /// Where to report.
    pub(crate) receipt: Box<dyn Receipt>,
}

/// What to do with deliveries. One per subscription, however many streams feed it.
pub(crate) struct Lanes {
    group: &'static str,
    handler: Arc<dyn Handler>,
    retry: RetryPolicy,
    /// Calls of the handler at a time, over all streams.
    calls: Semaphore,
}

impl Lanes {
    pub(crate) fn new(subscription: &Subscription, handler: Arc<dyn Handler>) -> Arc<Self> {
        let Subscription { group, prefetch, retry } = *subscription;
        Arc::new(Self { group, handler, retry, calls: Semaphore::new(usize::from(prefetch.max(1))) })
    }

    /// Handles deliveries until the stream ends or it is told to end; then waits for the handlers that are
    /// running, unless they are to be cut off, and forgets the rest, which the adapter gives back to the group.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut deliveries: impl Stream<Item = Delivery> + Unpin,
        prefetch: u16,
        ending: &Ending,
    ) {
        let halt = ending.stop.child_token();
        let mut busy: HashMap<String, VecDeque<Delivery>> = HashMap::new();
        let mut in_hand = 0;
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = halt.cancelled() => break,
                Some(lane) = running.join_next() => {
                    in_hand -= 1;
                    let Ok(key) = lane else {
                        tracing::error!(group = self.group, "a lane broke; its events are taken up again");
                        break;
                    };
                    match busy.get_mut(&key).and_then(VecDeque::pop_front) {
                        Some(next) => drop(running.spawn(self.clone().work(next, halt.clone()))),
                        None => drop(busy.remove(&key)),
                    }
                }
                delivery = deliveries.next(), if in_hand < usize::from(prefetch.max(1)) => {
                    let Some(delivery) = delivery else { break };
                    in_hand += 1;
                    if let Some(lane) = busy.get_mut(&delivery.key) {
                        lane.push_back(delivery);
                    } else {
                        busy.insert(delivery.key.clone(), VecDeque::new());
                        running.spawn(self.clone().work(delivery, halt.clone()));
                    }
                }
            }
        }
        halt.cancel();
        let finished = async { while running.join_next().await.is_some() {} };
        if ending.cut.run_until_cancelled(finished).await.is_none() {
            running.shutdown().await;
        }
    }

    /// Sees one delivery through to its end, or to the halt. Returns its key.
    async fn work(self: Arc<Self>, mut delivery: Delivery, halt: CancellationToken) -> String {
        let mut wait = delivery.wait;
        let (reason, attempts) = loop {
            if halt.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return delivery.key;
            }
            let event = match &delivery.event {
                Ok(event) => event,
                Err(reason) => break (reason.clone(), 0),
            };
            let Some(permit) = halt.run_until_cancelled(self.calls.acquire()).await else {
                return delivery.key;
            };
            let outcome = self.call(event).await;
            drop(permit);
            let attempts = delivery.failed + 1;
            match outcome {
                Outcome::Done => {
                    delivery.receipt.done().await;
                    return delivery.key;
                }
                Outcome::Retry(reason) if attempts < self.retry.attempts => {
                    delivery.failed = attempts;
                    wait = self.retry.delay(attempts);
                    tracing::warn!(group = self.group, id = %event.id, attempts, %reason, "will be tried again");
                    delivery.receipt.failed(attempts, wait).await;
                }
                Outcome::Retry(reason) | Outcome::Reject(reason) => break (reason, attempts),
            }
        };
        self.bury(&mut *delivery.receipt, &shorten(reason), attempts, &halt).await;
        delivery.key
    }

    async fn call(&self, event: &Event) -> Outcome {
        let call = AssertUnwindSafe(self.handler.handle(event)).catch_unwind();
        let called = async {
            let outcome = call.await.unwrap_or_else(|panic| {
                let words = panic_text(&*panic);
                Outcome::Retry(format!("the handler panicked: {words}"))
            });
            tracing::debug!(?outcome, "an event was handled");
            outcome
        };
        called.instrument(trace::event_span(self.group, event)).await
    }

    /// An event that cannot be put aside is never let go of: it would be lost.
    async fn bury(&self, receipt: &mut dyn Receipt, reason: &str, attempts: u32, halt: &CancellationToken) {
        tracing::error!(group = self.group, attempts, reason, "an event becomes a dead letter");
        while let Err(error) = receipt.dead(reason, attempts).await {
            tracing::error!(group = self.group, %error, "a dead letter could not be put aside");
            if halt.run_until_cancelled(tokio::time::sleep(self.retry.max_delay)).await.is_none() {
                return;
            }
        }
    }
}

/// How a task is told to end. It always ends by itself: a task aborted halfway through a question to a server
/// leaves there what nobody knows of.
#[derive(Clone)]
pub(crate) struct Ending {
    /// Take nothing more, finish what is in hand, give back the rest.
    pub(crate) stop: CancellationToken,
    /// The same, but cut off what is in hand. Implies `stop`.
    pub(crate) cut: CancellationToken,
}

impl Ending {
    fn new() -> Self {
        let cut = CancellationToken::new();
        Self { stop: cut.child_token(), cut }
    }

    /// One that can be told to stop on its own, too.
    pub(crate) fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), cut: self.cut.clone() }
    }
}

/// A subscription's task. Dropping it is a crash: handlers are cut off where they stand, and what they had in hand
/// goes back to the group.
pub(crate) struct Running {
    ending: Ending,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a task that ends some time after it is told to.
    #[expect(clippy::disallowed_methods, reason = "the consumer owns the task: it tells it to end")]
    pub(crate) fn start<F>(task: impl FnOnce(Ending) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let ending = Ending::new();
        let task = tokio::spawn(task(ending.clone()));
        Self { ending, task }
    }
}

#[async_trait]
impl Consumer for Running {
    async fn stop(mut self: Box<Self>) {
        self.ending.stop.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a consumer broke");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ending.cut.cancel();
    }
}
