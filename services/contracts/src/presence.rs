//! Who is there: what people choose to be seen as, what others see of them, and what realtime and messaging ask each
//! other about it. Messaging knows who may see whom and what was chosen; realtime knows who is connected.

use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tertulia_runtime::Timestamp;
use utoipa::ToSchema;

use crate::{UserId, messaging::title};

/// The most characters of what somebody says beside their status.
pub const MAX_STATUS_CHARS: usize = 100;
/// The most people that one socket watches, one request asks about and one question between services names.
pub const MAX_PRESENCE_USERS: usize = 200;
/// Who comes back within this time was not away.
pub const OFFLINE_GRACE: Duration = Duration::from_secs(10);

/// What somebody chooses to be seen as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenStatus {
    /// As their devices say.
    #[default]
    Online,
    /// Away, while they are connected.
    Away,
    /// Not to be disturbed, while they are connected.
    Dnd,
    /// Not there, whatever they do.
    Invisible,
}

/// What somebody chooses to be seen as: `GET` and `PUT /v1/me/presence`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChosenPresence {
    /// What.
    #[garde(skip)]
    pub status: ChosenStatus,
    /// One line beside it, at most 100 characters. Shown with every status but `offline` and `unknown`.
    #[garde(inner(length(chars, max = MAX_STATUS_CHARS), custom(title)))]
    #[schema(min_length = 1, max_length = 100)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Until when; from then on it is `online`, without a text. For good if absent.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStatus {
    /// Nobody has touched it for a while.
    Away,
    /// Somebody uses it.
    Online,
}

/// How somebody is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Connected, and one of their devices is in use.
    Online,
    /// Connected, and none of them is; or they say so.
    Away,
    /// Connected, and not to be disturbed.
    Dnd,
    /// Not connected, or not to be seen: which of the two, nobody learns.
    Offline,
    /// It cannot be told just now.
    Unknown,
}

/// How somebody is seen by whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presence {
    /// Who.
    pub user_id: UserId,
    /// How.
    pub status: PresenceStatus,
    /// When they were last connected, to the minute; only of who is `offline` and lets it be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// What they say beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The answer of `GET /v1/presence`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Presences {
    /// Each that was asked for, once, in the order they were named first.
    pub items: Vec<Presence>,
}

/// Between services, `POST /internal/presence/company`: who of these and somebody see each other?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub struct AskCompany {
    /// Somebody.
    #[garde(skip)]
    pub user_id: UserId,
    /// These.
    #[garde(length(max = MAX_PRESENCE_USERS))]
    pub others: Vec<UserId>,
}

/// Those who see each other and somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// In no order.
    pub user_ids: Vec<UserId>,
}

/// Between services, `POST /internal/presence/faces`: what do these show of themselves?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub struct AskFaces {
    /// These.
    #[garde(length(max = MAX_PRESENCE_USERS))]
    pub user_ids: Vec<UserId>,
}

/// What people show of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faces {
    /// In no order; who is missing shows nothing.
    pub faces: Vec<Face>,
}

/// What somebody shows to those who may see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// Who.
    pub user_id: UserId,
    /// As what, while they are connected.
    pub status: ChosenStatus,
    /// One line beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When they were last connected, to the minute, if they let it be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// At this moment it becomes another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Between services, `POST /internal/presence/seen`: these people were connected until just then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
pub struct NoteSeen {
    /// Who, and until when.
    #[garde(length(max = MAX_PRESENCE_USERS))]
    pub seen: Vec<(UserId, Timestamp)>,
}

/// Between services, `GET /internal/conversations/{id}/apart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    /// Whether it is a direct conversation of two who keep apart.
    pub apart: bool,
}
