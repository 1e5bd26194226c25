//! What can go wrong in messaging. Each variant is one [`Kind`].

use std::{borrow::Cow, time::Duration};

use tertulia_contracts::permissions::{Denial, Refusal};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::{Fault, FieldError, Kind};

use crate::model::{change::Rejection, private::Listing};

/// A failure of messaging.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such conversation, or none that the caller may know of.
    #[error("no such conversation for this caller")]
    NoSuchConversation,
    /// The caller may know of the conversation but not do this in it.
    #[error("not allowed in this conversation: {}", .0.code())]
    NotAllowed(Denial),
    /// There is no such message in this conversation.
    #[error("no such message in this conversation")]
    NoSuchMessage,
    /// The message is deleted, and nothing more can be done with it.
    #[error("the message is deleted")]
    MessageDeleted,
    /// The message was edited as often as edits are kept.
    #[error("the message was edited too often")]
    TooManyEdits,
    /// The message has as many different reactions as it can have.
    #[error("the message has too many different reactions")]
    TooManyReactions,
    /// The conversation has as many emoji of its own as it can have.
    #[error("the conversation has too many emoji of its own")]
    TooManyEmoji,
    /// As many messages are pinned as can be.
    #[error("the conversation has too many pins")]
    TooManyPins,
    /// The message asks nothing.
    #[error("the message has no poll")]
    NoSuchPoll,
    /// Nobody may vote any more.
    #[error("the poll is closed")]
    PollClosed,
    /// Nobody learns who voted.
    #[error("the poll is anonymous")]
    PollAnonymous,
    /// The author used this client id for another message in this conversation.
    #[error("the client id names another message already")]
    ClientIdReused,
    /// There is no such custom role in this conversation.
    #[error("no such custom role in this conversation")]
    NoSuchRole,
    /// Another custom role of the conversation is called by this word.
    #[error("another role has this word")]
    RoleWordTaken,
    /// The conversation has as many custom roles as it can have.
    #[error("the conversation has too many custom roles")]
    TooManyRoles,
    /// Something is noted about as many people as can be.
    #[error("too many people of the conversation carry roles or notes")]
    TooManyNoted,
    /// The caller has scheduled no message of this name here.
    #[error("no scheduled message of this name")]
    NoSuchScheduled,
    /// The scheduled message is being posted.
    #[error("the scheduled message is being posted")]
    ScheduledUnderWay,
    /// As many messages of the author wait for their time as can.
    #[error("the author has too many scheduled messages")]
    TooManyScheduled,
    /// Another channel has this handle.
    #[error("the handle is taken")]
    HandleTaken,
    /// Whoever is to be let in is banned.
    #[error("the user is banned from the conversation")]
    UserBanned,
    /// There is no such invitation, or it does not work any more.
    #[error("no invitation that works")]
    NoSuchInvitation,
    /// The invitation by which somebody asked to be let in lets nobody else in.
    #[error("the invitation behind the wish does not work any more")]
    InvitationSpent,
    /// The conversation has as many invitations as it can have, and all of them work.
    #[error("the conversation has too many invitations")]
    TooManyInvitations,
    /// The conversation has as many hooks as it can have.
    #[error("the conversation has too many hooks")]
    TooManyHooks,
    /// Somebody belongs to as many conversations as they can.
    #[error("somebody belongs to too many conversations")]
    TooManyConversations,
    /// Whoever asks made as many conversations of late as they may.
    #[error("made too many conversations; may make another after {0:?}")]
    MadeTooMany(Duration),
    /// The group has as many members as it can have.
    #[error("the group is full")]
    GroupFull,
    /// They asked nobody to be let in, or took it back, or were declined.
    #[error("nobody asked to be let in")]
    NoSuchRequest,
    /// Whoever asks to be let in is in.
    #[error("the caller is a member already")]
    AlreadyMember,
    /// The conversation is open: there is nothing to ask for.
    #[error("the caller can just join")]
    JoinInstead,
    /// As many wait for a decision as can wait.
    #[error("too many ask to be let in")]
    TooManyRequests,
    /// They were declined, and may not ask again yet.
    #[error("declined; may ask again after {0:?}")]
    AskedTooSoon(Duration),
    /// There is no such report in this conversation.
    #[error("no such report in this conversation")]
    NoSuchReport,
    /// Something else was decided on the report.
    #[error("the report is decided otherwise")]
    ReportDecided,
    /// As many reports of one person wait for a decision as may.
    #[error("the user has too many open reports in the conversation")]
    TooManyReports,
    /// The draft is another by now.
    #[error("the draft was changed elsewhere")]
    DraftChanged,
    /// There is no draft.
    #[error("no draft in this conversation")]
    NoSuchDraft,
    /// As much is kept of something as can be.
    #[error("no more room for {}", .0.name())]
    NoRoom(Listing),
    /// A cursor is to be moved in a thread that is not followed.
    #[error("the thread is not followed")]
    NotFollowing,
    /// One of the two keeps the other away.
    #[error("they keep apart")]
    OutOfReach,
    /// In slow mode the author posted a moment ago.
    #[error("slow mode; may post again after {0:?}")]
    SlowMode(Duration),
    /// Fields that break a rule.
    #[error("invalid fields: {0:?}")]
    InvalidFields(Vec<FieldError>),
    /// More is being written to this conversation than it can take.
    #[error("the conversation's queue is full")]
    Busy,
    /// The service ends, or the conversation's writer failed.
    #[error("the writer has stopped")]
    Stopped,
    /// Another service that had to be asked did not answer.
    #[error("another service is away: {0}")]
    Upstream(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] tertulia_bus::Error),
}

