//! Consumes a group's partitions, together with the group's other consumers on this node and others.
//!
//! Each consumer sits in the group's roster and holds leases on its share of the partitions: it takes free ones
//! up to its share, and hands surplus ones on when another consumer comes. The single active consumer of each
//! queue keeps the order even while two nodes disagree about a lease.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, future};
use lapin::{
    Acker, BasicProperties, Channel, ErrorKind,
    message::Delivery as Message,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::FieldTable,
};
use tertulia_runtime::Ambient;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    layout::{Layout, PARTITIONS},
    letters,
    link::{BACKOFF, Link, answer, failed},
    publisher::Publisher,
};
use crate::{
    Error,
    lanes::{Delivery, Ending, Lanes, Receipt},
    wire,
};

/// How often shares are looked at.
const BALANCE_EVERY: Duration = Duration::from_millis(500);
/// A session that lasted this long was a good one: the next failure is a first one again.
const GOOD_SESSION: Duration = Duration::from_secs(30);
/// How long a lease is asked for.
const LEASE_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) const PARTITION_KEY: &str = "partitionkey";

/// What a consumer needs of its bus.
pub(super) struct Subscriber {
    pub(super) link: Arc<Link>,
    pub(super) publisher: Arc<Publisher>,
    pub(super) layout: Arc<Layout>,
    pub(super) ambient: Ambient,
    pub(super) group: &'static str,
    pub(super) prefetch: u16,
    pub(super) lanes: Arc<Lanes>,
}

/// The right to consume a partition, as long as it is held.
struct Lease {
    _channel: Channel,
    _consumer: lapin::Consumer,
}

/// The partitions a session consumes.
#[derive(Default)]
struct Held {
    stops: HashMap<u16, CancellationToken>,
    tasks: JoinSet<u16>,
}

impl Subscriber {
    /// Consumes until it is stopped, through whatever happens to the broker and to the connection.
    pub(super) async fn run(self: Arc<Self>, ending: Ending) {
        let mut failures = 0;
        while !ending.stop.is_cancelled() {
            let began = Instant::now();
            let Err(error) = self.session(&ending).await else { break };
            failures = if began.elapsed() > GOOD_SESSION { 1 } else { failures + 1 };
            tracing::warn!(group = self.group, %error, failures, "consumption was interrupted");
            ending.stop.run_until_cancelled(sleep(BACKOFF.delay(failures))).await;
        }
    }

