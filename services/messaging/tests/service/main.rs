//! Messaging through its router: on SQLite in a folder of the test's own (and where documents themselves are the matter, on
//! a MongoDB-compatible server too), with a frozen clock and an auth that knows whom the test says.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod altering;
mod approving;
mod attaching;
mod authorization;
mod blocking;
mod calling_roles;
mod carrying;
mod commenting;
mod conversations;
mod custom_emoji;
mod custom_roles;
mod directory;
mod disappearing;
mod drafting;
mod erasing;
mod export;
mod faults;
mod filtering;
mod folds;
mod forwarding;
mod fuzz;
mod harness;
mod hooks;
mod input;
mod invitations;
mod listing;
mod live;
mod mentioning;
mod moderating;
mod offices;
mod pinning;
mod places;
mod polling;
mod posting;
mod presence;
mod programs;
mod purging;
mod quoting;
mod reacting;
mod reading;
mod receipts;
mod replay;
mod reporting;
mod requests;
mod retrying;
mod roles;
mod room;
mod saving;
mod scheduling;
mod settings;
mod slow_mode;
mod threads;
mod writers;
