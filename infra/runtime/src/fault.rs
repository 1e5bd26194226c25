//! The one vocabulary of failure. Every crate has its own error enum, each variant of which is exactly
//! one [`Kind`]; only the HTTP layer knows what status a kind becomes.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What sort of failure it is, and so what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// There is no such thing, or none that this caller may know of.
    NotFound,
    /// It clashes with what is there: read again, then decide.
    Conflict,
    /// The request itself is wrong and will be wrong again.
    Invalid,
    /// It is not known who asks.
    Unauthenticated,
    /// It is known who asks, and they may not.
    Forbidden,
    /// Too much, too fast: come back later.
    RateLimited,
    /// Something this depends on is away: the same call may succeed later.
    Unavailable,
    /// It took longer than allowed; it may or may not have happened.
    Timeout,
    /// A fault of ours.
    Internal,
}

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a path such as `members[0]` or `body`.
    pub field: String,
    /// What is wrong with it, for a person.
    pub message: String,
}

/// What an error tells the outside. The `Display` of an error is for logs; only what these methods
/// return reaches a user.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// What sort of failure it is.
    fn kind(&self) -> Kind;

    /// A stable, machine-readable word: `handle_taken`. Clients branch on it, so it never changes.
    fn code(&self) -> &'static str;

    /// One sentence for the person who caused it. Must not quote an internal cause.
    fn detail(&self) -> Cow<'static, str>;

    /// Every wrong field, where the fault lies in fields.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// What else a client needs to go on, as further members of the problem (RFC 9457 §3.2). None may be called as one that
    /// every problem has.
    fn extensions(&self) -> Map<String, Value> {
        Map::new()
    }

    /// After how long trying again makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
