//! What people say of themselves.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::User;
use crate::MediaId;

/// The longest thing that somebody says of themselves.
pub const MAX_BIO_CHARS: usize = 500;
/// The longest name of a time zone; the longest that there is has 32.
pub const MAX_TIME_ZONE_BYTES: usize = 64;

/// `PATCH /v1/me`. What is left out stays as it is; `null` takes it away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateMe {
    /// What others see: at most 64 characters.
    #[garde(inner(length(chars, max = 64), custom(super::display_name)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What they say of themselves, for everybody: at most 500 characters, lines among them.
    #[garde(inner(inner(length(chars, max = MAX_BIO_CHARS), custom(self::bio))))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::null::given")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub bio: Option<Option<String>>,
    /// The language that they are written to in: a BCP 47 tag.
    #[garde(inner(inner(custom(super::locale))))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::null::given")]
    #[schema(value_type = Option<String>, min_length = 1)]
    pub locale: Option<Option<String>>,
    /// Where their clock is: a name of the IANA database, `America/Mexico_City`.
    #[garde(inner(inner(length(bytes, min = 1, max = MAX_TIME_ZONE_BYTES))))]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::null::given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 64)]
    pub time_zone: Option<Option<String>>,
    /// Their picture.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "crate::null::given")]
    #[schema(value_type = Option<MediaId>)]
    pub avatar_id: Option<Option<MediaId>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde hands every rule its context so")]
fn bio(text: &str, _: &()) -> garde::Result {
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        return Err(garde::Error::new("use no control characters but line breaks"));
    }
    Ok(())
}

/// Somebody, with what they say of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Profile {
    /// Who.
    #[serde(flatten)]
    pub user: User,
    /// What they say of themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    /// Their picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_id: Option<MediaId>,
}
