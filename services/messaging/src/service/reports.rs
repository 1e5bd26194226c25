//! Reports: members tell the moderators, and learn what these decide.

use tertulia_contracts::{
    ConversationId, ReportId, UserId,
    messaging::{DecideReport, FileReport, MAX_OPEN_REPORTS, Report},
    permissions::{Denial, Rule},
};
use tertulia_documents::{Cursor, Error as StoreError, Page};

use super::{Messaging, conversations::View, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        change::Change,
        moderation::Note,
    },
    store::ReportRecord,
};

/// How often filing is tried that others of the same reporter overtake; every defeat is another's progress.
const MAX_ATTEMPTS: usize = 100;

/// What became of a report.
pub(crate) enum Filed {
    /// It waits for the moderators.
    New(Report),
    /// The same person had reported the same thing.
    Before(Report),
}

impl Messaging {
    /// Tells the moderators. Once a person and thing, however often it is asked for.
    pub(crate) async fn file_report(
        &self,
        id: ConversationId,
        by: Actor,
        wish: FileReport,
    ) -> Result<Filed, Error> {
        let View { ground, .. } = self.view(id, by, Action::Report).await?;
        // What nobody could decide on is not taken.
        if Rule::of(Action::DecideReports).least(ground.kind).is_none() {
            return Err(Error::NotAllowed(Denial::Kind(ground.kind)));
        }
        let user_id = self.reported(id, &wish).await?;
        let FileReport { message_id, category, note, .. } = wish;
        let mut report = ReportRecord {
            id: self.ambient.ids.next(),
            conversation_id: id,
            reporter_id: by.user_id,
            message_id,
            user_id,
            category,
            note,
            at: self.ambient.now(),
            slot: 0,
            decided: None,
        };
        for _ in 0..MAX_ATTEMPTS {
            if let Some(before) = self.store.filed_before(&report).await? {
                return Ok(Filed::Before(before.shown()));
            }
            let taken = self.store.slots_of(id, by.user_id, MAX_OPEN_REPORTS).await?;
            let mut slots = 0..MAX_OPEN_REPORTS as u64;
            report.slot = slots.find(|slot| !taken.contains(slot)).ok_or(Error::TooManyReports)?;
            match self.store.reports.insert(&report, Vec::new()).await {
                Ok(_) => return Ok(Filed::New(report.shown())),
                // The same report, or another one in its place, came in between.
                Err(StoreError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Whom a report is about.
    async fn reported(&self, id: ConversationId, wish: &FileReport) -> Result<UserId, Error> {
        match (wish.message_id, wish.user_id) {
            (Some(message), None) => {
                let posting = self.store.postings(id, &[message]).await?.pop().ok_or(Error::NoSuchMessage)?;
                let posted = posting.posted()?;
                if posted.deleted_at.is_some() { Err(Error::MessageDeleted) } else { Ok(posted.author_id) }
            }
            (None, Some(user)) => {
                let member = self.store.member(id, user).await?.filter(|member| member.value.was_member());
                let nobody = || Error::invalid("user_id", "is not a member of this conversation");
                member.map(|member| member.value.user_id).ok_or_else(nobody)
            }
            _ => Err(Error::invalid("message_id", "give either message_id or user_id")),
        }
    }

    /// A page of the reports that wait for a decision, or that have one; the oldest first.
    pub(crate) async fn reports(
        &self,
        id: ConversationId,
        by: Actor,
        decided: bool,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Report>, Error> {
        self.view(id, by, Action::DecideReports).await?;
        let page = self.store.reports_of(id, decided, after, limit).await?;
        Ok(Page { items: page.items.iter().map(ReportRecord::shown).collect(), next: page.next })
    }

    /// Decides on a report. The same again is the same.
    pub(crate) async fn decide_report(
        &self,
        id: ConversationId,
        by: Actor,
        report: ReportId,
        wish: DecideReport,
    ) -> Result<Report, Error> {
        let DecideReport { decision, note } = wish;
        let note = Note { reason: note, decision: Some(decision), ..Note::default() };
        let request = Request::Change(Change::Decide(report, decision));
        self.writers.write_noted(id, by, request, Some(note)).await?;
        self.keeper.settle(id).await?;
        Ok(self.store.report(report).await?.ok_or(Error::NoSuchReport)?.value.shown())
    }
}
