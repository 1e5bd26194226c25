//! The use cases.

pub(crate) mod accounts;
pub(crate) mod janitor;
pub(crate) mod keys;
pub(crate) mod passwords;
pub(crate) mod sessions;
pub(crate) mod setup;
