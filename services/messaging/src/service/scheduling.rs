//! What authors do with messages that are to be posted later: schedule, look at, change, call off, post at once.
//!
//! What is scheduled is a document of its own and no fact of any log: nobody else may know of it. Whoever works on one
//! holds its revision, so that of calling off and posting only one happens.

use std::collections::HashSet;

use tertulia_contracts::{
    ConversationId,
    messaging::{MAX_SCHEDULED, Message, PostMessage, RescheduleMessage, ScheduleMessage, ScheduledMessage},
    permissions::InstanceRole,
};
use tertulia_documents::{Error as StoreError, Versioned};
use tertulia_runtime::Timestamp;
use ulid::Ulid;

use super::{
    Messaging,
    conversations::View,
    postman::{Postman, claimed},
    writer::Answer,
};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        place::seq_of,
        schedule::check_time,
        thread::{may_speak, no_such_reply},
    },
    store::{ScheduledRecord, scheduled::Progress},
};

/// How often a document that somebody else keeps changing is tried; every defeat is another's progress.
const MAX_ATTEMPTS: usize = 100;

/// What became of a wish to schedule.
pub(crate) enum Scheduled {
    /// It waits from now on.
    New(ScheduledMessage),
    /// It waited already.
    Found(ScheduledMessage),
}

