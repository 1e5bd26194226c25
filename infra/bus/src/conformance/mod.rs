//! The suite that every adapter of the bus passes, one list of named cases.
//!
//! A case panics when the adapter breaks the promise it is named after. So that a case which cannot fail is
//! found out, each names a [`Fault`], and must panic when it is run on an adapter with that fault.

mod broadcasts;
mod dead_letters;
mod delivery;
mod failures;
mod kit;
mod sabotage;

use std::{pin::Pin, sync::Arc, time::Duration};

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

type Run = fn(Arc<dyn Rig>) -> Pin<Box<dyn Future<Output = ()>>>;

/// One promise.
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// Panics when it is broken.
    pub run: Run,
    /// What breaks it on purpose.
    pub broken_by: Fault,
}

macro_rules! cases {
    ($($module:ident :: $name:ident breaks by $fault:ident,)*) => {
        /// Every promise of the port.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            run: |rig| Box::pin($module::$name(rig)),
            broken_by: Fault::$fault,
        }),*];
    };
}

cases! {
    delivery::every_group_gets_every_event breaks by FirstGroupOnly,
    delivery::competing_consumers_share_a_group breaks by EveryConsumerGetsAll,
    delivery::events_wait_for_a_group_that_has_never_run breaks by LosesOne,
    delivery::events_of_a_key_keep_their_order breaks by Reverses,
    delivery::prefetch_bounds_what_is_in_hand breaks by IgnoresPrefetch,
    delivery::a_slow_consumer_blocks_no_other_group breaks by OneAtATime,
    delivery::depths_tell_what_waits breaks by TellsNoDepths,
    delivery::a_trace_travels_with_its_event breaks by DropsTraces,
    delivery::what_is_not_in_the_topology_is_an_error breaks by SwallowsErrors,
    delivery::an_oversized_event_is_refused breaks by SwallowsErrors,
    failures::a_consumer_crash_loses_nothing breaks by SettlesEarly,
    failures::order_holds_when_a_consumer_dies breaks by Reverses,
    failures::a_restart_loses_nothing breaks by ForgetsAtRestart,
    failures::a_lost_connection_loses_nothing breaks by LosesOne,
    failures::an_event_without_a_queue_is_an_error breaks by SwallowsErrors,
    failures::stop_waits_for_what_is_in_hand_and_returns_the_rest breaks by StopsAtOnce,
    failures::a_failed_event_is_retried_with_growing_delay breaks by RetriesAtOnce,
    failures::a_panic_is_a_failure breaks by SwallowsPanics,
    failures::order_holds_through_failures breaks by RetriesLater,
    failures::a_failing_key_holds_up_no_other breaks by OneAtATime,
    dead_letters::what_fails_too_often_is_a_dead_letter_with_its_reason breaks by ForgetsReasons,
    dead_letters::a_rejected_event_is_dead_at_once breaks by SwallowsRejections,
    dead_letters::an_event_of_an_unknown_version_is_dead_at_once breaks by SwallowsRejections,
    dead_letters::poison_becomes_a_dead_letter breaks by HidesLetters,
    dead_letters::letters_are_listed_oldest_first_within_the_limit breaks by HidesLetters,
    dead_letters::a_replayed_letter_is_handled_again breaks by ReplaysNothing,
    dead_letters::a_dropped_letter_is_gone breaks by DropsNothing,
    broadcasts::a_broadcast_reaches_every_listener breaks by FirstListenerOnly,
    broadcasts::only_joined_channels_are_heard breaks by NeverLeaves,
    broadcasts::a_listener_that_falls_behind_hears_a_gap breaks by HidesGaps,
    broadcasts::a_lost_connection_is_a_gap breaks by HidesGaps,
    broadcasts::an_oversized_broadcast_is_refused breaks by SwallowsErrors,
}
