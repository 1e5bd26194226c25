//! What messaging says: conversations, their members, and the log each of them is.

mod contents;
mod conversations;
mod directory;
mod emoji;
mod entities;
mod export;
mod facts;
mod filters;
mod hooks;
mod invitations;
mod messages;
mod moderation;
mod polls;
mod private;
mod reports;
mod requests;
mod roles;
mod scheduled;
mod threads;
mod user_log;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::permissions;

pub use contents::{
    Attachment, Contact, Degrees, Forward, Forwarded, Location, MAX_ACCURACY_M, MAX_ALT_CHARS,
    MAX_ATTACHMENTS, MAX_CONTACT_CHARS, MAX_EMAIL_CHARS, MAX_EXACT, MAX_FILE_NAME_CHARS, MAX_LABEL_CHARS,
    MAX_MEDIA_TYPE_CHARS, MAX_PHONE_CHARS, MAX_PIXELS, MAX_QUOTE_UNITS, MediaReference, Quote, Quoted,
};
pub use conversations::{
    Comments, Conversation, Conversations, CreateConversation, HandOver, Member, Members, Membership,
    MoveCursor, SetMember, UpdateConversation,
};
pub use directory::{Directory, DirectoryEntry, DirectoryOrder};
pub use emoji::{CustomEmoji, CustomEmojis, MAX_CUSTOM_EMOJI, PutEmoji, is_emoji_name};
pub use entities::{
    CALLED_ROLES, Entity, EntityKind, MAX_COUNTED_MENTIONS, MAX_ENTITIES, MAX_MENTIONED, MAX_URL_BYTES,
};
pub use export::{
    EXPORT_VERSION, ExportCover, ExportFormat, ExportLine, ExportMember, ExportMessage, ExportQuery,
};
pub use facts::{Entry, Fact, Log};
pub use filters::{Filters, LinkFilter, LinkMode};
pub use hooks::{CreateHook, Hook, Hooks, IssuedHook, Via};
pub use invitations::{CreateInvitation, Invitation, InvitationPreview, Invitations, MadeInvitation};
pub use messages::{
    EditMessage, Message, Messages, Pin, Pins, PostMessage, Posted, Reaction, Version, Versions,
};
pub use moderation::{Act, ModerationLog, PurgeMember, Purged, Restrict, Sanction, Sanctions};
pub use polls::{
    MAX_OPTION_CHARS, MAX_OPTIONS, MAX_POLL_LIFE, MAX_QUESTION_CHARS, MIN_OPTIONS, NewPoll, Poll, PollOption,
    PutVote, Vote, Votes,
};
pub use private::{
    Audience, Block, Blocks, Draft, Drafts, Privacy, PutDraft, Receipt, Receipts, SaveMessage, Saved,
    SavedMessages, UpdateMembership,
};
pub use reports::{DecideReport, FileReport, Report, ReportCategory, Reports, Verdict};
pub use requests::{AskToJoin, JoinRequest, JoinRequests};
pub use roles::{MemberOverride, PutOverride, PutRole, Role, Roles, role_word};
pub use scheduled::{
    RescheduleMessage, ScheduleFailure, ScheduleMessage, ScheduledMessage, ScheduledMessages,
};
pub use threads::{FollowedThread, FollowedThreads, Following, Thread};
pub use user_log::{UserEntry, UserFact, UserLog};

