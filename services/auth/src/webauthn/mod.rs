//! The relying party's side of WebAuthn (Level 3, <https://www.w3.org/TR/webauthn-3/>), as far as passkeys need it: discoverable
//! credentials, the person verified, no attestation.
//!
//! Promises: what is accepted was signed for this origin and this relying party, over a challenge of ours, by somebody whom the
//! authenticator has verified (§7.1, §7.2). Whether the challenge is still good, and whether the counter went on, is for the
//! caller to see.
//!
//! No attestation is asked for, so who made an authenticator is not known and its statement is not looked at (§6.5.4, "none").

mod authenticator_data;
mod public_key;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use url::{Host, Url};

use self::authenticator_data::{AuthenticatorData, BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED};
pub(crate) use self::public_key::{ALGORITHMS, PublicKey};

/// The longest id of a credential (§7.1, step 25).
const MAX_CREDENTIAL_ID_BYTES: usize = 1023;

/// Why what an authenticator says is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) &'static str);

/// Who this instance is to authenticators.
#[derive(Debug, Clone)]
pub(crate) struct RelyingParty {
    /// Its domain.
    pub(crate) id: String,
    /// The one origin that its pages have.
    origin: String,
}

/// What the client says that it signed for (§5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
}

/// A new credential, as a client hands it over, decoded.
pub(crate) struct Attestation<'a> {
    pub(crate) client_data: &'a [u8],
    pub(crate) attestation_object: &'a [u8],
}

/// The use of a credential, as a client hands it over, decoded.
pub(crate) struct Assertion<'a> {
    pub(crate) client_data: &'a [u8],
    pub(crate) authenticator_data: &'a [u8],
    pub(crate) signature: &'a [u8],
}

/// A credential that can be kept.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) id: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) counter: u32,
    /// Whether it lives on more than one device.
    pub(crate) backed_up: bool,
}

/// What the use of a credential tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    pub(crate) counter: u32,
    pub(crate) backed_up: bool,
}

/// The challenge that a client says it answers. It is believed only once the rest was verified.
pub(crate) fn challenge_of(client_data: &[u8]) -> Result<String, Refused> {
    Ok(read(client_data)?.challenge)
}

fn read(client_data: &[u8]) -> Result<ClientData, Refused> {
    serde_json::from_slice(client_data).map_err(|_| Refused("the client data are not JSON of their form"))
}

impl RelyingParty {
    /// Whoever is found at this address. Nobody, if it has no name: browsers make no passkeys for bare addresses.
    pub(crate) fn at(public_url: &str) -> Option<Self> {
        let url = Url::parse(public_url).ok()?;
        let Some(Host::Domain(id)) = url.host() else { return None };
        Some(Self { id: id.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// The credential that was made, over this challenge (§7.1).
    pub(crate) fn registered(
        &self,
        attestation: &Attestation<'_>,
        challenge: &str,
    ) -> Result<NewCredential, Refused> {
        self.check_client(attestation.client_data, "webauthn.create", challenge)?;
        let data = authenticator_data::of_attestation(attestation.attestation_object)?;
        let data = AuthenticatorData::read(&data)?;
        self.check_authenticator(&data)?;
        let (counter, backed_up) = (data.counter, data.has(BACKED_UP));
        let credential = data.credential.ok_or(Refused("no credential was made"))?;
        if credential.id.is_empty() || credential.id.len() > MAX_CREDENTIAL_ID_BYTES {
            return Err(Refused("the credential's id is too long"));
        }
        let key = PublicKey::read(&credential.key)?;
        Ok(NewCredential { id: credential.id, key, counter, backed_up })
    }

    /// What is known of a credential after it was used, over this challenge (§7.2).
    pub(crate) fn used(
        &self,
        assertion: &Assertion<'_>,
        key: &PublicKey,
        challenge: &str,
    ) -> Result<Used, Refused> {
        self.check_client(assertion.client_data, "webauthn.get", challenge)?;
        let data = AuthenticatorData::read(assertion.authenticator_data)?;
        self.check_authenticator(&data)?;
        let hash = digest(&SHA256, assertion.client_data);
        let signed = [assertion.authenticator_data, hash.as_ref()].concat();
        key.verify(&signed, assertion.signature)?;
        Ok(Used { counter: data.counter, backed_up: data.has(BACKED_UP) })
    }

    fn check_client(&self, client_data: &[u8], kind: &str, challenge: &str) -> Result<(), Refused> {
        let client = read(client_data)?;
        match () {
            () if client.kind != kind => Err(Refused("it was signed for something else")),
            () if client.challenge != challenge => Err(Refused("it answers another challenge")),
            () if client.origin != self.origin => Err(Refused("it was signed on another site")),
            () if client.cross_origin => Err(Refused("it was signed in a frame of another site")),
            () => Ok(()),
        }
    }

    fn check_authenticator(&self, data: &AuthenticatorData) -> Result<(), Refused> {
        match () {
            () if data.rp_id_hash != digest(&SHA256, self.id.as_bytes()).as_ref() => {
                Err(Refused("it was signed for another relying party"))
            }
            () if !data.has(USER_PRESENT) => Err(Refused("nobody was there")),
            () if !data.has(USER_VERIFIED) => Err(Refused("who was there was not verified")),
            () if data.has(BACKED_UP) && !data.has(BACKUP_ELIGIBLE) => {
                Err(Refused("it is backed up and cannot be"))
            }
            () => Ok(()),
        }
    }
}

/// The bytes that base64url stands for, without padding, as WebAuthn's JSON has them (§5.1).
pub(crate) fn decoded(text: &str) -> Result<Vec<u8>, Refused> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused("it is not base64url"))
}

/// Base64url without padding.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others' authenticators said, as they said it: a passkey made and used once, with ES256. The challenges were
    /// `made for the registration of ana` and `made for the sign-in of ana here`.
    const RECORDED: [(&str, &str, &str); 2] = [
        (
            "Chromium 156, virtual authenticator",
            "http://localhost:24080",
            include_str!("recorded/chromium.json"),
        ),
        ("passkey-client 0.6 of 1Password", "https://chat.example", include_str!("recorded/passkey_rs.json")),
    ];

