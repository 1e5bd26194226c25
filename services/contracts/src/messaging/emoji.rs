//! A conversation's own emoji: a name between colons, and the picture it stands for.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::MediaId;

/// The most emoji of a conversation's own.
pub const MAX_CUSTOM_EMOJI: usize = 200;

/// `PUT /v1/conversations/{id}/emoji/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutEmoji {
    /// The picture. Nobody checks that there is such media.
    #[garde(skip)]
    pub media_id: MediaId,
}

/// An emoji of a conversation's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomEmoji {
    /// What stands between the colons.
    pub name: String,
    /// The picture.
    pub media_id: MediaId,
}

/// Those of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CustomEmojis {
    /// In the order of their names, at most 200.
    pub items: Vec<CustomEmoji>,
    /// The newest entry of the log that this shows: one that is not newer is in here already. 0 before the first.
    pub changed_seq: u64,
}

/// Whether a conversation's own emoji may be called so: 2 to 32 lower-case letters, digits, `_` and `-`.
pub fn is_emoji_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    (2..=32).contains(&name.len()) && name.bytes().all(fits)
}