/// The most characters of a message's body.
pub const MAX_BODY_CHARS: usize = 8_000;
/// The most members named when a conversation is made.
pub const MAX_INITIAL_MEMBERS: usize = 100;
/// The most groups and channels that one person belongs to. Direct conversations, which nobody can leave, do not count.
pub const MAX_CONVERSATIONS: usize = 2_000;
/// The most conversations, direct ones among them, that one person makes within 24 hours.
pub const MAX_MADE_A_DAY: usize = 200;
/// The most items of one page.
pub const MAX_PAGE: usize = 200;
/// How often a message may be edited: every edit is kept.
pub const MAX_EDITS: u32 = 100;
/// The most different emoji on one message.
pub const MAX_REACTIONS: usize = 20;
/// The most people that a reaction names.
pub const MAX_REACTION_USERS: usize = 10;
/// The most messages pinned in one conversation.
pub const MAX_PINS: usize = 50;
/// The most custom roles of one conversation.
pub const MAX_CUSTOM_ROLES: usize = 20;
/// The most people in one conversation who carry custom roles or have something noted beside their name.
pub const MAX_NOTED: usize = 200;
/// The most messages of one person that wait for their time, those that could not be posted among them.
pub const MAX_SCHEDULED: usize = 100;
/// How far ahead a message may be scheduled.
pub const MAX_SCHEDULE_AHEAD: Duration = Duration::from_hours(366 * 24);
/// A message that could not be posted for so long after its time, since the service was away, is not posted any more.
pub const MAX_SCHEDULE_LATE: Duration = Duration::from_hours(24);
/// The most drafts of one person.
pub const MAX_DRAFTS: usize = 100;
/// The most messages that one person saves.
pub const MAX_SAVED: usize = 1_000;
/// The most characters of a note about a saved message.
pub const MAX_MARK_CHARS: usize = 500;
/// The most people that one person blocks.
pub const MAX_BLOCKS: usize = 1_000;
/// The most threads of one conversation that one person follows.
pub const MAX_FOLLOWED_THREADS: usize = 200;
/// The most members of a conversation in which one sees how far the others have read.
pub const MAX_RECEIPTS: usize = 200;

/// The most reports of one person in one conversation that wait for a decision.
pub const MAX_OPEN_REPORTS: usize = 20;
/// The most words that a conversation keeps out.
pub const MAX_FILTER_WORDS: usize = 100;
/// The most characters of such a word.
pub const MAX_FILTER_WORD_CHARS: usize = 40;
/// The most domains in a conversation's list for links.
pub const MAX_FILTER_DOMAINS: usize = 100;
/// The most messages that one purge looks at.
pub const MAX_PURGE: usize = 100;
/// The most characters of a reason that moderators give, and of a note on a report.
pub const MAX_REASON_CHARS: usize = 500;
/// The most characters of a conversation's description.
pub const MAX_DESCRIPTION_CHARS: usize = 1_000;
/// The most tags of a conversation.
pub const MAX_TAGS: usize = 10;
/// The most seconds between two messages of one author in slow mode: six hours.
pub const MAX_SLOW_MODE_S: u32 = 21_600;
/// The most characters of a tag.
pub const MAX_TAG_CHARS: usize = 32;
/// The most members of a group. A channel has no such bound: few write in it.
pub const MAX_GROUP_MEMBERS: u64 = 5_000;
/// The most invitations of a conversation that work at one time.
pub const MAX_INVITATIONS: usize = 50;
/// The most hooks of a conversation.
pub const MAX_HOOKS: usize = 20;
/// The most characters of a hook's name, and of the name that a post through it gives itself.
pub const MAX_HOOK_NAME_CHARS: usize = 64;
/// The longest address of a picture that a post through a hook shows itself with.
pub const MAX_ICON_URL_BYTES: usize = 2_048;
/// The most uses that an invitation can be given; without a number it is bounded by its end alone.
pub const MAX_INVITATION_USES: u32 = 10_000;
/// The shortest life of an invitation: a minute.
pub const MIN_INVITATION_LIFE_S: u32 = 60;
/// The life of an invitation of which nothing is said: seven days.
pub const INVITATION_LIFE_S: u32 = 7 * 86_400;
/// The longest life of an invitation: a year.
pub const MAX_INVITATION_LIFE_S: u32 = 365 * 86_400;

