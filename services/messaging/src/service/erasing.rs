//! Forgetting somebody whose account was erased.
//!
//! What they wrote is deleted for everybody by entries of the logs it stands in, in their name, as they could have done
//! themselves; they leave what they belong to, and what is theirs alone is deleted. What is noted of it is a document that stays:
//! it says how far that has come, so that another process goes on where one died, and that nothing of theirs is to be written
//! any more. All of it may be done again, and all of it is looked for twice, the second time a while later: what somebody did
//! at the very moment of the erasure, or a frozen process had in hand, is found then.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use http::Method;
use tertulia_bus::Bus;
use tertulia_contracts::{
    ConversationId, MessageId, UserId, auth::User, events::UserForgotten, messaging::ConversationKind,
    permissions::InstanceRole, routes::role,
};
use tertulia_documents::{Error as StoreError, Record, Revision, Table, Versioned};
use tertulia_mesh::MeshError;
use tertulia_runtime::{Event, Kind, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{Messaging, people::People, writer::Request};
use crate::{
    Error,
    events::SOURCE,
    model::{access::Actor, alteration::Alteration, change::Change, place::message_id},
    store::{ErasureRecord, MemberRecord, Store},
};

/// How many messages, conversations and people are looked at in one go.
const PAGE: usize = 64;
/// For so long whoever goes on with somebody is left alone with them; it is renewed on the way.
const LEASE: Duration = Duration::from_secs(30);
/// After so long a look that failed is begun again.
const AGAIN: Duration = Duration::from_mins(1);
/// So often all of somebody's is looked for.
const LOOKS: u32 = 2;
/// How often what somebody else keeps changing is tried to be deleted in one go.
const MAX_ATTEMPTS: usize = 100;
/// So many are asked after to whom a conversation could be handed over.
const MAX_HEIRS: usize = 20;

/// Notes that somebody is to be forgotten. Again is the same.
pub(crate) async fn begin_erasure(store: &Store, user_id: UserId, now: Timestamp) -> Result<(), Error> {
    let erasure =
        ErasureRecord { user_id, due_at: Some(now), looks: 0, reached: None, removed: BTreeMap::new() };
    match store.erasures.insert(&erasure, Vec::new()).await {
        Ok(_) | Err(StoreError::Conflict { .. } | StoreError::Duplicate { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Goes on with whom somebody has to go on with. Every process has one.
pub(crate) struct Eraser {
    messaging: Messaging,
    bus: Arc<dyn Bus>,
}

/// An erasure in hand.
struct Job {
    store: Store,
    erasure: ErasureRecord,
    revision: Revision,
    held_until: Timestamp,
}

/// Why a job is laid down.
enum Stopped {
    /// Another process goes on with it.
    Taken,
    /// Something failed: it is tried again.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Job {
    fn user(&self) -> UserId {
        self.erasure.user_id
    }

    fn count(&mut self, what: &str, removed: usize) {
        *self.erasure.removed.entry(what.to_owned()).or_default() += removed as u64;
    }

    /// Notes how far it has come, and when somebody is to go on with it.
    async fn note(&mut self, due_at: Option<Timestamp>) -> Result<(), Stopped> {
        self.erasure.due_at = due_at;
        match self.store.note_erasure(&self.erasure, self.revision).await {
            Ok(revision) => {
                self.revision = revision;
                Ok(())
            }
            Err(StoreError::Conflict { .. }) => Err(Stopped::Taken),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the others off for a while.
    async fn hold(&mut self, now: Timestamp) -> Result<(), Stopped> {
        self.held_until = now.plus(LEASE);
        self.note(Some(self.held_until)).await
    }

    /// The same, if that is over soon.
    async fn keep_hold(&mut self, now: Timestamp) -> Result<(), Stopped> {
        if now.plus(LEASE / 2) < self.held_until { Ok(()) } else { self.hold(now).await }
    }
}

impl Eraser {
    /// One that erases by these use cases.
    pub(crate) fn new(messaging: Messaging, bus: Arc<dyn Bus>) -> Self {
        Self { messaging, bus }
    }

    /// Goes round until shutdown.
    pub(crate) async fn run(
        &self,
        tick: Duration,
        second_look: Duration,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.round(second_look).await {
                tracing::warn!(%error, "erased accounts could not be looked after; they are tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(tick) => {}
            }
        }
        Ok(())
    }

    async fn round(&self, second_look: Duration) -> Result<(), Error> {
        let Messaging { store, ambient, .. } = &self.messaging;
        for Versioned { value: erasure, revision } in store.erasures_due(ambient.now(), PAGE).await? {
            let held_until = Timestamp::EPOCH;
            let mut job = Job { store: store.clone(), erasure, revision, held_until };
            let user = job.user();
            if let Err(Stopped::Failed(error)) = self.go_on(&mut job, second_look).await {
                tracing::warn!(%user, %error, "somebody could not be forgotten; it is tried again");
                job.erasure.reached = None;
                // One that fails keeps no other waiting.
                let noted = job.note(Some(ambient.now().plus(AGAIN))).await;
                if let Err(Stopped::Failed(error)) = noted {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn go_on(&self, job: &mut Job, second_look: Duration) -> Result<(), Stopped> {
        let ambient = &self.messaging.ambient;
        job.hold(ambient.now()).await?;
        self.look(job).await?;
        job.erasure.looks += 1;
        job.erasure.reached = None;
        if job.erasure.looks < LOOKS {
            return job.note(Some(ambient.now().plus(second_look))).await;
        }
        let (user_id, service) = (job.user(), role::MESSAGING.to_owned());
        let forgotten = UserForgotten { user_id, service, removed: job.erasure.removed.clone() };
        // Told before that is noted: whoever dies in between tells it again, and the first word counts.
        self.bus.publish(&[Event::new(ambient, SOURCE, &forgotten)]).await?;
        job.note(None).await
    }

    /// Removes all of somebody's that is found.
    async fn look(&self, job: &mut Job) -> Result<(), Stopped> {
        let (store, user) = (job.store.clone(), job.user());
        let scheduled = delete_all(&store.scheduled, || store.own_scheduled(user)).await?;
        job.count("scheduled_messages", scheduled);
        let requests = delete_all(&store.requests, || store.own_requests(user)).await?;
        job.count("join_requests", requests);
        let notes = self.blank_reports(user).await?;
        job.count("report_notes", notes);
        self.leave_all(job).await?;
        job.keep_hold(self.messaging.ambient.now()).await?;
        // The head first: without it nothing of theirs is written any more.
        delete(&store.user_heads, &user.to_string()).await?;
        let things = delete_all(&store.private, || store.own_things(user)).await?;
        job.count("private_things", things);
        delete(&store.last_seen, &user.to_string()).await?;
        delete(&store.people, &user.to_string()).await?;
        Ok(())
    }

    /// Takes their own words from what somebody reported. That they did stays, for whoever is to decide on it.
    async fn blank_reports(&self, user: UserId) -> Result<usize, Error> {
        let Messaging { store, .. } = &self.messaging;
        let (mut blanked, mut after) = (0, None);
        loop {
            let reports = store.own_reports(user, after).await?;
            let Some(last) = reports.last().map(|report| report.value.id) else { return Ok(blanked) };
            for Versioned { value: mut report, revision } in reports {
                if report.note.take().is_none() {
                    continue;
                }
                match store.reports.replace(&report, revision, Vec::new()).await {
                    Ok(_) => blanked += 1,
                    // It was decided at this moment; the second look finds it.
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            after = Some(last);
        }
    }

    /// Takes somebody from every conversation, and what they wrote there. One that fails keeps no other.
    async fn leave_all(&self, job: &mut Job) -> Result<(), Stopped> {
        let mut failed = None;
        loop {
            let page = job.store.ever_member_of(job.user(), job.erasure.reached, PAGE).await?;
            // Where a page begins the one before ended.
            let rest = page.iter().filter(|member| Some(member.conversation_id) != job.erasure.reached);
            let rest: Vec<MemberRecord> = rest.cloned().collect();
            if rest.is_empty() {
                return failed.map_or(Ok(()), Err);
            }
            for member in rest {
                match self.leave(job, member.conversation_id).await {
                    Err(Stopped::Taken) => return Err(Stopped::Taken),
                    Err(error) => drop(failed.get_or_insert(error)),
                    Ok(()) => {}
                }
                job.erasure.reached = Some(member.conversation_id);
                job.keep_hold(self.messaging.ambient.now()).await?;
            }
        }
    }

    async fn leave(&self, job: &mut Job, id: ConversationId) -> Result<(), Stopped> {
        let (store, user) = (job.store.clone(), job.user());
        let Some(conversation) = self.messaging.keeper.settle(id).await? else { return Ok(()) };
        let hooks = delete_all(&store.hooks, || store.own_hooks(id, user)).await?;
        job.count("hooks", hooks);
        self.take_back(job, id).await?;
        let member = store.member(id, user).await?.is_some_and(|member| member.value.present);
        if conversation.charter.kind == ConversationKind::Direct || !member {
            return Ok(());
        }
        let (writers, by) = (&self.messaging.writers, member_of(user));
        if conversation.owner == Some(user)
            && let Some(heir) = self.heir(id, user).await?
        {
            writers.write(id, by, Request::Change(Change::HandOver(heir))).await?;
            job.count("handed_over", 1);
        }
        writers.write(id, by, Request::Change(Change::Remove(user))).await?;
        job.count("memberships", 1);
        Ok(())
    }

    /// Deletes what somebody wrote in a conversation and its threads; done when it is gone from every document.
    async fn take_back(&self, job: &mut Job, id: ConversationId) -> Result<(), Stopped> {
        let Messaging { writers, keeper, ambient, .. } = &self.messaging;
        let (by, mut before) = (member_of(job.user()), u64::MAX);
        loop {
            let posts = job.store.posts_by(&id.to_string(), by.user_id, before, PAGE).await?;
            let Some(last) = posts.last() else { return Ok(()) };
            before = last.seq;
            let mut standing: Vec<MessageId> = Vec::with_capacity(posts.len());
            for post in &posts {
                if post.posted()?.deleted_at.is_none() {
                    standing.push(message_id(post.at, id, post.seq));
                }
            }
            let forget = |message| writers.write(id, by, Request::Alter(message, Alteration::Forget));
            for deleted in join_all(standing.iter().copied().map(forget)).await {
                deleted?;
            }
            keeper.settle(id).await?;
            job.count("messages", standing.len());
            job.keep_hold(ambient.now()).await?;
        }
    }

    /// To whom somebody's conversation is handed over: the highest in rank of its people, of these whoever has belonged longest;
    /// to a program if there is nobody else, since nobody leaves what they own to others without an owner.
    async fn heir(&self, id: ConversationId, owner: UserId) -> Result<Option<UserId>, Error> {
        let Messaging { store, people, .. } = &self.messaging;
        let (mut heirs, mut after): (Vec<MemberRecord>, _) = (Vec::new(), None);
        loop {
            let page = store.members_of(id, after, PAGE).await?;
            heirs.extend(page.items.into_iter().filter(|member| member.user_id != owner));
            heirs.sort_by_key(|it| (Reverse(it.role), it.joined_at, it.user_id));
            heirs.truncate(MAX_HEIRS);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for heir in &heirs {
            if people.is_person(heir.user_id).await? {
                return Ok(Some(heir.user_id));
            }
        }
        Ok(heirs.first().map(|heir| heir.user_id))
    }
}

/// What they do as somebody who holds no office.
fn member_of(user_id: UserId) -> Actor {
    Actor { user_id, account: InstanceRole::User }
}

impl People {
    /// Whether somebody has an account and is no program.
    async fn is_person(&self, user: UserId) -> Result<bool, Error> {
        let path = format!("/internal/users/{user}");
        match self.mesh.call_json::<(), User>(role::AUTH, Method::GET, &path, None, None).await {
            Ok(found) => Ok(found.bot_of.is_none()),
            Err(MeshError::Refused { kind: Kind::NotFound, .. }) => Ok(false),
            Err(error) => Err(Error::Upstream(error.to_string())),
        }
    }
}

/// Deletes what is found until nothing is. Answers how much it was.
async fn delete_all<T: Record, Found>(table: &Table<T>, find: impl Fn() -> Found) -> Result<usize, Error>
where
    Found: Future<Output = Result<Vec<Versioned<T>>, StoreError>>,
{
    let (mut deleted, mut defeats) = (0, 0);
    while defeats < MAX_ATTEMPTS {
        let found = find().await?;
        if found.is_empty() {
            return Ok(deleted);
        }
        let before = deleted;
        for record in found {
            match table.delete(&record.value.id(), record.revision, Vec::new()).await {
                Ok(()) => deleted += 1,
                // It was changed at this moment: it is found again.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        defeats = if deleted > before { 0 } else { defeats + 1 };
    }
    Err(Error::Busy)
}

/// Deletes one document, if it is there.
async fn delete<T: Record>(table: &Table<T>, id: &str) -> Result<(), Error> {
    delete_all(table, || async { Ok(table.get(id).await?.into_iter().collect()) }).await.map(drop)
}
