//! The writer: one thread that owns the only connection that writes. Commits that arrive while it syncs
//! share the next transaction, so under load hundreds of them cost one sync.
//!
//! No commit needs a savepoint of its own: its document is written by the one statement of it that can be
//! refused, and a refused statement undoes itself. Anything else that fails, a full disk say, fails the whole
//! transaction, and with it all commits that share it; the writer then goes on with the next.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, ToSql, params};
use tertulia_runtime::{Clock, event::EventId};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    WriterStats,
    checkpointer::{Checkpointer, checkpoint},
    statements::Statements,
    unavailable,
};
use crate::{Appended, Draft, Error, Revision, Write, bounds::EncodedEvent};

/// The most documents of one transaction, but for the last run in it, which is never split.
const MAX_BATCH: usize = 256;

/// What names an event in the outbox: its place, and its id, since places are used again.
pub(super) type Token = (i64, String);
pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A wish to write, with where the answer goes.
pub(super) enum Job {
    Commit { statements: Arc<Statements>, write: Write, events: Vec<EncodedEvent>, reply: Reply<Revision> },
    Append { statements: Arc<Statements>, run: Vec<Draft>, reply: Reply<Appended> },
    Settle { tokens: Vec<Token>, reply: Reply<()> },
}

/// What became of a job, kept back until its transaction is durable.
enum Answer {
    Commit(Result<Revision, Error>),
    Append(Appended),
    Settle,
}

impl Job {
    fn documents(&self) -> usize {
        match self {
            Self::Commit { .. } | Self::Settle { .. } => 1,
            Self::Append { run, .. } => run.len(),
        }
    }

    /// Tells the caller; one that went away needs no answer.
    fn answer(self, answer: Result<Answer, Error>) {
        match (self, answer) {
            (Self::Commit { reply, .. }, Ok(Answer::Commit(result))) => drop(reply.send(result)),
            (Self::Append { reply, .. }, Ok(Answer::Append(appended))) => drop(reply.send(Ok(appended))),
            (Self::Settle { reply, .. }, Ok(Answer::Settle)) => drop(reply.send(Ok(()))),
            (Self::Commit { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Self::Append { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (Self::Settle { reply, .. }, Err(error)) => drop(reply.send(Err(error))),
            (_, Ok(_)) => unreachable!("a job is answered in its own kind"),
        }
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) checkpointer: Checkpointer,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handle: String,
    pub(super) committed: watch::Sender<Option<EventId>>,
    pub(super) stats: Arc<WriterStats>,
}

impl Writer {
    /// Writes until the last sender is gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut documents = first.documents();
            let mut batch = vec![first];
            while documents < MAX_BATCH
                && let Ok(job) = jobs.try_recv()
            {
                documents += job.documents();
                batch.push(job);
            }
            self.write(batch, documents);
        }
    }

    fn write(&mut self, batch: Vec<Job>, documents: usize) {
        match self.transact(&batch) {
            Ok(answers) => {
                self.stats.count(u32::try_from(documents).unwrap_or(u32::MAX));
                let last_event = last_event(&batch, &answers);
                for (job, answer) in batch.into_iter().zip(answers) {
                    job.answer(Ok(answer));
                }
                if last_event.is_some() {
                    self.committed.send_replace(last_event);
                }
                if self.checkpointer.committed(documents)
                    && let Err(error) = checkpoint(&self.connection)
                {
                    tracing::warn!(%error, "what is left in the log could not be carried over");
                }
            }
            Err(cause) => {
                let error = unavailable(cause);
                tracing::error!(%error, documents, "a transaction failed");
                self.roll_back();
                for job in batch {
                    job.answer(Err(error.clone()));
                }
            }
        }
    }

    fn transact(&self, batch: &[Job]) -> rusqlite::Result<Vec<Answer>> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let answers = batch.iter().map(|job| self.apply(job)).collect::<rusqlite::Result<_>>()?;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(answers)
    }

