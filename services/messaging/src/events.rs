//! What messaging tells the other services, and what it listens to.

use async_trait::async_trait;
use tertulia_bus::{Handler, Outcome};
use tertulia_contracts::{
    events::{
        ConversationChanged, MemberJoined, MemberLeft, MemberRestricted, MessageDeleted, MessageEdited,
        MessagePosted, ReportDecided, ThreadPosted, UserErased, UserRegistered,
    },
    messaging::Fact,
};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::{
    Ambient, Event, EventBody,
    event::{SpecVersion, UnreadableEvent},
};

use crate::{
    Error,
    model::place::event_id,
    service::{erasing::begin_erasure, people::remember, user_logs::UserLogs},
    store::{EntryRecord, Store},
};

pub(crate) const SOURCE: &str = "/messaging";

/// The event that an entry of a conversation's log is. The same at every call, id and all.
pub(crate) fn event_of(entry: &EntryRecord) -> Result<Event, StoreError> {
    let conversation_id = entry.conversation()?;
    let seq = entry.seq;
    Ok(match entry.fact()? {
        Fact::MessagePosted { message } if message.thread_id.is_some() => {
            envelope(entry, &ThreadPosted { message })?
        }
        Fact::MessagePosted { message } => envelope(entry, &MessagePosted { message })?,
        Fact::MemberJoined { member, .. } => envelope(entry, &MemberJoined { conversation_id, seq, member })?,
        Fact::MemberLeft { user_id, .. } => envelope(entry, &MemberLeft { conversation_id, seq, user_id })?,
        Fact::MessageEdited { message_id, by, .. } => {
            envelope(entry, &MessageEdited { conversation_id, seq, message_id, by })?
        }
        Fact::MessageDeleted { message_id, by, .. } => {
            envelope(entry, &MessageDeleted { conversation_id, seq, message_id, by })?
        }
        fact @ (Fact::MemberBanned { .. }
        | Fact::MemberUnbanned { .. }
        | Fact::MemberMuted { .. }
        | Fact::MemberUnmuted { .. }) => envelope(entry, &MemberRestricted { conversation_id, seq, fact })?,
        Fact::ReportDecided { report_id, .. } => {
            envelope(entry, &ReportDecided { conversation_id, seq, report_id })?
        }
        fact @ (Fact::ConversationCreated { .. }
        | Fact::ConversationUpdated { .. }
        | Fact::FiltersChanged { .. }
        | Fact::MemberRoleChanged { .. }
        | Fact::OwnerChanged { .. }
        | Fact::ReactionSet { .. }
        | Fact::ReactionRemoved { .. }
        | Fact::MessagePinned { .. }
        | Fact::MessageUnpinned { .. }
        | Fact::PollVoted { .. }
        | Fact::PollClosed { .. }
        | Fact::ConversationArchived { .. }
        | Fact::ConversationUnarchived { .. }
        | Fact::RolePut { .. }
        | Fact::RoleDeleted { .. }
        | Fact::RoleGiven { .. }
        | Fact::RoleTaken { .. }
        | Fact::MemberOverridden { .. }
        | Fact::EmojiPut { .. }
        | Fact::EmojiRemoved { .. }) => envelope(entry, &ConversationChanged { conversation_id, seq, fact })?,
    })
}

fn envelope<B: EventBody>(entry: &EntryRecord, body: &B) -> Result<Event, StoreError> {
    Ok(Event {
        specversion: SpecVersion::V1,
        id: event_id(entry.at, entry.conversation()?, entry.seq),
        source: SOURCE.to_owned(),
        kind: B::TYPE.to_owned(),
        time: entry.at,
        partitionkey: body.partition_key(),
        schemaversion: B::VERSION,
        traceparent: entry.traceparent.clone(),
        data: serde_json::value::to_raw_value(body).expect("an event's body is plain data and encodes"),
    })
}

/// Remembers who there is, from auth's events, and notes who is to be forgotten.
pub(crate) struct RememberPeople(pub Store, pub Ambient);

#[async_trait]
impl Handler for RememberPeople {
    async fn handle(&self, event: &Event) -> Outcome {
        if event.kind == UserErased::TYPE {
            return match event.body::<UserErased>() {
                Ok(UserErased { user_id }) => outcome(begin_erasure(&self.0, user_id, self.1.now()).await),
                Err(error) => unreadable(&error),
            };
        }
        match event.body::<UserRegistered>() {
            Ok(registered) => outcome(remember(&self.0, registered.user_id, &registered.handle).await),
            Err(error) => unreadable(&error),
        }
    }
}

/// Writes memberships, bans, mutes, what becomes of reports and followed threads into the logs of those they are of.
pub(crate) struct TellUsers(pub UserLogs);

#[async_trait]
impl Handler for TellUsers {
    async fn handle(&self, event: &Event) -> Outcome {
        let told = match event.kind.as_str() {
            MemberRestricted::TYPE => match event.body::<MemberRestricted>() {
                Ok(restricted) => return outcome(self.0.tell_restriction(&restricted).await),
                Err(error) => return unreadable(&error),
            },
            ReportDecided::TYPE => match event.body::<ReportDecided>() {
                Ok(decided) => return outcome(self.0.tell_decision(&decided).await),
                Err(error) => return unreadable(&error),
            },
            ThreadPosted::TYPE => match event.body::<ThreadPosted>() {
                Ok(ThreadPosted { message }) => return outcome(self.0.tell_thread(&message).await),
                Err(error) => return unreadable(&error),
            },
            MemberLeft::TYPE => {
                event.body::<MemberLeft>().map(|left| (left.user_id, left.conversation_id, false, left.seq))
            }
            _ => event
                .body::<MemberJoined>()
                .map(|joined| (joined.member.user_id, joined.conversation_id, true, joined.seq)),
        };
        match told {
            Ok((user, conversation_id, member, seq)) => {
                outcome(self.0.tell_membership(user, conversation_id, member, seq).await)
            }
            Err(error) => unreadable(&error),
        }
    }
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Retry(error.to_string()),
    }
}

fn unreadable(error: &UnreadableEvent) -> Outcome {
    Outcome::Reject(error.to_string())
}
