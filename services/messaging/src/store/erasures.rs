//! People whose accounts were erased: how far it has come that they are forgotten here, and for good that they were.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{ConversationId, ReportId, UserId};
use tertulia_documents::{Collection, Error, Index, Key, Record, Revision, Scan, Versioned};
use tertulia_runtime::Timestamp;

use super::{HookRecord, MemberRecord, PrivateRecord, ReportRecord, RequestRecord, ScheduledRecord, Store};
use super::{members, private, reports, requests, scheduled};

/// How many of somebody's things are looked at in one go.
const PAGE: usize = 200;

/// That somebody's account was erased. It stays, so that nothing of theirs is written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureRecord {
    /// Whose.
    pub user_id: UserId,
    /// When somebody has to go on with it; none once they are forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How often all of theirs was looked for.
    #[serde(default)]
    pub looks: u32,
    /// How far this look has come in the conversations that they ever belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached: Option<ConversationId>,
    /// How much was removed, by what it was.
    #[serde(default)]
    pub removed: BTreeMap<String, u64>,
}

/// Those who are not forgotten yet, by when somebody has to go on with them.
const DUE: Index = Index::ordered("due");

impl Record for ErasureRecord {
    const COLLECTION: Collection = Collection { name: "erasures", indexes: &[DUE] };

    fn id(&self) -> String {
        self.user_id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        self.due_at.map(|at| (DUE, due_key(at))).into_iter().collect()
    }
}

fn due_key(at: Timestamp) -> Key {
    Key::new().number(u64::try_from(at.as_millis()).unwrap_or(0))
}

impl Store {
    /// Whether somebody's account was erased.
    pub(crate) async fn is_erased(&self, user: UserId) -> Result<bool, Error> {
        Ok(self.erasures.get(&user.to_string()).await?.is_some())
    }

    /// Those whom somebody has to go on forgetting by this moment.
    pub(crate) async fn erasures_due(
        &self,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<ErasureRecord>>, Error> {
        let past = due_key(Timestamp::from_millis(at.as_millis().saturating_add(1)));
        Ok(self.erasures.scan(Scan::of(DUE, Key::new(), limit).to(past)).await?.items)
    }

    /// A page of the conversations that somebody belongs to or ever did, from this one on.
    pub(crate) async fn ever_member_of(
        &self,
        user: UserId,
        from: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<MemberRecord>, Error> {
        let all = Key::new().display(user);
        let scan = Scan::of(members::EVER, all.clone(), limit);
        let scan = match from {
            Some(from) => scan.from(all.display(from)),
            None => scan,
        };
        Ok(self.members.scan(scan).await?.items.into_iter().map(|found| found.value).collect())
    }

    /// A page of somebody's own things.
    pub(crate) async fn own_things(&self, owner: UserId) -> Result<Vec<Versioned<PrivateRecord>>, Error> {
        Ok(self.private.scan(Scan::of(private::LOG, Key::new().display(owner), PAGE)).await?.items)
    }

    /// A page of what somebody scheduled.
    pub(crate) async fn own_scheduled(
        &self,
        author: UserId,
    ) -> Result<Vec<Versioned<ScheduledRecord>>, Error> {
        let scan = Scan::of(scheduled::SLOT, Key::new().display(author), PAGE);
        Ok(self.scheduled.scan(scan).await?.items)
    }

    /// A page of somebody's wishes to be let in, also declined ones.
    pub(crate) async fn own_requests(&self, user: UserId) -> Result<Vec<Versioned<RequestRecord>>, Error> {
        Ok(self.requests.scan(Scan::of(requests::WHOSE, Key::new().display(user), PAGE)).await?.items)
    }

    /// A page of somebody's reports behind this one, by their ids.
    pub(crate) async fn own_reports(
        &self,
        reporter: UserId,
        after: Option<ReportId>,
    ) -> Result<Vec<Versioned<ReportRecord>>, Error> {
        let all = Key::new().display(reporter);
        let scan = Scan::of(reports::WHOSE, all.clone(), PAGE + 1);
        let scan = match after {
            Some(after) => scan.from(all.display(after)),
            None => scan,
        };
        let found = self.reports.scan(scan).await?.items;
        Ok(found.into_iter().filter(|found| Some(found.value.id) != after).collect())
    }

    /// The hooks that somebody made in a conversation.
    pub(crate) async fn own_hooks(
        &self,
        conversation: ConversationId,
        maker: UserId,
    ) -> Result<Vec<Versioned<HookRecord>>, Error> {
        let mut hooks = self.hooks_of(conversation).await?;
        hooks.retain(|hook| hook.value.created_by == maker);
        Ok(hooks)
    }

    /// Notes how far it has come; the revision to go on with.
    pub(crate) async fn note_erasure(
        &self,
        erasure: &ErasureRecord,
        revision: Revision,
    ) -> Result<Revision, Error> {
        self.erasures.replace(erasure, revision, Vec::new()).await
    }
}
