//! The suite that every adapter of discovery passes, one list of named cases.
//!
//! Each case names a [`Fault`], and must fail on an adapter that has it.

mod agent;
mod sabotage;
mod viewing;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

pub use sabotage::{Fault, SabotagedRig};

use crate::{Discovery, Instance, View};

/// How an agent is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// It is killed: connections break and new ones are refused.
    Killed,
    /// It is silent: connections stay and nothing is answered.
    Silent,
}

/// An adapter, its agent, and the ways to hurt it. Every case gets its own, empty.
#[async_trait]
pub trait Rig: Send + Sync {
    /// Discovery as another node has it. All nodes of a rig share one agent.
    async fn node(&self) -> Arc<dyn Discovery>;

    /// How long an instance stays that is not renewed.
    fn ttl(&self) -> Duration;

    /// Takes the agent away.
    async fn lose_agent(&self, loss: Loss);

    /// Brings it back, with what it knew.
    async fn return_agent(&self);

    /// Makes the agent forget an instance, behind the adapter's back.
    async fn forget(&self, instance: &Instance);

    /// Tells the agent of an instance that is not healthy, behind the adapter's back.
    async fn plant_unhealthy(&self, instance: &Instance);

    /// How long a case waits for what must happen; generous, since a test machine may be busy.
    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}

tertulia_conformance::cases! {
    on dyn Rig, broken by Fault:
    viewing::what_is_registered_is_found_on_every_node by HidesOne,
    viewing::roles_do_not_mix by MixesRoles,
    viewing::instances_come_in_the_order_of_their_ids by Reverses,
    viewing::registering_an_id_again_replaces_it by KeepsTheFirst,
    viewing::a_role_that_nobody_serves_is_known_to_be_empty by NeverSettles,
    viewing::a_change_is_seen_within_a_second by SeesLate,
    viewing::a_deregistered_instance_is_gone by KeepsDeregistered,
    viewing::one_that_stops_renewing_is_gone_after_its_time by RenewsForTheDead,
    viewing::one_that_lives_stays_beyond_its_time by RenewsNothing,
    viewing::check_passes_while_all_is_well by ChecksWrongly,
    agent::an_unhealthy_instance_is_not_returned by ReturnsTheUnhealthy,
    agent::an_agent_that_has_forgotten_is_told_again by RenewsNothing,
    agent::the_last_known_answer_stands_while_the_agent_is_dead by ForgetsWhileAway,
    agent::the_last_known_answer_stands_while_the_agent_is_silent by ForgetsWhileAway,
    agent::an_old_answer_is_said_to_be_stale by SaysFresh,
    agent::an_agents_restart_is_survived by StaysAway,
    agent::check_fails_while_the_agent_is_away by ChecksWrongly,
}

/// An instance of a role, told apart by its number.
fn instance(role: &str, number: u16) -> Instance {
    let address = SocketAddr::from(([127, 0, 0, 1], 20_000 + number));
    Instance { role: role.to_owned(), id: format!("{role}-{number:03}"), address }
}

/// Waits for a view that fits, and returns it.
async fn see(rig: &dyn Rig, views: &mut watch::Receiver<View>, fits: impl FnMut(&View) -> bool) -> View {
    let seen = tokio::time::timeout(rig.patience(), views.wait_for(fits))
        .await
        .map(|view| view.expect("a view ends with its discovery").clone());
    seen.unwrap_or_else(|_| panic!("the view that was waited for did not come, but {:?}", *views.borrow()))
}

/// Waits until exactly these are seen, and freshly so.
async fn see_instances(rig: &dyn Rig, views: &mut watch::Receiver<View>, expected: &[Instance]) {
    see(rig, views, |view| !view.stale && *view.instances == *expected).await;
}
