//! Messages that wait for their time: each its author's own document, and nobody else's business.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{MAX_SCHEDULED, PostMessage, ScheduleFailure, ScheduledMessage},
    permissions::InstanceRole,
};
use tertulia_documents::{Collection, Error, Index, Key, Record, Revision, Scan, Versioned};
use tertulia_runtime::{Id, IdKind, Timestamp, event::EventId};
use ulid::Ulid;

use super::Store;

/// Names the ids of scheduled messages.
pub(crate) enum ScheduledKind {}

impl IdKind for ScheduledKind {
    const PREFIX: &'static str = "sch";
}

/// A message that waits for its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScheduledRecord {
    /// Its document. A message that was called off and one that is scheduled under its name later are not the same.
    pub id: Id<ScheduledKind>,
    /// Where it is to be posted.
    pub conversation_id: ConversationId,
    /// Who wrote it.
    pub author_id: UserId,
    /// As what sort of account they wrote it.
    pub account: InstanceRole,
    /// What is to be posted.
    pub message: PostMessage,
    /// When.
    pub send_at: Timestamp,
    /// When it was scheduled.
    pub created_at: Timestamp,
    /// Which of its author's places it takes: there are so many, and no more can be taken.
    pub slot: u64,
    /// How far it has come.
    pub progress: Progress,
}

/// How far a scheduled message has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
pub(crate) enum Progress {
    /// It waits.
    Waiting {
        /// When it is to be posted: at its time, or later if it was put off.
        due_at: Timestamp,
    },
    /// Somebody is posting it.
    Posting {
        /// When somebody else takes over, because whoever did must have died.
        until: Timestamp,
    },
    /// It could not be posted.
    Failed {
        /// Why.
        failure: ScheduleFailure,
        /// The event by which its author is told.
        notice: EventId,
        /// Whether they have been told.
        told: bool,
    },
}

/// One message per name.
const NAME: Index = Index::unique("name");
/// The places of a person's scheduled messages.
pub(super) const SLOT: Index = Index::unique("slot");
/// Whatever somebody has to look after, by when.
const DUE: Index = Index::ordered("due");

impl Record for ScheduledRecord {
    const COLLECTION: Collection = Collection { name: "scheduled", indexes: &[NAME, SLOT, DUE] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let name = (NAME, name_key(self.author_id, self.conversation_id, self.message.client_id));
        let slot = (SLOT, Key::new().display(self.author_id).number(self.slot));
        let due = self.due_at().map(|at| (DUE, due_key(at)));
        [name, slot].into_iter().chain(due).collect()
    }
}

impl ScheduledRecord {
    /// When somebody has to look after it; none once there is nothing to do.
    pub(crate) const fn due_at(&self) -> Option<Timestamp> {
        match &self.progress {
            Progress::Waiting { due_at: at } | Progress::Posting { until: at } => Some(*at),
            Progress::Failed { failure, told: false, .. } => Some(failure.at),
            Progress::Failed { told: true, .. } => None,
        }
    }

    /// As its author sees it.
    pub(crate) fn shown(self) -> ScheduledMessage {
        let Self { conversation_id, message, send_at, created_at, progress, .. } = self;
        let failure = match progress {
            Progress::Failed { failure, .. } => Some(failure),
            Progress::Waiting { .. } | Progress::Posting { .. } => None,
        };
        ScheduledMessage { conversation_id, message, send_at, created_at, failure }
    }
}

fn name_key(author: UserId, conversation: ConversationId, client_id: Ulid) -> Key {
    Key::new().display(author).display(conversation).display(client_id)
}

fn due_key(at: Timestamp) -> Key {
    Key::new().number(u64::try_from(at.as_millis()).unwrap_or(0))
}

impl Store {
    /// Somebody's scheduled message.
    pub(crate) async fn scheduled_message(
        &self,
        author: UserId,
        conversation: ConversationId,
        client_id: Ulid,
    ) -> Result<Option<Versioned<ScheduledRecord>>, Error> {
        self.scheduled.find(NAME, name_key(author, conversation, client_id)).await
    }

    /// All scheduled messages of somebody, in the order of their places.
    pub(crate) async fn scheduled_of(&self, author: UserId) -> Result<Vec<ScheduledRecord>, Error> {
        let scan = Scan::of(SLOT, Key::new().display(author), MAX_SCHEDULED);
        let page = self.scheduled.scan(scan).await?;
        Ok(page.items.into_iter().map(|found| found.value).collect())
    }

    /// What somebody has to look after by this moment, what was due first first.
    pub(crate) async fn due(
        &self,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<ScheduledRecord>>, Error> {
        let past = due_key(Timestamp::from_millis(at.as_millis().saturating_add(1)));
        Ok(self.scheduled.scan(Scan::of(DUE, Key::new(), limit).to(past)).await?.items)
    }

    /// Forgets one.
    pub(crate) async fn remove_scheduled(
        &self,
        record: &ScheduledRecord,
        revision: Revision,
    ) -> Result<(), Error> {
        self.scheduled.delete(&record.id(), revision, Vec::new()).await
    }

    /// When somebody has to look after one next.
    pub(crate) async fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        let first = self.scheduled.scan(Scan::of(DUE, Key::new(), 1)).await?.items.pop();
        Ok(first.and_then(|found| found.value.due_at()))
    }
}
