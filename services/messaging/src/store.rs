//! Messaging's documents and the questions it asks of them.

pub(crate) mod checkpoints;
pub(crate) mod conversations;
pub(crate) mod entries;
pub(crate) mod members;
pub(crate) mod people;

use std::sync::Arc;

use tertulia_documents::{Documents, Table};

pub(crate) use checkpoints::CheckpointRecord;
pub(crate) use conversations::ConversationRecord;
pub(crate) use entries::{Class, EntryRecord, Head};
pub(crate) use members::MemberRecord;
pub(crate) use people::PersonRecord;

/// Every table of the service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    /// The logs: conversations' and users'.
    pub entries: Table<EntryRecord>,
    /// What there is besides the logs of a conversation.
    pub conversations: Table<ConversationRecord>,
    /// Who belongs where: a projection of the logs, and the readers' cursors.
    pub members: Table<MemberRecord>,
    /// Who there is: a projection of auth's events.
    pub people: Table<PersonRecord>,
    /// How far each writer's entries are published.
    pub checkpoints: Table<CheckpointRecord>,
}

impl Store {
    /// The tables in this store.
    pub(crate) fn new(documents: &Arc<dyn Documents>) -> Self {
        Self {
            entries: Table::new(documents.clone()),
            conversations: Table::new(documents.clone()),
            members: Table::new(documents.clone()),
            people: Table::new(documents.clone()),
            checkpoints: Table::new(documents.clone()),
        }
    }
}
