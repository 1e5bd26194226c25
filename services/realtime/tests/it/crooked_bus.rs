//! The embedded bus with a live lane that can be made to misbehave.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use tertulia_bus::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Heard, Listener, SqliteBus,
    Subscription,
};
use tertulia_runtime::Event;
use tokio::sync::Notify;

/// What is wrong with the live lane just now.
#[derive(Default)]
pub(crate) struct Faults {
    /// So many of the next messages are not heard.
    pub lose: AtomicUsize,
    /// Joining takes effect only when `join_now` is called: what subscribing after reading comes to.
    pub join_late: AtomicBool,
    /// The next thing heard is a gap.
    pub gap: Notify,
    /// Joining is refused.
    pub refuse_joins: AtomicBool,
    late: Mutex<Vec<String>>,
    ear: Mutex<Option<Arc<dyn Listener>>>,
}

impl Faults {
    /// Lets the late joins take effect.
    pub(crate) async fn join_now(&self) {
        let (late, ear) = (std::mem::take(&mut *self.late.lock().unwrap()), self.ear.lock().unwrap().clone());
        for channel in late {
            ear.as_ref().unwrap().join(&channel).await.unwrap();
        }
    }
}

pub(crate) struct CrookedBus {
    pub straight: SqliteBus,
    pub faults: Arc<Faults>,
}

struct CrookedEar {
    straight: Arc<dyn Listener>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Listener for CrookedEar {
    async fn join(&self, channel: &str) -> Result<(), Error> {
        if self.faults.refuse_joins.load(SeqCst) {
            return Err(Error::Unavailable("refused for the test".to_owned()));
        }
        if self.faults.join_late.load(SeqCst) {
            self.faults.late.lock().unwrap().push(channel.to_owned());
            return Ok(());
        }
        self.straight.join(channel).await
    }

    async fn leave(&self, channel: &str) -> Result<(), Error> {
        self.straight.leave(channel).await
    }

    async fn hear(&self) -> Heard {
        loop {
            let heard = tokio::select! {
                heard = self.straight.hear() => heard,
                () = self.faults.gap.notified() => Heard::Gap,
            };
            let lose = |left: usize| left.checked_sub(1);
            let is_message = matches!(heard, Heard::Message(_));
            if !(is_message && self.faults.lose.fetch_update(SeqCst, SeqCst, lose).is_ok()) {
                return heard;
            }
        }
    }
}

#[async_trait]
impl Bus for CrookedBus {
    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        let straight = self.straight.listen().await?;
        *self.faults.ear.lock().unwrap() = Some(straight.clone());
        Ok(Arc::new(CrookedEar { straight, faults: self.faults.clone() }))
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), Error> {
        self.straight.broadcast(message).await
    }

    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        self.straight.publish(events).await
    }

    async fn subscribe(
        &self,
        to: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error> {
        self.straight.subscribe(to, handler).await
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.straight.dead_letters(group, limit).await
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.straight.replay(group, letter).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        self.straight.drop_letter(group, letter).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        self.straight.depths().await
    }

    async fn check(&self) -> Result<(), Error> {
        self.straight.check().await
    }
}
