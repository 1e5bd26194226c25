//! The use cases.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod bots;
pub(crate) mod changes;
pub(crate) mod credentials;
pub(crate) mod email;
pub(crate) mod erasures;
pub(crate) mod invitations;
pub(crate) mod janitor;
pub(crate) mod keys;
pub(crate) mod letters;
pub(crate) mod openid;
pub(crate) mod operator;
pub(crate) mod passkeys;
pub(crate) mod passwords;
pub(crate) mod post;
mod profile;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod setup;
pub(crate) mod standing;
mod strength;
mod throttle;
pub(crate) mod tokens;

/// The lowest of so many places that none of these takes. That a place is taken once is for a unique index to see to:
/// so a bound holds, however many come at the same moment.
fn free_slot(taken: impl Iterator<Item = u64>, places: usize) -> Option<u64> {
    let taken: Vec<u64> = taken.collect();
    (0..places as u64).find(|place| !taken.contains(place))
}
