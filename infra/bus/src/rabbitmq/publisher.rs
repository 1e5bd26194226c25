//! Publishes with confirms.
//!
//! Promise: `Ok` means that the broker has each message in a queue. A message that the broker returned because
//! no queue takes it is an error of its own call: the client library hands a return to whichever confirm comes
//! next, so a channel never carries two calls at once.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::sync::{Mutex, MutexGuard};

use super::link::{Link, answer};
use crate::Error;

/// Calls in flight at a time.
const CHANNELS: usize = 8;
/// Messages of a call that wait for their confirms at a time.
const IN_FLIGHT: usize = 256;

/// A message on its way to a queue.
pub(super) struct Message {
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
    /// For the error if it has nowhere to go.
    pub(super) topic: String,
}

pub(super) struct Publisher {
    link: Arc<Link>,
    channels: [Mutex<Option<Channel>>; CHANNELS],
    turn: AtomicUsize,
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, channels: Default::default(), turn: AtomicUsize::new(0) }
    }

    /// Publishes in order and waits until all is confirmed.
    pub(super) async fn publish(&self, messages: &[Message]) -> Result<(), Error> {
        let mut slot = self.slot().await;
        // Taken out meanwhile: a channel whose call failed or was given up is not used again.
        let channel = match slot.take().filter(|channel| channel.status().connected()) {
            Some(channel) => channel,
            None => self.open().await?,
        };
        for messages in messages.chunks(IN_FLIGHT) {
            publish_on(&channel, messages).await?;
        }
        *slot = Some(channel);
        Ok(())
    }

    async fn slot(&self) -> MutexGuard<'_, Option<Channel>> {
        if let Some(free) = self.channels.iter().find_map(|channel| channel.try_lock().ok()) {
            return free;
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.channels[turn % CHANNELS].lock().await
    }

    async fn open(&self) -> Result<Channel, Error> {
        let channel = self.link.channel().await?;
        answer(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }
}

async fn publish_on(channel: &Channel, messages: &[Message]) -> Result<(), Error> {
    let mut confirms = Vec::with_capacity(messages.len());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    for Message { exchange, routing_key, properties, body, .. } in messages {
        let (exchange, routing_key) = (exchange.as_str().into(), routing_key.as_str().into());
        let published = channel.basic_publish(exchange, routing_key, options, body, properties.clone());
        confirms.push(answer(published).await?);
    }
    let mut refused = Ok(());
    for confirm in confirms {
        match answer(confirm).await? {
            Confirmation::Ack(Some(returned)) | Confirmation::Nack(Some(returned)) => {
                let key = returned.routing_key.as_str();
                let topic = messages.iter().find(|message| message.routing_key == key);
                let topic = topic.map_or_else(|| key.to_owned(), |message| message.topic.clone());
                refused = Err(Error::Unroutable { topic });
            }
            Confirmation::Nack(None) => {
                refused = refused.and(Err(Error::Unavailable("the broker refused an event".to_owned())));
            }
            Confirmation::Ack(None) | Confirmation::NotRequested => {}
        }
    }
    refused
}
