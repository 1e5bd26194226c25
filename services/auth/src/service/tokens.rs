//! Tokens for programs: issued, looked up for whoever verifies, taken back.

use tertulia_contracts::{
    TokenId, UserId,
    auth::{ApiTokenInfo, CreateToken, IssuedToken, MAX_TOKENS, TokenOwner},
    events::SessionRevoked,
    identity::{ApiToken as TokenText, Identity},
    live::{Control, REVOCATIONS, control_channel},
};
use tertulia_documents::{self as documents, Versioned};
use tertulia_runtime::{Event, secret};

use super::free_slot;
use crate::{
    Auth, Error, SOURCE,
    model::{
        account::Account,
        api_token::ApiToken,
        audit::{Deed, Origin, details},
    },
    store::SLOT,
};

/// So many who make tokens of one account at the same moment all get theirs.
const ATTEMPTS: usize = MAX_TOKENS + 1;

impl Auth {
    /// Makes a token for the caller or one of their bots. Nobody sees its text again.
    pub(crate) async fn issue_token(
        &self,
        caller: UserId,
        origin: &Origin,
        request: CreateToken,
    ) -> Result<IssuedToken, Error> {
        let account = self.acting(caller, request.bot_id).await?;
        let created_at = self.ambient.now();
        if request.expires_at.is_some_and(|end| end <= created_at) {
            return Err(Error::BadField { field: "expires_at", message: "lies in the past" });
        }
        let text = TokenText::generate(&*self.ambient.entropy);
        let mut token = ApiToken {
            id: self.ambient.ids.next(),
            user_id: account.id,
            slot: 0,
            name: request.name.trim().to_owned(),
            scopes: request.scopes,
            fingerprint: secret::fingerprint(text.reveal()),
            created_at,
            expires_at: request.expires_at,
            last_used_at: None,
        };
        for _ in 0..ATTEMPTS {
            let others = self.store.tokens_of(account.id).await?;
            token.slot = free_slot(others.iter().map(|other| other.value.slot), MAX_TOKENS)
                .ok_or(Error::TooManyTokens)?;
            let noted = self.note_token(Deed::TokenCreated, &token, &origin.by(caller));
            match self.store.tokens.insert(&token, vec![noted]).await {
                Ok(_) => {
                    let (api_token, token) = (token.view(&account), text.reveal().to_owned());
                    return Ok(IssuedToken { api_token, token });
                }
                Err(documents::Error::Duplicate { index, .. }) if index == SLOT.name => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// The tokens of the caller or of one of their bots, oldest first.
    pub(crate) async fn tokens(
        &self,
        caller: UserId,
        bot: Option<UserId>,
    ) -> Result<Vec<ApiTokenInfo>, Error> {
        let account = self.acting(caller, bot).await?;
        let mut tokens = self.store.tokens_of(account.id).await?;
        tokens.sort_by_key(|token| token.value.id);
        Ok(tokens.iter().map(|token| token.value.view(&account)).collect())
    }

    /// Takes a token of the caller or of one of their bots back.
    pub(crate) async fn end_token(&self, caller: UserId, id: TokenId, origin: &Origin) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let token = self.store.token(id).await?.ok_or(Error::TokenNotFound)?;
            let account = self.store.account(token.value.user_id).await?;
            let theirs = account.is_some_and(|account| account.id == caller || account.is_bot_of(caller));
            if !theirs {
                return Err(Error::TokenNotFound);
            }
            if self.revoke_token(&token, &origin.by(caller)).await? {
                return Ok(());
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    /// Ends a token and tells everybody; false if it changed meanwhile.
    pub(super) async fn revoke_token(
        &self,
        token: &Versioned<ApiToken>,
        origin: &Origin,
    ) -> Result<bool, Error> {
        let (user_id, session_id) = (token.value.user_id, token.value.session_id());
        let revoked = Event::new(&self.ambient, SOURCE, &SessionRevoked { user_id, session_id });
        let noted = self.note_token(Deed::TokenRevoked, &token.value, origin);
        let id = token.value.id.to_string();
        match self.store.tokens.delete(&id, token.revision, vec![revoked, noted]).await {
            Ok(()) => {}
            Err(documents::Error::Conflict { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        // First those who would let it in, then the sockets that it opened: none can be opened in between.
        let control = Control::SessionRevoked { session_id };
        self.tell(REVOCATIONS.to_owned(), &control).await;
        self.tell(control_channel(user_id), &control).await;
        Ok(true)
    }

    fn note_token(&self, deed: Deed, token: &ApiToken, origin: &Origin) -> Event {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
        let about = details([("token", token.id.to_string()), ("scopes", scopes.join(" "))]);
        self.note(deed, origin, Some(token.user_id), about)
    }

    /// Whose a token is, for another service; and notes, now and then, that it is used.
    pub(crate) async fn look_up_token(&self, text: &str) -> Result<TokenOwner, Error> {
        // Found by its fingerprint: how long the search takes tells nothing of a secret.
        let fingerprint = secret::fingerprint(text);
        let token = self.store.token_of(&fingerprint).await?.ok_or(Error::TokenNotFound)?;
        let account = self.store.account(token.value.user_id).await?;
        let account = account.ok_or(Error::TokenNotFound)?;
        if !self.is_usable(&account).await? {
            return Err(Error::TokenNotFound);
        }
        let now = self.ambient.now();
        if token.value.lasts(now) && token.value.is_newly_used(now) {
            let used = ApiToken { last_used_at: Some(now), ..token.value.clone() };
            match self.store.tokens.replace(&used, token.revision, Vec::new()).await {
                // Somebody else noted it, or took the token back at this very moment.
                Ok(_) | Err(documents::Error::Conflict { .. }) => {}
                Err(error) => tracing::warn!(%error, "the use of an API token could not be noted"),
            }
        }
        Ok(token.value.owner(&account))
    }

    /// Whether the API token that somebody came with is still there.
    pub(super) async fn check_token(&self, identity: &Identity) -> Result<(), Error> {
        let token = self.store.token(ApiToken::id_of(identity.session_id)).await?;
        let account = self.store.account(identity.user_id).await?;
        let now = self.ambient.now();
        let live = token.is_some_and(|it| it.value.user_id == identity.user_id && it.value.lasts(now));
        match account {
            Some(account) if live && self.is_usable(&account).await? => Ok(()),
            _ => Err(Error::SessionEnded),
        }
    }

    /// The account that the caller asks for: their own or one of their bots'.
    async fn acting(&self, caller: UserId, bot: Option<UserId>) -> Result<Account, Error> {
        match bot {
            None => self.account(caller).await,
            Some(bot) => {
                let account = self.store.account(bot).await?;
                let theirs = account.filter(|account| account.is_bot_of(caller) && !account.has_ended());
                theirs.ok_or(Error::BotNotFound)
            }
        }
    }
}
