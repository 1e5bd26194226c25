//! The discovery port: who serves which role, healthy, now. See [`port`] for the promises, which every
//! adapter keeps and the conformance suite checks.
//!
//! [`StaticDiscovery`] serves one process or a fixed list of addresses, [`ConsulDiscovery`] all others.

#[cfg(feature = "conformance")]
pub mod conformance;
mod consul;
pub mod port;
mod static_list;

pub use consul::{ConsulConfig, ConsulDiscovery};
pub use port::{Discovery, Error, Instance, Registration, View};
pub use static_list::StaticDiscovery;
