//! The cache port: what may be forgotten. See [`port`] for the promises, which every adapter keeps and the
//! conformance suite checks.

pub mod port;

pub use port::{Admission, Cache, CacheStats, Quota};
