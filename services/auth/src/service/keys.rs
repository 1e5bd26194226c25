//! The keys that access tokens are signed with: made at the first start, the same for every process on one store.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tertulia_contracts::{
    auth::Jwks,
    identity::{SEED_BYTES, SigningKey},
};
use tertulia_documents as documents;
use tertulia_runtime::{Ambient, secret};

use crate::{
    Error,
    store::{KeyRing, Store, StoredKey},
};

/// The private keys, ready for use.
pub(crate) struct Keys {
    signing: SigningKey,
    published: Jwks,
}

impl Keys {
    /// Reads the keys, or makes the first one. Of processes that start at the same moment on an empty store
    /// one inserts its key, and the others find it.
    pub(crate) async fn load(store: &Store, ambient: &Ambient) -> Result<Self, Error> {
        if let Some(ring) = store.key_rings.get(KeyRing::ID).await? {
            return Self::open(&ring.value);
        }
        let seed = secret::random(&*ambient.entropy, SEED_BYTES);
        let ring = KeyRing { keys: vec![StoredKey { seed, created_at: ambient.now() }] };
        match store.key_rings.insert(&ring, Vec::new()).await {
            Ok(_) => Self::open(&ring),
            Err(documents::Error::Conflict { .. }) => {
                let ring = store.key_rings.get(KeyRing::ID).await?;
                Self::open(&ring.ok_or(Error::SigningKeys("they were there and are gone"))?.value)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn open(ring: &KeyRing) -> Result<Self, Error> {
        let keys: Vec<SigningKey> = ring.keys.iter().map(open_key).collect::<Result<_, _>>()?;
        let published = Jwks { keys: keys.iter().map(|key| key.public().clone()).collect() };
        let signing = keys.into_iter().next_back().ok_or(Error::SigningKeys("the ring is empty"))?;
        Ok(Self { signing, published })
    }

    /// The key that signs.
    pub(crate) const fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The public halves.
    pub(crate) const fn published(&self) -> &Jwks {
        &self.published
    }
}

fn open_key(key: &StoredKey) -> Result<SigningKey, Error> {
    let seed = BASE64_URL_SAFE_NO_PAD.decode(&key.seed).ok();
    let seed: Option<[u8; SEED_BYTES]> = seed.and_then(|seed| seed.try_into().ok());
    Ok(SigningKey::from_seed(&seed.ok_or(Error::SigningKeys("a seed is not 32 bytes of base64url"))?))
}
