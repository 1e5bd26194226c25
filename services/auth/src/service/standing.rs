//! What somebody is to the instance: moderators are appointed and dismissed, accounts suspended and given back.
//!
//! What follows from it is done at once and, should the process die in between, again by whoever takes the event: no access
//! token of before is good, no session and no program's socket of a suspended account goes on.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use tertulia_bus::{Handler, Outcome, RetryPolicy, consume};
use tertulia_contracts::{
    UserId,
    auth::{KnownAccount, KnownAccounts, ListAccounts, SuspendAccount, Suspension},
    events::{RoleChanged, UserSuspended},
    identity::{Denials, LEEWAY, MAX_DENIALS},
    live::{Control, REVOCATIONS, control_channel},
};
use tertulia_documents::Cursor;
use tertulia_runtime::{Event, EventBody as _, Fault as _, Kind, Timestamp};

use crate::{
    App, Auth, Error, SOURCE,
    model::{
        account::Account,
        audit::{Deed, Origin, details},
    },
};

const DEFAULT_PAGE: usize = 50;
/// For so long after its last token expired an account's denial is told, since clocks differ.
const MARGIN: Duration = Duration::from_mins(1);
pub(crate) const PREFETCH: u16 = 8;
pub(crate) const RETRY: RetryPolicy =
    RetryPolicy { attempts: 20, first_delay: Duration::from_millis(200), max_delay: Duration::from_mins(1) };

/// Takes the events of what changed, and sees to what follows.
pub(crate) struct Enforcer(pub(crate) App);

