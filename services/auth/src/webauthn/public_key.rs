//! A credential's public key: COSE (RFC 9052, RFC 9053) as it comes, and verified with.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use ciborium::Value;
use serde::{Deserialize, Serialize};

use super::{Refused, authenticator_data::member, decoded, encoded};

/// COSE's numbers of the algorithms that are taken, the best liked first (IANA, COSE Algorithms).
pub(crate) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;
/// The longest modulus that is kept: 8192 bits.
const MAX_MODULUS_BYTES: usize = 1024;

/// A public key, as it is kept: its parts in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "alg")]
pub(crate) enum PublicKey {
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256 { point: String },
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa { x: String },
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256 { n: String, e: String },
}

impl PublicKey {
    /// Reads a COSE key of an algorithm that is taken.
    pub(super) fn read(key: &Value) -> Result<Self, Refused> {
        let number = |name: i64| member(key, &Value::from(name)).and_then(Value::as_integer).map(i128::from);
        let bytes = |name: i64| {
            let found = member(key, &Value::from(name)).and_then(Value::as_bytes);
            found.ok_or(Refused("the key lacks a part"))
        };
        // The type, the algorithm and the curve (RFC 9052 §7.1, RFC 9053 §7).
        match (number(1), number(3).and_then(|it| i64::try_from(it).ok()), number(-1)) {
            (Some(2), Some(ES256), Some(1)) => {
                let (x, y) = (bytes(-2)?, bytes(-3)?);
                if x.len() != 32 || y.len() != 32 {
                    return Err(Refused("the key is no point of P-256"));
                }
                Ok(Self::Es256 { point: encoded(&[&[4], x.as_slice(), y.as_slice()].concat()) })
            }
            (Some(1), Some(EDDSA), Some(6)) => {
                let x = bytes(-2)?;
                if x.len() == 32 {
                    Ok(Self::EdDsa { x: encoded(x) })
                } else {
                    Err(Refused("the key is no Ed25519 key"))
                }
            }
            (Some(3), Some(RS256), _) => {
                let (n, e) = (bytes(-1)?, bytes(-2)?);
                if n.len() > MAX_MODULUS_BYTES || e.len() > 8 {
                    return Err(Refused("the key is too large"));
                }
                Ok(Self::Rs256 { n: encoded(n), e: encoded(e) })
            }
            _ => Err(Refused("the key is of another kind")),
        }
    }

    /// Fails unless this key signed that.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8]) -> Result<(), Refused> {
        let verified = match self {
            Self::Es256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, decoded(point)?).verify(signed, signature)
            }
            Self::EdDsa { x } => UnparsedPublicKey::new(&ED25519, decoded(x)?).verify(signed, signature),
            Self::Rs256 { n, e } => {
                let key = RsaPublicKeyComponents { n: decoded(n)?, e: decoded(e)? };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
        };
        verified.map_err(|_| Refused("the signature is another key's"))
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::KeySize,
        signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
    };

    use super::*;

    fn cose(members: &[(i64, Value)]) -> Value {
        Value::Map(members.iter().map(|(name, value)| (Value::from(*name), value.clone())).collect())
    }

    fn okp(x: Vec<u8>) -> Value {
        cose(&[(1, Value::from(1)), (3, Value::from(EDDSA)), (-1, Value::from(6)), (-2, Value::Bytes(x))])
    }

    #[test]
    fn ed25519_and_rsa_verify_what_they_signed_and_nothing_else() {
        let ed = Ed25519KeyPair::generate().unwrap();
        let key = PublicKey::read(&okp(ed.public_key().as_ref().to_vec())).unwrap();
        key.verify(b"a", ed.sign(b"a").as_ref()).unwrap();
        key.verify(b"b", ed.sign(b"a").as_ref()).unwrap_err();

        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"a", &mut signature).unwrap();
        let (n, e) = (rsa.public_key().modulus(), rsa.public_key().exponent());
        let members = |n: &[u8]| {
            let (n, e) =
                (Value::Bytes(n.to_vec()), Value::Bytes(e.big_endian_without_leading_zero().to_vec()));
            cose(&[(1, Value::from(3)), (3, Value::from(RS256)), (-1, n), (-2, e)])
        };
        let n = n.big_endian_without_leading_zero();
        let key = PublicKey::read(&members(n)).unwrap();
        key.verify(b"a", &signature).unwrap();
        key.verify(b"b", &signature).unwrap_err();
        // One of 1024 bits is read and verifies nothing.
        PublicKey::read(&members(&n[..128])).unwrap().verify(b"a", &signature[..128]).unwrap_err();
        PublicKey::read(&members(&[1; MAX_MODULUS_BYTES + 1])).unwrap_err();
        let kept = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&kept).unwrap(), key);
    }

    #[test]
    fn a_key_of_another_kind_or_size_is_refused() {
        let ec = |alg: i64, curve: i64, x: usize| {
            let part = || Value::Bytes(vec![1; x]);
            cose(&[
                (1, Value::from(2)),
                (3, Value::from(alg)),
                (-1, Value::from(curve)),
                (-2, part()),
                (-3, part()),
            ])
        };
        PublicKey::read(&ec(ES256, 1, 32)).unwrap();
        let not_a_point = PublicKey::read(&ec(ES256, 1, 32)).unwrap();
        not_a_point.verify(b"a", b"a").unwrap_err();
        let wrong = [ec(-35, 2, 48), ec(ES256, 2, 32), ec(EDDSA, 1, 32), ec(ES256, 1, 31), okp(vec![1; 31])];
        for key in wrong.into_iter().chain([Value::Null, Value::Map(Vec::new())]) {
            assert!(PublicKey::read(&key).is_err(), "{key:?}");
        }
    }
}
