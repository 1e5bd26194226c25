//! The keys that access tokens are signed with: made at the first start, the same for every process on one store, and
//! followed by others by time or at the operator's word.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use tertulia_contracts::{
    auth::{Jwks, KeyState, SigningKeyInfo, SigningKeys},
    identity::{Claims, SEED_BYTES, SigningKey},
};
use tertulia_documents as documents;
use tertulia_runtime::{Ambient, Timestamp, lifecycle::CancellationToken, secret};

use crate::{
    Auth, Error,
    model::{
        audit::{Deed, Origin},
        key_ring::{KeyRing, StoredKey},
    },
    store::Store,
};

/// How often each process looks at the ring: much more often than a key waits until it signs.
const ROUND: Duration = Duration::from_secs(2);
/// So long a key is published before it signs, when its time comes: longer than anybody goes on with keys they know.
pub(crate) const AHEAD: Duration = Duration::from_hours(1);
/// And when the operator asks for it: every process that publishes keys has it by then.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 8;

/// The private keys, ready for use.
pub(crate) struct Keys(RwLock<Arc<Opened>>);

struct Opened {
    ring: KeyRing,
    keys: Vec<SigningKey>,
    published: Jwks,
}

impl Keys {
    /// Reads the keys, or makes the first one. Of processes that start at the same moment on an empty store
    /// one inserts its key, and the others find it.
    pub(crate) async fn load(store: &Store, ambient: &Ambient) -> Result<Self, Error> {
        let ring = match store.key_rings.get(KeyRing::ID).await? {
            Some(found) => found.value,
            None => Self::make(store, ambient).await?,
        };
        Ok(Self(RwLock::new(Arc::new(Opened::new(ring)?))))
    }

    async fn make(store: &Store, ambient: &Ambient) -> Result<KeyRing, Error> {
        let seed = secret::random(&*ambient.entropy, SEED_BYTES);
        let ring = KeyRing { keys: vec![StoredKey { seed, created_at: ambient.now(), signs_from: None }] };
        match store.key_rings.insert(&ring, Vec::new()).await {
            Ok(_) => Ok(ring),
            Err(documents::Error::Conflict { .. }) => {
                let ring = store.key_rings.get(KeyRing::ID).await?;
                Ok(ring.ok_or(Error::SigningKeys("they were there and are gone"))?.value)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Goes on with this ring.
    fn install(&self, ring: KeyRing) -> Result<(), Error> {
        if self.opened().ring != ring {
            let opened = Arc::new(Opened::new(ring)?);
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = opened;
        }
        Ok(())
    }

    fn opened(&self) -> Arc<Opened> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An access token with these claims, by the key that signs now.
    pub(crate) fn sign(&self, claims: &Claims, now: Timestamp) -> String {
        let opened = self.opened();
        opened.keys[opened.ring.signing(now)].sign(claims)
    }

    /// The public halves.
    pub(crate) fn published(&self) -> Jwks {
        self.opened().published.clone()
    }

    /// What the operator sees of them, the newest first.
    pub(crate) fn view(&self, now: Timestamp, life: Duration) -> SigningKeys {
        let opened = self.opened();
        let (ring, signing) = (&opened.ring, opened.ring.signing(now));
        let view = |(place, key): (usize, &SigningKey)| SigningKeyInfo {
            kid: key.public().kid.clone(),
            state: match place {
                before if before < signing => KeyState::Old,
                same if same == signing => KeyState::Signing,
                _ => KeyState::Next,
            },
            signs_from: ring.keys[place].begins_at(),
            gone_from: ring.keys.get(place + 1).map(|next| next.begins_at().plus(life)),
        };
        SigningKeys { items: opened.keys.iter().enumerate().rev().map(view).collect(), next_cursor: None }
    }
}

impl Opened {
    fn new(ring: KeyRing) -> Result<Self, Error> {
        if ring.keys.is_empty() {
            return Err(Error::SigningKeys("the ring is empty"));
        }
        let keys: Vec<SigningKey> = ring.keys.iter().map(open_key).collect::<Result<_, _>>()?;
        let published = Jwks { keys: keys.iter().map(|key| key.public().clone()).collect() };
        Ok(Self { ring, keys, published })
    }
}

fn open_key(key: &StoredKey) -> Result<SigningKey, Error> {
    let seed = BASE64_URL_SAFE_NO_PAD.decode(&key.seed).ok();
    let seed: Option<[u8; SEED_BYTES]> = seed.and_then(|seed| seed.try_into().ok());
    Ok(SigningKey::from_seed(&seed.ok_or(Error::SigningKeys("a seed is not 32 bytes of base64url"))?))
}

impl Auth {
    /// Looks after the ring until shutdown. While the store is away it goes on with the keys there are.
    pub(crate) async fn run_keys(&self, shutdown: CancellationToken) -> Result<(), Infallible> {
        loop {
            if let Err(error) = self.keep_keys().await {
                tracing::warn!(%error, "the signing keys could not be looked after");
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(ROUND) => {}
            }
        }
    }

    /// Takes over what other processes did, publishes the next key when its time comes, and takes away what is over.
    async fn keep_keys(&self) -> Result<(), Error> {
        let now = self.ambient.now();
        let keep = |ring: &KeyRing| {
            let ring = ring.without_old(now, self.remembered_for());
            let rotation = self.config.key_rotation();
            let due = rotation.is_some_and(|rotation| ring.is_due(now, rotation, AHEAD));
            Ok(if due { ring.with_next(self.seed(), now, now.plus(AHEAD)) } else { ring })
        };
        self.change_keys(&Origin::default(), keep).await
    }

    /// Another key signs from now on, or nearly: everybody hears of it first.
    pub(crate) async fn rotate_keys(&self, origin: &Origin) -> Result<SigningKeys, Error> {
        let now = self.ambient.now();
        let rotate = |ring: &KeyRing| {
            let next = ring.with_next(self.seed(), now, now.plus(AT_ONCE));
            let retry_after = self.remembered_for();
            if next.keys.len() > KeyRing::MAX_KEYS { Err(Error::TooOften { retry_after }) } else { Ok(next) }
        };
        self.change_keys(origin, rotate).await?;
        Ok(self.signing_keys())
    }

    /// What the operator sees of the keys.
    pub(crate) fn signing_keys(&self) -> SigningKeys {
        self.keys.view(self.ambient.now(), self.remembered_for())
    }

    fn seed(&self) -> String {
        secret::random(&*self.ambient.entropy, SEED_BYTES)
    }

    /// Changes the ring by what it is at that very moment, and goes on with it.
    async fn change_keys(
        &self,
        origin: &Origin,
        change: impl Fn(&KeyRing) -> Result<KeyRing, Error>,
    ) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            let found = self.store.key_rings.get(KeyRing::ID).await?;
            let found = found.ok_or(Error::SigningKeys("they were there and are gone"))?;
            let ring = change(&found.value)?;
            if ring == found.value {
                return self.keys.install(ring);
            }
            let is_new = ring.keys.last() != found.value.keys.last();
            let noted = is_new.then(|| self.note(Deed::KeysRotated, origin, None, BTreeMap::new()));
            let events = noted.into_iter().collect();
            match self.store.key_rings.replace(&ring, found.revision, events).await {
                Ok(_) => return self.keys.install(ring),
                Err(documents::Error::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::ChangedMeanwhile)
    }
}