#[async_trait]
impl Handler for Enforcer {
    async fn handle(&self, event: &Event) -> Outcome {
        let changed = if event.kind == RoleChanged::TYPE {
            consume::<RoleChanged>(event).map(|changed| changed.user_id)
        } else {
            consume::<UserSuspended>(event).map(|suspended| suspended.user_id)
        };
        let user_id = match changed {
            Ok(user_id) => user_id,
            Err(outcome) => return outcome,
        };
        // What it is now counts, and not what it was then.
        match self.0.0.enforce(user_id).await {
            Ok(()) => Outcome::Done,
            Err(error) if error.kind() == Kind::Internal => Outcome::Reject(error.to_string()),
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Auth {
    /// Accounts, by handle. A page may hold fewer than were asked for while there are more.
    pub(crate) async fn known_accounts(&self, query: &ListAccounts) -> Result<KnownAccounts, Error> {
        let unknown = Error::BadField { field: "cursor", message: "is not one of ours" };
        let after = query.cursor.as_deref().map(Cursor::decode).transpose().map_err(|_| unknown)?;
        let page = self.store.accounts_page(query, after, query.limit.unwrap_or(DEFAULT_PAGE)).await?;
        let now = self.ambient.now();
        let fits = |account: &KnownAccount| {
            query.role.is_none_or(|role| account.role == role)
                && query.suspended.is_none_or(|suspended| account.suspension.is_some() == suspended)
                && query.handle.as_ref().is_none_or(|start| account.handle.starts_with(start))
        };
        let items = page.items.iter().map(|found| found.value.known_view(now)).filter(fits).collect();
        Ok(KnownAccounts { items, next_cursor: page.next.map(|cursor| cursor.encode()) })
    }

    /// Makes somebody a moderator of the instance, or no longer one. Their sessions go on with new access tokens.
    pub(crate) async fn appoint(
        &self,
        origin: &Origin,
        id: UserId,
        moderator: bool,
    ) -> Result<KnownAccount, Error> {
        let appoint = |account: &mut Account| {
            must_be_below(account)?;
            if moderator && account.bot.is_some() {
                return Err(Error::BotsHoldNoOffice);
            }
            if account.moderator == moderator {
                return Ok(((), Vec::new()));
            }
            account.moderator = moderator;
            account.begin_epoch(self.ambient.now());
            let role = account.role();
            let deed = if moderator { Deed::ModeratorAppointed } else { Deed::ModeratorDismissed };
            let noted = self.note(deed, origin, Some(id), BTreeMap::new());
            Ok(((), vec![Event::new(&self.ambient, SOURCE, &RoleChanged { user_id: id, role }), noted]))
        };
        self.change(id, || Error::UserNotFound, appoint).await?;
        self.enforced(id).await
    }

    /// Keeps somebody from using their account: their sessions end, and their programs stop.
    pub(crate) async fn suspend(
        &self,
        by: UserId,
        origin: &Origin,
        id: UserId,
        request: SuspendAccount,
    ) -> Result<KnownAccount, Error> {
        let since = self.ambient.now();
        if request.until.is_some_and(|end| end <= since) {
            return Err(Error::BadField { field: "until", message: "lies in the past" });
        }
        let (reason, until) = (request.reason.trim().to_owned(), request.until);
        let suspend = |account: &mut Account| {
            must_be_below(account)?;
            account.suspension = Some(Suspension { reason: reason.clone(), by, since, until });
            account.begin_epoch(since);
            // No session of before is refreshed any more, whatever dies before it is ended.
            account.generation += 1;
            let mut about = details([("reason", reason.clone())]);
            about.extend(until.map(|until| ("until".to_owned(), until.to_string())));
            let noted = self.note(Deed::AccountSuspended, &origin.by(by), Some(id), about);
            Ok(((), vec![Event::new(&self.ambient, SOURCE, &UserSuspended { user_id: id }), noted]))
        };
        self.change(id, || Error::UserNotFound, suspend).await?;
        self.enforced(id).await
    }

    /// Gives somebody their account back. They sign in anew; their programs go on.
    pub(crate) async fn restore(&self, origin: &Origin, id: UserId) -> Result<(), Error> {
        let restore = |account: &mut Account| {
            let was = account.suspension.take();
            let noted = was.map(|_| self.note(Deed::AccountRestored, origin, Some(id), BTreeMap::new()));
            Ok(((), noted.into_iter().collect()))
        };
        self.change(id, || Error::UserNotFound, restore).await.map(drop)
    }

    async fn enforced(&self, id: UserId) -> Result<KnownAccount, Error> {
        self.enforce(id).await?;
        let account = self.store.account(id).await?.ok_or(Error::UserNotFound)?;
        Ok(account.known_view(self.ambient.now()))
    }

    /// Sees to what follows from what an account is now. Again is the same.
    async fn enforce(&self, id: UserId) -> Result<(), Error> {
        let Some(account) = self.store.account(id).await? else { return Ok(()) };
        // First those who would let it in, then the sockets: none can be opened in between.
        self.deny(&account).await;
        if !account.is_suspended(self.ambient.now()) {
            return Ok(());
        }
        self.end_sessions(id, None).await?;
        self.part_from_programs(id).await?;
        for bot in self.store.bots_of(id).await? {
            self.deny(&bot).await;
            self.part_from_programs(bot.id).await?;
        }
        Ok(())
    }

    pub(super) async fn deny(&self, account: &Account) {
        let denial = account.denial(self.remembered_for());
        self.tell(REVOCATIONS.to_owned(), &Control::AccountChanged { denial }).await;
    }

    /// Closes the sockets that an account's API tokens opened. The tokens stay, for when it is given back.
    async fn part_from_programs(&self, id: UserId) -> Result<(), Error> {
        for token in self.store.tokens_of(id).await? {
            let session_id = token.value.session_id();
            self.tell(control_channel(id), &Control::SessionRevoked { session_id }).await;
        }
        Ok(())
    }

    /// For another service: the accounts of which some access tokens are no longer good, though they have not expired.
    pub(crate) async fn denials(&self) -> Result<Denials, Error> {
        let life = self.remembered_for();
        let since = Timestamp::from_millis(
            self.ambient
                .now()
                .as_millis()
                .saturating_sub(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)),
        );
        let changed = self.store.accounts_changed_since(since, MAX_DENIALS).await?;
        Ok(Denials { items: changed.iter().map(|account| account.denial(life)).collect() })
    }

    pub(super) fn remembered_for(&self) -> Duration {
        self.config.access_token_life() + LEEWAY + MARGIN
    }

    /// Whether somebody or some program can use the account: neither it nor whose it is, is suspended or has ended.
    pub(super) async fn is_usable(&self, account: &Account) -> Result<bool, Error> {
        let now = self.ambient.now();
        if account.has_ended() || account.is_suspended(now) {
            return Ok(false);
        }
        let Some(bot) = &account.bot else { return Ok(true) };
        let owner = self.store.account(bot.owner).await?;
        Ok(owner.is_some_and(|owner| !owner.is_suspended(now)))
    }
}

/// Whoever runs the instance is neither suspended nor erased nor given another office: nobody could undo it.
pub(super) fn must_be_below(account: &Account) -> Result<(), Error> {
    if account.operator { Err(Error::OperatorStays) } else { Ok(()) }
}
