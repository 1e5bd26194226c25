//! Each user's own log: what happened to them, whichever conversation it happened in.

use tertulia_bus::Error as BusError;
use tertulia_contracts::{
    ConversationId, UserId,
    events::{MemberRestricted, ReportDecided},
    live::RawEntry,
    messaging::UserFact,
    permissions::{InstanceRole, Restriction},
};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::{Ambient, Event, event::EventId};

use super::live::Live;
use crate::{
    Error,
    model::{
        access::{Action, Actor, may},
        membership::{Stance, Step, Term, steps},
    },
    store::{Class, EntryRecord, Store, entries::ONCE},
};

/// How often an append that others overtake is tried; every defeat is another's progress.
const MAX_ATTEMPTS: usize = 100;

/// Writes and reads users' logs. Cheap to clone.
///
/// Little is written to one user's log, so it needs no writer of its own: whoever appends reads the head and
/// tries again if another was faster.
#[derive(Clone)]
pub(crate) struct UserLogs {
    store: Store,
    live: Live,
    ambient: Ambient,
}

/// A page of a user's log, its facts still encoded.
pub(crate) struct UserPage {
    /// Ascending.
    pub entries: Vec<RawEntry>,
    /// The newest position when the page was read.
    pub head_seq: u64,
}

impl UserLogs {
    /// The logs in this store.
    pub(crate) fn new(store: Store, live: Live, ambient: Ambient) -> Self {
        Self { store, live, ambient }
    }

    /// Tells a user of a membership that began or ended at this seq of its conversation. The same event twice
    /// is told once, and an event that arrives when the membership has changed again is not told at all: so
    /// the last word on a conversation in the user's log is always true, in whatever order events come.
    pub(crate) async fn tell_membership(
        &self,
        user: UserId,
        event: &Event,
        seq: u64,
        conversation: ConversationId,
        fact: &UserFact,
    ) -> Result<(), Error> {
        let membership = self.store.member(conversation, user).await?;
        if membership.is_some_and(|membership| membership.value.changed_seq > seq) {
            return Ok(());
        }
        self.tell(user, event.id, event.traceparent.clone(), fact).await
    }

    /// Tells somebody that they are kept out or silent, or no longer, and why; by the same rule. Who never belonged to a
    /// conversation that strangers do not find is told nothing of it.
    pub(crate) async fn tell_restriction(
        &self,
        event: &Event,
        restricted: &MemberRestricted,
    ) -> Result<(), Error> {
        let MemberRestricted { conversation_id, seq, fact } = restricted;
        for (user, step) in steps(fact) {
            let Step::Restricted(restriction, term) = step else { continue };
            let Some(member) = self.store.member(*conversation_id, user).await? else { continue };
            let overtaken = member.value.sentence(restriction).seq > *seq;
            if overtaken || !(member.value.was_member() || self.is_found(*conversation_id, user).await?) {
                continue;
            }
            let entry = self.store.entry(&conversation_id.to_string(), *seq).await?;
            let reason = entry.and_then(|entry| entry.reason());
            let told = restriction_told(*conversation_id, restriction, term, reason);
            self.tell(user, event.id, event.traceparent.clone(), &told).await?;
        }
        Ok(())
    }

    /// Tells whoever reported what was decided.
    pub(crate) async fn tell_decision(&self, event: &Event, decided: &ReportDecided) -> Result<(), Error> {
        let ReportDecided { conversation_id, report_id, .. } = *decided;
        let Some(report) = self.store.report(report_id).await? else { return Ok(()) };
        let Some((decision, _)) = report.value.decided else { return Ok(()) };
        let told = UserFact::ReportDecided { conversation_id, report_id, decision };
        self.tell(report.value.reporter_id, event.id, event.traceparent.clone(), &told).await
    }

    /// Whether strangers find a conversation.
    async fn is_found(&self, id: ConversationId, user_id: UserId) -> Result<bool, Error> {
        let Some(conversation) = self.store.conversation(id).await? else { return Ok(false) };
        let stranger = conversation.value.ground(
            Actor { user_id, account: InstanceRole::User },
            Stance::default(),
            self.ambient.now(),
        );
        Ok(may(Action::Find, stranger).is_ok())
    }

    /// Tells a user of something, once however often it is told under this id.
    pub(crate) async fn tell(
        &self,
        user: UserId,
        event: EventId,
        traceparent: Option<String>,
        fact: &UserFact,
    ) -> Result<(), Error> {
        let owner = user.to_string();
        for _ in 0..MAX_ATTEMPTS {
            let head = self.store.head(&owner).await?;
            let entry = EntryRecord {
                owner: owner.clone(),
                seq: head.seq + 1,
                messages: 0,
                at: self.ambient.now(),
                class: Class::Told { event },
                written: None,
                traceparent: traceparent.clone(),
                fact: super::encode(fact),
                became: None,
                note: None,
            };
            match self.store.entries.insert(&entry, Vec::new()).await {
                Ok(_) => {
                    return self.tell_sockets(&owner, entry).await;
                }
                Err(StoreError::Conflict { .. }) => {}
                // Whoever wrote it may have died before anybody heard of it.
                Err(StoreError::Duplicate { index, .. }) if index == ONCE.name => {
                    return match self.store.newest(&owner).await? {
                        Some(newest) => self.tell_sockets(&owner, newest).await,
                        None => Ok(()),
                    };
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Tells a user's sockets, or fails, so that the event comes again: nothing else would bring it up before the next
    /// entry of a log that gets few.
    async fn tell_sockets(&self, owner: &str, entry: EntryRecord) -> Result<(), Error> {
        if self.live.is_told(owner, vec![entry.into_raw()]).await {
            return Ok(());
        }
        Err(BusError::Unavailable("a user's sockets could not be told".to_owned()).into())
    }

    /// What happened to a user behind a position of their log.
    pub(crate) async fn page(&self, user: UserId, after: u64, limit: usize) -> Result<UserPage, Error> {
        let owner = user.to_string();
        let entries = self.store.log_after(&owner, after, limit).await?;
        let head_seq = self.store.head(&owner).await?.seq;
        Ok(UserPage { entries: entries.into_iter().map(EntryRecord::into_raw).collect(), head_seq })
    }
}

fn restriction_told(
    conversation_id: ConversationId,
    restriction: Restriction,
    term: Option<Term>,
    reason: Option<String>,
) -> UserFact {
    match (restriction, term) {
        (Restriction::Banned, Some(Term { until })) => {
            UserFact::ConversationBanned { conversation_id, until, reason }
        }
        (Restriction::Banned, None) => UserFact::ConversationUnbanned { conversation_id },
        (Restriction::Muted, Some(Term { until })) => {
            UserFact::ConversationMuted { conversation_id, until, reason }
        }
        (Restriction::Muted, None) => UserFact::ConversationUnmuted { conversation_id },
    }
}
