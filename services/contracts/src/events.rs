//! Events on the durable bus: their bodies, and the topology of who takes what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tertulia_bus::{Group, Topology};
use tertulia_runtime::{EventBody, secret};

use crate::{
    ConversationId, MessageId, ReportId, SessionId, UserId,
    messaging::{Fact, Member, Message},
    permissions::InstanceRole,
};

/// An account was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserRegistered {
    /// Whose.
    pub user_id: UserId,
    /// Their unique name.
    pub handle: String,
    /// What others see.
    pub display_name: String,
}

impl EventBody for UserRegistered {
    const TYPE: &'static str = "user.registered";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// A login ended before its time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
}

impl EventBody for SessionRevoked {
    const TYPE: &'static str = "session.revoked";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// An account holds another office on the instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleChanged {
    /// Whose.
    pub user_id: UserId,
    /// What they are from now on.
    pub role: InstanceRole,
}

impl EventBody for RoleChanged {
    const TYPE: &'static str = "role.changed";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// Nobody can use an account any more, or not for a while. Why is the operator's and theirs, so no event says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserSuspended {
    /// Whose.
    pub user_id: UserId,
}

impl EventBody for UserSuspended {
    const TYPE: &'static str = "user.suspended";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// An account was erased: whoever keeps anything of this person forgets it, and tells so by [`UserForgotten`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserErased {
    /// Whose it was.
    pub user_id: UserId,
}

impl EventBody for UserErased {
    const TYPE: &'static str = "user.erased";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// A service has forgotten somebody whose account was erased.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserForgotten {
    /// Who they were.
    pub user_id: UserId,
    /// Which service: its role.
    pub service: String,
    /// How much it removed, by what it was: `messages`.
    pub removed: BTreeMap<String, u64>,
}

impl EventBody for UserForgotten {
    const TYPE: &'static str = "user.forgotten";
    fn partition_key(&self) -> String {
        self.user_id.to_string()
    }
}

/// Something was done with accounts that the audit trail is to hold. It stands in the commit of the act itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActNoted {
    /// What: `account.suspended`.
    pub kind: String,
    /// By whom, if they were signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<UserId>,
    /// To whose account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<UserId>,
    /// From which network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What else there is to say. Never a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl EventBody for ActNoted {
    const TYPE: &'static str = "act.noted";
    fn partition_key(&self) -> String {
        // There is one trail.
        "audit".to_owned()
    }
}

/// Somebody is to be told something by mail. No secret stands here: a link's is made when the mail is written, and lies
/// nowhere but in the mail.
#[derive(Clone, Serialize, Deserialize)]
pub struct MailRequested {
    /// What they are to be told.
    pub letter: Letter,
}

/// What a mail tells. What is no longer so when it is written, is not sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Letter {
    /// Whoever reads this mailbox may say that the address is this account's.
    VerifyEmail {
        /// Whose it would be.
        user_id: UserId,
        /// The address.
        address: String,
    },
    /// The address is this account's no longer.
    EmailReplaced {
        /// Whose it was.
        user_id: UserId,
        /// The address.
        address: String,
    },
    /// Whoever is called so, and proved an address, may set another password. Whether anybody is called so is looked
    /// up when the mail is written, so that asking tells nothing.
    ResetPassword {
        /// The handle or the address, as it was typed.
        identifier: String,
    },
    /// The account has another password.
    PasswordChanged {
        /// Whose.
        user_id: UserId,
    },
    /// The account was erased. Nobody remembers to whom this goes and what they were called, so it says so itself.
    AccountErased {
        /// Whose it was.
        user_id: UserId,
        /// Its address.
        address: String,
        /// Its handle.
        handle: String,
        /// The language that it was written to in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locale: Option<String>,
    },
}

impl EventBody for MailRequested {
    const TYPE: &'static str = "mail.requested";
    fn partition_key(&self) -> String {
        // What waits for one mailbox holds up no letter of another kind.
        match &self.letter {
            Letter::VerifyEmail { user_id, .. } => format!("verify_email:{user_id}"),
            Letter::EmailReplaced { user_id, .. } => format!("email_replaced:{user_id}"),
            Letter::ResetPassword { identifier } => {
                format!("reset_password:{}", secret::fingerprint(identifier))
            }
            Letter::PasswordChanged { user_id } => format!("password_changed:{user_id}"),
            Letter::AccountErased { user_id, .. } => format!("account_erased:{user_id}"),
        }
    }
}

/// A message stands in a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessagePosted {
    /// The message.
    pub message: Message,
}

impl EventBody for MessagePosted {
    const TYPE: &'static str = "message.posted";
    fn partition_key(&self) -> String {
        self.message.conversation_id.to_string()
    }
}

