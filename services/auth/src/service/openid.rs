//! Coming in by an account elsewhere, and linking it.
//!
//! An identity signs in to the account that listed it while its owner was signed in, or that was made by it. That an address
//! is the same proves nothing here: not every provider looks whose it is.

use tertulia_contracts::{
    IdentityId, UserId,
    auth::{
        AccountProposal, CreateOpenidAccount, FinishOpenid, LinkedIdentities, LinkedIdentity, MAX_IDENTITIES,
        OpenidProvider, OpenidProviders, OpenidStarted, SignedIn,
    },
};
use tertulia_documents::{self as documents, Versioned};
use tertulia_mail::is_address;

use super::sessions::Guest;
use crate::{
    Auth, Error, Registration,
    error::WayIn,
    model::{
        account::{Account, is_reserved},
        audit::{Deed, Origin},
        openid::{Aim, CLAIM_GRACE, Claim, Flow, FlowSecrets, Linked, Proof, Stage, Subject},
    },
    openid::Provider,
};

const ATTEMPTS: usize = 4;
/// A handle that is taken is proposed with a number up to this.
const MAX_NUMBER: u32 = 9;

impl Auth {
    /// The providers that people may sign in with.
    pub(crate) fn openid_providers(&self) -> OpenidProviders {
        let view = |provider: &Provider| OpenidProvider {
            id: provider.config.id.clone(),
            name: provider.config.name.clone(),
        };
        OpenidProviders { items: self.providers.all().iter().map(view).collect(), next_cursor: None }
    }

    /// Begins a sign-in at a provider.
    pub(crate) async fn begin_openid(&self, provider: &str, aim: Aim) -> Result<OpenidStarted, Error> {
        let provider = self.providers.get(provider).ok_or(WayIn::ProviderNotFound)?;
        let (flow, secrets) = Flow::begin(&self.ambient, &provider.config.id, aim);
        let authorization_url = provider.authorization_url(&self.ambient, &secrets).await?;
        self.store.flows.insert(&flow, Vec::new()).await?;
        let FlowSecrets { state, secret } = secrets;
        Ok(OpenidStarted { authorization_url, state, secret, expires_at: flow.expires_at })
    }

    /// A session for whoever a provider vouches for, or what is to be done to have one.
    pub(crate) async fn finish_openid(
        &self,
        request: FinishOpenid,
        guest: Guest<'_>,
    ) -> Result<SignedIn, Error> {
        let (flow, proof) = self.answered(request, Aim::SignIn).await?;
        let Some(account) = self.holder_of(&proof.subject).await? else {
            if self.config.registration == Registration::Closed {
                return Err(Error::RegistrationClosed);
            }
            let proposal = self.proposal(&proof).await?;
            let proven = Stage::Proven { proof, user_id: self.ambient.ids.next() };
            let proven = flow.value.at(proven, self.ambient.now());
            self.store.flows.replace(&proven, flow.revision, Vec::new()).await?;
            return Err(WayIn::AccountNeeded(proposal).into());
        };
        self.end_flow(&flow).await?;
        let used = |account: &mut Account| {
            let now = self.ambient.now();
            account.identities.iter_mut().filter(|it| it.subject == proof.subject).for_each(|it| {
                it.last_used_at = Some(now);
            });
            Ok(((), Vec::new()))
        };
        let (account, ()) = self.change(account.id, || Error::SessionEnded, used).await?;
        self.begin_session(&account, guest).await
    }

