//! The embedded bus: a durable queue in one SQLite file and a broadcast in memory, for one process.
//!
//! Promises: what [`port`](crate::port) promises. An accepted event is on the disk (WAL, `synchronous=FULL`)
//! before `publish` returns, one row for each group; commits that arrive together share one fsync. Attempts
//! and the time of the next one are kept in the file, so a restart does not begin to count anew. A retry may
//! be waited for while other keys go on, whatever the prefetch, as long as fewer than 4,096 events of the
//! failing key wait.
//!
//! Failures: a full disk or a file in use is [`Error::Unavailable`], and what was acknowledged stays. Two
//! processes must not open one file: each would hand out every event.

mod feed;
mod store;
#[cfg(test)]
mod tests;
mod thread;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use tertulia_runtime::{Ambient, Event};
use tokio::sync::{mpsc, oneshot};

use self::{
    feed::Taker,
    store::Row,
    thread::{Command, Queue, Reply, WAITING, closed},
};
use crate::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Error, Handler, Listener, Subscription, Topology,
    ear::{Hub, HubListener},
    lanes::{Delivery, Ending, Lanes, Running},
    wire,
};

/// The bus in one file.
pub struct SqliteBus {
    topology: Topology,
    commands: mpsc::Sender<Command>,
    hub: Arc<Hub>,
}

impl SqliteBus {
    /// Opens the queue's file, or makes it.
    ///
    /// # Errors
    /// The file cannot be opened ([`Error::Unavailable`]) or belongs to a newer release.
    pub async fn open(path: &Path, topology: Topology, ambient: Ambient) -> Result<Self, Error> {
        let (commands, inbox) = mpsc::channel(WAITING);
        let (opened, is_open) = oneshot::channel();
        let (path, weak) = (path.to_owned(), commands.downgrade());
        let known = topology.clone();
        let serve = move || match store::open(&path) {
            Ok(connection) => {
                let queue = Queue::new(connection, known, ambient, weak);
                // Whoever stopped waiting has dropped the sender of the commands too.
                let _ = opened.send(Ok(()));
                queue.run(inbox);
            }
            Err(error) => drop(opened.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("bus-sqlite".to_owned()).spawn(serve);
        thread.map_err(|error| Error::Unavailable(error.to_string()))?;
        is_open.await.map_err(|_| closed())??;
        Ok(Self { topology, commands, hub: Arc::default() })
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Our dead letters are numbered.
    fn letter(&self, group: &str, letter: &DeadLetterId) -> Result<i64, Error> {
        self.topology.position(group)?;
        letter.0.parse().map_err(|_| Error::NoSuchLetter(letter.0.clone()))
    }
}

#[async_trait]
impl Bus for SqliteBus {
    async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let mut rows = Vec::new();
        for event in events {
            let mut takers = self.topology.takers(&event.kind)?.peekable();
            if takers.peek().is_none() {
                continue;
            }
            let encoded = wire::encode(event)?;
            rows.extend(takers.map(|group| Row {
                group: group.name,
                key: event.partitionkey.clone(),
                event: encoded.clone(),
            }));
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.ask(|reply| Command::Publish { rows, reply }).await
    }

    async fn subscribe(
        &self,
        subscription: Subscription,
        handler: Arc<dyn Handler>,
    ) -> Result<Box<dyn Consumer>, Error> {
        self.topology.position(subscription.group)?;
        let lanes = Lanes::new(&subscription, handler);
        let deliveries = Deliveries::open(&self.commands, &subscription).await?;
        let commands = self.commands.clone();
        let task = |ending| consume(commands, subscription, lanes, deliveries, ending);
        Ok(Box::new(Running::start(task)))
    }

    async fn broadcast(&self, message: Broadcast) -> Result<(), Error> {
        wire::check_size(message.payload.len())?;
        self.hub.send(message);
        Ok(())
    }

    async fn listen(&self) -> Result<Arc<dyn Listener>, Error> {
        Ok(Arc::new(HubListener::new(self.hub.clone())))
    }

    async fn dead_letters(&self, group: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.topology.position(group)?;
        self.ask(|reply| Command::Letters { group: group.to_owned(), limit, reply }).await
    }

    async fn replay(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        let letter = self.letter(group, letter)?;
        self.ask(|reply| Command::Replay { group: group.to_owned(), letter, reply }).await
    }

    async fn drop_letter(&self, group: &str, letter: &DeadLetterId) -> Result<(), Error> {
        let letter = self.letter(group, letter)?;
        self.ask(|reply| Command::DropLetter { group: group.to_owned(), letter, reply }).await
    }

    async fn depths(&self) -> Result<Vec<(String, u64)>, Error> {
        self.ask(|reply| Command::Depths { reply }).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.depths().await.map(drop)
    }
}

async fn consume(
    commands: mpsc::Sender<Command>,
    subscription: Subscription,
    lanes: Arc<Lanes>,
    mut deliveries: Deliveries,
    ending: Ending,
) {
    loop {
        lanes.clone().run(&mut deliveries, subscription.prefetch, &ending).await;
        if ending.stop.is_cancelled() {
            break;
        }
        // A lane broke: what it held goes back to the group, and we sit down again.
        drop(deliveries);
        match Deliveries::open(&commands, &subscription).await {
            Ok(again) => deliveries = again,
            Err(error) => {
                tracing::error!(%error, group = subscription.group, "a consumer ends");
                break;
            }
        }
    }
}

/// A consumer's place in its group. Dropping it gives back what is in hand.
struct Deliveries {
    inbox: mpsc::Receiver<Delivery>,
    commands: mpsc::Sender<Command>,
}

impl Deliveries {
    async fn open(commands: &mpsc::Sender<Command>, subscription: &Subscription) -> Result<Self, Error> {
        let prefetch = usize::from(subscription.prefetch.max(1));
        let (sender, inbox) = mpsc::channel(prefetch);
        let taker = Taker { deliveries: sender, prefetch };
        let subscribe = Command::Subscribe { group: subscription.group, taker };
        commands.send(subscribe).await.map_err(|_| closed())?;
        Ok(Self { inbox, commands: commands.clone() })
    }
}

impl futures_util::Stream for Deliveries {
    type Item = Delivery;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Delivery>> {
        self.inbox.poll_recv(context)
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.inbox.close();
        // A full inbox is as good: the thread looks for consumers that have gone after every batch.
        let _ = self.commands.try_send(Command::Tidy);
    }
}
