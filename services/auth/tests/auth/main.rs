//! Auth through its router, on a real store and a real bus.

mod accounts;
mod app;
mod authorization;
mod keys;
mod sessions;
mod setup;
