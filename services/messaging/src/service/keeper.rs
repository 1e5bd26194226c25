//! Keeps documents in step with the logs they are projections of.
//!
//! The log is the truth; members and titles follow from it. A change is committed by its log entry alone, and
//! applied to the documents afterwards: at once by whoever wrote it, and again by everybody who comes by and
//! finds a change that was not applied: readers, other writers, the relay. Applying is repeatable in any order,
//! since each document remembers the seq it follows from and never goes back. A conversation itself begins with
//! its charter, in one commit; its first entries are written by the same rule.

mod expiries;
mod listings;
mod mentions;
mod messages;
mod votes;

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use tertulia_contracts::{
    ConversationId, InvitationId, ReportId, UserId,
    messaging::{ConversationKind, Fact, Member, MemberRole},
};
use tertulia_documents::{Error as StoreError, Record, Table, Versioned};
use tertulia_runtime::Timestamp;

use super::ledger::Ledger;
use crate::{
    Error,
    model::membership::{Step, steps},
    store::{
        Class, ConversationRecord, EntryRecord, Head, InvitationRecord, MemberRecord, ReportRecord, Store,
        members::{Sentence, member_id},
    },
};

/// How many changes are applied before the conversation remembers that they are.
const PAGE: usize = 200;
/// How many documents are written at once: enough for the store to share a commit between them.
const AT_ONCE: usize = 32;
/// How many logs are read at once.
const READ_AT_ONCE: usize = 8;
/// How often a write that somebody else keeps overtaking is tried; every defeat is another's progress.
const MAX_ATTEMPTS: usize = 1_000;

/// Applies logs to documents. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Keeper {
    store: Store,
    ledger: Ledger,
}

impl Keeper {
    /// A keeper that writes with this process's counts.
    pub(crate) fn new(store: Store, ledger: Ledger) -> Self {
        Self { store, ledger }
    }

    /// The conversation, founded, and with every change applied that its log held when this was called.
    pub(crate) async fn settle(&self, id: ConversationId) -> Result<Option<ConversationRecord>, Error> {
        let found = self.store.conversation(id).await?;
        self.settle_from(id, found).await
    }

    /// The same of these, in their order, as far as there are any. Their documents are read in one go.
    pub(crate) async fn settle_all(&self, ids: &[ConversationId]) -> Result<Vec<ConversationRecord>, Error> {
        let found = self.store.conversations_among(ids).await?;
        let settled = found.into_iter().map(|found| self.settle_from(found.value.id, Some(found)));
        let settled: Vec<_> = stream::iter(settled).buffered(READ_AT_ONCE).try_collect().await?;
        Ok(settled.into_iter().flatten().collect())
    }

