//! Posts scheduled messages when their time has come.
//!
//! Every process has one, and all of them look at one list. Whoever takes a message says so in its document by
//! compare-and-swap, for a while: so others leave it alone, and take over from one that died. It is posted under the
//! name its author's client gave it, so that one that was posted by somebody who died before they could say so is not
//! posted again. One that is refused is kept with the reason, and its author is told.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use tertulia_contracts::{ConversationId, messaging::ScheduleFailure};
use tertulia_documents::{Error as StoreError, Revision, Versioned};
use tertulia_runtime::{Fault, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Messaging;
use crate::{
    Error,
    model::{
        access::Actor,
        private::Matter,
        schedule::{Outcome, is_too_late, outcome_of},
    },
    store::{ScheduledRecord, Store, scheduled::Progress},
};

/// How many messages are looked at in one go.
const PAGE: usize = 64;
/// In how many conversations is posted at once.
const AT_ONCE: usize = 8;
/// For how long a message is left to whoever took it: longer than posting takes.
const LEASE: Duration = Duration::from_secs(30);

/// Posts what is due.
pub(crate) struct Postman {
    messaging: Messaging,
}

impl Postman {
    /// One that posts by these use cases.
    pub(crate) const fn new(messaging: Messaging) -> Self {
        Self { messaging }
    }

    /// Posts until shutdown, sleeping until something is due, but never longer than `tick`: others schedule too.
    pub(crate) async fn run(&self, tick: Duration, shutdown: CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            let pause = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "scheduled messages could not be posted; they are tried again");
                tick
            });
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.messaging.nudge.notified() => {}
                () = tokio::time::sleep(pause.min(tick)) => {}
            }
        }
        Ok(())
    }

    /// Posts what is due, and tells how long there is nothing to do.
    async fn round(&self) -> Result<Duration, Error> {
        let now = self.messaging.ambient.now();
        let due = self.store().due(now, PAGE).await?;
        let full = due.len() == PAGE;
        // Those of one conversation one after the other, as their times order them.
        let mut places: BTreeMap<ConversationId, Vec<Versioned<ScheduledRecord>>> = BTreeMap::new();
        for found in due {
            places.entry(found.value.conversation_id).or_default().push(found);
        }
        let work = places.into_values().map(|found| self.look_after(found, now));
        let failed = stream::iter(work).buffer_unordered(AT_ONCE).filter_map(async |result| result.err());
        let failed: Vec<Error> = failed.collect().await;
        if let Some(error) = failed.into_iter().next() {
            return Err(error);
        }
        if full {
            return Ok(Duration::ZERO);
        }
        let next = self.store().next_due().await?;
        Ok(next.map_or(Duration::MAX, |next| next.since(self.messaging.ambient.now())))
    }

    async fn look_after(&self, found: Vec<Versioned<ScheduledRecord>>, now: Timestamp) -> Result<(), Error> {
        for Versioned { value: record, revision } in found {
            let handled = match &record.progress {
                Progress::Failed { .. } => self.tell(record, revision).await,
                Progress::Waiting { .. } | Progress::Posting { .. } => {
                    self.deliver(record, revision, now).await
                }
            };
            match handled {
                // Somebody else looks after it.
                Ok(()) | Err(Error::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn deliver(
        &self,
        record: ScheduledRecord,
        revision: Revision,
        now: Timestamp,
    ) -> Result<(), Error> {
        let claim = claimed(&record, now);
        let revision = self.store().scheduled.replace(&claim, revision, Vec::new()).await?;
        // Whoever took it before may have posted it, so it is asked for once more even if it is too late by now.
        let owner = record.conversation_id.to_string();
        let named = self.store().named(&owner, record.author_id, record.message.client_id).await?;
        if named.is_none() && is_too_late(record.send_at, now) {
            let detail = "The service was away when its time had come, and for a day after.".to_owned();
            let failure = ScheduleFailure { code: "too_late".to_owned(), detail, at: now };
            return self.fail(claim, revision, failure).await;
        }
        let author = Actor { user_id: record.author_id, account: record.account };
        match self.messaging.post(record.conversation_id, author, record.message.clone()).await {
            Ok(_) => {
                self.done(&claim, revision).await;
                Ok(())
            }
            Err(error) => match outcome_of(&error) {
                Outcome::Failed => {
                    let (code, detail) = (error.code().to_owned(), reason(&error));
                    self.fail(claim, revision, ScheduleFailure { code, detail, at: now }).await
                }
                Outcome::PutOff(_) => {
                    self.give_back(&record, revision, &error).await;
                    Ok(())
                }
                Outcome::InDoubt => Err(error),
            },
        }
    }

    /// Forgets a message that was posted. Should that fail, whoever looks after it next finds it posted.
    pub(super) async fn done(&self, claim: &ScheduledRecord, revision: Revision) {
        if let Err(error) = self.store().remove_scheduled(claim, revision).await {
            tracing::debug!(%error, "a scheduled message was posted and is not forgotten yet");
        }
    }

    /// Lets a message that was taken wait again as it did, unless nobody knows whether it was posted: then it is left to
    /// whoever takes it over.
    pub(super) async fn give_back(&self, before: &ScheduledRecord, revision: Revision, error: &Error) {
        let mut record = before.clone();
        match outcome_of(error) {
            Outcome::Failed => {}
            Outcome::PutOff(pause) => {
                let due_at = self.messaging.ambient.now().plus(pause).max(before.send_at);
                record.progress = Progress::Waiting { due_at };
            }
            Outcome::InDoubt => return,
        }
        if let Err(error) = self.store().scheduled.replace(&record, revision, Vec::new()).await {
            tracing::debug!(%error, "a scheduled message is looked after a little later");
        }
    }

    async fn fail(
        &self,
        mut record: ScheduledRecord,
        revision: Revision,
        failure: ScheduleFailure,
    ) -> Result<(), Error> {
        let notice = self.messaging.ambient.ids.next();
        record.progress = Progress::Failed { failure, notice, told: false };
        let revision = self.store().scheduled.replace(&record, revision, Vec::new()).await?;
        self.tell(record, revision).await
    }

    /// Tells an author that their message could not be posted, once, however often it is tried.
    async fn tell(&self, mut record: ScheduledRecord, revision: Revision) -> Result<(), Error> {
        if let Progress::Failed { failure, notice, told } = &mut record.progress {
            let failed = Matter::Scheduled {
                conversation_id: record.conversation_id,
                client_id: record.message.client_id,
                code: failure.code.clone(),
                notice: *notice,
            };
            self.messaging.user_logs.tell_once(record.author_id, failed).await?;
            *told = true;
            self.store().scheduled.replace(&record, revision, Vec::new()).await?;
        }
        Ok(())
    }

    const fn store(&self) -> &Store {
        &self.messaging.store
    }
}

/// The message as it is while somebody posts it who took it now.
pub(super) fn claimed(record: &ScheduledRecord, now: Timestamp) -> ScheduledRecord {
    ScheduledRecord { progress: Progress::Posting { until: now.plus(LEASE) }, ..record.clone() }
}

/// Why, in a sentence; which fields are wrong stands in it, since nobody waits for a problem to read.
fn reason(error: &Error) -> String {
    let fields = error.fields();
    let wrong = fields.iter().map(|wrong| format!(" {}: {}.", wrong.field, wrong.message));
    format!("{}{}", error.detail(), wrong.collect::<String>())
}
