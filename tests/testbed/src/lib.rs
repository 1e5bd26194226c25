//! Starts the real servers that the tests run against: Redis, RabbitMQ, two MongoDB-compatible servers,
//! Consul, an SMTP sink, an OpenID provider, Nginx and toxiproxy; schemathesis, which asks of one all that may be asked; and those that `make bench` measures against: ejabberd, Prosody and uWebSockets.
//!
//! Promises: each server is a plain process of this machine on free ports of 127.0.0.1, with its data and its
//! log in a folder of the [`Testbed`]; it has answered in its own protocol before `start` returns; it keeps
//! its port and its data when it is killed and started again; and it ends with the test process however that
//! ends, `kill -9` included, together with the folder. Only processes started here are ever signalled.
//!
//! Failures: a server that is not installed is an error that names the command that installs it, never a
//! skipped test. A server that does not get ready is an error that quotes the end of its log. Linux only.

mod bed;
mod place;
mod port;
mod probe;
mod process;
mod server;
mod watchdog;

pub mod consul;
pub mod ejabberd;
pub mod ferretdb;
pub mod nginx;
pub mod oidcprovider;
mod postgresql;
pub mod program;
pub mod prosody;
pub mod rabbitmq;
pub mod redis;
pub mod schemathesis;
pub mod secantusdb;
pub mod smtp;
pub mod toxiproxy;
pub mod uwebsockets;

pub use bed::Testbed;
pub use server::Server;
