//! A listener's bounded queue, and the in-process hub that fills many of them.
//!
//! Promise: sending costs one look-up and, per listener, one clone of an `Arc`. A queue that overflows is
//! emptied and its listener hears [`Heard::Gap`] before anything newer.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{Broadcast, Error, Heard, Listener};

/// The most messages that wait for one listener.
pub(crate) const MAX_WAITING: usize = 8_192;
/// The most payload bytes that wait for one listener.
pub(crate) const MAX_WAITING_BYTES: usize = 16 << 20;

/// What one listener has not heard yet.
#[derive(Default)]
pub(crate) struct Ear {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    gap: bool,
    messages: VecDeque<Arc<Broadcast>>,
    bytes: usize,
}

impl Ear {
    pub(crate) fn push(&self, message: Arc<Broadcast>) {
        let mut waiting = self.lock();
        let was_silent = waiting.messages.is_empty() && !waiting.gap;
        waiting.bytes += message.payload.len();
        waiting.messages.push_back(message);
        if waiting.messages.len() > MAX_WAITING || waiting.bytes > MAX_WAITING_BYTES {
            *waiting = Waiting { gap: true, ..Waiting::default() };
        }
        drop(waiting);
        if was_silent {
            self.news.notify_one();
        }
    }

    pub(crate) fn gap(&self) {
        *self.lock() = Waiting { gap: true, ..Waiting::default() };
        self.news.notify_one();
    }

    pub(crate) async fn hear(&self) -> Heard {
        loop {
            if let Some(heard) = self.take() {
                return heard;
            }
            self.news.notified().await;
        }
    }

    fn take(&self) -> Option<Heard> {
        let mut waiting = self.lock();
        if std::mem::take(&mut waiting.gap) {
            return Some(Heard::Gap);
        }
        let message = waiting.messages.pop_front()?;
        waiting.bytes -= message.payload.len();
        Some(Heard::Message(message))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has joined which channel, in this process.
#[derive(Default)]
pub(crate) struct Hub {
    channels: RwLock<HashMap<String, Vec<Arc<Ear>>>>,
}

impl Hub {
    pub(crate) fn send(&self, message: Broadcast) {
        let channels = self.channels.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ears) = channels.get(&message.channel) {
            let message = Arc::new(message);
            for ear in ears {
                ear.push(message.clone());
            }
        }
    }

    /// A channel has few listeners, one for each node at most: who is among them is looked up right there.
    fn join(&self, channel: &str, ear: &Arc<Ear>) {
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        match channels.get_mut(channel) {
            Some(ears) if ears.iter().any(|other| Arc::ptr_eq(other, ear)) => {}
            Some(ears) => ears.push(ear.clone()),
            None => drop(channels.insert(channel.to_owned(), vec![ear.clone()])),
        }
    }

    fn leave(&self, channel: &str, ear: &Arc<Ear>) {
        let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(ears) = channels.get_mut(channel) {
            ears.retain(|other| !Arc::ptr_eq(other, ear));
            if ears.is_empty() {
                channels.remove(channel);
            }
        }
    }

    fn leave_all(&self, ear: &Arc<Ear>) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).retain(|_, ears| {
            ears.retain(|other| !Arc::ptr_eq(other, ear));
            !ears.is_empty()
        });
    }
}

/// A listener on a [`Hub`]. Leaves all its channels when it is dropped.
pub(crate) struct HubListener {
    hub: Arc<Hub>,
    ear: Arc<Ear>,
}

impl HubListener {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, ear: Arc::default() }
    }
}

#[async_trait]
impl Listener for HubListener {
    async fn join(&self, channel: &str) -> Result<(), Error> {
        self.hub.join(channel, &self.ear);
        Ok(())
    }

    async fn leave(&self, channel: &str) -> Result<(), Error> {
        self.hub.leave(channel, &self.ear);
        Ok(())
    }

    async fn hear(&self) -> Heard {
        self.ear.hear().await
    }
}

impl Drop for HubListener {
    fn drop(&mut self) {
        self.hub.leave_all(&self.ear);
    }
}
