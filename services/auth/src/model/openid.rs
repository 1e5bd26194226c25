//! Identities elsewhere: what an account is linked to, and a sign-in at a provider while it lasts.
//!
//! An identity is an issuer and a subject (OpenID Connect Core §2: the two together are the one name that is never given
//! to somebody else; an address is not). The account lists what it is linked to, and beside it stands a [`Claim`], by
//! which an identity finds its account and belongs to one alone. An identity signs in only where both say so: so a crash
//! between the two leaves nothing that would let somebody in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tertulia_contracts::{IdentityId, UserId, auth};
use tertulia_runtime::{Ambient, Timestamp, secret};

/// How long somebody has to sign in at a provider, and then to choose a name.
pub(crate) const FLOW_LIFE: Duration = Duration::from_mins(10);
/// A claim of an account that does not list the identity is somebody's who is just being linked, for so long. It is
/// longer than a request may take.
pub(crate) const CLAIM_GRACE: Duration = Duration::from_mins(1);
const SECRET_BYTES: usize = 32;

/// Who somebody is at a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The provider's `iss`.
    pub(crate) issuer: String,
    /// Its `sub`.
    pub(crate) subject: String,
}

impl Subject {
    /// What it is found by. An issuer is a URL, so the line feed cannot stand in it.
    pub(crate) fn fingerprint(&self) -> String {
        secret::fingerprint(&format!("{}\n{}", self.issuer, self.subject))
    }
}

/// What a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    #[serde(flatten)]
    pub(crate) subject: Subject,
    /// What they are called there, as they or the provider chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
}

impl Proof {
    /// What the owner tells it from others by.
    pub(crate) fn label(&self) -> Option<String> {
        [&self.email, &self.preferred_username, &self.name].into_iter().flatten().next().cloned()
    }

    /// Names that would do for a handle, the likeliest first.
    pub(crate) fn handles(&self) -> impl Iterator<Item = String> {
        let mailbox = self.email.as_deref().and_then(|email| email.split('@').next());
        let names = [self.preferred_username.as_deref(), mailbox, self.name.as_deref()];
        let handles: Vec<String> = names.into_iter().flatten().filter_map(as_handle).collect();
        handles.into_iter()
    }
}

/// The name in a handle's letters, if that leaves one.
fn as_handle(name: &str) -> Option<String> {
    // Of an address that serves as a name, only what stands before the `@`.
    let name = name.split('@').next().unwrap_or_default().to_lowercase();
    let letters = name.chars().map(|letter| if letter.is_whitespace() { '.' } else { letter });
    let kept = letters.filter(|letter| letter.is_ascii_alphanumeric() || "_-.".contains(*letter));
    let kept: String = kept.skip_while(|letter| !letter.is_ascii_alphanumeric()).take(32).collect();
    auth::handle(&kept, &()).is_ok().then_some(kept)
}

/// An identity in the list of its account.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Linked {
    pub(crate) id: IdentityId,
    #[serde(flatten)]
    pub(crate) subject: Subject,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    pub(crate) since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_used_at: Option<Timestamp>,
}

impl Linked {
    pub(crate) fn new(ambient: &Ambient, proof: &Proof) -> Self {
        Self {
            id: ambient.ids.next(),
            subject: proof.subject.clone(),
            label: proof.label(),
            since: ambient.now(),
            last_used_at: None,
        }
    }

    /// As its owner sees it.
    pub(crate) fn view(&self) -> auth::LinkedIdentity {
        auth::LinkedIdentity {
            id: self.id,
            issuer: self.subject.issuer.clone(),
            label: self.label.clone(),
            linked_at: self.since,
            last_used_at: self.last_used_at,
        }
    }
}

/// Whose an identity is. Named by the identity's fingerprint.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) fingerprint: String,
    pub(crate) user_id: UserId,
    pub(crate) claimed_at: Timestamp,
}

/// Who begins a sign-in at a provider, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Aim {
    /// Somebody who wants in.
    SignIn,
    /// Somebody who is in and wants to come in that way, too.
    Link { user_id: UserId },
}

/// How far it has come.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The person is at the provider.
    Begun,
    /// The answer is being looked at: no other is taken, whatever becomes of this one.
    Answered,
    /// The provider vouches for somebody whom nobody here knows: they are to choose a name.
    Proven {
        proof: Proof,
        /// What the account will be called inside, so that two attempts make one account.
        user_id: UserId,
    },
}

/// A sign-in at a provider, while it lasts. Named by the fingerprint of its `state`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) fingerprint: String,
    pub(crate) provider: String,
    pub(crate) aim: Aim,
    /// The fingerprint of what the client that began it keeps to itself.
    secret: String,
    pub(crate) stage: Stage,
    pub(crate) expires_at: Timestamp,
}

