//! Who may do what in a conversation: one pure function over one table, asked by every service.
//!
//! Somebody ([`Seat`]) wants to take an [`Action`] somewhere ([`Place`]); the [`Decision`] says why it is so and
//! how much the answer may give away. There is no IO, no clock and no state. Promises, each held to by a
//! property test:
//!
//! * **Total.** Every combination is decided; nothing panics.
//! * **Deny wins** over whatever allows, in whatever order and number roles and overrides come. A conversation
//!   can deny neither the way back to its owner, [`OWNER_KEEPS`], nor their office to those who run the instance.
//! * **Monotone.** Whoever ranks higher may do at least as much. The one thing an owner may not that others may
//!   is to leave the others behind without an owner.
//! * **Nobody escalates.** Nobody acts on somebody who ranks as high or higher, and nobody gives away what they
//!   do not hold, neither by a role nor by lifting a denial.
//! * **Hidden stays hidden.** For a stranger a private conversation does not exist, whatever they try and
//!   whatever office they hold.
//!
//! A refusal is a [`Refusal`]; nothing else fails. `docs/permissions.md` shows the table to people.

mod action;
mod decide;
mod instance;
mod matrix;
mod reason;
mod seat;
#[cfg(test)]
mod tests;

pub use action::{Action, Permissions};
pub use decide::{decide, decide_reseat, decide_toward, permissions};
pub use instance::{InstanceAction, may};
pub use matrix::{
    ARCHIVED_ALLOWS, BANNED_KEEPS, BOTS_MAY_NOT, FIXED, GUEST_ACCOUNTS_MAY, MATRIX, MUTED_DENIES,
    OWNER_KEEPS, Open, Rule,
};
pub use reason::{Decision, Denial, Grant, Refusal};
pub use seat::{InstanceRole, Override, Place, Restriction, Seat};
