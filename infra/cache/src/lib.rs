//! The cache port: what may be forgotten. See [`port`] for the promises, which every adapter keeps and the
//! conformance suite checks.
//!
//! [`MemoryCache`] serves one process, [`RedisCache`] many. [`SingleFlight`] reads through either.

mod breaker;
#[cfg(feature = "conformance")]
pub mod conformance;
mod flight;
mod gcra;
mod memory;
pub mod port;
mod redis_cache;
mod tallies;
mod tracker;

pub use flight::SingleFlight;
pub use memory::{MemoryCache, MemoryConfig};
pub use port::{Admission, Cache, CacheStats, Quota};
pub use redis_cache::{ConnectError, RedisCache, RedisConfig};
