//! An ear on the lossy lane: one queue that lives as long as its connection.
//!
//! Whatever the broker drops from that queue, because it is full or too old, leaves one message in a second
//! queue, which is heard as a gap.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures_util::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tertulia_runtime::Ambient;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    layout::{Layout, text},
    link::{BACKOFF, Link, answer},
};
use crate::{
    Broadcast, Error, Heard, Listener,
    ear::{Ear, MAX_WAITING, MAX_WAITING_BYTES},
    lanes::Running,
};

/// How old a message may grow at the broker. What is older is sooner read from a log.
const MAX_AGE_MS: i32 = 10_000;

/// What the listener and its task share.
struct Shared {
    link: Arc<Link>,
    layout: Arc<Layout>,
    ambient: Ambient,
    ear: Ear,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    joined: HashSet<ShortString>,
    /// Where to bind, while there is a session.
    session: Option<(Channel, ShortString)>,
}

/// The two streams of a session.
struct Streams {
    messages: Consumer,
    losses: Consumer,
}

pub(super) struct RabbitListener {
    shared: Arc<Shared>,
    _task: Running,
}

impl RabbitListener {
    pub(super) async fn open(link: Arc<Link>, layout: Arc<Layout>, ambient: Ambient) -> Result<Self, Error> {
        let (ear, state) = Default::default();
        let shared = Arc::new(Shared { link, layout, ambient, ear, state });
        let streams = shared.tune_in().await?;
        let task = Running::start(|ending| listen(shared.clone(), streams, ending.stop));
        Ok(Self { shared, _task: task })
    }
}

async fn listen(shared: Arc<Shared>, mut streams: Streams, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        if stop.run_until_cancelled(shared.forward(streams)).await.is_none() {
            return;
        }
        shared.lock().session = None;
        streams = loop {
            failures += 1;
            if stop.run_until_cancelled(sleep(BACKOFF.delay(failures))).await.is_none() {
                return;
            }
            match shared.tune_in().await {
                Ok(streams) => break streams,
                Err(error) => tracing::warn!(%error, failures, "a listener hears nothing"),
            }
        };
        failures = 0;
        // Only now: whoever fills the gap from the log must hear what comes after it.
        shared.ear.gap();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Declares the queues anew and binds whatever has been joined.
    async fn tune_in(&self) -> Result<Streams, Error> {
        let channel = self.link.channel().await?;
        self.layout.declare_broadcasts(&channel).await?;
        let name = format!("{}.{}", self.layout.broadcasts(), self.ambient.ids.next_ulid());
        let lost = format!("{name}.lost");
        let losses = ear_queue(&channel, &lost, &[("x-max-length", 1)], None).await?;
        let bounds = [
            ("x-max-length", i32::try_from(MAX_WAITING).unwrap_or(i32::MAX)),
            ("x-max-length-bytes", i32::try_from(MAX_WAITING_BYTES).unwrap_or(i32::MAX)),
            ("x-message-ttl", MAX_AGE_MS),
        ];
        let messages = ear_queue(&channel, &name, &bounds, Some(&lost)).await?;
        // A join from now on binds by itself; one before is in the set.
        let queue = ShortString::from(name);
        let joined = {
            let mut state = self.lock();
            state.session = Some((channel.clone(), queue.clone()));
            state.joined.clone()
        };
        for key in joined {
            let options = QueueBindOptions { nowait: true };
            bind(&channel, &self.layout, &queue, key, options).await?;
        }
        // Answered after all that was sent before it.
        let passive = QueueDeclareOptions::default().passive();
        answer(channel.queue_declare(queue, passive, FieldTable::default())).await?;
        Ok(Streams { messages, losses })
    }

    async fn forward(&self, mut streams: Streams) {
        loop {
            tokio::select! {
                message = streams.messages.next() => {
                    let Some(Ok(Delivery { routing_key, data, .. })) = message else { return };
                    let message = Broadcast { channel: routing_key.to_string(), payload: data.into() };
                    self.ear.push(Arc::new(message));
                }
                lost = streams.losses.next() => {
                    let Some(Ok(_)) = lost else { return };
                    self.ear.gap();
                }
            }
        }
    }
}

async fn ear_queue(
    channel: &Channel,
    name: &str,
    bounds: &[(&'static str, i32)],
    losses_to: Option<&str>,
) -> Result<Consumer, Error> {
    let mut arguments = FieldTable::default();
    for (name, bound) in bounds {
        arguments.insert((*name).into(), AMQPValue::LongInt(*bound));
    }
    if let Some(queue) = losses_to {
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(queue));
    }
    let options = QueueDeclareOptions::exclusive().auto_delete();
    answer(channel.queue_declare(name.into(), options, arguments)).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    answer(channel.basic_consume(name.into(), "".into(), options, FieldTable::default())).await
}

async fn bind(
    channel: &Channel,
    layout: &Layout,
    queue: &ShortString,
    key: ShortString,
    options: QueueBindOptions,
) -> Result<(), Error> {
    let exchange = layout.broadcasts().into();
    answer(channel.queue_bind(queue.clone(), exchange, key, options, FieldTable::default())).await
}

/// A session that could not do what it was asked makes way for one that begins with what is joined by then.
async fn end_if_failed(session: &Channel, answered: Result<(), Error>) {
    if let Err(error) = answered {
        tracing::warn!(%error, "a listener begins anew");
        // One that is gone already cannot be closed again, and need not be.
        let _ = answer(session.close(200, "OK".into())).await;
    }
}

#[async_trait]
impl Listener for RabbitListener {
    async fn join(&self, channel: &str) -> Result<(), Error> {
        let key = routing_key(channel)?;
        let session = {
            let mut state = self.shared.lock();
            state.joined.insert(key.clone());
            state.session.clone()
        };
        // Without a session the next one binds it and is a gap, so one that cannot bind ends.
        let Some((bus, queue)) = session else { return Ok(()) };
        let bound = bind(&bus, &self.shared.layout, &queue, key, QueueBindOptions::default()).await;
        end_if_failed(&bus, bound).await;
        Ok(())
    }

    async fn leave(&self, channel: &str) -> Result<(), Error> {
        let key = routing_key(channel)?;
        let session = {
            let mut state = self.shared.lock();
            state.joined.remove(&key);
            state.session.clone()
        };
        let Some((bus, queue)) = session else { return Ok(()) };
        let exchange = self.shared.layout.broadcasts().into();
        let unbound = answer(bus.queue_unbind(queue, exchange, key, FieldTable::default())).await;
        end_if_failed(&bus, unbound).await;
        Ok(())
    }

    async fn hear(&self) -> Heard {
        self.shared.ear.hear().await
    }
}

/// A channel's name is a routing key, which AMQP bounds at 255 bytes.
pub(super) fn routing_key(channel: &str) -> Result<ShortString, Error> {
    let too_large = |_| Error::TooLarge { bytes: channel.len(), limit: usize::from(u8::MAX) };
    ShortString::try_new(channel).map_err(too_large)
}