impl Error {
    /// One wrong field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidFields(vec![FieldError { field: field.into(), message: message.into() }])
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        if refusal.hidden { Self::NoSuchConversation } else { Self::NotAllowed(refusal.denial) }
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Refused(refusal) => refusal.into(),
            Rejection::NoChannel("visibility") => {
                Self::invalid("visibility", "only a channel may be public or paid")
            }
            Rejection::NoChannel(field) => Self::invalid(field, "only a channel has this"),
            Rejection::NoInvitation => Self::NoSuchInvitation,
            Rejection::Spent => Self::InvitationSpent,
            Rejection::TooManyEmoji => Self::TooManyEmoji,
            Rejection::Full => Self::GroupFull,
            Rejection::NoMember => Self::invalid("user_id", "is not a member of this conversation"),
            Rejection::Banned => Self::UserBanned,
            Rejection::NoReport => Self::NoSuchReport,
            Rejection::Decided => Self::ReportDecided,
            Rejection::Over => Self::invalid("until", "must lie in the future"),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchConversation
            | Self::NoSuchMessage
            | Self::NoSuchScheduled
            | Self::NoSuchInvitation
            | Self::NoSuchRequest
            | Self::NoSuchRole
            | Self::NoSuchReport
            | Self::NoSuchDraft
            | Self::NoSuchPoll => Kind::NotFound,
            Self::NotAllowed(_) | Self::OutOfReach | Self::PollAnonymous => Kind::Forbidden,
            Self::ClientIdReused
            | Self::HandleTaken
            | Self::UserBanned
            | Self::ReportDecided
            | Self::TooManyReports
            | Self::MessageDeleted
            | Self::TooManyEdits
            | Self::TooManyReactions
            | Self::TooManyPins
            | Self::TooManyEmoji
            | Self::TooManyInvitations
            | Self::TooManyHooks
            | Self::GroupFull
            | Self::InvitationSpent
            | Self::TooManyConversations
            | Self::AlreadyMember
            | Self::JoinInstead
            | Self::TooManyRequests
            | Self::ScheduledUnderWay
            | Self::TooManyScheduled
            | Self::TooManyRoles
            | Self::RoleWordTaken
            | Self::TooManyNoted
            | Self::DraftChanged
            | Self::PollClosed
            | Self::NotFollowing
            | Self::NoRoom(_) => Kind::Conflict,
            Self::InvalidFields(_) => Kind::Invalid,
            Self::Busy | Self::AskedTooSoon(_) | Self::SlowMode(_) | Self::MadeTooMany(_) => {
                Kind::RateLimited
            }
            Self::Stopped | Self::Upstream(_) => Kind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::Bus(error) => error.kind(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NoSuchConversation => "conversation_not_found",
            Self::NotAllowed(_) => "not_allowed",
            Self::NoSuchMessage => "message_not_found",
            Self::MessageDeleted => "message_deleted",
            Self::TooManyEdits => "too_many_edits",
            Self::TooManyReactions => "too_many_reactions",
            Self::TooManyPins => "too_many_pins",
            Self::TooManyEmoji => "too_many_emoji",
            Self::NoSuchPoll => "poll_not_found",
            Self::PollClosed => "poll_closed",
            Self::PollAnonymous => "poll_anonymous",
            Self::ClientIdReused => "client_id_reused",
            Self::NoSuchRole => "role_not_found",
            Self::TooManyRoles => "too_many_roles",
            Self::RoleWordTaken => "role_word_taken",
            Self::TooManyNoted => "too_many_overrides",
            Self::NoSuchScheduled => "scheduled_not_found",
            Self::ScheduledUnderWay => "scheduled_under_way",
            Self::TooManyScheduled => "too_many_scheduled",
            Self::HandleTaken => "handle_taken",
            Self::UserBanned => "user_banned",
            Self::NoSuchInvitation => "invitation_not_found",
            Self::TooManyInvitations => "too_many_invitations",
            Self::TooManyHooks => "too_many_hooks",
            Self::GroupFull => "group_full",
            Self::InvitationSpent => "invitation_spent",
            Self::TooManyConversations => "too_many_conversations",
            Self::MadeTooMany(_) => "too_many_made",
            Self::NoSuchRequest => "request_not_found",
            Self::AlreadyMember => "already_member",
            Self::JoinInstead => "join_instead",
            Self::TooManyRequests => "too_many_requests",
            Self::AskedTooSoon(_) => "asked_too_soon",
            Self::NoSuchReport => "report_not_found",
            Self::ReportDecided => "report_decided",
            Self::TooManyReports => "too_many_reports",
            Self::DraftChanged => "draft_changed",
            Self::NoSuchDraft => "draft_not_found",
            Self::NoRoom(Listing::Drafts) => "too_many_drafts",
            Self::NoRoom(Listing::Saved) => "too_many_saved",
            Self::NoRoom(Listing::Blocks) => "too_many_blocks",
            Self::NoRoom(Listing::Threads(_)) => "too_many_threads",
            Self::NotFollowing => "thread_not_followed",
            Self::OutOfReach => "out_of_reach",
            Self::SlowMode(_) => "slow_mode",
            Self::InvalidFields(_) => "invalid_fields",
            Self::Busy => "conversation_busy",
            Self::Stopped => "shutting_down",
            Self::Upstream(_) => "service_unavailable",
            Self::Store(error) => error.code(),
            Self::Bus(error) => error.code(),
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::NoSuchConversation => "There is no such conversation.",
            Self::NotAllowed(denial) => {
                return format!("{} ({})", denial.explanation(), denial.code()).into();
            }
            Self::NoSuchMessage => "There is no such message in this conversation.",
            Self::MessageDeleted => "This message was deleted.",
            Self::TooManyEdits => "This message was edited 100 times; it cannot be edited again.",
            Self::TooManyReactions => "This message has 20 different reactions; add to one of them.",
            Self::TooManyEmoji => "This conversation has 200 emoji of its own; remove one first.",
            Self::TooManyPins => "50 messages are pinned here; unpin one first.",
            Self::NoSuchPoll => "This message has no poll.",
            Self::PollClosed => "This poll is closed.",
            Self::PollAnonymous => "Nobody learns who voted in this poll.",
            Self::ClientIdReused => "This client_id names another message of yours in this conversation.",
            Self::NoSuchRole => "There is no such role in this conversation.",
            Self::RoleWordTaken => "Another role of this conversation is called by the same word.",
            Self::TooManyRoles => "There are 20 roles in this conversation; delete one first.",
            Self::TooManyNoted => {
                "200 people of this conversation carry roles or have something noted beside their name."
            }
            Self::NoSuchScheduled => "You have scheduled no such message in this conversation.",
            Self::ScheduledUnderWay => "This message is being posted just now.",
            Self::TooManyScheduled => "100 messages of yours wait for their time; call one off first.",
            Self::HandleTaken => "Another channel has this handle.",
            Self::NoSuchReport => "There is no such report in this conversation.",
            Self::ReportDecided => "Something else was decided on this report already.",
            Self::TooManyReports => "20 of your reports wait here for a decision; more are taken after that.",
            Self::UserBanned => "This user is banned from this conversation; lift the ban first.",
            Self::NoSuchInvitation => {
                "This invitation does not work. It may have expired, been used up or been withdrawn."
            }
            Self::TooManyInvitations => "This conversation has 50 invitations that work; withdraw one first.",
            Self::TooManyHooks => "This conversation has 20 hooks; delete one first.",
            Self::GroupFull => "This group has 5,000 members, and no room for another.",
            Self::InvitationSpent => {
                "The invitation by which they asked was withdrawn or used up. Add them yourself, or decline."
            }
            Self::TooManyConversations => {
                "You, or somebody you would add, belong to 2,000 conversations; leave one first."
            }
            Self::MadeTooMany(_) => "You made 200 conversations within a day. Wait, then make another.",
            Self::NoSuchRequest => "Nobody of this id waits to be let in here.",
            Self::AlreadyMember => "You are a member of this conversation.",
            Self::JoinInstead => "This conversation is open to everybody: just join it.",
            Self::TooManyRequests => "200 people wait for a decision here. Try again later.",
            Self::AskedTooSoon(_) => "You were declined. You may ask again seven days after that.",
            Self::DraftChanged => "The draft was changed on another device; read it, then put yours.",
            Self::NoSuchDraft => "There is no draft in this conversation.",
            Self::NoRoom(Listing::Drafts) => "You have 100 drafts; send or discard one first.",
            Self::NoRoom(Listing::Saved) => "You keep 1,000 messages; let one go first.",
            Self::NoRoom(Listing::Blocks) => "You block 1,000 people; unblock one first.",
            Self::NoRoom(Listing::Threads(_)) => {
                "You follow 200 threads of this conversation; let one go first."
            }
            Self::NotFollowing => "You do not follow this thread; follow it first.",
            Self::OutOfReach => "You and somebody among these cannot reach each other.",
            Self::SlowMode(_) => {
                "This conversation is in slow mode, and you posted a moment ago. Wait, then post."
            }
            Self::InvalidFields(_) => "Some fields are not as they should be; each is listed under errors.",
            Self::Busy => "Too much is being written to this conversation just now. Try again in a moment.",
            Self::Stopped => "This instance is shutting down. Try again.",
            Self::Upstream(_) => "A part of the service is away just now. Try again in a moment.",
            Self::Store(error) => return error.detail(),
            Self::Bus(error) => return error.detail(),
        })
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::InvalidFields(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::AskedTooSoon(wait) | Self::SlowMode(wait) | Self::MadeTooMany(wait) => Some(*wait),
            Self::Busy | Self::Stopped | Self::Upstream(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