    async fn session(self: &Arc<Self>, ending: &Ending) -> Result<(), Error> {
        let channel = self.link.channel().await?;
        self.layout.declare_helpers(&channel, self.group).await?;
        let _seat =
            consume(&channel, &self.layout.roster(self.group), BasicConsumeOptions::default()).await?;
        let mut held = Held::default();
        let ours = ending.child();
        let mut tick = interval(BALANCE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                biased;
                () = ours.stop.cancelled() => break Ok(()),
                Some(ended) = held.tasks.join_next() => match ended {
                    Ok(partition) => drop(held.stops.remove(&partition)),
                    Err(error) => break Err(Error::Unavailable(error.to_string())),
                },
                _ = tick.tick() => {
                    if let Err(error) = self.balance(&channel, &mut held, &ours).await {
                        break Err(error);
                    }
                }
            }
        };
        // The next session must not meet handlers of this one.
        ours.stop.cancel();
        while held.tasks.join_next().await.is_some() {}
        ended
    }

    /// Gives surplus partitions away, or takes free ones.
    async fn balance(
        self: &Arc<Self>,
        channel: &Channel,
        held: &mut Held,
        ours: &Ending,
    ) -> Result<(), Error> {
        let members = consumers_of(channel, &self.layout.roster(self.group)).await?;
        let share = usize::from(PARTITIONS).div_ceil(usize::try_from(members.max(1)).unwrap_or(usize::MAX));
        let keeping = held.stops.values().filter(|stop| !stop.is_cancelled());
        keeping.skip(share).for_each(CancellationToken::cancel);
        for partition in 0..PARTITIONS {
            if held.stops.len() >= share {
                break;
            }
            if held.stops.contains_key(&partition) {
                continue;
            }
            let Some(lease) = self.lease(channel, partition).await? else { continue };
            let ending = ours.child();
            held.stops.insert(partition, ending.stop.clone());
            let subscriber = self.clone();
            held.tasks.spawn(async move {
                // The other partitions go on: should the connection be lost, they notice by themselves.
                if let Err(error) = subscriber.partition(partition, lease, ending).await {
                    tracing::warn!(group = subscriber.group, partition, %error, "a partition was interrupted");
                }
                partition
            });
        }
        Ok(())
    }

    async fn lease(&self, channel: &Channel, partition: u16) -> Result<Option<Lease>, Error> {
        let queue = self.layout.lease(self.group, partition);
        if consumers_of(channel, &queue).await? > 0 {
            return Ok(None);
        }
        // The refusal of an exclusive consumer closes its channel, so it has its own.
        let channel = self.link.channel().await?;
        let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let asked = channel.basic_consume(queue.into(), "".into(), exclusive, FieldTable::default());
        match timeout(LEASE_TIMEOUT, asked).await {
            Ok(Ok(consumer)) => Ok(Some(Lease { _channel: channel, _consumer: consumer })),
            Ok(Err(error)) if is_refusal(&error) => Ok(None),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(Error::Unavailable("the broker did not answer in time".to_owned())),
        }
    }

    async fn partition(self: &Arc<Self>, partition: u16, lease: Lease, ending: Ending) -> Result<(), Error> {
        let channel = self.link.channel().await?;
        let consumer = self.consume(&channel, partition, &ending).await;
        // When the broker sees the channel gone it gives back what was in hand and makes way for the next consumer, in
        // one step, at some moment after the close is answered. A consumer that is cancelled first makes way at once,
        // while it still holds messages, and later ones overtake them.
        let closed = answer(channel.close(200, "OK".into())).await;
        drop(lease);
        consumer.map(drop).and(closed)
    }

    /// Consumes until it is told to end. Returns the consumer, since dropping it cancels it.
    async fn consume(
        self: &Arc<Self>,
        channel: &Channel,
        partition: u16,
        ending: &Ending,
    ) -> Result<lapin::Consumer, Error> {
        // A queue that was deleted comes back, if empty.
        self.layout.declare_partition(channel, self.group, partition).await?;
        let prefetch = self.prefetch.max(1).div_ceil(PARTITIONS);
        answer(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let queue = self.layout.partition(self.group, partition);
        let mut messages = consume(channel, &queue, BasicConsumeOptions::default()).await?;
        let deliveries = (&mut messages)
            .take_while(|message| future::ready(message.is_ok()))
            .filter_map(|message| future::ready(message.ok()))
            .map(|message| self.delivery(&queue, message));
        self.lanes.clone().run(pin!(deliveries), prefetch, ending).await;
        if ending.stop.is_cancelled() {
            return Ok(messages);
        }
        Err(Error::Unavailable(format!("the broker ended the consumption of {queue}")))
    }

    fn delivery(self: &Arc<Self>, queue: &str, message: Message) -> Delivery {
        let key = letters::header(&message.properties, PARTITION_KEY).unwrap_or_default();
        let slip = Slip {
            acker: message.acker,
            properties: message.properties,
            origin: queue.to_owned(),
            body: message.data.into(),
            subscriber: self.clone(),
        };
        Delivery {
            key,
            event: wire::decode(&slip.body),
            failed: 0,
            wait: Duration::ZERO,
            receipt: Box::new(slip),
        }
    }
}

async fn consume(
    channel: &Channel,
    queue: &str,
    options: BasicConsumeOptions,
) -> Result<lapin::Consumer, Error> {
    answer(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default())).await
}

async fn consumers_of(channel: &Channel, queue: &str) -> Result<u32, Error> {
    let passive = QueueDeclareOptions::durable().passive();
    Ok(answer(channel.queue_declare(queue.into(), passive, FieldTable::default())).await?.consumer_count())
}

fn is_refusal(error: &lapin::Error) -> bool {
    let refused = AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED);
    matches!(error.kind(), ErrorKind::ProtocolError(error) if *error.kind() == refused)
}

/// Reports to the broker.
struct Slip {
    acker: Acker,
    properties: BasicProperties,
    origin: String,
    body: Bytes,
    subscriber: Arc<Subscriber>,
}

impl Slip {
    async fn ack(&self) -> Result<(), Error> {
        answer(self.acker.ack(BasicAckOptions::default())).await.map(drop)
    }
}

#[async_trait]
impl Receipt for Slip {
    async fn done(self: Box<Self>) {
        if let Err(error) = self.ack().await {
            tracing::warn!(%error, group = self.subscriber.group, "an event will be delivered again");
        }
    }

    /// The lane waits with the message in hand. Should the connection be lost, the count begins anew.
    async fn failed(&mut self, _: u32, _: Duration) {}

    async fn dead(&mut self, reason: &str, attempts: u32) -> Result<(), Error> {
        let Subscriber { ambient, layout, publisher, group, .. } = &*self.subscriber;
        let queue = layout.dead(group);
        let letter = letters::seal(
            ambient,
            queue,
            &self.properties,
            &self.origin,
            self.body.clone(),
            reason,
            attempts,
        );
        publisher.publish(&[letter]).await?;
        // Without this ack the event comes again and may die twice, which is better than not at all.
        if let Err(error) = self.ack().await {
            tracing::warn!(%error, group, "a dead event will be delivered again");
        }
        Ok(())
    }
}
