//! Hooks: made by who manages them, used by whoever knows their secret.
//!
//! A hook is a standing act of whoever made it, as an invitation is: what comes through it is posted for as long as they
//! could post it themselves and may manage hooks. It is the hook's own all the same, under an author of its own, so that
//! nobody is taken to have said it, and its maker hears of it like others.

use tertulia_contracts::{
    ConversationId, HookId,
    messaging::{CreateHook, Hook, IssuedHook, MAX_HOOKS, PostMessage, Via},
    permissions::InstanceRole,
};
use tertulia_documents::Error as StoreError;
use tertulia_runtime::secret;

use super::{Messaging, writer::Request};
use crate::{
    Error,
    model::{
        access::{Action, Actor},
        slack::Said,
    },
    store::{HookRecord, hooks::SLOT},
};

/// What every hook's secret begins with, so that scanners find one that was published by mistake:
/// `terh_[0-9A-Za-z_-]{32}`.
const SECRET_PREFIX: &str = "terh_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 24;
/// The length of a secret: four characters for three bytes.
const SECRET_CHARS: usize = SECRET_PREFIX.len() + SECRET_BYTES / 3 * 4;
/// How often somebody else may take the place that was free.
const MAX_ATTEMPTS: usize = 100;

impl Messaging {
    /// Makes a hook. Nobody sees its secret again.
    pub(crate) async fn make_hook(
        &self,
        id: ConversationId,
        by: Actor,
        wish: CreateHook,
    ) -> Result<IssuedHook, Error> {
        self.view(id, by, Action::ManageHooks).await?;
        let random = secret::random(&*self.ambient.entropy, SECRET_BYTES);
        let secret = format!("{SECRET_PREFIX}{random}");
        let mut record = HookRecord {
            id: self.ambient.ids.next(),
            conversation_id: id,
            slot: 0,
            name: wish.name.trim().to_owned(),
            fingerprint: secret::fingerprint(&secret),
            created_by: by.user_id,
            created_at: self.ambient.now(),
        };
        for _ in 0..MAX_ATTEMPTS {
            let taken = self.store.hooks_of(id).await?;
            let free = |slot: &u64| taken.iter().all(|found| found.value.slot != *slot);
            record.slot = (0..MAX_HOOKS as u64).find(free).ok_or(Error::TooManyHooks)?;
            match self.store.hooks.insert(&record, Vec::new()).await {
                Ok(_) => return Ok(IssuedHook { hook: record.shown(), path: format!("/v1/hooks/{secret}") }),
                Err(StoreError::Duplicate { index, .. }) if index == SLOT.name => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy)
    }

    /// A conversation's hooks, oldest first.
    pub(crate) async fn hooks(&self, id: ConversationId, by: Actor) -> Result<Vec<Hook>, Error> {
        self.view(id, by, Action::ManageHooks).await?;
        let found = self.store.hooks_of(id).await?;
        let mut hooks: Vec<Hook> = found.iter().map(|found| found.value.shown()).collect();
        hooks.sort_by_key(|hook| hook.id);
        Ok(hooks)
    }

    /// Ends a hook: nothing comes through it any more. Again is the same.
    pub(crate) async fn end_hook(&self, id: ConversationId, by: Actor, hook: HookId) -> Result<(), Error> {
        self.view(id, by, Action::ManageHooks).await?;
        let hook = hook.to_string();
        let found = self.store.hooks.get(&hook).await?.filter(|found| found.value.conversation_id == id);
        let Some(found) = found else { return Ok(()) };
        match self.store.hooks.delete(&hook, found.revision, Vec::new()).await {
            // A hook never changes: somebody else ended it.
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The hook that a secret opens. What cannot be one costs the store nothing.
    pub(crate) async fn hook_of(&self, secret: &str) -> Result<Option<HookRecord>, Error> {
        if secret.len() != SECRET_CHARS || !secret.starts_with(SECRET_PREFIX) {
            return Ok(None);
        }
        Ok(self.store.hook_of(secret).await?)
    }

    /// Posts what came through a hook.
    pub(crate) async fn post_through(&self, hook: HookRecord, said: Said) -> Result<(), Error> {
        let Said { body, username, icon_emoji, icon_url } = said;
        let via = Via { hook_id: hook.id, name: Some(username.unwrap_or(hook.name)), icon_emoji, icon_url };
        // What a hook is good for follows from its maker's place in the conversation, not from any office.
        let maker = Actor { user_id: hook.created_by, account: InstanceRole::User };
        let markup = self.markup(&body).await?;
        let post = PostMessage::new(self.ambient.ids.next_ulid(), body);
        self.writers.write_via(hook.conversation_id, maker, Request::Post(post, markup), via).await?;
        Ok(())
    }
}
