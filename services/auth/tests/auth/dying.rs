//! The bus of a process that dies after each commit: what it committed is published, and nothing else that it does reaches
//! anybody.

use std::sync::Arc;

use async_trait::async_trait;
use tertulia_bus::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Listener, Subscription,
};
use tertulia_runtime::Event;

pub(crate) struct DyingBus(pub(crate) Arc<dyn Bus>);

struct Nothing;

#[async_trait]
impl Consumer for Nothing {
    async fn stop(self: Box<Self>) {}
}

#[async_trait]
impl Bus for DyingBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        self.0.publish(events).await
    }

    async fn subscribe(&self, _: Subscription, _: Arc<dyn Handler>) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(Nothing))
    }

    async fn broadcast(&self, _: Broadcast) -> Result<(), Error> {
        Ok(())
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        self.0.listen().await
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.0.dead_letters(group, limit).await
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.0.replay(group, letter).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.0.drop_letter(group, letter).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        self.0.depths().await
    }

    async fn check(&self) -> Result<(), Error> {
        self.0.check().await
    }
}
