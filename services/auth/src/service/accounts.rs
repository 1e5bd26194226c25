//! Making and finding accounts.

use std::collections::BTreeMap;

use tertulia_contracts::{
    UserId,
    auth::{CreateAccount, FindUsers, Profile as PublicProfile, User},
    events::{Letter, UserRegistered},
};
use tertulia_runtime::Event;

use super::{email::must_be_address, setup};
use crate::{
    Auth, Error, SOURCE,
    model::{
        account::{Account, Identifier, is_reserved},
        audit::{Deed, Origin, details},
        invitation::Invitation,
    },
    store::Taken,
};

/// The most users that one request may ask for.
const MAX_IDS: usize = 100;

impl Auth {
    /// Makes an account, the operator's if the request carries a good setup token.
    pub(crate) async fn register(&self, request: CreateAccount, origin: &Origin) -> Result<Account, Error> {
        let operator = request.setup_token.is_some();
        let invitation = match &request.setup_token {
            Some(token) => {
                setup::check(&self.store, token, self.ambient.now()).await?;
                None
            }
            None => self.admit(request.invitation.as_deref()).await?,
        };
        if !operator && is_reserved(&request.handle) {
            return Err(Error::HandleReserved);
        }
        // Asked before the costly hash; the commit asks again.
        if self.store.is_taken(&request.handle).await? {
            return Err(Error::HandleTaken);
        }
        if let Some(email) = &request.email {
            must_be_address(email)?;
        }
        let display_name = request.display_name.as_deref().unwrap_or(&request.handle).trim().to_owned();
        let mut account =
            Account::new(self.ambient.ids.next(), request.handle, display_name, self.ambient.now());
        account.claimed_email = request.email;
        account.locale = request.locale;
        account.operator = operator;
        self.must_be_strong(&request.password, &account).await?;
        account.password = Some(self.passwords.hash(request.password).await?);
        self.add_person(&mut account, invitation.as_ref(), origin).await?;
        Ok(account)
    }

    /// Adds a person's account, with all that follows from it.
    pub(super) async fn add_person(
        &self,
        account: &mut Account,
        invitation: Option<&Invitation>,
        origin: &Origin,
    ) -> Result<(), Error> {
        let events = self.news_of(account, invitation, &origin.by(account.id));
        let taken = match invitation {
            Some(invitation) => self.add_invited(account, invitation, events).await?,
            None => self.store.add_account(account, events).await?,
        };
        match taken {
            None => Ok(()),
            Some(Taken::Handle) => Err(Error::HandleTaken),
            Some(Taken::Operator) => Err(Error::SetupLinkInvalid),
            // Only bots take a slot, and who is invited goes on to the next place.
            Some(Taken::Slot | Taken::Place) => Err(Error::ChangedMeanwhile),
        }
    }

    /// What is told of a new account.
    fn news_of(&self, account: &Account, invitation: Option<&Invitation>, origin: &Origin) -> Vec<Event> {
        let registered = UserRegistered {
            user_id: account.id,
            handle: account.handle.clone(),
            display_name: account.display_name.clone(),
        };
        let claimed = account.claimed_email.clone();
        let verify = claimed.map(|address| Letter::VerifyEmail { user_id: account.id, address });
        let about = |deed, about| self.note(deed, origin, Some(account.id), about);
        let made = account.operator.then(|| about(Deed::OperatorMade, BTreeMap::new()));
        let used =
            invitation.map(|it| about(Deed::InvitationUsed, details([("invitation", it.id.to_string())])));
        let registered = Event::new(&self.ambient, SOURCE, &registered);
        let mail = verify.map(|letter| self.mail(letter));
        [Some(registered), mail, made, used].into_iter().flatten().collect()
    }

    /// The account of a signed-in caller.
    pub(crate) async fn account(&self, id: UserId) -> Result<Account, Error> {
        self.store.account(id).await?.ok_or(Error::SessionEnded)
    }

    /// A user, as others see them.
    pub(crate) async fn user(&self, id: UserId) -> Result<PublicProfile, Error> {
        Ok(self.store.account(id).await?.ok_or(Error::UserNotFound)?.profile_view())
    }

    /// Those of the users asked for that exist.
    pub(crate) async fn find_users(&self, query: &FindUsers) -> Result<Vec<User>, Error> {
        let found = match (&query.handle, &query.ids) {
            (Some(handle), None) => {
                let handle = Identifier::Handle(handle.to_lowercase());
                self.store.account_of(&handle).await?.into_iter().collect()
            }
            (None, Some(ids)) => self.store.accounts(&read_ids(ids)?).await?,
            _ => return Err(Error::BadField { field: "handle", message: "give either handle or ids" }),
        };
        Ok(found.iter().map(Account::public_view).collect())
    }
}

fn read_ids(ids: &str) -> Result<Vec<UserId>, Error> {
    let wrong = Error::BadField { field: "ids", message: "give 1 to 100 user ids, separated by commas" };
    let ids: Option<Vec<UserId>> = ids.split(',').map(|id| id.parse().ok()).collect();
    ids.filter(|ids| ids.len() <= MAX_IDS).ok_or(wrong)
}
