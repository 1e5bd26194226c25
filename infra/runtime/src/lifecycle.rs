//! The life of a process: tasks that are watched, health that says what is wrong, roles that start in the
//! order of their needs, a server that drains, and an end within a deadline.

pub mod health;
pub mod roles;
pub mod run;
pub mod serve;
pub mod supervisor;

pub use health::{Health, Need};
pub use roles::{Role, RoleError, start_order};
pub use run::{Ending, Signals, run_until_signal};
pub use serve::{ServeLimits, serve};
pub use supervisor::{Backoff, Supervisor, TaskReport, TaskState};
pub use tokio_util::sync::CancellationToken;
