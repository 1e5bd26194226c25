//! What a message's body holds besides words: entities, extracted once, when it is committed, so that all
//! clients see the same.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MemberRole;
use crate::{MediaId, RoleId, UserId};

/// The most entities of one message: those that call somebody first, then links, then code, then emoji, each in
/// the order of the body. What is beyond is plain text.
pub const MAX_ENTITIES: usize = 100;
/// The most different people that one message mentions. Further handles are plain text.
pub const MAX_MENTIONED: usize = 50;
/// The most bytes of all addresses of one message's links together. A link beyond that is no entity.
pub const MAX_URL_BYTES: usize = 8 << 10;

/// How far messages that call a member are counted: so many means so many or more.
pub const MAX_COUNTED_MENTIONS: usize = 100;

/// The words behind an `@` that call all of a rank, and the least rank that each calls.
pub const CALLED_ROLES: [(&str, MemberRole); 2] =
    [("admins", MemberRole::Admin), ("moderators", MemberRole::Moderator)];

/// Something in a body that is more than words.
///
/// Two entities of one message either have no character in common or one lies within the other: an emoji or a
/// picture in a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entity {
    /// Where it begins in the body, counted in UTF-16 code units, as strings of JavaScript, Java, Swift's `NSString` and
    /// the entities of Telegram's Bot API are.
    pub offset: u32,
    /// How long it is, counted likewise.
    pub length: u32,
    /// What it is.
    #[serde(flatten)]
    pub what: EntityKind,
}

/// What an entity is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntityKind {
    /// `@handle`: a person is called.
    Mention {
        /// Who had this handle when the message was committed.
        user_id: UserId,
    },
    /// `@admins`, `@moderators`: all who rank as high as this are called.
    MentionRole {
        /// The least rank that is called.
        role: MemberRole,
    },
    /// `@everyone`: all members are called.
    MentionEveryone,
    /// `@here`: all members are called; whoever notifies them disturbs nobody who is away.
    MentionHere,
    /// A link or a picture, or an address as it stands.
    Link {
        /// Where it leads: `http`, `https` or `mailto`, nothing else.
        url: String,
    },
    /// A code span.
    Code,
    /// A code block.
    CodeBlock {
        /// What it is written in, as its fence says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
    },
    /// An emoji that is shown as a picture.
    Emoji {
        /// The picture, if it is one of the conversation's own, `:name:`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        media_id: Option<MediaId>,
    },
    /// `@word`: all who carry a custom role are called.
    MentionCustomRole {
        /// Which had this word when the message was committed.
        #[schema(value_type = String)]
        role_id: RoleId,
    },
}

impl EntityKind {
    /// What a word behind an `@` calls; none if it is nobody's but perhaps a person's.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "everyone" => Some(Self::MentionEveryone),
            "here" => Some(Self::MentionHere),
            _ => {
                let (_, role) = CALLED_ROLES.into_iter().find(|(called, _)| *called == word)?;
                Some(Self::MentionRole { role })
            }
        }
    }

    /// Whether it calls many at once.
    pub const fn calls_many(&self) -> bool {
        matches!(
            self,
            Self::MentionRole { .. }
                | Self::MentionEveryone
                | Self::MentionHere
                | Self::MentionCustomRole { .. }
        )
    }
}
