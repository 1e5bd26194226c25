//! Types and rules: no IO, no clock of their own.

pub(crate) mod account;
pub(crate) mod api_token;
pub(crate) mod audit;
pub(crate) mod erasure;
pub(crate) mod invitation;
pub(crate) mod key_ring;
pub(crate) mod link;
pub(crate) mod openid;
pub(crate) mod passkey;
pub(crate) mod second_factor;
pub(crate) mod session;
mod ways_in;
