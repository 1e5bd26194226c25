//! The service over real loopback sockets, with a small messaging of the tests' own behind it.

#![expect(clippy::unwrap_used, reason = "a test that meets a surprise fails by panicking")]

mod bounds;
mod catching_up;
mod client;
mod crooked_bus;
mod crooked_cache;
mod fake;
mod fuzz;
mod hello;
mod house;
mod presence;
mod programs;
mod streams;
mod talking;
mod transcripts;
mod watching;