/// A message stands in a thread. No [`MessagePosted`] tells of it: whoever tells of what is posted does not tell of every
/// comment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ThreadPosted {
    /// The message.
    pub message: Message,
}

impl EventBody for ThreadPosted {
    const TYPE: &'static str = "thread.posted";
    fn partition_key(&self) -> String {
        self.message.conversation_id.to_string()
    }
}

/// A message says something else now. What it says is read from its log, where a deletion reaches it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageEdited {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// Which message.
    pub message_id: MessageId,
    /// Who did it.
    pub by: UserId,
}

impl EventBody for MessageEdited {
    const TYPE: &'static str = "message.edited";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// A message was deleted: whoever keeps its content forgets it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// Which message.
    pub message_id: MessageId,
    /// Who did it.
    pub by: UserId,
}

impl EventBody for MessageDeleted {
    const TYPE: &'static str = "message.deleted";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// Somebody joined a conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberJoined {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// Who.
    pub member: Member,
}

impl EventBody for MemberJoined {
    const TYPE: &'static str = "member.joined";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// Somebody left a conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberLeft {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// Who.
    pub user_id: UserId,
}

impl EventBody for MemberLeft {
    const TYPE: &'static str = "member.left";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// A ban or a mute began or ended: one of the facts `member.banned`, which ends a membership too, `member.unbanned`,
/// `member.muted` and `member.unmuted`. Why is nobody's but the moderators' and theirs, so no event says it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MemberRestricted {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// What happened.
    pub fact: Fact,
}

impl EventBody for MemberRestricted {
    const TYPE: &'static str = "member.restricted";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// The moderators decided on a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReportDecided {
    /// Where.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// Which report.
    pub report_id: ReportId,
}

impl EventBody for ReportDecided {
    const TYPE: &'static str = "report.decided";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// A conversation was made or changed, or something was done with a message of it that has no event of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConversationChanged {
    /// Which.
    pub conversation_id: ConversationId,
    /// The position of the fact in its log.
    pub seq: u64,
    /// What happened.
    pub fact: Fact,
}

impl EventBody for ConversationChanged {
    const TYPE: &'static str = "conversation.changed";
    fn partition_key(&self) -> String {
        self.conversation_id.to_string()
    }
}

/// Keeps messaging's projection of who there is.
pub const MESSAGING: &str = "messaging";
/// Writes and sends auth's mails.
pub const AUTH_MAIL: &str = "auth.mail";
/// Ends what an account's new standing ends, should whoever changed it have died meanwhile.
pub const AUTH_STANDING: &str = "auth.standing";
/// Writes the audit trail.
pub const AUTH_AUDIT: &str = "auth.audit";
/// Keeps the reports on erasures.
pub const AUTH_ERASURES: &str = "auth.erasures";
/// Writes memberships, bans, mutes, what becomes of reports and who follows which thread into the users' own logs.
pub const MESSAGING_USER_LOGS: &str = "messaging.user_logs";

/// Every topic there is.
pub const TOPICS: &[&str] = &[
    UserRegistered::TYPE,
    SessionRevoked::TYPE,
    MessagePosted::TYPE,
    MessageEdited::TYPE,
    MessageDeleted::TYPE,
    MemberJoined::TYPE,
    MemberLeft::TYPE,
    MemberRestricted::TYPE,
    ReportDecided::TYPE,
    ConversationChanged::TYPE,
    ThreadPosted::TYPE,
    MailRequested::TYPE,
    RoleChanged::TYPE,
    UserSuspended::TYPE,
    ActNoted::TYPE,
    UserErased::TYPE,
    UserForgotten::TYPE,
];

/// Every group there is, and what it takes.
pub const GROUPS: &[Group] = &[
    Group { name: MESSAGING, topics: &[UserRegistered::TYPE, UserErased::TYPE] },
    Group {
        name: MESSAGING_USER_LOGS,
        topics: &[
            MemberJoined::TYPE,
            MemberLeft::TYPE,
            MemberRestricted::TYPE,
            ReportDecided::TYPE,
            ThreadPosted::TYPE,
        ],
    },
    Group { name: AUTH_MAIL, topics: &[MailRequested::TYPE] },
    Group { name: AUTH_STANDING, topics: &[RoleChanged::TYPE, UserSuspended::TYPE] },
    Group { name: AUTH_AUDIT, topics: &[ActNoted::TYPE] },
    Group { name: AUTH_ERASURES, topics: &[UserForgotten::TYPE] },
];

/// What every node declares on its bus before it publishes anything.
pub const TOPOLOGY: Topology = Topology { topics: TOPICS, groups: GROUPS };
