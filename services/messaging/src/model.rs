//! Types and rules of conversations and their logs. No async, no IO, no clock of its own.

pub mod access;
pub mod change;
pub mod founding;
pub mod membership;
pub mod place;
pub mod snapshot;
pub mod unread;
