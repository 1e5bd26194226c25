//! The service over real loopback sockets, with a small messaging of the tests' own behind it.

mod bounds;
mod catching_up;
mod crooked_bus;
mod fake;
mod hello;
mod house;
mod talking;
