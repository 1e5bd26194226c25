//! The discovery port: who serves which role, healthy, now. See [`port`] for the promises, which every
//! adapter keeps and the conformance suite checks.

pub mod port;
mod static_list;

pub use port::{Discovery, Error, Instance, Registration, View};
pub use static_list::StaticDiscovery;
