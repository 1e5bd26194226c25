//! Tells `null` from what is not there, in requests that change a part of something.

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with = "crate::null::given")]` on an `Option<Option<T>>`: nothing if the field is
/// absent, `Some(None)` if it is `null`.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}
