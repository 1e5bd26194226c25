//! The queue's thread: the only one that touches the file. Commands that arrive together share one commit.

use std::{collections::HashMap, thread, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tertulia_runtime::{Ambient, Timestamp};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    feed::{Feed, Taker},
    store::{self, Row, Verdict, failed},
};
use crate::{
    DeadLetter, Error, Topology,
    lanes::{Delivery, Receipt},
    wire,
};

/// The most commands that share a commit.
const BATCH: usize = 256;
/// How many commands may wait for the thread; beyond that, whoever sends waits.
pub(super) const WAITING: usize = 1_024;
/// How soon a commit that failed is tried again when nobody asks for another.
const RETRY_EVERY: Duration = Duration::from_millis(250);

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

pub(super) enum Command {
    Publish {
        rows: Vec<Row>,
        reply: Reply<()>,
    },
    Settle {
        group: &'static str,
        seq: i64,
        verdict: Verdict,
    },
    Subscribe {
        group: &'static str,
        taker: Taker,
    },
    /// A consumer has gone.
    Tidy,
    Replay {
        group: String,
        letter: i64,
        reply: Reply<()>,
    },
    DropLetter {
        group: String,
        letter: i64,
        reply: Reply<()>,
    },
    Letters {
        group: String,
        limit: usize,
        reply: Reply<Vec<DeadLetter>>,
    },
    Depths {
        reply: Reply<Vec<(String, u64)>>,
    },
}

/// The thread's state.
pub(super) struct Queue {
    connection: Connection,
    ambient: Ambient,
    topology: Topology,
    feeds: HashMap<&'static str, Feed>,
    /// What consumers have settled and no commit has taken yet. Bounded: nothing is given out meanwhile.
    owed: Vec<(i64, Verdict)>,
    /// For the receipts; weak, so that the thread ends when everybody else has gone.
    commands: mpsc::WeakSender<Command>,
}

impl Queue {
    pub(super) fn new(
        connection: Connection,
        topology: Topology,
        ambient: Ambient,
        commands: mpsc::WeakSender<Command>,
    ) -> Self {
        let feeds = topology.groups.iter().map(|group| (group.name, Feed::default())).collect();
        Self { connection, ambient, topology, feeds, owed: Vec::new(), commands }
    }

    /// Serves until every sender is gone.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let first = if self.owed.is_empty() {
                commands.blocking_recv().ok_or(TryRecvError::Disconnected)
            } else {
                thread::sleep(RETRY_EVERY);
                commands.try_recv()
            };
            if matches!(first, Err(TryRecvError::Disconnected)) {
                break;
            }
            let mut batch: Vec<Command> = first.into_iter().collect();
            while batch.len() < BATCH
                && let Ok(command) = commands.try_recv()
            {
                batch.push(command);
            }
            self.serve(batch);
            if self.owed.is_empty()
                && let Err(error) = self.give_out()
            {
                tracing::error!(%error, "the queue could not be read");
            }
        }
    }

    fn serve(&mut self, batch: Vec<Command>) {
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for command in batch {
            match command {
                Command::Settle { group, seq, verdict } => {
                    if !matches!(verdict, Verdict::Failed { .. }) {
                        self.feed(group).release(seq);
                    }
                    self.owed.push((seq, verdict));
                }
                Command::Subscribe { group, taker } => self.feed(group).add(taker),
                Command::Tidy => {}
                Command::Letters { .. } | Command::Depths { .. } => reads.push(command),
                write => writes.push(write),
            }
        }
        self.feeds.values_mut().for_each(Feed::tidy);
        self.commit(writes);
        for read in reads {
            self.answer(read);
        }
    }

    fn feed(&mut self, group: &str) -> &mut Feed {
        self.feeds.get_mut(group).expect("only groups of the topology are subscribed to")
    }

    /// Writes everything in one transaction. When that fails, the publishers are told and what consumers
    /// settled stays owed.
    fn commit(&mut self, writes: Vec<Command>) {
        if writes.is_empty() && self.owed.is_empty() {
            return;
        }
        let committed = write_all(&mut self.connection, &writes, &self.owed);
        match &committed {
            Ok(_) => self.owed.clear(),
            Err(error) => tracing::error!(%error, "a commit of the queue failed"),
        }
        let mut found = committed.as_ref().ok().into_iter().flatten();
        for write in writes {
            let (reply, letter) = match write {
                Command::Publish { rows, reply } => {
                    for row in &rows {
                        self.feed(row.group).nudge();
                    }
                    (reply, None)
                }
                Command::Replay { group, letter, reply } => {
                    self.feed(&group).nudge();
                    (reply, Some(letter))
                }
                Command::DropLetter { letter, reply, .. } => (reply, Some(letter)),
                _ => continue,
            };
            let answer = match (&committed, letter) {
                (Err(error), _) => Err(error.clone()),
                (Ok(_), Some(letter)) if found.next() == Some(&false) => {
                    Err(Error::NoSuchLetter(letter.to_string()))
                }
                (Ok(_), _) => Ok(()),
            };
            // Whoever stopped waiting does not need the answer.
            let _ = reply.send(answer);
        }
    }

    fn answer(&self, read: Command) {
        match read {
            Command::Letters { group, limit, reply } => {
                let _ = reply.send(store::letters(&self.connection, &group, limit).map_err(failed));
            }
            Command::Depths { reply } => {
                let depths = self.topology.groups.iter().map(|group| {
                    let depth = store::depth(&self.connection, group.name)?;
                    let in_hand = self.feeds.get(group.name).map_or(0, Feed::in_hand);
                    Ok((group.name.to_owned(), depth.saturating_sub(in_hand as u64)))
                });
                let _ = reply.send(depths.collect::<rusqlite::Result<_>>().map_err(failed));
            }
            _ => {}
        }
    }

    /// Hands events to consumers with room.
    fn give_out(&mut self) -> rusqlite::Result<()> {
        let now = self.ambient.now();
        let Some(commands) = self.commands.upgrade() else { return Ok(()) };
        for (group, feed) in &mut self.feeds {
            if let Some((cursor, room)) = feed.wants() {
                feed.found(store::after(&self.connection, group, cursor, room)?, room);
            }
            for (seq, key, deliveries) in feed.claim() {
                let Some(queued) = store::load(&self.connection, seq)? else {
                    feed.release(seq);
                    continue;
                };
                let receipt = Slip { group, seq, commands: commands.clone(), ambient: self.ambient.clone() };
                let delivery = Delivery {
                    key,
                    event: wire::decode(&queued.event),
                    failed: queued.failed,
                    wait: queued.due.since(now),
                    receipt: Box::new(receipt),
                };
                // A consumer has as many places as its prefetch, so this fails only when it has gone, and
                // then its leaving is on its way here.
                let _ = deliveries.try_send(delivery);
            }
        }
        Ok(())
    }
}