    async fn settle_from(
        &self,
        id: ConversationId,
        mut found: Option<Versioned<ConversationRecord>>,
    ) -> Result<Option<ConversationRecord>, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let Some(Versioned { value: mut conversation, revision }) = found else { return Ok(None) };
            if !conversation.is_founded() {
                self.found(&conversation).await?;
            }
            let changes = self.store.changes_after(&id.to_string(), conversation.applied_seq, PAGE).await?;
            let Some(last) = changes.last() else { return Ok(Some(conversation)) };
            let applied_seq = last.seq;
            self.apply(&mut conversation, &changes).await?;
            conversation.applied_seq = applied_seq;
            match self.store.conversations.replace(&conversation, revision, Vec::new()).await {
                Ok(_) if changes.len() < PAGE => return Ok(Some(conversation)),
                Ok(_) | Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            found = self.store.conversation(id).await?;
        }
        Err(Error::Busy)
    }

    /// Writes what is missing of a conversation's first entries.
    async fn found(&self, conversation: &ConversationRecord) -> Result<(), Error> {
        let owner = conversation.id.to_string();
        let facts = conversation.charter.facts();
        for _ in 0..MAX_ATTEMPTS {
            let written = self.store.head(&owner).await?.seq;
            let missing: Vec<(u64, &Fact)> = (1..).zip(&facts).filter(|(seq, _)| *seq > written).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let reservation = self.ledger.reserve(missing.len())?;
            let entries =
                missing.into_iter().zip(reservation.stamps()).map(|((seq, fact), written)| EntryRecord {
                    owner: owner.clone(),
                    seq,
                    messages: 0,
                    at: conversation.charter.created_at,
                    class: Class::Change,
                    written: Some(written),
                    traceparent: tertulia_runtime::trace::current_traceparent(),
                    fact: super::encode(fact),
                    became: None,
                    in_thread: None,
                    has_thread: false,
                    note: None,
                });
            let entries: Vec<EntryRecord> = entries.collect();
            let stopped_by = match self.store.entries.append_many(&entries).await {
                Ok(appended) => appended.stopped_by,
                Err(error) => Some(error),
            };
            match stopped_by {
                // At a conflict somebody else founds it too, with the same entries.
                None | Some(StoreError::Conflict { .. }) => reservation.decided(),
                Some(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    async fn apply(
        &self,
        conversation: &mut ConversationRecord,
        changes: &[EntryRecord],
    ) -> Result<(), Error> {
        let mut memberships = Vec::new();
        let mut about_messages = Vec::new();
        let mut listed_seq = None;
        let mut ballots = Vec::new();
        let mut uses: BTreeMap<InvitationId, Vec<u64>> = BTreeMap::new();
        for change in changes {
            let fact = change.fact()?;
            memberships.extend(steps(&fact).into_iter().map(|(user, step)| (change.head(), user, step)));
            conversation.take(change, &fact);
            match &fact {
                Fact::MemberJoined { invitation_id: Some(invitation), .. } => {
                    uses.entry(*invitation).or_default().push(change.seq);
                }
                Fact::PollVoted { message_seq, .. } => {
                    let ballot = change.note.as_ref().and_then(|note| note.ballot.clone());
                    ballots.extend(ballot.map(|ballot| (change.seq, *message_seq, ballot)));
                }
                Fact::ReportDecided { report_id, .. } => self.apply_decision(*report_id, change).await?,
                _ => {}
            }
            if listings::is_about_listing(&fact) {
                listed_seq = Some(change.seq);
            }
            about_messages.push((change.seq, fact));
        }
        if let Some(seq) = listed_seq {
            self.list(conversation, seq).await?;
        }
        let id = conversation.id;
        self.apply_to_messages(id, about_messages).await?;
        self.apply_to_votes(id, ballots).await?;
        self.count_uses(uses).await?;
        let counts = conversation.charter.kind != ConversationKind::Direct;
        let writes = memberships
            .into_iter()
            .map(|(place, user, step)| self.apply_membership((id, counts), user, step, place));
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Counts the entries by which people came in by invitations, ascending.
    async fn count_uses(&self, uses: BTreeMap<InvitationId, Vec<u64>>) -> Result<(), Error> {
        for (invitation, entries) in uses {
            revise(&self.store.invitations, &invitation.to_string(), |before: Option<InvitationRecord>| {
                let Some(mut after) = before else { return Ok(None) };
                Ok(after.take(&entries).then_some(after))
            })
            .await?;
        }
        Ok(())
    }

    /// One entry decides a report, and none after it.
    async fn apply_decision(&self, report: ReportId, entry: &EntryRecord) -> Result<(), Error> {
        let verdict = entry.note.as_ref().and_then(|note| note.decision);
        revise(&self.store.reports, &report.to_string(), |before: Option<ReportRecord>| {
            let open = before.filter(|report| report.decided.is_none());
            Ok(open.map(|report| ReportRecord { decided: verdict.map(|it| (it, entry.seq)), ..report }))
        })
        .await
    }

    async fn apply_membership(
        &self,
        (conversation, counts): (ConversationId, bool),
        user: UserId,
        step: Step,
        place: Head,
    ) -> Result<(), Error> {
        revise(&self.store.members, &member_id(conversation, user), |before: Option<MemberRecord>| {
            let after = membership_after(conversation, user, before.clone(), &step, place);
            let after = MemberRecord { counts, ..after };
            Ok(before.is_none_or(|before| before != after).then_some(after))
        })
        .await
    }
}

/// Reads a document, works out what it is to be, and writes that; from the start when somebody else was faster. Writes
/// nothing when `next` finds nothing to do.
pub(super) async fn revise<T: Record>(
    table: &Table<T>,
    id: &str,
    next: impl Fn(Option<T>) -> Result<Option<T>, StoreError>,
) -> Result<(), Error> {
    for _ in 0..MAX_ATTEMPTS {
        let (before, revision) = match table.get(id).await? {
            Some(found) => (Some(found.value), Some(found.revision)),
            None => (None, None),
        };
        let Some(after) = next(before)? else { return Ok(()) };
        let written = match revision {
            Some(revision) => table.replace(&after, revision, Vec::new()).await,
            None => table.insert(&after, Vec::new()).await,
        };
        match written {
            Ok(_) => return Ok(()),
            // Somebody else applies the same; which of its unique keys a store names first is its own affair.
            Err(StoreError::Conflict { .. } | StoreError::Duplicate { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Busy)
}

/// Whether somebody belongs, what they are and what is against them follow each from its own newest entry, so that facts may be applied
/// in any order.
fn membership_after(
    conversation_id: ConversationId,
    user_id: UserId,
    before: Option<MemberRecord>,
    step: &Step,
    place: Head,
) -> MemberRecord {
    let mut after = before.unwrap_or(MemberRecord {
        conversation_id,
        user_id,
        present: false,
        role: MemberRole::Member,
        joined_at: Timestamp::EPOCH,
        changed_seq: 0,
        role_seq: 0,
        cursor_seq: 0,
        cursor_messages: 0,
        ban: Sentence::default(),
        mute: Sentence::default(),
        counts: false,
    });
    if let Step::Began(Member { role, .. }) | Step::Became(role) = step
        && place.seq > after.role_seq
    {
        (after.role, after.role_seq) = (*role, place.seq);
    }
    match step {
        Step::Restricted(restriction, term) => {
            let sentence = after.sentence_mut(*restriction);
            if place.seq > sentence.seq {
                *sentence = Sentence { seq: place.seq, term: *term };
            }
        }
        Step::Became(_) => {}
        Step::Began(_) | Step::Ended if place.seq <= after.changed_seq => {}
        Step::Began(member) => {
            (after.present, after.changed_seq) = (true, place.seq);
            after.joined_at = member.joined_at;
            // What was said before they came is not unread to them.
            after.cursor_seq = after.cursor_seq.max(place.seq);
            after.cursor_messages = after.cursor_messages.max(place.messages);
        }
        Step::Ended => (after.present, after.changed_seq) = (false, place.seq),
    }
    after
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tertulia_contracts::messaging::Member;
    use tertulia_documents::{Documents, SqliteDocuments};
    use tertulia_runtime::testkit::frozen;

    use super::*;

    #[tokio::test]
    async fn changes_applied_late_twice_or_in_another_order_end_the_same() {
        let (ambient, _) = frozen(1);
        let folder = tempfile::tempdir().unwrap();
        let documents =
            SqliteDocuments::open(&folder.path().join("m.db"), crate::COLLECTIONS, &ambient).await.unwrap();
        let store = Store::new(&(Arc::new(documents) as Arc<dyn Documents>));
        let keeper = Keeper::new(store.clone(), Ledger::new(ambient.ids.next()));
        let conversation = ambient.ids.next();
        let user_id = ambient.ids.next();
        let member = Member { user_id, role: MemberRole::Member, joined_at: ambient.now() };
        let joined = |seq| (seq, Step::Began(member.clone()));
        let left = |seq| (seq, Step::Ended);
        let became = |seq| (seq, Step::Became(MemberRole::Admin));
        // They joined at 4, became an admin at 5, left at 6, came back at 9 as a member and were an admin again at
        // 11; each order ends with the newest there was in it.
        let (member, admin) = (MemberRole::Member, MemberRole::Admin);
        let orders = [
            (vec![joined(4), left(6), joined(4), left(6)], (false, 6, member)),
            (vec![left(6), joined(4)], (false, 6, member)),
            (vec![joined(9), left(6), joined(4), joined(9)], (true, 9, member)),
            (vec![joined(4), joined(9), left(6)], (true, 9, member)),
            (vec![became(5), joined(4)], (true, 4, admin)),
            (vec![joined(9), became(5), left(6), joined(4)], (true, 9, member)),
            (vec![became(11), left(6), joined(9), became(5), became(11)], (true, 9, admin)),
        ];
        for (order, expected) in orders {
            let user = ambient.ids.next();
            for (seq, step) in &order {
                let place = Head { seq: *seq, messages: *seq };
                keeper.apply_membership((conversation, true), user, step.clone(), place).await.unwrap();
            }
            let found = store.member(conversation, user).await.unwrap().unwrap().value;
            assert_eq!((found.present, found.changed_seq, found.role), expected, "{order:?}");
            assert!(found.changed_seq != 9 || found.cursor_seq == 9, "what was said before is not unread");
        }
    }
}
