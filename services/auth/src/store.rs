//! What auth keeps, and how it finds it again.

mod audit;
mod erasures;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{
    InvitationId, SessionId, TokenId, UserId,
    auth::{ListAccounts, MAX_BOTS, MAX_TOKENS},
    permissions::InstanceRole,
};
use tertulia_documents::{
    Collection, Cursor, Documents, Error, Index, Key, Page, Record, Revision, Scan, Table, Versioned,
};
use tertulia_runtime::{Event, Timestamp, secret};

use erasures::{BY_RECEIPT, ERASED, TO_FORGET};

use crate::model::{
    account::{Account, Identifier, comparable_email},
    api_token::ApiToken,
    audit::Entry,
    invitation::Invitation,
    key_ring::KeyRing,
    openid::{Claim, Flow},
    passkey::Challenge,
    session::Session,
};

const BY_HANDLE: Index = Index::unique("by_handle");
/// Of handles that are taken, also of accounts that were erased: only their fingerprints are left.
const TAKEN: Index = Index::unique("taken_handles");
/// Of addresses that were proven, so that nobody can keep another from using theirs by claiming it.
pub(crate) const BY_EMAIL: Index = Index::unique("by_proven_email");
/// Of addresses that somebody says are theirs.
const BY_CLAIM: Index = Index::ordered("by_claimed_email");
/// Holds the one account made through a setup link: that it is unique is what makes it the only one, also
/// when two people use the link at the same moment.
const OPERATOR: Index = Index::unique("operator");
/// A person's bots, each in a place of its own: there are as many places as bots that they may have.
const BOTS: Index = Index::unique("bots");
/// An account's tokens, likewise.
pub(crate) const SLOT: Index = Index::unique("slot");
/// The accounts that were made by an invitation, likewise.
const INVITED: Index = Index::unique("invited");
/// The instance's moderators, by handle.
const MODERATORS: Index = Index::ordered("moderators");
/// Those who were suspended and not given back, by handle.
const SUSPENDED: Index = Index::ordered("suspended");
/// Accounts whose earlier access tokens are not good, by when that began.
const BY_EPOCH: Index = Index::ordered("by_epoch");
const BY_FINGERPRINT: Index = Index::unique("by_fingerprint");
const BY_USER: Index = Index::ordered("by_user");
const BY_EXPIRY: Index = Index::ordered("by_expiry");

const ACCOUNT_INDEXES: &[Index] = &[
    BY_HANDLE, TAKEN, BY_EMAIL, BY_CLAIM, OPERATOR, BOTS, INVITED, MODERATORS, SUSPENDED, BY_EPOCH, ERASED,
    BY_RECEIPT, TO_FORGET,
];

impl Record for Account {
    const COLLECTION: Collection = Collection { name: "accounts", indexes: ACCOUNT_INDEXES };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        let address = |email: &String| Key::new().text(&comparable_email(email));
        let email = self.proven_email.as_ref().map(|email| (BY_EMAIL, address(email)));
        let claim = self.claimed_email.as_ref().map(|email| (BY_CLAIM, address(email)));
        let operator = self.operator.then(|| (OPERATOR, operator_key()));
        let handle = self.erased.is_none().then(|| (BY_HANDLE, Key::new().text(&self.handle)));
        let held = self.erased.as_ref().map(|erased| erased.held_handle.clone());
        let taken = (TAKEN, Key::new().text(&held.unwrap_or_else(|| secret::fingerprint(&self.handle))));
        let bot = self.bot.as_ref().filter(|bot| bot.ended_at.is_none());
        let bot = bot.map(|bot| (BOTS, Key::new().display(bot.owner).number(bot.slot)));
        let invited = self.invited.map(|it| (INVITED, Key::new().display(it.by).number(it.place.into())));
        let by_handle = || Key::new().text(&self.handle);
        let moderator = self.moderator.then(|| (MODERATORS, by_handle()));
        let suspended = self.suspension.is_some().then(|| (SUSPENDED, by_handle()));
        let epoch = self.epoch_began_at.map(|began| (BY_EPOCH, moment_key(began)));
        let known = [handle, Some(taken), email, claim, operator, bot, invited, moderator, suspended, epoch];
        known.into_iter().flatten().chain(self.erased.iter().flat_map(erasures::keys)).collect()
    }
}

