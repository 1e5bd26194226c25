//! The test bed's own tests, on the real servers. One program, since each would be linked with every driver
//! anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helper functions too")]

mod common;
mod ends;
mod servers;
