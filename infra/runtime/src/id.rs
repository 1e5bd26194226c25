//! Typed, prefixed ULIDs: `usr_01J9Z…`. The prefix says what the id names, the type stops one being
//! passed for another, and the ULID (<https://github.com/ulid/spec>) sorts by the moment of its making.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    marker::PhantomData,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

use crate::{Clock, Entropy};

/// A kind of thing that has ids. Implemented by empty enums, one a kind.
pub trait IdKind: 'static {
    /// What stands before the underscore; three lower-case letters.
    const PREFIX: &'static str;
}

/// The id of a `T`: its prefix, an underscore and a ULID of 26 characters.
pub struct Id<T: IdKind>(Ulid, PhantomData<fn() -> T>);

impl<T: IdKind> Id<T> {
    /// Names the ULID as the id of a `T`.
    pub const fn from_ulid(ulid: Ulid) -> Self {
        Self(ulid, PhantomData)
    }

    /// The ULID behind the prefix.
    pub const fn ulid(self) -> Ulid {
        self.0
    }
}

/// Why a text is not the id that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {prefix}_ and 26 letters and digits of a ULID")]
pub struct MalformedId {
    prefix: &'static str,
}

impl<T: IdKind> FromStr for Id<T> {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = MalformedId { prefix: T::PREFIX };
        let digits = text.strip_prefix(T::PREFIX).and_then(|rest| rest.strip_prefix('_'));
        let ulid = digits.and_then(|digits| Ulid::from_string(digits).ok()).ok_or(malformed.clone())?;
        // A ULID may be spelled in lower case; an id has one spelling, or two texts would name one thing.
        if digits.is_some_and(|digits| digits.bytes().any(|byte| byte.is_ascii_lowercase())) {
            return Err(malformed);
        }
        Ok(Self::from_ulid(ulid))
    }
}

impl<T: IdKind> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        write!(f, "{}_{}", T::PREFIX, self.0.array_to_str(&mut buffer))
    }
}

impl<T: IdKind> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T: IdKind> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: IdKind> Copy for Id<T> {}

impl<T: IdKind> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: IdKind> Eq for Id<T> {}

impl<T: IdKind> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: IdKind> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<T: IdKind> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T: IdKind> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: IdKind> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<T: IdKind> utoipa::PartialSchema for Id<T> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::schema::{ObjectBuilder, Type};
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}$", T::PREFIX)))
            .into()
    }
}

impl<T: IdKind> utoipa::ToSchema for Id<T> {
    fn name() -> std::borrow::Cow<'static, str> {
        std::borrow::Cow::Owned(format!("Id_{}", T::PREFIX))
    }
}

/// Issues ids that only ever grow within one process, even when the clock stands still or steps back.
pub struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    last: Mutex<Ulid>,
}

impl Ids {
    /// An issuer on this clock and this randomness.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: Mutex::new(Ulid::nil()) }
    }

    /// The next id of a `T`, greater than every one issued before.
    pub fn next<T: IdKind>(&self) -> Id<T> {
        Id::from_ulid(self.next_ulid())
    }

    /// The next ULID, greater than every one issued before.
    ///
    /// # Panics
    /// After 2^80 in one millisecond, which no process reaches.
    pub fn next_ulid(&self) -> Ulid {
        let millis = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let mut random = [0; 16];
        self.entropy.fill(&mut random[..10]);
        let fresh = Ulid::from_parts(millis, u128::from_le_bytes(random));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = if fresh > *last && fresh.timestamp_ms() > last.timestamp_ms() {
            fresh
        } else {
            last.increment().expect("a process does not issue 2^80 ids in one millisecond")
        };
        *last = next;
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, entropy::SeededEntropy};

    enum Thing {}
    impl IdKind for Thing {
        const PREFIX: &'static str = "thg";
    }

    struct Backwards(Mutex<i64>);
    impl Clock for Backwards {
        fn now(&self) -> Timestamp {
            let mut millis = self.0.lock().unwrap();
            *millis -= 7;
            Timestamp::from_millis(*millis)
        }
    }

    #[test]
    fn ids_grow_even_when_the_clock_runs_backwards() {
        let clock = Arc::new(Backwards(Mutex::new(1_700_000_000_000)));
        let ids = Ids::new(clock, Arc::new(SeededEntropy::new(1)));
        let issued: Vec<Id<Thing>> = (0..1_000).map(|_| ids.next()).collect();
        assert!(issued.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn an_id_has_exactly_one_spelling() {
        let id: Id<Thing> = Id::from_ulid(Ulid::from_parts(1_700_000_000_000, 12345));
        assert_eq!(id.to_string().parse::<Id<Thing>>().unwrap(), id);
        for wrong in
            ["", "thg_", "usr_01HF7YAT00000000000000C1S9", &id.to_string().to_lowercase(), &format!("{id}0")]
        {
            assert!(wrong.parse::<Id<Thing>>().is_err(), "{wrong} was accepted");
        }
    }
}
