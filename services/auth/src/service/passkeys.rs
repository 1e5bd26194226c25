//! Passkeys: making them, coming in by them, removing them.

use serde_json::{Value, json};
use tertulia_contracts::{
    PasskeyId, UserId,
    auth::{
        CreatePasskey, MAX_PASSKEYS, Passkey as PasskeyView, PasskeyOptions, Passkeys, SignInWithPasskey,
        SignedIn,
    },
};
use tertulia_documents as documents;

use super::sessions::Guest;
use crate::{
    Auth, Error,
    error::WayIn,
    model::{
        account::Account,
        audit::{Deed, Origin},
        passkey::{CHALLENGE_LIFE, Ceremony, Challenge, Passkey},
    },
    webauthn::{ALGORITHMS, Assertion, Attestation, Refused, RelyingParty, challenge_of, decoded, encoded},
};

impl Auth {
    /// What the caller's browser is to be asked to make a passkey.
    pub(crate) async fn begin_passkey(&self, user_id: UserId) -> Result<PasskeyOptions, Error> {
        let party = self.relying_party()?;
        let account = self.account(user_id).await?;
        room_for_one_more(&account)?;
        let known = account.passkeys.iter();
        let known: Vec<Value> =
            known.map(|it| json!({"type": "public-key", "id": it.credential_id})).collect();
        let algorithms = ALGORITHMS.map(|alg| json!({"type": "public-key", "alg": alg}));
        self.challenge(Ceremony::Registration { user_id }, |challenge| {
            json!({
                "challenge": challenge,
                "rp": {"id": party.id, "name": party.id},
                "user": {
                    "id": encoded(user_id.to_string().as_bytes()),
                    "name": account.handle, "displayName": account.display_name,
                },
                "pubKeyCredParams": algorithms,
                "timeout": timeout_ms(),
                "excludeCredentials": known,
                "authenticatorSelection": {
                    "residentKey": "required", "requireResidentKey": true, "userVerification": "required",
                },
                "attestation": "none",
            })
        })
        .await
    }

    /// Keeps the passkey that the caller's browser made.
    pub(crate) async fn add_passkey(
        &self,
        user_id: UserId,
        request: CreatePasskey,
        origin: &Origin,
    ) -> Result<PasskeyView, Error> {
        let party = self.relying_party()?;
        let response = &request.credential.response;
        let client_data = decoded(&response.client_data_json)?;
        let attestation_object = decoded(&response.attestation_object)?;
        let attestation = Attestation { client_data: &client_data, attestation_object: &attestation_object };
        let challenge = self.answered_challenge(&client_data, Ceremony::Registration { user_id }).await?;
        let made = party.registered(&attestation, &challenge)?;
        let credential_id = encoded(&made.id);
        if credential_id != request.credential.id {
            return Err(Refused("the credential is called two ways").into());
        }
        let passkey = Passkey {
            id: self.ambient.ids.next(),
            name: request.name.trim().to_owned(),
            credential_id,
            key: made.key,
            counter: made.counter,
            backed_up: made.backed_up,
            created_at: self.ambient.now(),
            last_used_at: None,
        };
        let add = |account: &mut Account| {
            room_for_one_more(account)?;
            if account.passkeys.iter().any(|other| other.credential_id == passkey.credential_id) {
                return Err(Refused("it is kept already").into());
            }
            account.passkeys.push(passkey.clone());
            Ok(((), vec![self.note_way_in(Deed::PasskeyAdded, origin, user_id, passkey.id)]))
        };
        self.change(user_id, || Error::SessionEnded, add).await?;
        Ok(passkey.view())
    }

    /// What the browser of somebody who wants in is to be asked. They do not say who they are before they show it, so nothing is
    /// told of who has passkeys.
    pub(crate) async fn begin_passkey_sign_in(&self) -> Result<PasskeyOptions, Error> {
        let party = self.relying_party()?;
        self.challenge(Ceremony::Authentication, |challenge| {
            json!({
                "challenge": challenge,
                "rpId": party.id,
                "timeout": timeout_ms(),
                "userVerification": "required",
            })
        })
        .await
    }

