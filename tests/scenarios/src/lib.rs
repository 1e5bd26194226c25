//! Stories that cross services, told the same way to every topology, and the witness that judges them.

pub mod authenticator;
pub mod heard;
pub mod journal;
pub mod person;
pub mod stories;
pub mod system;
pub mod ways;