fn operator_key() -> Key {
    Key::new().text("operator")
}

impl Record for Session {
    const COLLECTION: Collection = Collection { name: "sessions", indexes: &[BY_USER, BY_EXPIRY] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![
            (BY_USER, Key::new().display(self.user_id).display(self.id)),
            (BY_EXPIRY, moment_key(self.expires_at)),
        ]
    }
}

fn moment_key(moment: Timestamp) -> Key {
    Key::new().number(u64::try_from(moment.as_millis()).unwrap_or(0))
}

impl Record for ApiToken {
    const COLLECTION: Collection = Collection { name: "api_tokens", indexes: &[SLOT, BY_FINGERPRINT] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![
            (SLOT, Key::new().display(self.user_id).number(self.slot)),
            (BY_FINGERPRINT, Key::new().text(&self.fingerprint)),
        ]
    }
}

impl Record for Invitation {
    const COLLECTION: Collection = Collection { name: "invitations", indexes: &[BY_FINGERPRINT, BY_EXPIRY] };

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![(BY_FINGERPRINT, Key::new().text(&self.fingerprint)), (BY_EXPIRY, moment_key(self.expires_at))]
    }
}

/// The right to become the operator, until it expires or there is one. Named by the fingerprint of its secret.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SetupLink {
    pub(crate) fingerprint: String,
    pub(crate) expires_at: Timestamp,
}

impl Record for SetupLink {
    const COLLECTION: Collection = Collection { name: "setup_links", indexes: &[BY_EXPIRY] };

    fn id(&self) -> String {
        self.fingerprint.clone()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![(BY_EXPIRY, moment_key(self.expires_at))]
    }
}

impl Record for KeyRing {
    const COLLECTION: Collection = Collection { name: "signing_keys", indexes: &[] };

    fn id(&self) -> String {
        Self::ID.to_owned()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl Record for Claim {
    const COLLECTION: Collection = Collection { name: "openid_claims", indexes: &[] };

    fn id(&self) -> String {
        self.fingerprint.clone()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        Vec::new()
    }
}

impl Record for Flow {
    const COLLECTION: Collection = Collection { name: "openid_flows", indexes: &[BY_EXPIRY] };

    fn id(&self) -> String {
        self.fingerprint.clone()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![(BY_EXPIRY, moment_key(self.expires_at))]
    }
}

impl Record for Challenge {
    const COLLECTION: Collection = Collection { name: "passkey_challenges", indexes: &[BY_EXPIRY] };

    fn id(&self) -> String {
        self.fingerprint.clone()
    }

    fn keys(&self) -> Vec<(Index, Key)> {
        vec![(BY_EXPIRY, moment_key(self.expires_at))]
    }
}

/// Which of an account's unique properties somebody else has already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Handle,
    Operator,
    Slot,
    Place,
}

/// Auth's collections.
#[derive(Clone)]
pub(crate) struct Store {
    accounts: Table<Account>,
    pub(crate) sessions: Table<Session>,
    pub(crate) tokens: Table<ApiToken>,
    pub(crate) setup_links: Table<SetupLink>,
    pub(crate) invitations: Table<Invitation>,
    audit: Table<Entry>,
    pub(crate) key_rings: Table<KeyRing>,
    pub(crate) claims: Table<Claim>,
    pub(crate) flows: Table<Flow>,
    pub(crate) challenges: Table<Challenge>,
}

impl Store {
    pub(crate) fn new(documents: &Arc<dyn Documents>) -> Self {
        Self {
            accounts: Table::new(documents.clone()),
            sessions: Table::new(documents.clone()),
            tokens: Table::new(documents.clone()),
            setup_links: Table::new(documents.clone()),
            invitations: Table::new(documents.clone()),
            audit: Table::new(documents.clone()),
            key_rings: Table::new(documents.clone()),
            claims: Table::new(documents.clone()),
            flows: Table::new(documents.clone()),
            challenges: Table::new(documents.clone()),
        }
    }