    /// A session for whoever used a passkey of theirs.
    pub(crate) async fn sign_in_with_passkey(
        &self,
        request: SignInWithPasskey,
        guest: Guest<'_>,
    ) -> Result<SignedIn, Error> {
        let party = self.relying_party()?;
        let response = &request.credential.response;
        let client_data = decoded(&response.client_data_json)?;
        let authenticator_data = decoded(&response.authenticator_data)?;
        let signature = decoded(&response.signature)?;
        let challenge = self.answered_challenge(&client_data, Ceremony::Authentication).await?;
        let unknown = Refused("nobody here has it");
        let user_id = user_of(&response.user_handle).ok_or(unknown)?;
        let account = self.store.account(user_id).await?.ok_or(unknown)?;
        let id = &request.credential.id;
        let passkey = account.passkeys.iter().find(|it| it.credential_id == *id).ok_or(unknown)?;
        let assertion = Assertion {
            client_data: &client_data,
            authenticator_data: &authenticator_data,
            signature: &signature,
        };
        let used = party.used(&assertion, &passkey.key, &challenge)?;
        let note = |account: &mut Account| {
            let now = self.ambient.now();
            let passkey = account.passkeys.iter_mut().find(|it| it.credential_id == *id).ok_or(unknown)?;
            if !passkey.is_followed_by(used) {
                tracing::warn!(user = %user_id, passkey = %passkey.id, "a passkey's counter went back");
                return Err(Refused("its counter went back: there may be a copy of it").into());
            }
            passkey.note(used, now);
            Ok(((), Vec::new()))
        };
        let (account, ()) = self.change(user_id, || Error::SessionEnded, note).await?;
        self.begin_session(&account, guest).await
    }

    /// The caller's passkeys.
    pub(crate) async fn passkeys(&self, user_id: UserId) -> Result<Passkeys, Error> {
        let account = self.account(user_id).await?;
        Ok(Passkeys { items: account.passkeys.iter().map(Passkey::view).collect(), next_cursor: None })
    }

    /// Takes a passkey from the caller's account, unless nobody could come in any more.
    pub(crate) async fn remove_passkey(
        &self,
        user_id: UserId,
        id: PasskeyId,
        origin: &Origin,
    ) -> Result<(), Error> {
        let remove = |account: &mut Account| {
            let before = account.passkeys.len();
            account.passkeys.retain(|passkey| passkey.id != id);
            if account.passkeys.len() == before {
                return Err(WayIn::PasskeyNotFound.into());
            }
            if !account.has_way_in() {
                return Err(WayIn::LastWayIn.into());
            }
            Ok(((), vec![self.note_way_in(Deed::PasskeyRemoved, origin, user_id, id)]))
        };
        self.change(user_id, || Error::SessionEnded, remove).await.map(drop)
    }

    fn relying_party(&self) -> Result<&RelyingParty, Error> {
        self.relying_party.as_ref().ok_or(WayIn::NoPasskeys.into())
    }

    async fn challenge(
        &self,
        ceremony: Ceremony,
        options: impl FnOnce(String) -> Value,
    ) -> Result<PasskeyOptions, Error> {
        let (challenge, text) = Challenge::new(&self.ambient, ceremony);
        self.store.challenges.insert(&challenge, Vec::new()).await?;
        Ok(PasskeyOptions { options: options(text), expires_at: challenge.expires_at })
    }

    /// The challenge that an answer is over. It is good no more, whatever becomes of the answer; of two answers at the same
    /// moment one finds it gone.
    async fn answered_challenge(&self, client_data: &[u8], ceremony: Ceremony) -> Result<String, Error> {
        let over = Refused("its challenge was answered already, is too old, or was made for something else");
        let text = challenge_of(client_data)?;
        let found = self.store.challenge(&text).await?.ok_or(over)?;
        match self.store.challenges.delete(&found.value.fingerprint, found.revision, Vec::new()).await {
            Ok(()) => {}
            Err(documents::Error::Conflict { .. }) => return Err(over.into()),
            Err(error) => return Err(error.into()),
        }
        if found.value.is_for(ceremony, self.ambient.now()) { Ok(text) } else { Err(over.into()) }
    }
}

fn room_for_one_more(account: &Account) -> Result<(), Error> {
    if account.passkeys.len() < MAX_PASSKEYS { Ok(()) } else { Err(WayIn::TooManyPasskeys.into()) }
}

/// Whose a passkey says that it is.
fn user_of(user_handle: &str) -> Option<UserId> {
    String::from_utf8(decoded(user_handle).ok()?).ok()?.parse().ok()
}

fn timeout_ms() -> u64 {
    CHALLENGE_LIFE.as_secs() * 1000
}
