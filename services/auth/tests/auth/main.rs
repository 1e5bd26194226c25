//! Auth through its router, on a real store and a real bus.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails loudly where it is wrong")]

mod accounts;
mod app;
mod audit;
mod authorization;
mod dying;
mod erasures;
mod invitations;
mod keys;
mod mailbox;
mod openid;
mod passkeys;
mod password;
mod profile;
mod programs;
mod second_factor;
mod sessions;
mod setup;
mod standing;
mod throttling;
