//! Ed25519 keys in the forms that JOSE wants them in.

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{AlgorithmParameters, Jwk as JoseJwk, ThumbprintHash},
};

use super::{Claims, TOKEN_TYPE};
use crate::auth::Jwk;

/// The length of a private key's seed.
pub const SEED_BYTES: usize = 32;

/// What stands before the seed in a private key's PKCS #8 form (RFC 8410 §7, without the public key).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A private key that signs access tokens, and the public half that verifies them. Only auth has any.
pub struct SigningKey {
    pub(super) private: EncodingKey,
    header: Header,
    public: Jwk,
}

impl SigningKey {
    /// The key that belongs to this seed. Its id is its thumbprint (RFC 7638), so the same key has the same
    /// id everywhere.
    #[expect(clippy::missing_panics_doc, reason = "what it expects is true of every seed")]
    pub fn from_seed(seed: &[u8; SEED_BYTES]) -> Self {
        let private = EncodingKey::from_ed_der(&[PKCS8_PREFIX.as_slice(), seed].concat());
        let public = JoseJwk::from_encoding_key(&private, Algorithm::EdDSA)
            .expect("every 32 bytes are the seed of an Ed25519 key");
        let kid = public.thumbprint(ThumbprintHash::SHA256).expect("an Ed25519 key has a thumbprint");
        let AlgorithmParameters::OctetKeyPair(parameters) = public.algorithm else {
            unreachable!("an Ed25519 key is an octet key pair (RFC 8037)");
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(kid.clone());
        let text = str::to_owned;
        let public = Jwk {
            kty: text("OKP"),
            crv: text("Ed25519"),
            kid,
            usage: text("sig"),
            alg: text("EdDSA"),
            x: parameters.x,
        };
        Self { private, header, public }
    }

    /// The public half, as it is published.
    pub const fn public(&self) -> &Jwk {
        &self.public
    }

    /// An access token with these claims.
    #[expect(clippy::missing_panics_doc, reason = "what it expects was seen when the key was made")]
    pub fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.private)
            .expect("plain claims encode, and the key was checked when it was made")
    }
}
