//! What a conversation's log says.

use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use super::{Comments, ConversationKind, Entity, Member, MemberRole, Message, Visibility};
use crate::{InvitationId, MediaId, MessageId, ReportId, RoleId, UserId, permissions::Permissions};

/// Something that happened in a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
#[expect(
    clippy::large_enum_variant,
    reason = "most facts are postings: a box would be one more allocation for each"
)]
pub enum Fact {
    /// The first entry of every log.
    #[serde(rename = "conversation.created")]
    ConversationCreated {
        /// What sort.
        kind: ConversationKind,
        /// Its first title; direct ones have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// A channel's unique name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle: Option<String>,
        /// Who may find and read it.
        visibility: Visibility,
        /// Who made it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Its settings changed: those that are named, and no others.
    #[serde(rename = "conversation.updated")]
    ConversationUpdated {
        /// The new title.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// The new description; empty when it was taken away.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// All its tags from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tags: Option<Vec<String>>,
        /// Who may find and read it from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        visibility: Option<Visibility>,
        /// After how many seconds messages disappear that are posted from now on; 0 for never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disappear_after_s: Option<u32>,
        /// How many seconds lie between two messages of one author from now on; 0 when slow mode ended.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slow_mode_s: Option<u32>,
        /// Whether those who may not post write in threads from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comments: Option<Comments>,
        /// Who changed it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody joined or was added.
    #[serde(rename = "member.joined")]
    MemberJoined {
        /// Who.
        member: Member,
        /// Who added or invited them; who approved, if they asked to be let in.
        by: UserId,
        /// By which invitation they came in, if by one. The log is what counts its uses.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invitation_id: Option<InvitationId>,
    },
    /// Somebody left or was removed.
    #[serde(rename = "member.left")]
    MemberLeft {
        /// Who.
        user_id: UserId,
        /// Who removed them.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A member's role changed.
    #[serde(rename = "member.role_changed")]
    MemberRoleChanged {
        /// Whose.
        user_id: UserId,
        /// What they are now.
        role: MemberRole,
        /// Who changed it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// It was handed over: its former owner is an admin now.
    #[serde(rename = "conversation.owner_changed")]
    OwnerChanged {
        /// Who owned it; absent when nobody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<UserId>,
        /// Who owns it.
        to: UserId,
        /// Who did it; absent when it was the former owner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// When.
        at: Timestamp,
    },
    /// A message was posted.
    #[serde(rename = "message.posted")]
    MessagePosted {
        /// The message as it was posted; once it is deleted, what is left of it.
        message: Message,
    },
    /// Its author changed what a message says.
    #[serde(rename = "message.edited")]
    MessageEdited {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// What it says now; empty once the message is deleted.
        body: String,
        /// What that holds besides words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        entities: Vec<Entity>,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message was deleted for everybody: its body, all it carried, its reactions and its pin are gone.
    #[serde(rename = "message.deleted")]
    MessageDeleted {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody reacted who had not done so with this emoji.
    #[serde(rename = "reaction.set")]
    ReactionSet {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// The emoji.
        emoji: String,
        /// Its picture, if it is one of the conversation's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        media_id: Option<MediaId>,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody took a reaction back.
    #[serde(rename = "reaction.removed")]
    ReactionRemoved {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// The emoji.
        emoji: String,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message is kept at hand from now on.
    #[serde(rename = "message.pinned")]
    MessagePinned {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// A message is kept at hand no longer.
    #[serde(rename = "message.unpinned")]
    MessageUnpinned {
        /// Which message.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody is kept out from now on; their membership, if they had one, ends with it. Why is not in the log.
    #[serde(rename = "member.banned")]
    MemberBanned {
        /// Who.
        user_id: UserId,
        /// Whether they were a member until now.
        #[serde(default)]
        was_member: bool,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody may come back, or come.
    #[serde(rename = "member.unbanned")]
    MemberUnbanned {
        /// Who.
        user_id: UserId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody may not write from now on. Why is not in the log.
    #[serde(rename = "member.muted")]
    MemberMuted {
        /// Who.
        user_id: UserId,
        /// Until when; for good if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody may write again.
    #[serde(rename = "member.unmuted")]
    MemberUnmuted {
        /// Who.
        user_id: UserId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// It was closed for writing.
    #[serde(rename = "conversation.archived")]
    ConversationArchived {
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// It was opened for writing again.
    #[serde(rename = "conversation.unarchived")]
    ConversationUnarchived {
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Moderators decided on a report. On what, and what they decided, is not in the log.
    #[serde(rename = "report.decided")]
    ReportDecided {
        /// Which report.
        report_id: ReportId,
        /// Who decided.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Other words and links than before are kept out. Which is not in the log.
    #[serde(rename = "conversation.filters_changed")]
    FiltersChanged {
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// There is this custom role from now on, or it is another now.
    #[serde(rename = "role.put")]
    RolePut {
        /// Which.
        #[schema(value_type = String)]
        role_id: RoleId,
        /// What it is called.
        name: String,
        /// What whoever carries it may do besides.
        #[schema(value_type = Vec<String>)]
        allow: Permissions,
        /// What they may not do.
        #[schema(value_type = Vec<String>)]
        deny: Permissions,
        /// Whether its word calls all who carry it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        mentionable: bool,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// There is no such custom role any more, and nobody carries it.
    #[serde(rename = "role.deleted")]
    RoleDeleted {
        /// Which.
        #[schema(value_type = String)]
        role_id: RoleId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody carries a custom role from now on.
    #[serde(rename = "role.given")]
    RoleGiven {
        /// Who.
        user_id: UserId,
        /// Which.
        #[schema(value_type = String)]
        role_id: RoleId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody carries a custom role no longer.
    #[serde(rename = "role.taken")]
    RoleTaken {
        /// Who.
        user_id: UserId,
        /// Which.
        #[schema(value_type = String)]
        role_id: RoleId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// This is noted beside somebody's name from now on; nothing at all, if both are empty.
    #[serde(rename = "member.overridden")]
    MemberOverridden {
        /// Whose.
        user_id: UserId,
        /// What they may do besides.
        #[schema(value_type = Vec<String>)]
        allow: Permissions,
        /// What they may not do.
        #[schema(value_type = Vec<String>)]
        deny: Permissions,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// Somebody voted, chose otherwise, or took their vote back.
    #[serde(rename = "poll.voted")]
    PollVoted {
        /// Which message asks.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// How many chose each option now, in their order.
        votes: Vec<u64>,
        /// How many people have chosen something now.
        voters: u64,
        /// Who did it; absent if the poll is anonymous.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// All that they choose now; absent if the poll is anonymous, or if they took their vote back.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        options: Vec<u8>,
        /// When.
        at: Timestamp,
    },
    /// A poll was closed before its time, or without one.
    #[serde(rename = "poll.closed")]
    PollClosed {
        /// Which message asks.
        message_id: MessageId,
        /// The position at which it was posted.
        message_seq: u64,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// There is this emoji of the conversation's own from now on, or it is another picture now.
    #[serde(rename = "emoji.put")]
    EmojiPut {
        /// What stands between the colons.
        name: String,
        /// The picture.
        #[schema(value_type = String)]
        media_id: MediaId,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
    /// There is no such emoji any more. Where it stands already it stays what it was.
    #[serde(rename = "emoji.removed")]
    EmojiRemoved {
        /// What stood between the colons.
        name: String,
        /// Who did it.
        by: UserId,
        /// When.
        at: Timestamp,
    },
}

/// One entry of a conversation's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its position: 1, 2, 3, without a gap.
    pub seq: u64,
    /// What happened.
    pub e: Fact,
}

/// A page of a log.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Ascending by seq, without a gap.
    pub items: Vec<Entry>,
    /// The newest position when the page was read: the page is the last if it ends there.
    pub head_seq: u64,
}
