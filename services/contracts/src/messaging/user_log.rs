//! What a user's own log says.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use ulid::Ulid;
use utoipa::ToSchema;

use super::{Audience, Verdict};
use crate::{ConversationId, MessageId, ReportId, UserId, presence::ChosenStatus};

/// Something that happened to a user, or that they did on one of their devices: one entry of their own log.
///
/// The log is compacted: of each thing only the newest word is kept, and where an older one stood it says
/// [`UserFact::Superseded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum UserFact {
    /// They became a member.
    #[serde(rename = "conversation.joined")]
    ConversationJoined {
        /// Of what.
        conversation_id: ConversationId,
    },
    /// They are no longer a member.
    #[serde(rename = "conversation.left")]
    ConversationLeft {
        /// Of what.
        conversation_id: ConversationId,
    },
    /// They are kept out, and a member no longer if they were one.
    #[serde(rename = "conversation.banned")]
    ConversationBanned {
        /// Of what.
        conversation_id: ConversationId,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What the moderators say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// They are kept out no longer.
    #[serde(rename = "conversation.unbanned")]
    ConversationUnbanned {
        /// Of what.
        conversation_id: ConversationId,
    },
    /// They may not write.
    #[serde(rename = "conversation.muted")]
    ConversationMuted {
        /// Where.
        conversation_id: ConversationId,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// What the moderators say why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// They may write again.
    #[serde(rename = "conversation.unmuted")]
    ConversationUnmuted {
        /// Where.
        conversation_id: ConversationId,
    },
    /// They asked to be let in, and were not. (Who is let in becomes a member.)
    #[serde(rename = "join_request.declined")]
    JoinRequestDeclined {
        /// Where.
        conversation_id: ConversationId,
    },
    /// The moderators decided on a report of theirs.
    #[serde(rename = "report.decided")]
    ReportDecided {
        /// Where.
        conversation_id: ConversationId,
        /// Which report.
        report_id: ReportId,
        /// What they decided.
        decision: Verdict,
    },
    /// A message that they had scheduled could not be posted when its time had come. It waits for them to decide.
    #[serde(rename = "scheduled.failed")]
    ScheduledFailed {
        /// Where.
        conversation_id: ConversationId,
        /// Which.
        #[schema(value_type = String)]
        client_id: Ulid,
        /// Why: the code with which posting it was refused, or `too_late`.
        code: String,
    },
    /// They read on, or put a conversation in order for themselves. All of it is as it stands in their
    /// [`super::Membership`] from now on.
    #[serde(rename = "place.changed")]
    PlaceChanged {
        /// Where.
        conversation_id: ConversationId,
        /// How far they have read.
        cursor_seq: u64,
        /// How many messages stood unread behind that when it was said.
        unread: u64,
        /// Whether they marked it unread themselves.
        #[serde(default)]
        marked_unread: bool,
        /// Until when they do not want to be notified of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        muted_until: Option<Timestamp>,
        /// Whether they put it away.
        #[serde(default)]
        hidden: bool,
    },
    /// What they were about to say in a conversation is something else now; the text is read over HTTP.
    #[serde(rename = "draft.changed")]
    DraftChanged {
        /// Where.
        conversation_id: ConversationId,
        /// The draft's revision; absent when there is none any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<u64>,
    },
    /// They keep a message for later, or changed what they noted about it.
    #[serde(rename = "message.saved")]
    MessageSaved {
        /// Where it stands.
        conversation_id: ConversationId,
        /// Which.
        message_id: MessageId,
    },
    /// They keep a message no longer.
    #[serde(rename = "message.unsaved")]
    MessageUnsaved {
        /// Where it stands.
        conversation_id: ConversationId,
        /// Which.
        message_id: MessageId,
    },
    /// They want nothing to do with somebody.
    #[serde(rename = "user.blocked")]
    UserBlocked {
        /// With whom.
        user_id: UserId,
    },
    /// They took that back.
    #[serde(rename = "user.unblocked")]
    UserUnblocked {
        /// About whom.
        user_id: UserId,
    },
    /// What they let others see of them is this now.
    #[serde(rename = "privacy.changed")]
    PrivacyChanged {
        /// Whether others see how far they have read, and they see it of others.
        show_receipts: bool,
        /// Who learns when they were last connected.
        #[serde(default)]
        last_seen: Audience,
    },
    /// They follow a thread, read on in it, or follow it no longer.
    #[serde(rename = "thread.changed")]
    ThreadChanged {
        /// Where.
        conversation_id: ConversationId,
        /// The message that the thread stands below.
        message_id: MessageId,
        /// Whether they follow it.
        follows: bool,
        /// How far they have read in it.
        cursor_seq: u64,
        /// How many messages stood unread behind that when it was said.
        unread: u64,
    },
    /// What this entry said has been said anew at a later position.
    #[serde(rename = "superseded")]
    Superseded {},
    /// They choose to be seen so.
    #[serde(rename = "presence.changed")]
    PresenceChanged {
        /// As what.
        status: ChosenStatus,
        /// What they say beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// One entry of a user's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserEntry {
    /// Its position: 1, 2, 3, without a gap.
    pub useq: u64,
    /// What happened.
    pub e: UserFact,
}

/// A page of a user's log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UserLog {
    /// Ascending by useq, without a gap.
    pub items: Vec<UserEntry>,
    /// The newest position when the page was read.
    pub head_useq: u64,
}