    /// An account for somebody whom a provider vouches for and nobody here knows, and a first session of it.
    pub(crate) async fn create_openid_account(
        &self,
        request: CreateOpenidAccount,
        guest: Guest<'_>,
        origin: &Origin,
    ) -> Result<SignedIn, Error> {
        let CreateOpenidAccount { state, secret, handle, display_name, locale, invitation } = request;
        let invitation = self.admit(invitation.as_deref()).await?;
        let flow = self.flow(&FlowSecrets { state, secret }).await?;
        let Stage::Proven { proof, user_id } = &flow.value.stage else {
            return Err(WayIn::OpenidFlowInvalid.into());
        };
        if is_reserved(&handle) {
            return Err(Error::HandleReserved);
        }
        // Asked before the identity is claimed; the commit asks again.
        if self.store.is_taken(&handle).await? {
            return Err(Error::HandleTaken);
        }
        self.claim(&proof.subject, *user_id).await?;
        let display_name = display_name.as_deref().unwrap_or(&handle).trim().to_owned();
        let mut account = Account::new(*user_id, handle, display_name, self.ambient.now());
        account.locale = locale;
        account.identities = vec![Linked::new(&self.ambient, proof)];
        // A claim as any: that it is theirs is shown by the link that is sent there.
        account.claimed_email = proof.email.clone().filter(|email| is_address(email));
        self.add_person(&mut account, invitation.as_ref(), origin).await?;
        self.end_flow(&flow).await?;
        self.begin_session(&account, guest).await
    }

    /// Links whoever a provider vouches for to the caller, who began it while signed in.
    pub(crate) async fn finish_linking(
        &self,
        user_id: UserId,
        request: FinishOpenid,
        origin: &Origin,
    ) -> Result<LinkedIdentity, Error> {
        let (flow, proof) = self.answered(request, Aim::Link { user_id }).await?;
        self.end_flow(&flow).await?;
        room_for(&self.account(user_id).await?, &proof.subject)?;
        self.claim(&proof.subject, user_id).await?;
        let linked = Linked::new(&self.ambient, &proof);
        let link = |account: &mut Account| {
            if let Some(there) = room_for(account, &proof.subject)? {
                return Ok((there.view(), Vec::new()));
            }
            account.identities.push(linked.clone());
            let noted = self.note_way_in(Deed::IdentityLinked, origin, user_id, linked.id);
            Ok((linked.view(), vec![noted]))
        };
        Ok(self.change(user_id, || Error::SessionEnded, link).await?.1)
    }

    /// What the caller's account is linked to.
    pub(crate) async fn identities(&self, user_id: UserId) -> Result<LinkedIdentities, Error> {
        let account = self.account(user_id).await?;
        let items = account.identities.iter().map(Linked::view).collect();
        Ok(LinkedIdentities { items, next_cursor: None })
    }

