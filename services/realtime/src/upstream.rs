//! What this service asks of auth and messaging: in the user's name, so that they decide what the user may see; and who
//! may see whom, which they decide too.

use std::collections::BTreeSet;

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tertulia_contracts::{
    ConversationId, UserId,
    auth::{Account, User},
    messaging::{PostMessage, Posted},
    presence::{Apart, AskCompany, AskFaces, Company, Face, Faces, NoteSeen},
    routes::role,
};
use tertulia_mesh::{Affinity, Mesh, MeshError};
use tertulia_runtime::{Fault as _, Kind, Timestamp};
use tokio::sync::Semaphore;

use crate::{feed::Owner, wire::RawEntry};

/// Entries of one page. A node that reads [`MAX_READS`] of them at once holds some megabytes at most.
const PAGE: usize = 100;
/// The most pages a node reads at once, so that a storm of clients coming back does not bury messaging.
const MAX_READS: usize = 32;

/// The services behind this one.
pub(crate) struct Upstream {
    mesh: Mesh,
    reads: Semaphore,
}

/// A page of a log whose facts stay encoded.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    items: Vec<Item>,
    /// The newest position when the page was read.
    #[serde(alias = "head_useq")]
    pub head_seq: u64,
}

#[derive(Debug, Deserialize)]
struct Item {
    #[serde(alias = "useq")]
    seq: u64,
    e: Box<RawValue>,
}

impl Page {
    /// The entries, ascending.
    pub(crate) fn entries(&self) -> impl Iterator<Item = RawEntry<'_>> {
        self.items.iter().map(|item| RawEntry { seq: item.seq, e: &item.e })
    }
}

/// Why something was not done, in the words that the client gets.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub kind: Kind,
    pub code: String,
    pub detail: String,
    pub retry_after_s: Option<u64>,
}

impl From<MeshError> for Refusal {
    fn from(error: MeshError) -> Self {
        let kind = error.kind();
        if kind == Kind::Internal {
            tracing::error!(%error, "a service behind the socket failed");
        }
        let detail = error.detail().into_owned();
        // A send carries its client_id and all else is a read: what may or may not have been done may be asked again.
        let passing = matches!(kind, Kind::Unavailable | Kind::Timeout | Kind::RateLimited);
        let retry_after_s = error.retry_after().map(|delay| delay.as_secs().max(1)).or(passing.then_some(1));
        let code = match error {
            MeshError::Refused { code, .. } => code,
            other => other.code().to_owned(),
        };
        Self { kind, code, detail, retry_after_s }
    }
}

impl From<tertulia_bus::Error> for Refusal {
    fn from(error: tertulia_bus::Error) -> Self {
        tracing::warn!(%error, "the bus cannot be listened to");
        let (kind, code, detail) = (error.kind(), error.code().to_owned(), error.detail().into_owned());
        Self { kind, code, detail, retry_after_s: Some(1) }
    }
}

impl Upstream {
    pub(crate) fn new(mesh: Mesh) -> Self {
        Self { mesh, reads: Semaphore::new(MAX_READS) }
    }

    /// The page of a log behind `after`, read with the user's token.
    pub(crate) async fn page(&self, owner: Owner, after: u64, token: &str) -> Result<Page, Refusal> {
        let path = match owner {
            Owner::Conversation(c) => format!("/v1/conversations/{c}/log?after_seq={after}&limit={PAGE}"),
            Owner::User(_) => format!("/v1/me/log?after_useq={after}&limit={PAGE}"),
        };
        let _permit = self.reads.acquire().await.expect("the semaphore is never closed");
        let page: Page =
            self.mesh.call_json(role::MESSAGING, Method::GET, &path, Some(token), None::<&()>).await?;
        Ok(page)
    }

    /// Who the token belongs to.
    pub(crate) async fn me(&self, token: &str) -> Result<User, Refusal> {
        let account: Account =
            self.mesh.call_json(role::AUTH, Method::GET, "/v1/me", Some(token), None::<&()>).await?;
        let Account { id, handle, display_name, bot_of, .. } = account;
        Ok(User { id, handle, display_name, bot_of })
    }

    /// Those of these whom somebody may see, and who may see them: the same.
    pub(crate) async fn company(
        &self,
        user_id: UserId,
        others: Vec<UserId>,
    ) -> Result<BTreeSet<UserId>, Refusal> {
        let company: Company =
            self.ask("/internal/presence/company", &AskCompany { user_id, others }).await?;
        Ok(company.user_ids.into_iter().collect())
    }

    /// What these show of themselves.
    pub(crate) async fn faces(&self, user_ids: Vec<UserId>) -> Result<Vec<Face>, Refusal> {
        let faces: Faces = self.ask("/internal/presence/faces", &AskFaces { user_ids }).await?;
        Ok(faces.faces)
    }

    /// These went at that moment.
    pub(crate) async fn note_seen(&self, seen: Vec<(UserId, Timestamp)>) -> Result<(), Refusal> {
        self.ask("/internal/presence/seen", &NoteSeen { seen }).await
    }

    /// Whether a conversation is that of two who keep apart.
    pub(crate) async fn apart(&self, c: ConversationId) -> Result<bool, Refusal> {
        let path = format!("/internal/conversations/{c}/apart");
        let found: Apart =
            self.mesh.call_json(role::MESSAGING, Method::GET, &path, None, None::<&()>).await?;
        Ok(found.apart)
    }

    /// Asks messaging what is the nodes' to know and no user's.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &(impl Serialize + Sync),
    ) -> Result<T, Refusal> {
        Ok(self.mesh.call_json(role::MESSAGING, Method::POST, path, None, Some(question)).await?)
    }

    /// Posts a message at the instance that writes this conversation's log, as the gateway does, so that what
    /// comes from sockets and what comes over HTTP is appended in one batch.
    pub(crate) async fn post(
        &self,
        c: ConversationId,
        token: &str,
        post: &PostMessage,
    ) -> Result<Posted, Refusal> {
        let (near, path) = (Affinity(c.to_string()), format!("/v1/conversations/{c}/messages"));
        let posted =
            self.mesh.call_json_near(near, role::MESSAGING, Method::POST, &path, Some(token), Some(post));
        Ok(posted.await?)
    }
}
