//! What one device was told of a conversation, as it was told.

use std::sync::{Arc, Mutex, PoisonError};

use tertulia_client::{Api, Journal as ClientJournal, Session, Timeline};
use tertulia_contracts::{ConversationId, messaging::Fact};
use tertulia_runtime::testkit::eventually_true;
use ulid::Ulid;

use crate::person::PATIENCE;

/// A device that listens to one conversation from its beginning.
pub struct Listener {
    heard: Arc<Heard>,
    _session: Session,
}

#[derive(Default)]
struct Heard(Mutex<Vec<Fact>>);

impl ClientJournal for Heard {
    fn acked(&self, _: ConversationId, _: Ulid, _: u64) {}

    fn shown(&self, _: ConversationId, _: u64, fact: &Fact) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fact.clone());
    }
}

impl Listener {
    /// Opens the conversation as somebody, at the first of these gateways that lets them.
    pub async fn open(api: &Api, gateways: Vec<String>, chat: ConversationId) -> Self {
        let heard = Arc::new(Heard::default());
        let session = Session::start(api.clone(), gateways, Timeline::default(), heard.clone());
        session.open(chat, Some(0)).await;
        Self { heard, _session: session }
    }

    /// Waits until it was told such a fact.
    pub async fn was_told(&self, such: impl Fn(&Fact) -> bool) {
        let told = async || self.heard.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(&such);
        eventually_true(PATIENCE, told).await;
    }
}