impl Messaging {
    /// Schedules a message, once, however often it is asked for.
    pub(crate) async fn schedule(
        &self,
        id: ConversationId,
        by: Actor,
        request: ScheduleMessage,
    ) -> Result<Scheduled, Error> {
        let ScheduleMessage { message, send_at } = request;
        let View { conversation, ground, .. } = self.view(id, by, Action::Read).await?;
        may_speak(&message, ground, &conversation.settings)?;
        if let Some(found) = self.store.scheduled_message(by.user_id, id, message.client_id).await? {
            return repeated(found.value, &message, send_at);
        }
        let now = self.ambient.now();
        check_time(send_at, now)?;
        self.check_message(id, by, &message).await?;
        for _ in 0..MAX_ATTEMPTS {
            let own = self.store.scheduled_of(by.user_id).await?;
            let taken: HashSet<u64> = own.iter().map(|record| record.slot).collect();
            let slot = (0..MAX_SCHEDULED as u64).find(|slot| !taken.contains(slot));
            let record = ScheduledRecord {
                id: self.ambient.ids.next(),
                conversation_id: id,
                author_id: by.user_id,
                // An office does not reach into the future: whether they still hold it then nobody asks.
                account: by.account.min(InstanceRole::User),
                message: message.clone(),
                send_at,
                created_at: now,
                slot: slot.ok_or(Error::TooManyScheduled)?,
                progress: Progress::Waiting { due_at: send_at },
            };
            match self.store.scheduled.insert(&record, Vec::new()).await {
                Ok(_) => {
                    self.nudge.notify_one();
                    return Ok(Scheduled::New(record.shown()));
                }
                // The same wish came twice at once, or another took the place.
                Err(StoreError::Conflict { .. } | StoreError::Duplicate { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(found) = self.store.scheduled_message(by.user_id, id, message.client_id).await? {
                return repeated(found.value, &message, send_at);
            }
        }
        Err(Error::Busy)
    }

    /// What would be refused later is refused now, as far as it can be known.
    async fn check_message(
        &self,
        id: ConversationId,
        author: Actor,
        message: &PostMessage,
    ) -> Result<(), Error> {
        if self.store.named(&id.to_string(), author.user_id, message.client_id).await?.is_some() {
            return Err(Error::ClientIdReused);
        }
        if let Some(root) = message.thread_id {
            self.store.root(id, root).await?.takes_posts()?;
        }
        if let Some(answered) = message.reply_to {
            let place = message.thread_id.map(seq_of);
            let postings = self.store.postings(id, &[answered]).await?;
            if postings.iter().all(|posting| posting.in_thread.map(|thread| thread.root_seq) != place) {
                return Err(no_such_reply(message));
            }
        }
        if let Some(forward) = message.forward {
            self.original(author, forward).await?;
        }
        Ok(())
    }

    /// What somebody has scheduled, in one conversation or anywhere; what is due first first.
    pub(crate) async fn scheduled(
        &self,
        by: Actor,
        conversation: Option<ConversationId>,
    ) -> Result<Vec<ScheduledMessage>, Error> {
        let mut own = self.store.scheduled_of(by.user_id).await?;
        own.retain(|record| conversation.is_none_or(|id| record.conversation_id == id));
        // What is theirs they see although they were removed since; whoever has nothing there learns nothing.
        if let Some(id) = conversation.filter(|_| own.is_empty()) {
            self.view(id, by, Action::Find).await?;
        }
        own.sort_by_key(|record| (record.send_at, record.message.client_id));
        Ok(own.into_iter().map(ScheduledRecord::shown).collect())
    }

    /// Changes what is to be posted, or when.
    pub(crate) async fn reschedule(
        &self,
        id: ConversationId,
        by: Actor,
        client_id: Ulid,
        change: RescheduleMessage,
    ) -> Result<ScheduledMessage, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let Versioned { value: mut record, revision } = self.idle(id, by, client_id).await?;
            if let Some(body) = &change.body {
                if record.message.forward.is_some() {
                    return Err(Error::invalid("body", "what is passed on says what it says"));
                }
                record.message.body.clone_from(body);
            }
            if let Some(send_at) = change.send_at {
                check_time(send_at, self.ambient.now())?;
                (record.send_at, record.progress) = (send_at, Progress::Waiting { due_at: send_at });
            }
            match self.store.scheduled.replace(&record, revision, Vec::new()).await {
                Ok(_) => {
                    self.nudge.notify_one();
                    return Ok(record.shown());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Calls a message off.
    pub(crate) async fn call_off(&self, id: ConversationId, by: Actor, client_id: Ulid) -> Result<(), Error> {
        for _ in 0..MAX_ATTEMPTS {
            let Versioned { value: record, revision } = self.idle(id, by, client_id).await?;
            match self.store.remove_scheduled(&record, revision).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// Posts a scheduled message at once. Again, after it was posted by whomever, is the same.
    pub(crate) async fn send_now(
        &self,
        id: ConversationId,
        by: Actor,
        client_id: Ulid,
    ) -> Result<Message, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let waiting = match self.idle(id, by, client_id).await {
                Err(Error::NoSuchScheduled) => return self.sent(id, by, client_id).await,
                waiting => waiting?,
            };
            let claim = claimed(&waiting.value, self.ambient.now());
            let revision = match self.store.scheduled.replace(&claim, waiting.revision, Vec::new()).await {
                Ok(revision) => revision,
                Err(StoreError::Conflict { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let postman = Postman::new(self.clone());
            return match self.post(id, by, claim.message.clone()).await {
                Ok(Answer::Posted(message) | Answer::Repeated(message)) => {
                    postman.done(&claim, revision).await;
                    Ok(message)
                }
                Ok(Answer::Changed) => Err(Error::Stopped),
                Err(error) => {
                    postman.give_back(&waiting.value, revision, &error).await;
                    Err(error)
                }
            };
        }
        Err(Error::Busy)
    }

    async fn sent(&self, id: ConversationId, by: Actor, client_id: Ulid) -> Result<Message, Error> {
        self.view(id, by, Action::Read).await?;
        let sent = self.store.named(&id.to_string(), by.user_id, client_id).await?;
        Ok(sent.ok_or(Error::NoSuchScheduled)?.message()?.0)
    }

    /// Somebody's own message that nobody is posting just now.
    async fn idle(
        &self,
        id: ConversationId,
        by: Actor,
        client_id: Ulid,
    ) -> Result<Versioned<ScheduledRecord>, Error> {
        match self.store.scheduled_message(by.user_id, id, client_id).await? {
            Some(found) if matches!(found.value.progress, Progress::Posting { .. }) => {
                Err(Error::ScheduledUnderWay)
            }
            Some(found) => Ok(found),
            None => {
                self.view(id, by, Action::Find).await?;
                Err(Error::NoSuchScheduled)
            }
        }
    }
}

fn repeated(found: ScheduledRecord, message: &PostMessage, send_at: Timestamp) -> Result<Scheduled, Error> {
    if found.message == *message && found.send_at == send_at {
        Ok(Scheduled::Found(found.shown()))
    } else {
        Err(Error::ClientIdReused)
    }
}
