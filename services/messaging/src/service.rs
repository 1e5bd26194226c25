//! What messaging does: its use cases, and what works for them in the background.

pub(crate) mod alterations;
pub(crate) mod batch;
pub(crate) mod blocks;
pub(crate) mod conversations;
pub(crate) mod directory;
pub(crate) mod drafts;
pub(crate) mod erasing;
pub(crate) mod expiring;
pub(crate) mod export;
pub(crate) mod forwarding;
pub(crate) mod hooks;
pub(crate) mod invitations;
pub(crate) mod keeper;
pub(crate) mod ledger;
pub(crate) mod live;
pub(crate) mod markup;
pub(crate) mod mentions;
pub(crate) mod moderation;
pub(crate) mod people;
pub(crate) mod places;
pub(crate) mod polls;
pub(crate) mod postman;
pub(crate) mod presence;
pub(crate) mod reading;
pub(crate) mod receipts;
pub(crate) mod relay;
pub(crate) mod reports;
pub(crate) mod requests;
pub(crate) mod roles;
pub(crate) mod room;
pub(crate) mod saved;
pub(crate) mod scheduling;
pub(crate) mod showing;
pub(crate) mod targets;
pub(crate) mod telling;
pub(crate) mod threads;
pub(crate) mod user_logs;
pub(crate) mod writer;

use std::sync::Arc;

use tertulia_runtime::Ambient;
use tokio::sync::Notify;

use crate::store::{Store, encode};

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Messaging {
    /// The tables.
    pub store: Store,
    /// Keeps documents in step with logs.
    pub keeper: keeper::Keeper,
    /// The writers of conversations.
    pub writers: writer::Writers,
    /// Knows who there is.
    pub people: people::People,
    /// Users' own logs.
    pub user_logs: user_logs::UserLogs,
    /// Tells whoever listens.
    pub live: live::Live,
    /// Clock and ids.
    pub ambient: Ambient,
    /// Wakes this process's postman.
    pub nudge: Arc<Notify>,
}
