//! Dead letters: a quorum queue for each group. AMQP has no way to look into a queue, so looking is taking
//! messages and giving them back. What is given back lines up behind what was given back before, so the order
//! stays only if a look takes everything; and one look at a time in a process.

use bytes::Bytes;
use lapin::{
    BasicProperties, Channel,
    message::Delivery,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};
use tertulia_runtime::{Ambient, Timestamp};

use super::{
    layout::{Layout, text},
    link::{Link, answer},
    publisher::{Message, Publisher},
};
use crate::{DeadLetter, DeadLetterId, Error};

/// How deep one look goes. Letters buried deeper come up as those above them are dropped or replayed, but then
/// no longer in order.
const MAX_LOOK: usize = 10_000;

const REASON: &str = "reason";
const ATTEMPTS: &str = "attempts";
const AT_MS: &str = "at_ms";
const ORIGIN: &str = "origin";
/// Set by the broker when it puts a message aside by itself.
const BROKERS_REASON: &str = "x-first-death-reason";
const BROKERS_ORIGIN: &str = "x-first-death-queue";

/// A text among a message's headers.
pub(super) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

fn number(properties: &BasicProperties, name: &str) -> Option<i64> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// Makes a dead letter of what was in a queue.
pub(super) fn seal(
    ambient: &Ambient,
    dead: String,
    properties: &BasicProperties,
    origin: &str,
    body: Bytes,
    reason: &str,
    attempts: u32,
) -> Message {
    let mut headers = properties.headers().clone().unwrap_or_default();
    headers.insert(REASON.into(), text(reason));
    headers.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(i64::from(attempts)));
    headers.insert(AT_MS.into(), AMQPValue::LongLongInt(ambient.now().as_millis()));
    headers.insert(ORIGIN.into(), text(origin));
    let id = ambient.ids.next_ulid().to_string();
    let properties =
        properties.clone().with_message_id(id.into()).with_delivery_mode(2).with_headers(headers);
    Message { exchange: String::new(), topic: dead.clone(), routing_key: dead, properties, body }
}

fn open(group: &str, letter: &Delivery) -> DeadLetter {
    let properties = &letter.properties;
    let reason = header(properties, REASON).unwrap_or_else(|| {
        let reason = header(properties, BROKERS_REASON).unwrap_or_default();
        format!("the broker gave up on it: {reason}")
    });
    DeadLetter {
        id: id_of(letter),
        group: group.to_owned(),
        reason,
        attempts: number(properties, ATTEMPTS).and_then(|attempts| attempts.try_into().ok()).unwrap_or(0),
        at: Timestamp::from_millis(number(properties, AT_MS).unwrap_or(0)),
        body: String::from_utf8_lossy(&letter.data).into_owned(),
    }
}

fn id_of(letter: &Delivery) -> DeadLetterId {
    DeadLetterId(letter.properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default())
}

/// The dead letters of all groups.
pub(super) struct Letters {
    alone: tokio::sync::Mutex<()>,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self { alone: tokio::sync::Mutex::new(()) }
    }

    pub(super) async fn list(
        &self,
        link: &Link,
        layout: &Layout,
        group: &str,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let _alone = self.alone.lock().await;
        let channel = link.channel().await?;
        let mut letters = Vec::new();
        let listed = |letter: Delivery| {
            if letters.len() < limit {
                letters.push(open(group, &letter));
            }
        };
        let taken = look(&channel, &layout.dead(group), listed).await?;
        give_back(&channel, taken).await?;
        Ok(letters)
    }

    /// Takes a letter out, to its old queue if it is to be replayed.
    pub(super) async fn remove(
        &self,
        link: &Link,
        layout: &Layout,
        group: &str,
        id: &DeadLetterId,
        replay_by: Option<&Publisher>,
    ) -> Result<(), Error> {
        let _alone = self.alone.lock().await;
        let channel = link.channel().await?;
        let mut found = None;
        let is_it = |letter: Delivery| {
            if found.is_none() && id_of(&letter) == *id {
                found = Some(letter);
            }
        };
        let mut taken = look(&channel, &layout.dead(group), is_it).await?;
        if let Some(letter) = &found {
            if let Some(publisher) = replay_by {
                publisher.publish(&[revive(layout, letter)?]).await?;
            }
            answer(letter.ack(BasicAckOptions::default())).await?;
            taken.retain(|tag| *tag != letter.delivery_tag);
        }
        give_back(&channel, taken).await?;
        found.map(drop).ok_or_else(|| Error::NoSuchLetter(id.0.clone()))
    }
}

/// Takes every letter there is, and returns their delivery tags in the order of the queue.
async fn look(channel: &Channel, queue: &str, mut at: impl FnMut(Delivery)) -> Result<Vec<u64>, Error> {
    let mut taken = Vec::new();
    for _ in 0..MAX_LOOK {
        let asked = channel.basic_get(queue.into(), BasicGetOptions::default());
        match answer(asked).await? {
            Some(message) => {
                taken.push(message.delivery.delivery_tag);
                at(message.delivery);
            }
            None => break,
        }
    }
    Ok(taken)
}

/// Gives back what was taken, in order. Closing the channel would do it too, but at some moment after the close is
/// answered, and a look in between would miss it.
async fn give_back(channel: &Channel, taken: Vec<u64>) -> Result<(), Error> {
    let requeue = BasicNackOptions { requeue: true, multiple: false };
    for tag in taken {
        answer(channel.basic_nack(tag, requeue)).await?;
    }
    answer(channel.close(200, "OK".into())).await
}

fn revive(layout: &Layout, letter: &Delivery) -> Result<Message, Error> {
    let properties = &letter.properties;
    let origin = header(properties, ORIGIN).or_else(|| header(properties, BROKERS_ORIGIN));
    let origin =
        origin.ok_or_else(|| Error::Corrupt("a dead letter does not say where it is from".to_owned()))?;
    let mut headers = FieldTable::default();
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        let of_its_death = [REASON, ATTEMPTS, AT_MS, ORIGIN].contains(&name.as_str());
        if !of_its_death && !name.as_str().starts_with("x-") {
            headers.insert(name.clone(), value.clone());
        }
    }
    Ok(Message {
        exchange: layout.events(),
        routing_key: format!("{origin}.replayed"),
        topic: origin,
        properties: properties.clone().with_headers(headers),
        body: letter.data.clone().into(),
    })
}
