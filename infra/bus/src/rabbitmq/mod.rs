//! The distributed bus: RabbitMQ, over AMQP 0-9-1.
//!
//! Promises: what [`port`](crate::port) promises, over any number of nodes. Events are persistent messages in
//! quorum queues, published with confirms and `mandatory`, and acknowledged by hand; see [`layout`] for how
//! order and competing consumers go together, [`publisher`], [`consumer`], [`letters`] and [`listener`] for the
//! rest. Everything finds back by itself after a lost connection or a restart of the broker.
//!
//! Limits: `prefetch` is shared out over four partitions, so a key that fails holds up the keys of its
//! partition once `prefetch / 4` of its events are in hand, and a prefetch below four acts like four, though no
//! more than `prefetch` handlers run at a time. How often an event was tried is forgotten when its consumer
//! dies; after a hundred such deaths the broker puts it aside itself. A broker on its own (not in a cluster) that
//! is killed within seconds of a queue's first declaration may forget that queue's log: it writes its register of
//! quorum queues lazily.
//!
//! Failures: a broker that is away, does not answer within ten seconds or has raised an alarm is
//! [`Error::Unavailable`].

mod consumer;
mod layout;
mod letters;
mod link;
mod listener;
mod publisher;

use std::sync::Arc;

use async_trait::async_trait;
use lapin::{
    BasicProperties, Channel,
    options::{BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
    uri::AMQPUri,
};
use tertulia_runtime::{Ambient, Event};
use tokio::sync::Mutex;

use self::{
    consumer::{PARTITION_KEY, Subscriber},
    layout::{Layout, PARTITIONS, text},
    letters::Letters,
    link::{Link, answer},
    listener::{RabbitListener, routing_key},
    publisher::{Message, Publisher},
};
use crate::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Listener, Subscription, Topology,
    lanes::{Lanes, Running},
    wire,
};

/// Where the broker is and what our part of it is called.
#[derive(Clone)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:5672/vhost`, or `amqps`. A secret.
    pub uri: String,
    /// Stands before the name of every queue and exchange, so that several systems can share a virtual host.
    pub prefix: String,
}

/// The bus on a RabbitMQ.
pub struct RabbitBus {
    topology: Topology,
    ambient: Ambient,
    layout: Arc<Layout>,
    /// A broker that slows publishers down stops reading from their connection, so consumers have another.
    outward: Arc<Link>,
    inward: Arc<Link>,
    publisher: Arc<Publisher>,
    broadcaster: Mutex<Option<Channel>>,
    letters: Letters,
}

impl RabbitBus {
    /// Connects and declares everything in the topology.
    ///
    /// # Errors
    /// The broker cannot be reached, or has queues of these names that are made differently.
    pub async fn open(config: &RabbitConfig, topology: Topology, ambient: Ambient) -> Result<Self, Error> {
        let uri: AMQPUri = config.uri.parse().map_err(|_: String| {
            // The parser quotes the address, and with it the password.
            Error::Unavailable(
                "the address is not of the form amqp://user:password@host:port/vhost".to_owned(),
            )
        })?;
        let (outward, inward) = (Arc::new(Link::new(&uri, "out")), Arc::new(Link::new(&uri, "in")));
        let layout = Arc::new(Layout::new(&config.prefix));
        layout.declare(&outward.channel().await?, &topology).await?;
        let publisher = Arc::new(Publisher::new(outward.clone()));
        let (broadcaster, letters) = (Mutex::new(None), Letters::new());
        Ok(Self { topology, ambient, layout, outward, inward, publisher, broadcaster, letters })
    }

    fn message(&self, group: &str, event: &Event, body: bytes::Bytes) -> Message {
        let mut headers = FieldTable::default();
        headers.insert(PARTITION_KEY.into(), text(&event.partitionkey));
        if let Some(traceparent) = &event.traceparent {
            headers.insert("traceparent".into(), text(traceparent));
        }
        let properties = BasicProperties::default()
            .with_content_type("application/cloudevents+json".into())
            .with_delivery_mode(2)
            .with_message_id(event.id.to_string().into())
            .with_type(event.kind.as_str().into())
            .with_headers(headers);
        Message {
            exchange: self.layout.events(),
            routing_key: format!("{}.{}", self.layout.home(group, &event.partitionkey), event.kind),
            properties,
            body,
            topic: event.kind.clone(),
        }
    }

    /// The lossy lane's channel, which needs no confirms and so can be shared.
    async fn broadcaster(&self) -> Result<Channel, Error> {
        let mut known = self.broadcaster.lock().await;
        if let Some(channel) = known.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = self.outward.channel().await?;
        self.layout.declare_broadcasts(&channel).await?;
        *known = Some(channel.clone());
        Ok(channel)
    }
}

#[async_trait]
impl Bus for RabbitBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let mut messages = Vec::new();
        for event in events {
            let takers = self.topology.takers(&event.kind)?;
            let body = wire::encode(event)?;
            messages.extend(takers.map(|group| self.message(group.name, event, body.clone())));
        }
        if messages.is_empty() {
            return Ok(());
        }
        let published = self.publisher.publish(&messages).await;
        if matches!(published, Err(Error::Unroutable { .. })) {
            // Somebody deleted a queue. What it held is gone; the next attempt finds a new one.
            self.layout.declare(&self.outward.channel().await?, &self.topology).await?;
        }
        published
    }

    async fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error> {
        self.topology.position(subscription.group)?;
        let subscriber = Arc::new(Subscriber {
            link: self.inward.clone(),
            publisher: self.publisher.clone(),
            layout: self.layout.clone(),
            ambient: self.ambient.clone(),
            group: subscription.group,
            prefetch: subscription.prefetch,
            lanes: Lanes::new(&subscription, handler),
        });
        Ok(Box::new(Running::start(|ending| subscriber.run(ending))))
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), Error> {
        wire::check_size(message.payload.len())?;
        let (key, exchange) = (routing_key(&message.channel)?, self.layout.broadcasts().into());
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let channel = self.broadcaster().await?;
        answer(channel.basic_publish(exchange, key, options, &message.payload, properties)).await.map(drop)
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        let (link, layout) = (self.inward.clone(), self.layout.clone());
        Ok(Arc::new(RabbitListener::open(link, layout, self.ambient.clone()).await?))
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.topology.position(group)?;
        self.letters.list(&self.inward, &self.layout, group, limit).await
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.topology.position(group)?;
        self.letters.remove(&self.inward, &self.layout, group, letter, Some(&self.publisher)).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.topology.position(group)?;
        self.letters.remove(&self.inward, &self.layout, group, letter, None).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        let channel = self.outward.channel().await?;
        let mut depths = Vec::new();
        for group in self.topology.groups {
            let mut depth = 0;
            for partition in 0..PARTITIONS {
                let (queue, passive) =
                    (self.layout.partition(group.name, partition), QueueDeclareOptions::durable().passive());
                let queue =
                    answer(channel.queue_declare(queue.into(), passive, FieldTable::default())).await?;
                depth += u64::from(queue.message_count());
            }
            depths.push((group.name.to_owned(), depth));
        }
        Ok(depths)
    }

    async fn check(&self) -> Result<(), Error> {
        let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        for link in [&self.outward, &self.inward] {
            let channel = link.channel().await?;
            let (name, kind) = (self.layout.events(), lapin::ExchangeKind::Topic);
            answer(channel.exchange_declare(name.into(), kind, passive, FieldTable::default())).await?;
        }
        Ok(())
    }
}
