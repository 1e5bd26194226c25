//! What is a person's own: their places in conversations, drafts, saved messages, blocks. Each thing is one document, which is
//! also the entry of their log that tells of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    ConversationId, MessageId, ReportId, UserId,
    live::Glance,
    messaging::{MAX_BLOCKS, MAX_DRAFTS, MAX_FOLLOWED_THREADS, MAX_SAVED, Privacy, UserFact, Verdict},
    permissions::Restriction,
    presence::ChosenPresence,
};
use tertulia_runtime::{Timestamp, event::EventId};
use ulid::Ulid;

use super::membership::Term;

/// What a thing is about: with its owner, its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Whether they belong to a conversation, as they were told.
    Membership(ConversationId),
    /// What moderators of a conversation did to them, as they were told.
    Restricted(ConversationId, Restriction),
    /// Their wish to be let in, as they were told.
    Declined(ConversationId),
    /// What was decided on a report of theirs.
    Report(ReportId),
    /// A message of theirs that could not be posted when its time had come.
    Scheduled(ConversationId, Ulid),
    /// Their place in a conversation.
    Place(ConversationId),
    /// What they are about to say in a conversation.
    Draft(ConversationId),
    /// A message they may keep.
    Saved(ConversationId, MessageId),
    /// Somebody they may have blocked.
    Block(UserId),
    /// What they let others see of them.
    Privacy,
    /// The thread below a message.
    Thread(ConversationId, MessageId),
    /// What they choose to be seen as.
    Presence,
}

/// What a list of things holds, and at most how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// What is about to be said.
    Drafts,
    /// Messages kept.
    Saved,
    /// People blocked.
    Blocks,
    /// Threads of a conversation followed.
    Threads(ConversationId),
}

impl Listing {
    /// Its name in keys.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::Drafts => "drafts".into(),
            Self::Saved => "saved".into(),
            Self::Blocks => "blocks".into(),
            Self::Threads(conversation) => format!("threads/{conversation}").into(),
        }
    }

    /// How many there is room for.
    pub fn room(self) -> usize {
        match self {
            Self::Drafts => MAX_DRAFTS,
            Self::Saved => MAX_SAVED,
            Self::Blocks => MAX_BLOCKS,
            Self::Threads(_) => MAX_FOLLOWED_THREADS,
        }
    }
}

/// How a thing stands. That something is no more is kept too: it is what the log tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "matter", rename_all = "snake_case")]
pub enum Matter {
    /// They became a member, or are none any more, by the entry at `seq` of the conversation's log.
    Membership {
        /// Of what.
        conversation_id: ConversationId,
        /// Whether they are one.
        member: bool,
        /// The entry that says so.
        seq: u64,
    },
    /// They are kept out or silent, or no longer, by the entry at `seq` of the conversation's log.
    Restricted {
        /// Where.
        conversation_id: ConversationId,
        /// Which of the two.
        restriction: Restriction,
        /// The entry that says so.
        seq: u64,
        /// For how long; none for: no longer.
        term: Option<Term>,
        /// What the moderators say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// They asked to be let in, and were not.
    Declined {
        /// Where.
        conversation_id: ConversationId,
        /// Which wish it was.
        wish: EventId,
    },
    /// The moderators decided on a report of theirs.
    Report {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        report_id: ReportId,
        /// What they decided.
        decision: Verdict,
    },
    /// A message that they had scheduled could not be posted when its time had come.
    Scheduled {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        client_id: Ulid,
        /// Why.
        code: String,
        /// Which time it failed.
        notice: EventId,
    },
    /// Their place in a conversation.
    Place {
        /// Where.
        conversation_id: ConversationId,
        /// What it is.
        #[serde(flatten)]
        place: Place,
    },
    /// What they are about to say.
    Draft {
        /// Where.
        conversation_id: ConversationId,
        /// The words; none for: nothing.
        words: Option<Words>,
    },
    /// A message that they keep, or kept.
    Saved {
        /// Where it stands.
        conversation_id: ConversationId,
        /// Which.
        message_id: MessageId,
        /// Since when, and why; none for: no longer.
        mark: Option<Mark>,
    },
    /// Somebody they blocked, or had blocked.
    Block {
        /// Whom.
        user_id: UserId,
        /// Since when; none for: no longer.
        since: Option<Timestamp>,
    },
    /// What they let others see.
    Privacy(Privacy),
    /// A thread that they follow, or followed.
    Thread {
        /// Where.
        conversation_id: ConversationId,
        /// The message that it stands below.
        root_id: MessageId,
        /// How they follow it.
        #[serde(flatten)]
        tracking: Tracking,
    },
    /// What they choose to be seen as.
    Presence(ChosenPresence),
}

/// How somebody follows a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Whether they do.
    pub follows: bool,
    /// The entry of the conversation's log since which that is so. What happened before it changes nothing any more.
    pub since_seq: u64,
    /// How far they have read in it.
    pub cursor_seq: u64,
    /// How many messages of it there are up to that.
    pub cursor_messages: u64,
    /// How many stood unread behind it when this was written.
    pub unread: u64,
}

/// A member's own place in a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How far they have read.
    pub cursor_seq: u64,
    /// How many messages there are up to that.
    pub cursor_messages: u64,
    /// How many stood unread behind it when this was written.
    pub unread: u64,
    /// Whether they marked it unread.
    #[serde(default)]
    pub marked_unread: bool,
    /// Until when not to notify them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Timestamp>,
    /// Whether they put it away.
    #[serde(default)]
    pub hidden: bool,
}

/// What a draft says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// The text.
    pub body: String,
    /// The message it is to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
}

