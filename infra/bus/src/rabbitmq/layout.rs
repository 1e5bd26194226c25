//! What there is at the broker: names, declarations, and which partition an event belongs to.
//!
//! A group's queue is split into [`PARTITIONS`] quorum queues, each with a single active consumer, because one
//! queue with competing consumers keeps no order. An event goes to the partition that its key hashes to, in a
//! message of its own for each group: only then does `mandatory` say of *each* group whether its queue is
//! there.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use tertulia_runtime::hash::fnv1a;

use super::link::answer;
use crate::{Error, Topology};

/// Never changes: another number would send a key's later events past its earlier ones.
pub(super) const PARTITIONS: u16 = 4;

/// A message that has been given back so often is put aside by the broker, whatever its consumers think. High,
/// since each lost connection counts, and only a backstop for events that kill every process that sees them.
const DELIVERY_LIMIT: i32 = 100;

/// The names of everything, below one prefix.
pub(super) struct Layout {
    prefix: String,
}

impl Layout {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Durable topic exchange: routes by the name of a partition, followed by the event's topic.
    pub(super) fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// Direct exchange of the lossy lane: routes by the channel.
    pub(super) fn broadcasts(&self) -> String {
        format!("{}.broadcasts", self.prefix)
    }

    pub(super) fn partition(&self, group: &str, partition: u16) -> String {
        format!("{}.{group}.{partition}", self.prefix)
    }

    /// Where an event with this key waits for the group.
    pub(super) fn home(&self, group: &str, key: &str) -> String {
        self.partition(group, partition_of(key))
    }

    pub(super) fn dead(&self, group: &str) -> String {
        format!("{}.{group}.dead", self.prefix)
    }

    /// Never holds a message: its consumers are counted, one for each consumer of the group.
    pub(super) fn roster(&self, group: &str) -> String {
        format!("{}.{group}.roster", self.prefix)
    }

    /// Never holds a message: whoever consumes it exclusively may consume the partition.
    pub(super) fn lease(&self, group: &str, partition: u16) -> String {
        format!("{}.{group}.{partition}.lease", self.prefix)
    }

    /// Declares the exchanges and every queue of the topology. What is there already stays as it is.
    pub(super) async fn declare(&self, channel: &Channel, topology: &Topology) -> Result<(), Error> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let events = self.events();
        let declared = channel.exchange_declare(
            events.as_str().into(),
            ExchangeKind::Topic,
            durable,
            FieldTable::default(),
        );
        answer(declared).await?;
        self.declare_broadcasts(channel).await?;
        for group in topology.groups {
            self.declare_group(channel, group.name).await?;
        }
        Ok(())
    }

    /// The lossy lane's exchange lives no longer than the broker.
    pub(super) async fn declare_broadcasts(&self, channel: &Channel) -> Result<(), Error> {
        let options = ExchangeDeclareOptions::default();
        let name = self.broadcasts();
        answer(channel.exchange_declare(name.into(), ExchangeKind::Direct, options, FieldTable::default()))
            .await
    }

    async fn declare_group(&self, channel: &Channel, group: &str) -> Result<(), Error> {
        self.declare_helpers(channel, group).await?;
        for partition in 0..PARTITIONS {
            self.declare_partition(channel, group, partition).await?;
        }
        Ok(())
    }

    /// What a group needs beside its partitions.
    pub(super) async fn declare_helpers(&self, channel: &Channel, group: &str) -> Result<(), Error> {
        declare_queue(channel, self.dead(group), dead_arguments()).await?;
        declare_queue(channel, self.roster(group), FieldTable::default()).await?;
        for partition in 0..PARTITIONS {
            declare_queue(channel, self.lease(group, partition), FieldTable::default()).await?;
        }
        Ok(())
    }

    pub(super) async fn declare_partition(
        &self,
        channel: &Channel,
        group: &str,
        partition: u16,
    ) -> Result<(), Error> {
        let name = self.partition(group, partition);
        declare_queue(channel, name.clone(), partition_arguments(&self.dead(group))).await?;
        let (key, options) = (format!("{name}.#").into(), QueueBindOptions::default());
        answer(channel.queue_bind(name.into(), self.events().into(), key, options, FieldTable::default()))
            .await
    }
}

async fn declare_queue(channel: &Channel, name: String, arguments: FieldTable) -> Result<(), Error> {
    let declared = channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments);
    let named = |error| Error::Unavailable(format!("the queue {name} cannot be declared: {error}"));
    answer(declared).await.map(drop).map_err(named)
}

/// A queue that survives what a minority of the brokers does not.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments
}

/// Newer brokers drop a message that was given back twenty times, unless they are told otherwise; and each look
/// at a dead letter gives it back.
fn dead_arguments() -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(i32::MAX));
    arguments
}

/// Dead-lettering at least once needs a queue that rejects rather than drops
/// (<https://www.rabbitmq.com/docs/quorum-queues#dead-lettering>).
fn partition_arguments(dead: &str) -> FieldTable {
    let mut arguments = quorum();
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DELIVERY_LIMIT));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(dead));
    arguments
}

pub(super) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn partition_of(key: &str) -> u16 {
    u16::try_from(fnv1a(key.bytes()) % u64::from(PARTITIONS))
        .expect("a remainder is smaller than its divisor")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_partition_for_ever() {
        let partitions = ["", "a", "cnv_01HF7YAT00000000000000C1S9", "ü"].map(partition_of);
        assert_eq!(partitions, [1, 0, 3, 2]);
        let mut used: Vec<u16> = (0..50).map(|number| partition_of(&format!("key{number}"))).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), usize::from(PARTITIONS));
    }
}
