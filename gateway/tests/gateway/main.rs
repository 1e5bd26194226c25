//! The gateway before services that are made up, so that what it lets through can be seen.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails loudly where it is wrong")]

mod browsers;
mod hostile_heads;
mod inside;
mod limits;
mod openapi;
mod passage;
