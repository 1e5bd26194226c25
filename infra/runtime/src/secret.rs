//! Random secrets, and the fingerprints that are stored in their place.
//!
//! A fingerprint is a plain SHA-256: the secrets have 128 bits and more, so there is nothing to guess that a
//! slow hash would protect.

use crate::Entropy;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// So many random bytes as letters, digits, `-` and `_`.
pub fn random(entropy: &dyn Entropy, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    entropy.fill(&mut buffer);
    BASE64_URL_SAFE_NO_PAD.encode(buffer)
}

/// What is stored of a secret.
pub fn fingerprint(secret: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

/// Whether this is the fingerprint of the secret, without telling by its duration how near it is.
pub fn matches(secret: &str, stored: &str) -> bool {
    fingerprint(secret).as_bytes().ct_eq(stored.as_bytes()).into()
}