    /// Adds an account with its events, unless what must be unique is taken.
    pub(crate) async fn add_account(
        &self,
        account: &Account,
        events: Vec<Event>,
    ) -> Result<Option<Taken>, Error> {
        match self.accounts.insert(account, events).await {
            Ok(_) => Ok(None),
            Err(Error::Duplicate { index, .. }) if index == BY_HANDLE.name || index == TAKEN.name => {
                Ok(Some(Taken::Handle))
            }
            Err(Error::Duplicate { index, .. }) if index == OPERATOR.name => Ok(Some(Taken::Operator)),
            Err(Error::Duplicate { index, .. }) if index == BOTS.name => Ok(Some(Taken::Slot)),
            Err(Error::Duplicate { index, .. }) if index == INVITED.name => Ok(Some(Taken::Place)),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn account(&self, id: UserId) -> Result<Option<Account>, Error> {
        Ok(self.versioned_account(id).await?.map(|found| found.value))
    }

    /// An account that was not erased, as all that is found here but by the erasures' own questions.
    pub(crate) async fn versioned_account(&self, id: UserId) -> Result<Option<Versioned<Account>>, Error> {
        let found = self.accounts.get(&id.to_string()).await?;
        Ok(found.filter(|found| found.value.erased.is_none()))
    }

    pub(crate) async fn replace_account(
        &self,
        account: &Account,
        revision: Revision,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        self.accounts.replace(account, revision, events).await.map(drop)
    }

    /// A person's bots, those that were ended not among them.
    pub(crate) async fn bots_of(&self, owner: UserId) -> Result<Vec<Account>, Error> {
        let scan = Scan::of(BOTS, Key::new().display(owner), MAX_BOTS);
        Ok(self.accounts.scan(scan).await?.items.into_iter().map(|found| found.value).collect())
    }

    pub(crate) async fn token(&self, id: TokenId) -> Result<Option<Versioned<ApiToken>>, Error> {
        self.tokens.get(&id.to_string()).await
    }

    pub(crate) async fn token_of(&self, fingerprint: &str) -> Result<Option<Versioned<ApiToken>>, Error> {
        self.tokens.find(BY_FINGERPRINT, Key::new().text(fingerprint)).await
    }

    /// An account's tokens.
    pub(crate) async fn tokens_of(&self, user_id: UserId) -> Result<Vec<Versioned<ApiToken>>, Error> {
        let scan = Scan::of(SLOT, Key::new().display(user_id), MAX_TOKENS);
        Ok(self.tokens.scan(scan).await?.items)
    }

    pub(crate) async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, Error> {
        let ids: Vec<String> = ids.iter().map(UserId::to_string).collect();
        let found = self.accounts.get_many(&ids).await?.into_iter().map(|found| found.value);
        Ok(found.filter(|account| account.erased.is_none()).collect())
    }

    /// Whose handle this is, or whose address: the one who proved it, or else the only one who says so. Where several say
    /// so it is nobody's, or the first of them would be the one.
    pub(crate) async fn account_of(&self, identifier: &Identifier) -> Result<Option<Account>, Error> {
        let found = match identifier {
            Identifier::Handle(handle) => self.accounts.find(BY_HANDLE, Key::new().text(handle)).await?,
            Identifier::Email(email) => match self.accounts.find(BY_EMAIL, Key::new().text(email)).await? {
                None => self.only_claimant(email).await?,
                proven => proven,
            },
        };
        Ok(found.map(|found| found.value))
    }

    async fn only_claimant(&self, email: &str) -> Result<Option<Versioned<Account>>, Error> {
        let claims = Scan::of(BY_CLAIM, Key::new().text(email), 2);
        let mut claimants = self.accounts.scan(claims).await?.items;
        Ok(claimants.pop().filter(|_| claimants.is_empty()))
    }

    pub(crate) async fn has_operator(&self) -> Result<bool, Error> {
        Ok(self.accounts.find(OPERATOR, operator_key()).await?.is_some())
    }

    pub(crate) async fn session(&self, id: SessionId) -> Result<Option<Versioned<Session>>, Error> {
        self.sessions.get(&id.to_string()).await
    }

    /// A user's sessions, newest first.
    pub(crate) async fn sessions_of(
        &self,
        user_id: UserId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Session>>, Error> {
        let scan = Scan::of(BY_USER, Key::new().display(user_id), limit).descending().after(after);
        self.sessions.scan(scan).await
    }

    /// Sessions that ended by themselves before now, oldest first.
    pub(crate) async fn expired_sessions(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<Session>>, Error> {
        Ok(self.sessions.scan(Scan::of(BY_EXPIRY, Key::new(), limit).to(moment_key(now))).await?.items)
    }

    /// The sign-in at a provider that has this `state`.
    pub(crate) async fn flow(&self, state: &str) -> Result<Option<Versioned<Flow>>, Error> {
        self.flows.get(&secret::fingerprint(state)).await
    }

    /// Sign-ins at providers whose time was over before now, oldest first.
    pub(crate) async fn expired_flows(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<Flow>>, Error> {
        Ok(self.flows.scan(Scan::of(BY_EXPIRY, Key::new(), limit).to(moment_key(now))).await?.items)
    }

    /// The challenge that this is.
    pub(crate) async fn challenge(&self, text: &str) -> Result<Option<Versioned<Challenge>>, Error> {
        self.challenges.get(&secret::fingerprint(text)).await
    }

    /// Challenges whose time was over before now, oldest first.
    pub(crate) async fn expired_challenges(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<Challenge>>, Error> {
        Ok(self.challenges.scan(Scan::of(BY_EXPIRY, Key::new(), limit).to(moment_key(now))).await?.items)
    }

    /// Setup links that ended before now, oldest first.
    pub(crate) async fn expired_setup_links(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<SetupLink>>, Error> {
        Ok(self.setup_links.scan(Scan::of(BY_EXPIRY, Key::new(), limit).to(moment_key(now))).await?.items)
    }

    pub(crate) async fn invitation_of(&self, fingerprint: &str) -> Result<Option<Invitation>, Error> {
        let found = self.invitations.find(BY_FINGERPRINT, Key::new().text(fingerprint)).await?;
        Ok(found.map(|found| found.value))
    }

    /// Invitations, newest first.
    pub(crate) async fn invitations_page(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Invitation>>, Error> {
        self.invitations.scan(Scan::of(Index::ID, Key::new(), limit).descending().after(after)).await
    }

    /// How many places of an invitation are taken: they are taken in their order.
    pub(crate) async fn places_taken(&self, id: InvitationId) -> Result<u32, Error> {
        let last = Scan::of(INVITED, Key::new().display(id), 1).descending();
        let account = self.accounts.scan(last).await?.items.pop();
        Ok(account.and_then(|found| found.value.invited).map_or(0, |invited| invited.place + 1))
    }

    /// Invitations that ended before now, oldest first.
    pub(crate) async fn expired_invitations(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Versioned<Invitation>>, Error> {
        Ok(self.invitations.scan(Scan::of(BY_EXPIRY, Key::new(), limit).to(moment_key(now))).await?.items)
    }

    /// Accounts of which some fit the query, by handle: through the narrowest index.
    pub(crate) async fn accounts_page(
        &self,
        query: &ListAccounts,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<Versioned<Account>>, Error> {
        // A handle's key begins with the handle.
        let start = query.handle.clone().map_or_else(Key::new, Key::from_encoded);
        let scan = match (query.suspended, query.role) {
            (Some(true), _) => Scan::of(SUSPENDED, start, limit),
            (_, Some(InstanceRole::Moderator)) => Scan::of(MODERATORS, start, limit),
            (_, Some(InstanceRole::Operator)) => Scan::of(OPERATOR, Key::new(), limit),
            _ => Scan::of(BY_HANDLE, start, limit),
        };
        self.accounts.scan(scan.after(after)).await
    }

    /// Accounts that began another epoch since then, the newest first.
    pub(crate) async fn accounts_changed_since(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Account>, Error> {
        let scan = Scan::of(BY_EPOCH, Key::new(), limit).from(moment_key(since)).descending();
        Ok(self.accounts.scan(scan).await?.items.into_iter().map(|found| found.value).collect())
    }
}
