//! Words and links that are kept out of a conversation.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MAX_FILTER_DOMAINS, MAX_FILTER_WORD_CHARS, MAX_FILTER_WORDS};

/// `GET`, `PUT /v1/conversations/{id}/filters`: what a message may not hold. Whoever may set them is not held to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// At most 100 words, or several beside each other, of 40 characters. They are found as whole words (UAX #29),
    /// whatever the case and however they are composed.
    #[garde(
        length(max = MAX_FILTER_WORDS),
        inner(length(chars, max = MAX_FILTER_WORD_CHARS), custom(super::title))
    )]
    #[serde(default)]
    pub words: Vec<String>,
    /// Which links.
    #[garde(dive)]
    #[serde(default)]
    pub links: LinkFilter,
}

/// Which links a message may hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkFilter {
    /// How the list is meant.
    #[garde(skip)]
    pub mode: LinkMode,
    /// At most 100 domains in lower case, as in the DNS (`xn--` for other scripts); each with all below it.
    #[garde(length(max = MAX_FILTER_DOMAINS), inner(custom(super::domain)))]
    #[schema(max_items = 100)]
    #[serde(default)]
    pub domains: Vec<String>,
}

/// How a list of domains is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkMode {
    /// Every link may be written.
    #[default]
    AllowAll,
    /// None to these domains, nor their names as plain text.
    DenyListed,
    /// None but to these domains.
    AllowListed,
}