/// The most characters of what somebody says who asks to be let in.
pub const MAX_NOTE_CHARS: usize = 500;
/// The most people who wait for a decision on one conversation.
pub const MAX_REQUESTS: usize = 200;
/// Who was declined may ask again after this.
pub const ASK_AGAIN_AFTER: Duration = Duration::from_hours(7 * 24);
/// The most words of a channel's handle and title that it is found by.
pub const MAX_LISTED_WORDS: usize = 16;
/// The most characters of a search in the directory.
pub const MAX_SEARCH_CHARS: usize = 64;

/// The shortest time after which messages disappear: a minute.
pub const MIN_DISAPPEAR_S: u32 = 60;
/// The longest time after which messages disappear: a year.
pub const MAX_DISAPPEAR_S: u32 = 365 * 86_400;

/// The rule for the time after which messages disappear: 0, or a minute to a year.
pub fn disappearance<C>(seconds: &u32, _: &C) -> garde::Result {
    if *seconds == 0 || (MIN_DISAPPEAR_S..=MAX_DISAPPEAR_S).contains(seconds) {
        return Ok(());
    }
    Err(garde::Error::new("use 0, or 60 to 31,536,000 seconds"))
}

/// The rule for a message's body: something to see, and no control characters but tab and line feed.
pub fn body(body: &str, _: &()) -> garde::Result {
    visible(body, unwritable)
}

/// The rule for what is not said yet: no control characters but tab and line feed.
pub fn writing(text: &str, _: &()) -> garde::Result {
    if text.chars().any(unwritable) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
}

fn unwritable(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n')
}

/// The rule for a title: something to see, on one line.
pub fn title(title: &str, _: &()) -> garde::Result {
    visible(title, char::is_control)
}

/// The rule for a description: empty, or as a message's body.
pub fn description(text: &str, context: &()) -> garde::Result {
    if text.is_empty() { Ok(()) } else { body(text, context) }
}

/// The rule for a tag: one word.
pub fn tag(tag: &str, _: &()) -> garde::Result {
    let fitting = (1..=MAX_TAG_CHARS).contains(&tag.chars().count());
    if fitting && tag.chars().all(|character| character.is_alphanumeric() || character == '-') {
        return Ok(());
    }
    Err(garde::Error::new("use 1 to 32 letters, digits and hyphens"))
}

/// The rule for domains: at least two labels of letters, digits and hyphens (RFC 1123 §2.1).
pub fn domain(domain: &str, _: &()) -> garde::Result {
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(plain)
    };
    if domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
        return Ok(());
    }
    Err(garde::Error::new("use a domain in lower case, such as example.org"))
}

/// The rule for names of actions that are allowed or denied besides roles: there are such, and they are not fixed.
pub fn overridable(names: &[String], _: &()) -> garde::Result {
    for name in names {
        let action = permissions::Action::named(name)
            .ok_or_else(|| garde::Error::new(format!("there is no action {name:?}")))?;
        if permissions::FIXED.contains(action) {
            return Err(garde::Error::new(format!("nothing changes who may {name}")));
        }
    }
    Ok(())
}

fn visible(text: &str, forbidden: impl Fn(char) -> bool) -> garde::Result {
    if text.chars().any(forbidden) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    if text.trim().is_empty() {
        return Err(garde::Error::new("must not be blank"));
    }
    Ok(())
}

/// What sort of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Two people; one per pair.
    Direct,
    /// Many who talk.
    Group,
    /// Few who write, many who read.
    Channel,
}

/// Who may find and read a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Everybody on this instance.
    Public,
    /// Its members; to others it does not exist.
    Private,
    /// Everybody may find it, those who paid may read it.
    Paid,
}

/// What a member is to their conversation, from the lowest rank to the highest. What each may do is for
/// [`crate::permissions`] to say, and for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    /// Is let in to talk.
    Guest,
    /// Belongs to it.
    Member,
    /// Keeps it in order.
    Moderator,
    /// Runs it.
    Admin,
    /// Made it, or was handed it. There is one; direct conversations have none.
    Owner,
}
