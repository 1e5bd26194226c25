//! The suite that every adapter of the bus passes, one list of named cases.
//!
//! Each case names a [`Fault`], and must fail on an adapter that has it.

mod broadcasts;
mod dead_letters;
mod delivery;
mod failures;
mod kit;
mod sabotage;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

pub use sabotage::{Fault, SabotagedRig};

use crate::{Bus, Topology};

/// An adapter, its server, and the ways to hurt them. Every case gets its own, with empty queues.
#[async_trait]
pub trait Rig: Send + Sync {
    /// A node: an open bus on this rig's queues.
    async fn open(&self, topology: Topology) -> Arc<dyn Bus>;

    /// Another node on the same queues; the same one, where there can be only one.
    async fn another_node(&self, bus: &Arc<dyn Bus>, _: Topology) -> Arc<dyn Bus> {
        bus.clone()
    }

    /// Crashes and restarts what keeps the queues. The node given comes back as it is after that; its
    /// consumers may have died with it.
    async fn restart(&self, bus: Arc<dyn Bus>, topology: Topology) -> Arc<dyn Bus>;

    /// Cuts the way to the server. Does nothing where there is none.
    async fn cut(&self);

    /// Mends what [`Rig::cut`] broke.
    async fn restore(&self);

    /// Whether there is a way that [`Rig::cut`] can cut.
    fn has_connections(&self) -> bool;

    /// Breaks, behind the adapter's back, the way to where this group's events are stored.
    async fn break_routing(&self, group: &str);

    /// Puts bytes that are no event into this group's queue.
    async fn plant(&self, group: &str, bytes: &[u8]);

    /// How long a case waits for what must happen.
    fn patience(&self) -> Duration;
}

tertulia_conformance::cases! {
    on dyn Rig, broken by Fault:
    delivery::every_group_gets_every_event by FirstGroupOnly,
    delivery::competing_consumers_share_a_group by EveryConsumerGetsAll,
    delivery::events_wait_for_a_group_that_has_never_run by LosesOne,
    delivery::events_of_a_key_keep_their_order by Reverses,
    delivery::prefetch_bounds_what_is_in_hand by IgnoresPrefetch,
    delivery::a_slow_consumer_blocks_no_other_group by OneAtATime,
    delivery::depths_tell_what_waits by TellsNoDepths,
    delivery::a_trace_travels_with_its_event by DropsTraces,
    delivery::what_is_not_in_the_topology_is_an_error by SwallowsErrors,
    delivery::an_oversized_event_is_refused by SwallowsErrors,
    failures::a_consumer_crash_loses_nothing by SettlesEarly,
    failures::order_holds_when_a_consumer_dies by Reverses,
    failures::a_restart_loses_nothing by ForgetsAtRestart,
    failures::a_lost_connection_loses_nothing by LosesOne,
    failures::an_event_without_a_queue_is_an_error by SwallowsErrors,
    failures::stop_waits_for_what_is_in_hand_and_returns_the_rest by StopsAtOnce,
    failures::a_failed_event_is_retried_with_growing_delay by RetriesAtOnce,
    failures::a_panic_is_a_failure by SwallowsPanics,
    failures::order_holds_through_failures by RetriesLater,
    failures::a_failing_key_holds_up_no_other by OneAtATime,
    dead_letters::what_fails_too_often_is_a_dead_letter_with_its_reason by ForgetsReasons,
    dead_letters::a_rejected_event_is_dead_at_once by SwallowsRejections,
    dead_letters::an_event_of_an_unknown_version_is_dead_at_once by SwallowsRejections,
    dead_letters::poison_becomes_a_dead_letter by HidesLetters,
    dead_letters::letters_are_listed_oldest_first_within_the_limit by HidesLetters,
    dead_letters::a_replayed_letter_is_handled_again by ReplaysNothing,
    dead_letters::a_dropped_letter_is_gone by DropsNothing,
    broadcasts::a_broadcast_reaches_every_listener by FirstListenerOnly,
    broadcasts::only_joined_channels_are_heard by NeverLeaves,
    broadcasts::a_listener_that_falls_behind_hears_a_gap by HidesGaps,
    broadcasts::a_lost_connection_is_a_gap by HidesGaps,
    broadcasts::an_oversized_broadcast_is_refused by SwallowsErrors,
}
