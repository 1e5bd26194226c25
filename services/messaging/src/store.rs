//! Messaging's documents and the questions it asks of them.

pub(crate) mod checkpoints;
pub(crate) mod conversations;
pub(crate) mod entries;
pub(crate) mod erasures;
pub(crate) mod expiries;
pub(crate) mod hooks;
pub(crate) mod invitations;
pub(crate) mod last_seen;
pub(crate) mod listings;
pub(crate) mod members;
pub(crate) mod mentions;
pub(crate) mod messages;
pub(crate) mod people;
pub(crate) mod private;
pub(crate) mod reactions;
pub(crate) mod reports;
pub(crate) mod requests;
pub(crate) mod scheduled;
pub(crate) mod threads;
pub(crate) mod votes;

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use tertulia_documents::{Documents, Table};

pub(crate) use checkpoints::CheckpointRecord;
pub(crate) use conversations::ConversationRecord;
pub(crate) use entries::{Class, EntryRecord, Head};
pub(crate) use erasures::ErasureRecord;
pub(crate) use expiries::ExpiryRecord;
pub(crate) use hooks::HookRecord;
pub(crate) use invitations::InvitationRecord;
pub(crate) use last_seen::LastSeenRecord;
pub(crate) use listings::ListingRecord;
pub(crate) use members::MemberRecord;
pub(crate) use mentions::MentionRecord;
pub(crate) use people::PersonRecord;
pub(crate) use private::{PrivateRecord, UserHeadRecord};
pub(crate) use reactions::ReactionRecord;
pub(crate) use reports::ReportRecord;
pub(crate) use requests::RequestRecord;
pub(crate) use scheduled::ScheduledRecord;
pub(crate) use votes::VoteRecord;

/// Every table of the service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    /// The conversations' logs.
    pub entries: Table<EntryRecord>,
    /// What there is besides the logs of a conversation.
    pub conversations: Table<ConversationRecord>,
    /// Who belongs where: a projection of the logs.
    pub members: Table<MemberRecord>,
    /// Who reacted to what: a projection of the logs.
    pub reactions: Table<ReactionRecord>,
    /// Who is called by what: a projection of the logs.
    pub mentions: Table<MentionRecord>,
    /// Who there is: a projection of auth's events.
    pub people: Table<PersonRecord>,
    /// Links by which people join.
    pub invitations: Table<InvitationRecord>,
    /// Ways for programs to post.
    pub hooks: Table<HookRecord>,
    /// Wishes to be let in.
    pub requests: Table<RequestRecord>,
    /// What channels are found by: a projection of the logs.
    pub listings: Table<ListingRecord>,
    /// What members told the moderators.
    pub reports: Table<ReportRecord>,
    /// What is people's own, and thereby their logs.
    pub private: Table<PrivateRecord>,
    /// The heads of people's logs.
    pub user_heads: Table<UserHeadRecord>,
    /// How far each writer's entries are published.
    pub checkpoints: Table<CheckpointRecord>,
    /// What is to be posted later.
    pub scheduled: Table<ScheduledRecord>,
    /// Who chose what in polls: a projection of the logs.
    pub votes: Table<VoteRecord>,
    /// Which messages disappear when: a projection of the logs.
    pub expiries: Table<ExpiryRecord>,
    /// When people were last connected.
    pub last_seen: Table<LastSeenRecord>,
    /// Who is forgotten here, or is to be.
    pub erasures: Table<ErasureRecord>,
}

impl Store {
    /// The tables in this store.
    pub(crate) fn new(documents: &Arc<dyn Documents>) -> Self {
        Self {
            entries: Table::new(documents.clone()),
            conversations: Table::new(documents.clone()),
            members: Table::new(documents.clone()),
            reactions: Table::new(documents.clone()),
            mentions: Table::new(documents.clone()),
            people: Table::new(documents.clone()),
            invitations: Table::new(documents.clone()),
            hooks: Table::new(documents.clone()),
            requests: Table::new(documents.clone()),
            listings: Table::new(documents.clone()),
            reports: Table::new(documents.clone()),
            private: Table::new(documents.clone()),
            user_heads: Table::new(documents.clone()),
            checkpoints: Table::new(documents.clone()),
            scheduled: Table::new(documents.clone()),
            votes: Table::new(documents.clone()),
            expiries: Table::new(documents.clone()),
            last_seen: Table::new(documents.clone()),
            erasures: Table::new(documents.clone()),
        }
    }
}

/// Encodes a fact, once for all its uses.
pub(crate) fn encode(fact: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(fact).expect("a fact is plain data and encodes")
}
