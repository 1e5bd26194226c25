//! The gateway before services that are made up, so that what it lets through can be seen.

mod inside;
mod limits;
mod openapi;
mod passage;
