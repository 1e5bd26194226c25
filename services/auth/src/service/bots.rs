//! Bots: accounts that programs use, each a person's.

use std::collections::BTreeMap;

use tertulia_contracts::{
    UserId,
    auth::{Bot as BotView, CreateBot, MAX_BOTS},
    events::UserRegistered,
};
use tertulia_documents as documents;
use tertulia_runtime::Event;

use super::free_slot;
use crate::{
    Auth, Error, SOURCE,
    model::{
        account::{Account, Bot, is_reserved},
        audit::{Deed, Origin},
    },
    store::Taken,
};

/// So many who make bots of one person at the same moment all get theirs.
const ATTEMPTS: usize = MAX_BOTS + 1;

impl Auth {
    /// Makes a bot of the caller's.
    pub(crate) async fn make_bot(
        &self,
        owner: UserId,
        origin: &Origin,
        request: CreateBot,
    ) -> Result<BotView, Error> {
        if is_reserved(&request.handle) {
            return Err(Error::HandleReserved);
        }
        let display_name = request.display_name.as_deref().unwrap_or(&request.handle).trim().to_owned();
        let mut account =
            Account::new(self.ambient.ids.next(), request.handle, display_name, self.ambient.now());
        let registered = UserRegistered {
            user_id: account.id,
            handle: account.handle.clone(),
            display_name: account.display_name.clone(),
        };
        for _ in 0..ATTEMPTS {
            let bots = self.store.bots_of(owner).await?;
            let slots = bots.iter().filter_map(|bot| bot.bot.as_ref().map(|bot| bot.slot));
            let slot = free_slot(slots, MAX_BOTS).ok_or(Error::TooManyBots)?;
            account.bot = Some(Bot { owner, slot, ended_at: None });
            let noted = self.note(Deed::BotCreated, &origin.by(owner), Some(account.id), BTreeMap::new());
            let events = vec![Event::new(&self.ambient, SOURCE, &registered), noted];
            match self.store.add_account(&account, events).await? {
                None => return Ok(account.bot_view()),
                Some(Taken::Slot) => {}
                Some(_) => return Err(Error::HandleTaken),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// The caller's bots, oldest first.
    pub(crate) async fn bots(&self, owner: UserId) -> Result<Vec<BotView>, Error> {
        let mut bots = self.store.bots_of(owner).await?;
        bots.sort_by_key(|bot| bot.id);
        Ok(bots.iter().map(Account::bot_view).collect())
    }

    /// Ends a bot of the caller's: from now on none of its tokens is good. What it wrote stays, and so does its name beside
    /// it, so that nobody else can take it. Again is the same, and ends what was left of a try that broke off.
    pub(crate) async fn end_bot(&self, owner: UserId, id: UserId, origin: &Origin) -> Result<(), Error> {
        let origin = origin.by(owner);
        for _ in 0..ATTEMPTS {
            let found = self.store.versioned_account(id).await?;
            let found = found.filter(|found| found.value.is_bot_of(owner)).ok_or(Error::BotNotFound)?;
            let mut account = found.value;
            if let Some(bot) = account.bot.as_mut().filter(|bot| bot.ended_at.is_none()) {
                bot.ended_at = Some(self.ambient.now());
                let noted = self.note(Deed::BotEnded, &origin, Some(id), BTreeMap::new());
                match self.store.replace_account(&account, found.revision, vec![noted]).await {
                    Ok(()) => {}
                    Err(documents::Error::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return self.end_tokens_of(id, &origin).await.map(drop);
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Takes all tokens of an account back. Answers how many.
    pub(super) async fn end_tokens_of(&self, id: UserId, origin: &Origin) -> Result<usize, Error> {
        let mut ended = 0;
        for _ in 0..ATTEMPTS {
            let tokens = self.store.tokens_of(id).await?;
            if tokens.is_empty() {
                return Ok(ended);
            }
            for token in tokens {
                ended += usize::from(self.revoke_token(&token, origin).await?);
            }
        }
        Err(Error::ChangedMeanwhile)
    }
}
