//! Reports: what members told the moderators. What is decided on them follows from the log.

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, MessageId, ReportId, UserId,
    messaging::{Report, ReportCategory, Verdict},
};
use tertulia_documents::{Collection, Cursor, Error, Index, Key, Page, Record, Scan, Versioned};
use tertulia_runtime::Timestamp;

use super::Store;

/// A report. It refers to a message by its id and holds nothing of what that said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReportRecord {
    /// Its id.
    pub id: ReportId,
    /// Where.
    pub conversation_id: ConversationId,
    /// Who reports.
    pub reporter_id: UserId,
    /// Which message, if it is about one.
    pub message_id: Option<MessageId>,
    /// Whom it is about.
    pub user_id: UserId,
    /// What is wrong.
    pub category: ReportCategory,
    /// In the reporter's own words.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Which of the reporter's places for open reports it takes.
    pub slot: u64,
    /// What was decided, and by which entry of the log.
    pub decided: Option<(Verdict, u64)>,
}

/// One report of each person of each thing.
const FILED: Index = Index::unique("filed");
/// The places that a person's open reports take: as many as may be open, so that no race opens more.
const SLOTS: Index = Index::unique("slots");
/// A conversation's open and its decided reports, the oldest first.
const QUEUE: Index = Index::ordered("queue");

/// Everything that a person reported.
pub(super) const WHOSE: Index = Index::unique("whose");

impl Record for ReportRecord {
    const COLLECTION: Collection = Collection { name: "reports", indexes: &[FILED, SLOTS, QUEUE, WHOSE] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let whose = || Key::new().display(self.conversation_id).display(self.reporter_id);
        let queue = Key::new().display(self.conversation_id).number(u64::from(self.decided.is_some()));
        let mut keys = vec![
            (FILED, self.about(whose())),
            (QUEUE, queue.display(self.id)),
            (WHOSE, Key::new().display(self.reporter_id).display(self.id)),
        ];
        if self.decided.is_none() {
            keys.push((SLOTS, whose().number(self.slot)));
        }
        keys
    }
}

impl ReportRecord {
    fn about(&self, whose: Key) -> Key {
        match self.message_id {
            Some(message) => whose.display(message),
            None => whose.display(self.user_id),
        }
    }

    /// As moderators see it, and whoever reported.
    pub(crate) fn shown(&self) -> Report {
        Report {
            id: self.id,
            conversation_id: self.conversation_id,
            reporter_id: self.reporter_id,
            message_id: self.message_id,
            user_id: self.user_id,
            category: self.category,
            note: self.note.clone(),
            at: self.at,
            decision: self.decided.map(|(verdict, _)| verdict),
            decided_seq: self.decided.map(|(_, seq)| seq),
        }
    }
}

impl Store {
    /// A report.
    pub(crate) async fn report(&self, id: ReportId) -> Result<Option<Versioned<ReportRecord>>, Error> {
        self.reports.get(&id.to_string()).await
    }

    /// Those of these reports that there are.
    pub(crate) async fn reports_among(
        &self,
        ids: impl Iterator<Item = ReportId>,
    ) -> Result<Vec<ReportRecord>, Error> {
        let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.reports.get_many(&ids).await?.into_iter().map(|found| found.value).collect())
    }

    /// What this person reported of the same thing before.
    pub(crate) async fn filed_before(&self, report: &ReportRecord) -> Result<Option<ReportRecord>, Error> {
        let whose = Key::new().display(report.conversation_id).display(report.reporter_id);
        Ok(self.reports.find(FILED, report.about(whose)).await?.map(|found| found.value))
    }

    /// The places that somebody's open reports take, at most so many.
    pub(crate) async fn slots_of(
        &self,
        conversation: ConversationId,
        reporter: UserId,
        limit: usize,
    ) -> Result<Vec<u64>, Error> {
        let whose = Key::new().display(conversation).display(reporter);
        let page = self.reports.scan(Scan::of(SLOTS, whose, limit)).await?;
        Ok(page.items.into_iter().map(|found| found.value.slot).collect())
    }

    /// A page of a conversation's open or decided reports, the oldest first.
    pub(crate) async fn reports_of(
        &self,
        conversation: ConversationId,
        decided: bool,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<ReportRecord>, Error> {
        let queue = Key::new().display(conversation).number(u64::from(decided));
        let page = self.reports.scan(Scan::of(QUEUE, queue, limit).after(after)).await?;
        Ok(Page { items: page.items.into_iter().map(|found| found.value).collect(), next: page.next })
    }
}
