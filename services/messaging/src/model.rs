//! Types and rules of conversations and their logs. No async, no IO, no clock of its own.

pub mod access;
pub mod alteration;
pub mod callee;
pub mod change;
pub mod emoji;
pub mod export;
pub mod filters;
pub mod founding;
pub mod invitation;
pub mod listing;
pub mod markup;
pub mod membership;
pub mod message;
pub mod moderation;
pub mod place;
pub mod poll;
pub mod private;
pub mod quote;
pub mod roles;
pub mod schedule;
pub mod settings;
pub mod slack;
pub mod snapshot;
pub mod text;
pub mod thread;
pub mod unread;
mod words;
