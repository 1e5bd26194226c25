//! The product from outside: the binary as its operator starts it, and the wire as its clients see it.
//!
//! Nothing here knows how the product is built inside. One binary of tests, since each of them is linked anew.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails loudly where it is wrong")]

mod addresses;
mod bad_bodies;
mod bad_frames;
mod bad_tokens;
mod configuration;
mod dead_letters;
mod doctor;
mod full_disk;
mod private;
mod process;
mod refusals;
mod start_and_stop;
mod watched;
mod wire;