    /// Takes an identity from the caller's account, unless nobody could come in any more.
    pub(crate) async fn unlink(&self, user_id: UserId, id: IdentityId, origin: &Origin) -> Result<(), Error> {
        let account = self.account(user_id).await?;
        let linked = account.identities.iter().find(|linked| linked.id == id);
        let fingerprint = linked.ok_or(WayIn::IdentityNotFound)?.subject.fingerprint();
        // Read before the list is changed: whoever links it again meanwhile writes it, and it stays.
        let claim = self.store.claims.get(&fingerprint).await?;
        let unlink = |account: &mut Account| {
            let before = account.identities.len();
            account.identities.retain(|linked| linked.id != id);
            if account.identities.len() == before {
                return Err(WayIn::IdentityNotFound.into());
            }
            if !account.has_way_in() {
                return Err(WayIn::LastWayIn.into());
            }
            Ok(((), vec![self.note_way_in(Deed::IdentityUnlinked, origin, user_id, id)]))
        };
        self.change(user_id, || Error::SessionEnded, unlink).await?;
        let Some(claim) = claim.filter(|claim| claim.value.user_id == user_id) else { return Ok(()) };
        match self.store.claims.delete(&fingerprint, claim.revision, Vec::new()).await {
            Ok(()) | Err(documents::Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// What a provider says of whoever came back to the client that began it. Each answer is looked at once: of two that come
    /// at the same moment one finds it taken, and one that was refused is not tried again.
    async fn answered(&self, request: FinishOpenid, aim: Aim) -> Result<(Versioned<Flow>, Proof), Error> {
        let FinishOpenid { state, secret, code, iss } = request;
        let secrets = FlowSecrets { state, secret };
        let found = self.flow(&secrets).await?;
        if !matches!(found.value.stage, Stage::Begun) || found.value.aim != aim {
            return Err(WayIn::OpenidFlowInvalid.into());
        }
        let taken = found.value.at(Stage::Answered, self.ambient.now());
        let revision = match self.store.flows.replace(&taken, found.revision, Vec::new()).await {
            Ok(revision) => revision,
            Err(documents::Error::Conflict { .. }) => return Err(WayIn::OpenidFlowInvalid.into()),
            Err(error) => return Err(error.into()),
        };
        let provider = self.providers.get(&taken.provider).ok_or(WayIn::ProviderNotFound)?;
        let proof = provider.redeem(&self.ambient, &secrets, &code, iss.as_deref()).await?;
        Ok((Versioned { value: taken, revision }, proof))
    }

    async fn flow(&self, secrets: &FlowSecrets) -> Result<Versioned<Flow>, Error> {
        let found = self.store.flow(&secrets.state).await?;
        found
            .filter(|found| found.value.is_of(secrets, self.ambient.now()))
            .ok_or(WayIn::OpenidFlowInvalid.into())
    }

    /// It has served. What is left behind by a crash ends by itself.
    async fn end_flow(&self, flow: &Versioned<Flow>) -> Result<(), Error> {
        Ok(self.store.flows.delete(&flow.value.fingerprint, flow.revision, Vec::new()).await?)
    }

    /// The account that an identity signs in to.
    async fn holder_of(&self, subject: &Subject) -> Result<Option<Account>, Error> {
        let Some(claim) = self.store.claims.get(&subject.fingerprint()).await? else { return Ok(None) };
        let account = self.store.account(claim.value.user_id).await?;
        Ok(account.filter(|account| account.is_linked_to(subject)))
    }

    /// Makes an identity this account's, unless it is another's.
    async fn claim(&self, subject: &Subject, user_id: UserId) -> Result<(), Error> {
        let fingerprint = subject.fingerprint();
        for _ in 0..ATTEMPTS {
            let now = self.ambient.now();
            let claim = Claim { fingerprint: fingerprint.clone(), user_id, claimed_at: now };
            let claimed = match self.store.claims.get(&fingerprint).await? {
                None => self.store.claims.insert(&claim, Vec::new()).await,
                Some(found) => {
                    let is_new = now.since(found.value.claimed_at) < CLAIM_GRACE;
                    let other = found.value.user_id != user_id;
                    if other && (is_new || self.holder_of(subject).await?.is_some()) {
                        return Err(WayIn::IdentityTaken.into());
                    }
                    // Written anew even by its owner, so that whoever unlinks it at this moment leaves it.
                    self.store.claims.replace(&claim, found.revision, Vec::new()).await
                }
            };
            match claimed {
                Ok(_) => return Ok(()),
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }

    async fn proposal(&self, proof: &Proof) -> Result<AccountProposal, Error> {
        Ok(AccountProposal {
            handle: self.free_handle(proof).await?,
            display_name: proof.name.as_ref().map(|name| name.chars().take(64).collect()),
        })
    }

    async fn free_handle(&self, proof: &Proof) -> Result<Option<String>, Error> {
        let likely: Vec<String> = proof.handles().filter(|handle| !is_reserved(handle)).collect();
        let first = likely.first().map(|handle| handle.chars().take(31).collect::<String>());
        let numbered = (2..=MAX_NUMBER).filter_map(|n| Some(format!("{}{n}", first.as_deref()?)));
        for handle in likely.iter().cloned().chain(numbered) {
            if !self.store.is_taken(&handle).await? {
                return Ok(Some(handle));
            }
        }
        Ok(None)
    }
}

/// Fails if the account may be linked to no more; the link that is there already, if one is.
fn room_for<'a>(account: &'a Account, subject: &Subject) -> Result<Option<&'a Linked>, Error> {
    let there = account.identities.iter().find(|linked| linked.subject == *subject);
    if there.is_none() && account.identities.len() >= MAX_IDENTITIES {
        return Err(WayIn::TooManyIdentities.into());
    }
    Ok(there)
}
