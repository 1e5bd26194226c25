//! The adapters, dressed for the suite.

mod rabbitmq;
mod sqlite;

pub(crate) use rabbitmq::Broker;
pub(crate) use sqlite::SqliteRig;
