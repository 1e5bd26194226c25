//! The bus port: how services tell each other what happened.
//!
//! Two lanes. The **durable** one delivers every accepted event to every consumer group at least once; the
//! **broadcast** one reaches whoever listens now and may lose. See [`port`] for the promises, which every
//! adapter keeps and the conformance suite checks.

#[cfg(feature = "conformance")]
pub mod conformance;
mod ear;
pub mod error;
mod lanes;
pub mod port;
pub mod rabbitmq;
pub mod sqlite;
mod wire;

pub use error::Error;
pub use port::{
    Broadcast, Bus, Consumer, DeadLetter, DeadLetterId, Group, Handler, Heard, Listener, Outcome,
    RetryPolicy, Subscription, Topology, consume,
};
pub use rabbitmq::{RabbitBus, RabbitConfig};
pub use sqlite::SqliteBus;