impl Flow {
    /// A sign-in that begins now, and its secrets, which are kept nowhere here.
    pub(crate) fn begin(ambient: &Ambient, provider: &str, aim: Aim) -> (Self, FlowSecrets) {
        let random = || secret::random(&*ambient.entropy, SECRET_BYTES);
        let secrets = FlowSecrets { state: random(), secret: random() };
        let flow = Self {
            fingerprint: secret::fingerprint(&secrets.state),
            provider: provider.to_owned(),
            aim,
            secret: secret::fingerprint(&secrets.secret),
            stage: Stage::Begun,
            expires_at: ambient.now().plus(FLOW_LIFE),
        };
        (flow, secrets)
    }

    /// Whether this is the client that began it, in time.
    pub(crate) fn is_of(&self, secrets: &FlowSecrets, now: Timestamp) -> bool {
        now < self.expires_at && secret::matches(&secrets.secret, &self.secret)
    }

    /// It comes this far, with as much time again.
    #[must_use]
    pub(crate) fn at(&self, stage: Stage, now: Timestamp) -> Self {
        Self { stage, expires_at: now.plus(FLOW_LIFE), ..self.clone() }
    }
}

/// What the client that began a flow holds. What goes to the provider derives from the secret: so nothing that would
/// redeem a code is stored here, and none but that client can have it redeemed.
pub(crate) struct FlowSecrets {
    /// What the provider gives back.
    pub(crate) state: String,
    /// What nobody else has seen.
    pub(crate) secret: String,
}

impl FlowSecrets {
    /// What the identity token must repeat (OpenID Connect Core §3.1.2.1).
    pub(crate) fn nonce(&self) -> String {
        secret::fingerprint(&format!("nonce.{}", self.secret))
    }

    /// What redeems the code (RFC 7636 §4.1): 43 letters, digits, `-` and `_`.
    pub(crate) fn verifier(&self) -> String {
        secret::fingerprint(&format!("verifier.{}", self.secret))
    }

    /// What the provider is told of the verifier (RFC 7636 §4.2, S256).
    pub(crate) fn challenge(&self) -> String {
        secret::fingerprint(&self.verifier())
    }
}

#[cfg(test)]
mod tests {
    use tertulia_runtime::testkit::frozen;

    use super::*;

    fn proof(username: Option<&str>, email: Option<&str>, name: Option<&str>) -> Proof {
        let subject = Subject { issuer: "https://id.example".to_owned(), subject: "1".to_owned() };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Proof { subject, preferred_username: owned(username), email: owned(email), name: owned(name) }
    }

    #[test]
    fn a_handle_is_made_of_what_the_provider_tells() {
        let handles = |proof: Proof| proof.handles().collect::<Vec<_>>();
        let all = proof(Some("Ana"), Some("ana.m@example.org"), Some("Ana María Núñez"));
        assert_eq!(handles(all), ["ana", "ana.m", "ana.mara.nez"]);
        assert_eq!(handles(proof(Some("ana@example.org"), None, Some("李"))), ["ana"]);
        assert_eq!(handles(proof(Some("__"), Some("@"), None)), Vec::<String>::new());
        assert_eq!(handles(proof(None, None, Some(&"x".repeat(99)))), ["x".repeat(32)]);
    }

    #[test]
    fn a_flow_belongs_to_who_began_it_for_its_time_and_stores_no_secret() {
        let (ambient, clock) = frozen(1);
        let (flow, secrets) = Flow::begin(&ambient, "id", Aim::SignIn);
        assert!(flow.is_of(&secrets, ambient.now()));
        let (_, others) = Flow::begin(&ambient, "id", Aim::SignIn);
        assert!(!flow.is_of(&others, ambient.now()));
        let stored = serde_json::to_string(&flow).unwrap();
        for kept in [&secrets.state, &secrets.secret, &secrets.verifier(), &secrets.nonce()] {
            assert!(!stored.contains(kept), "{stored}");
        }
        let (nonce, verifier) = (secrets.nonce(), secrets.verifier());
        assert!(nonce != verifier && verifier.len() == 43 && secrets.challenge() != verifier);
        clock.advance(FLOW_LIFE);
        assert!(!flow.is_of(&secrets, ambient.now()));
    }

    #[test]
    fn subjects_of_two_issuers_are_two() {
        let subject = |issuer: &str, subject: &str| {
            Subject { issuer: issuer.to_owned(), subject: subject.to_owned() }.fingerprint()
        };
        assert_ne!(subject("https://a.example", "1"), subject("https://b.example", "1"));
        assert_ne!(subject("https://a.example", "11"), subject("https://a.example", "1"));
        assert_eq!(subject("https://a.example", "1"), subject("https://a.example", "1"));
    }
}