/// Returns, for each replay and each drop, whether its letter was there.
fn write_all(
    connection: &mut Connection,
    writes: &[Command],
    settled: &[(i64, Verdict)],
) -> Result<Vec<bool>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found = write_in(&transaction, writes, settled).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(found)
}

fn write_in(
    transaction: &Transaction<'_>,
    writes: &[Command],
    settled: &[(i64, Verdict)],
) -> rusqlite::Result<Vec<bool>> {
    let mut found = Vec::new();
    for (seq, verdict) in settled {
        store::settle(transaction, *seq, verdict)?;
    }
    for write in writes {
        match write {
            Command::Publish { rows, .. } => {
                rows.iter().try_for_each(|row| store::insert(transaction, row))?;
            }
            Command::Replay { group, letter, .. } => found.push(store::replay(transaction, group, *letter)?),
            Command::DropLetter { group, letter, .. } => {
                found.push(store::drop_letter(transaction, group, *letter)?);
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Reports to the thread. Nothing waits for the commit: should it never come, the event is delivered again.
struct Slip {
    group: &'static str,
    seq: i64,
    commands: mpsc::Sender<Command>,
    ambient: Ambient,
}

impl Slip {
    async fn settle(&self, verdict: Verdict) -> Result<(), Error> {
        let settle = Command::Settle { group: self.group, seq: self.seq, verdict };
        self.commands.send(settle).await.map_err(|_| closed())
    }

    fn now(&self) -> Timestamp {
        self.ambient.now()
    }
}

/// The thread has ended, which it only does with the process or after a panic of its own.
pub(super) fn closed() -> Error {
    Error::Unavailable("the queue's thread has ended".to_owned())
}

#[async_trait]
impl Receipt for Slip {
    async fn done(self: Box<Self>) {
        if let Err(error) = self.settle(Verdict::Done).await {
            tracing::warn!(%error, "an event will be delivered again");
        }
    }

    async fn failed(&mut self, failed: u32, delay: Duration) {
        let due = self.now().plus(delay);
        if let Err(error) = self.settle(Verdict::Failed { failed, due }).await {
            tracing::warn!(%error, "an attempt is not counted");
        }
    }

    async fn dead(&mut self, reason: &str, attempts: u32) -> Result<(), Error> {
        self.settle(Verdict::Dead { attempts, at: self.now(), reason: reason.to_owned() }).await
    }
}