    #[test]
    fn what_others_authenticators_said_is_understood_and_nothing_near_it() {
        for (name, url, recorded) in RECORDED {
            let recorded: serde_json::Value = serde_json::from_str(recorded).unwrap();
            let part = |of: &str, part: &str| decoded(recorded[of][part].as_str().unwrap()).unwrap();
            let party = RelyingParty::at(url).unwrap();
            let (client_data, object) = (part("made", "clientDataJSON"), part("made", "attestationObject"));
            let made = Attestation { client_data: &client_data, attestation_object: &object };
            let challenge = encoded(b"made for the registration of ana");
            assert_eq!(challenge_of(&client_data).as_ref(), Ok(&challenge), "{name}");
            let credential = party.registered(&made, &challenge).unwrap();
            assert_eq!(encoded(&credential.id), recorded["made"]["id"].as_str().unwrap(), "{name}");

            let (client_data, data) = (part("used", "clientDataJSON"), part("used", "authenticatorData"));
            let signature = part("used", "signature");
            let challenge = encoded(b"made for the sign-in of ana here");
            let use_of = |client_data: &[u8], data: &[u8], signature: &[u8]| {
                let used = Assertion { client_data, authenticator_data: data, signature };
                party.used(&used, &credential.key, &challenge)
            };
            let used = use_of(&client_data, &data, &signature).unwrap();
            assert!(used.counter > credential.counter, "{name}");
            assert_eq!(part("used", "userHandle"), b"usr_01", "{name}");
            // One bit elsewhere, anywhere in what was signed, and it is not believed.
            for at in 0..data.len() {
                let mut other = data.clone();
                other[at] ^= 1;
                assert!(use_of(&client_data, &other, &signature).is_err(), "{name}: data, {at}");
            }
            for at in 0..client_data.len() {
                let mut other = client_data.clone();
                other[at] ^= 1;
                assert!(use_of(&other, &data, &signature).is_err(), "{name}: client data, {at}");
            }
            for (other, challenge) in [("https://evil.example", &*challenge), (url, "another")] {
                let used =
                    Assertion { client_data: &client_data, authenticator_data: &data, signature: &signature };
                let party = RelyingParty::at(other).unwrap();
                assert!(party.used(&used, &credential.key, challenge).is_err(), "{name}: {other}");
            }
        }
    }

    #[test]
    fn an_instance_is_its_domain_and_its_origin() {
        let at = |url: &str| RelyingParty::at(url).map(|party| (party.id, party.origin));
        let is = |id: &str, origin: &str| Some((id.to_owned(), origin.to_owned()));
        assert_eq!(at("https://chat.example"), is("chat.example", "https://chat.example"));
        assert_eq!(at("https://Chat.Example:8443/x"), is("chat.example", "https://chat.example:8443"));
        assert_eq!(at("http://localhost:8080"), is("localhost", "http://localhost:8080"));
        for nobody in ["http://127.0.0.1:8080", "https://[::1]", "", "chat.example"] {
            assert_eq!(at(nobody), None, "{nobody}");
        }
    }
}