/// That a message is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Since when.
    pub at: Timestamp,
    /// What was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Topic {
    /// Its name among its owner's.
    pub fn name(self) -> String {
        match self {
            Self::Membership(conversation) => format!("membership/{conversation}"),
            Self::Restricted(conversation, Restriction::Muted) => format!("muted/{conversation}"),
            Self::Restricted(conversation, Restriction::Banned) => format!("banned/{conversation}"),
            Self::Declined(conversation) => format!("declined/{conversation}"),
            Self::Report(report) => format!("report/{report}"),
            Self::Scheduled(conversation, client_id) => format!("scheduled/{conversation}/{client_id}"),
            Self::Place(conversation) => format!("place/{conversation}"),
            Self::Draft(conversation) => format!("draft/{conversation}"),
            Self::Saved(conversation, message) => format!("saved/{conversation}/{message}"),
            Self::Block(user) => format!("block/{user}"),
            Self::Privacy => "privacy".to_owned(),
            Self::Thread(conversation, root) => format!("thread/{conversation}/{root}"),
            Self::Presence => "presence".to_owned(),
        }
    }
}

impl Matter {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Membership { conversation_id, .. } => Topic::Membership(*conversation_id),
            Self::Restricted { conversation_id, restriction, .. } => {
                Topic::Restricted(*conversation_id, *restriction)
            }
            Self::Declined { conversation_id, .. } => Topic::Declined(*conversation_id),
            Self::Report { report_id, .. } => Topic::Report(*report_id),
            Self::Scheduled { conversation_id, client_id, .. } => {
                Topic::Scheduled(*conversation_id, *client_id)
            }
            Self::Place { conversation_id, .. } => Topic::Place(*conversation_id),
            Self::Draft { conversation_id, .. } => Topic::Draft(*conversation_id),
            Self::Saved { conversation_id, message_id, .. } => Topic::Saved(*conversation_id, *message_id),
            Self::Block { user_id, .. } => Topic::Block(*user_id),
            Self::Privacy(_) => Topic::Privacy,
            Self::Thread { conversation_id, root_id, .. } => Topic::Thread(*conversation_id, *root_id),
            Self::Presence(_) => Topic::Presence,
        }
    }

    /// What whoever watches how they are seen has to look at again, if anything.
    pub fn glance(&self) -> Option<Glance> {
        match self {
            Self::Membership { .. } | Self::Block { .. } => Some(Glance { sight: true }),
            Self::Presence(_) | Self::Privacy(_) => Some(Glance { sight: false }),
            _ => None,
        }
    }

    /// Where it is listed, while there is something to list.
    pub fn listing(&self) -> Option<Listing> {
        match self {
            Self::Draft { words: Some(_), .. } => Some(Listing::Drafts),
            Self::Saved { mark: Some(_), .. } => Some(Listing::Saved),
            Self::Block { since: Some(_), .. } => Some(Listing::Blocks),
            Self::Thread { conversation_id, tracking: Tracking { follows: true, .. }, .. } => {
                Some(Listing::Threads(*conversation_id))
            }
            _ => None,
        }
    }

    /// The entry of the conversation's log that told of it, if it is not their own doing.
    pub fn told_by(&self) -> Option<u64> {
        match self {
            Self::Membership { seq, .. } | Self::Restricted { seq, .. } => Some(*seq),
            _ => None,
        }
    }

    /// What the entry at `useq` says of it. Never a text: what was taken back must not be in a log.
    pub fn fact(&self, useq: u64) -> UserFact {
        match *self {
            Self::Membership { conversation_id, member: true, .. } => {
                UserFact::ConversationJoined { conversation_id }
            }
            Self::Membership { conversation_id, member: false, .. } => {
                UserFact::ConversationLeft { conversation_id }
            }
            Self::Restricted { conversation_id, restriction, term, ref reason, .. } => {
                restriction_told(conversation_id, restriction, term, reason.clone())
            }
            Self::Declined { conversation_id, .. } => UserFact::JoinRequestDeclined { conversation_id },
            Self::Report { conversation_id, report_id, decision } => {
                UserFact::ReportDecided { conversation_id, report_id, decision }
            }
            Self::Scheduled { conversation_id, client_id, ref code, .. } => {
                UserFact::ScheduledFailed { conversation_id, client_id, code: code.clone() }
            }
            Self::Place { conversation_id, place } => {
                let Place { cursor_seq, unread, marked_unread, muted_until, hidden, .. } = place;
                UserFact::PlaceChanged {
                    conversation_id,
                    cursor_seq,
                    unread,
                    marked_unread,
                    muted_until,
                    hidden,
                }
            }
            Self::Draft { conversation_id, ref words } => {
                UserFact::DraftChanged { conversation_id, revision: words.as_ref().map(|_| useq) }
            }
            Self::Saved { conversation_id, message_id, mark: Some(_) } => {
                UserFact::MessageSaved { conversation_id, message_id }
            }
            Self::Saved { conversation_id, message_id, mark: None } => {
                UserFact::MessageUnsaved { conversation_id, message_id }
            }
            Self::Block { user_id, since: Some(_) } => UserFact::UserBlocked { user_id },
            Self::Block { user_id, since: None } => UserFact::UserUnblocked { user_id },
            Self::Privacy(Privacy { show_receipts, last_seen }) => {
                UserFact::PrivacyChanged { show_receipts, last_seen }
            }
            Self::Thread { conversation_id, root_id, tracking } => {
                let Tracking { follows, cursor_seq, unread, .. } = tracking;
                UserFact::ThreadChanged { conversation_id, message_id: root_id, follows, cursor_seq, unread }
            }
            Self::Presence(ChosenPresence { status, ref text, until }) => {
                UserFact::PresenceChanged { status, text: text.clone(), until }
            }
        }
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