    fn roll_back(&self) {
        // Some failures have rolled back already; then there is nothing left to do.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
    }

    fn apply(&self, job: &Job) -> rusqlite::Result<Answer> {
        match job {
            Job::Commit { statements, write, events, .. } => {
                let result = self.change(statements, write)?;
                if result.is_ok() {
                    self.remember(events)?;
                }
                Ok(Answer::Commit(result))
            }
            Job::Append { statements, run, .. } => {
                let mut committed = 0;
                for draft in run {
                    if let Err(error) = self.insert(statements, draft)? {
                        return Ok(Answer::Append(Appended { committed, stopped_by: Some(error) }));
                    }
                    committed += 1;
                }
                Ok(Answer::Append(Appended { committed, stopped_by: None }))
            }
            Job::Settle { tokens, .. } => {
                let sql = "DELETE FROM _outbox WHERE seq = ?1 AND event_id = ?2";
                let mut delete = self.connection.prepare_cached(sql)?;
                for (seq, event_id) in tokens {
                    delete.execute(params![seq, event_id])?;
                }
                Ok(Answer::Settle)
            }
        }
    }

    /// The outer result is the transaction's, the inner one the document's.
    fn change(&self, statements: &Statements, write: &Write) -> rusqlite::Result<Result<Revision, Error>> {
        match write {
            Write::Insert(draft) => self.insert(statements, draft),
            Write::Replace(draft, revision) => {
                self.execute(statements, &statements.replace, draft, *revision)
            }
            Write::Delete(id, revision) => {
                let mut delete = self.connection.prepare_cached(&statements.delete)?;
                let deleted = delete.execute(params![id, to_sql(*revision)])?;
                Ok(if deleted == 1 { Ok(revision.saturating_add(1)) } else { Err(statements.conflict(id)) })
            }
        }
    }

    fn insert(&self, statements: &Statements, draft: &Draft) -> rusqlite::Result<Result<Revision, Error>> {
        let inserted = self.execute(statements, &statements.insert, draft, 1)?;
        Ok(inserted.map(|_| 1))
    }

    fn execute(
        &self,
        statements: &Statements,
        sql: &str,
        draft: &Draft,
        revision: Revision,
    ) -> rusqlite::Result<Result<Revision, Error>> {
        let (body, revision_sql) = (draft.body.get(), to_sql(revision));
        let keys: Vec<Option<&str>> = statements.keys_of(draft).collect();
        let mut parameters: Vec<&dyn ToSql> = Vec::with_capacity(3 + keys.len());
        parameters.extend::<[&dyn ToSql; 3]>([&draft.id, &body, &revision_sql]);
        parameters.extend(keys.iter().map(|key| key as &dyn ToSql));
        match self.connection.prepare_cached(sql)?.execute(parameters.as_slice()) {
            Ok(0) => Ok(Err(statements.conflict(&draft.id))),
            Ok(_) => Ok(Ok(revision + 1)),
            Err(rusqlite::Error::SqliteFailure(code, Some(message)))
                if code.code == ErrorCode::ConstraintViolation =>
            {
                Ok(Err(statements.violation(&draft.id, &message)))
            }
            Err(failure) => Err(failure),
        }
    }

    fn remember(&self, events: &[EncodedEvent]) -> rusqlite::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO _outbox (event_id, handle, at, event) VALUES (?1, ?2, ?3, ?4)";
        let mut insert = self.connection.prepare_cached(sql)?;
        let at = self.clock.now().as_millis();
        for event in events {
            insert.execute(params![event.id.to_string(), self.handle, at, event.json])?;
        }
        Ok(())
    }
}

fn last_event(batch: &[Job], answers: &[Answer]) -> Option<EventId> {
    batch.iter().zip(answers).rev().find_map(|pair| match pair {
        (Job::Commit { events, .. }, Answer::Commit(Ok(_))) => events.last().map(|event| event.id),
        _ => None,
    })
}

/// A revision beyond what a file can hold is one that no document has.
fn to_sql(revision: Revision) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}
