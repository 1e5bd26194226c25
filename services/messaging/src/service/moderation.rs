//! Keeping order: bans, mutes, filters, and the log of what was done.

use futures_util::future::join_all;
use tertulia_contracts::{
    ConversationId, UserId,
    messaging::{Act, Fact, Filters, MAX_PURGE, PurgeMember, Purged, Sanction},
    permissions::{Restriction, decide_toward},
};
use tertulia_documents::{Cursor, Error as StoreError, Page};

use super::{Messaging, conversations::View, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        alteration::Alteration,
        change::{Change, restricting},
        membership::Term,
        moderation::{Note, subject},
    },
    store::EntryRecord,
};

impl Messaging {
    /// Keeps somebody out, or silent. Again is the same.
    pub(crate) async fn restrict(
        &self,
        id: ConversationId,
        by: Actor,
        user: UserId,
        restriction: Restriction,
        term: Term,
        reason: Option<String>,
    ) -> Result<(), Error> {
        // Whether somebody exists is nobody's business who may not do this.
        self.view(id, by, restricting(restriction)).await?;
        self.people.must_exist(&[(user, "user_id".to_owned())]).await?;
        let change = Change::Restrict { user, restriction, term };
        self.writers.write_noted(id, by, Request::Change(change), Note::reason(reason)).await?;
        Ok(())
    }

    /// Lets somebody in, or speak, again. Again is the same.
    pub(crate) async fn lift(
        &self,
        id: ConversationId,
        by: Actor,
        user: UserId,
        restriction: Restriction,
        reason: Option<String>,
    ) -> Result<(), Error> {
        let change = Change::Lift { user, restriction };
        self.writers.write_noted(id, by, Request::Change(change), Note::reason(reason)).await?;
        Ok(())
    }

    /// Deletes a bounded run of what somebody wrote, from the newest on. Like any deletion it is acknowledged when what
    /// the messages said is gone from every document. Again is the same.
    pub(crate) async fn purge(
        &self,
        id: ConversationId,
        by: Actor,
        author: UserId,
        wish: PurgeMember,
    ) -> Result<Purged, Error> {
        let View { ground, .. } = self.view(id, by, Action::Purge).await?;
        let member = self.store.member(id, author).await?;
        let role = member.and_then(|member| member.value.stance().role);
        decide_toward(&ground.seat(), Action::Purge, ground.place(), role)?;
        let before = wish.before_seq.unwrap_or(u64::MAX);
        let mut run = self.store.posts_by(&id.to_string(), author, before, MAX_PURGE + 1).await?;
        run.retain(|post| wish.since.is_none_or(|since| post.at >= since));
        let more = run.len() > MAX_PURGE;
        run.truncate(MAX_PURGE);
        let before_seq = run.last().map(|last| last.seq).filter(|_| more);
        let posts = run.iter().map(EntryRecord::posted).collect::<Result<Vec<_>, _>>()?;
        let standing = posts.into_iter().filter(|post| post.deleted_at.is_none());
        let deletions = standing.map(|post| {
            let request = Request::Alter(post.id, Alteration::Purge(author));
            self.writers.write_noted(id, by, request, Note::reason(wish.reason.clone()))
        });
        let deletions = join_all(deletions).await;
        // What was deleted before something failed is gone all the same.
        self.keeper.settle(id).await?;
        let deleted = deletions.into_iter().collect::<Result<Vec<_>, _>>()?.len();
        Ok(Purged { deleted, more, before_seq })
    }

    /// A page of the bans, or the mutes, that last.
    pub(crate) async fn sanctions(
        &self,
        id: ConversationId,
        by: Actor,
        restriction: Restriction,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Sanction>, Error> {
        self.view(id, by, Action::ReadModerationLog).await?;
        let at = self.ambient.now();
        let page = self.store.sentences_of(id, restriction, at, after, limit).await?;
        let seqs = page.items.iter().map(|member| member.sentence(restriction).seq);
        let entries = self.store.entries_at(&id.to_string(), seqs).await?;
        let items = entries.iter().map(sanction).collect::<Result<_, _>>()?;
        Ok(Page { items, next: page.next })
    }

    /// Which words and links are kept out.
    pub(crate) async fn filters(&self, id: ConversationId, by: Actor) -> Result<Filters, Error> {
        Ok(self.view(id, by, Action::ManageFilters).await?.conversation.filters)
    }

    /// Keeps these words and links out from now on. Again is the same.
    pub(crate) async fn filter(
        &self,
        id: ConversationId,
        by: Actor,
        filters: Filters,
    ) -> Result<Filters, Error> {
        let note = Note { filters: Some(filters.clone()), ..Note::default() };
        self.writers.write_noted(id, by, Request::Change(Change::Filter(filters)), Some(note)).await?;
        self.filters(id, by).await
    }

    /// A page of what was done to keep order, the newest first.
    pub(crate) async fn moderation_log(
        &self,
        id: ConversationId,
        by: Actor,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Act>, Error> {
        self.view(id, by, Action::ReadModerationLog).await?;
        let owner = id.to_string();
        let page = self.store.acts(&owner, after, limit).await?;
        let mut items = Vec::with_capacity(page.items.len());
        let (mut deleted, mut decided) = (Vec::new(), Vec::new());
        for entry in page.items {
            let e = entry.fact()?;
            match e {
                Fact::MessageDeleted { message_seq, .. } | Fact::PollClosed { message_seq, .. } => {
                    deleted.push((items.len(), message_seq));
                }
                Fact::ReportDecided { report_id, .. } => decided.push((items.len(), report_id)),
                _ => {}
            }
            let decision = entry.note.as_ref().and_then(|note| note.decision);
            items.push(Act { seq: entry.seq, user_id: subject(&e), e, reason: entry.reason(), decision });
        }
        let reports = self.store.reports_among(decided.iter().map(|(_, report)| *report)).await?;
        for (index, id) in decided {
            items[index].user_id = reports.iter().find(|report| report.id == id).map(|report| report.user_id);
        }
        // Who wrote a deleted message stands where it was posted.
        let postings = self.store.entries_at(&owner, deleted.iter().map(|(_, seq)| *seq)).await?;
        for (index, message_seq) in deleted {
            let posting = postings.iter().find(|posting| posting.seq == message_seq);
            items[index].user_id =
                posting.map(EntryRecord::posted).transpose()?.map(|posted| posted.author_id);
        }
        Ok(Page { items, next: page.next })
    }
}

/// The ban or the mute that an entry is.
fn sanction(entry: &EntryRecord) -> Result<Sanction, StoreError> {
    match entry.fact()? {
        Fact::MemberBanned { user_id, until, by, at, .. } | Fact::MemberMuted { user_id, until, by, at } => {
            Ok(Sanction { user_id, until, by, at, reason: entry.reason() })
        }
        _ => Err(entry.corrupt(&"a ban or a mute was expected")),
    }
}
