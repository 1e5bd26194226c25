//! What can go wrong between two services.

use std::{borrow::Cow, time::Duration};

use tertulia_runtime::{Fault, FieldError, Kind};

/// Why a call brought no answer, or none that was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MeshError {
    /// Nobody healthy serves this role.
    #[error("no healthy instance serves {role}")]
    NoInstance {
        /// The role that was called.
        role: String,
    },
    /// No connection could be made, so nothing was sent.
    #[error("cannot connect to {role}: {cause}")]
    Unreachable {
        /// The role that was called.
        role: String,
        /// What the last attempt ended with.
        cause: String,
    },
    /// The connection ended before the answer came: it may or may not have been done.
    #[error("{role} broke off: {cause}")]
    Broken {
        /// The role that was called.
        role: String,
        /// How it ended.
        cause: String,
    },
    /// No answer in time: it may or may not have been done.
    #[error("{role} did not answer within {after:?}")]
    Timeout {
        /// The role that was called.
        role: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The answer, or the question, is not of the form that both sides agreed on.
    #[error("{role} and its caller disagree: {cause}")]
    Malformed {
        /// The role that was called.
        role: String,
        /// What does not fit.
        cause: String,
    },
    /// The role answered that it would not, and said why in problem+json (RFC 9457). Only from
    /// [`Mesh::call_json`](crate::Mesh::call_json).
    #[error("{role} refused: {code}: {detail}")]
    Refused {
        /// The role that was called.
        role: String,
        /// What its status says.
        kind: Kind,
        /// Its stable code.
        code: String,
        /// Its sentence for the person who caused it.
        detail: String,
        /// Every wrong field.
        fields: Vec<FieldError>,
        /// After how long trying again makes sense.
        retry_after: Option<Duration>,
    },
}

impl Fault for MeshError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoInstance { .. } | Self::Unreachable { .. } | Self::Broken { .. } => Kind::Unavailable,
            Self::Timeout { .. } => Kind::Timeout,
            Self::Malformed { .. } => Kind::Internal,
            Self::Refused { kind, .. } => *kind,
        }
    }

    /// Of a refusal, a code for its kind alone: the role's own is in [`MeshError::Refused`], and whether it
    /// means anything to this caller's caller is not known here.
    fn code(&self) -> &'static str {
        match self {
            Self::NoInstance { .. } => "no_instance",
            Self::Unreachable { .. } => "service_unreachable",
            Self::Broken { .. } => "service_broke_off",
            Self::Timeout { .. } => "service_timeout",
            Self::Malformed { .. } => "service_answer_malformed",
            Self::Refused { kind, .. } => match kind {
                Kind::NotFound => "not_found",
                Kind::Conflict => "conflict",
                Kind::Invalid => "invalid",
                Kind::Unauthenticated => "unauthenticated",
                Kind::Forbidden => "forbidden",
                Kind::RateLimited => "rate_limited",
                Kind::Unavailable => "service_unavailable",
                Kind::Timeout => "service_timeout",
                Kind::Internal => "internal",
            },
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            Self::NoInstance { .. } | Self::Unreachable { .. } => {
                Cow::Borrowed("A part of the service is away just now. Try again in a moment.")
            }
            Self::Broken { .. } | Self::Timeout { .. } => Cow::Borrowed(
                "A part of the service did not answer. It may have been done all the same: look before trying again.",
            ),
            Self::Malformed { .. } => Cow::Borrowed("Something went wrong on our side."),
            Self::Refused { detail, .. } => Cow::Owned(detail.clone()),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Refused { fields, .. } => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NoInstance { .. } | Self::Unreachable { .. } => Some(Duration::from_secs(1)),
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
