//! The conformance suite: one list of named cases that every adapter passes against its real server.
//!
//! Each case names a [`Sabotage`], and must fail on a store that is broken just so.

mod content;
mod fixture;
mod outbox;
mod reading;
mod sabotage;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
pub use fixture::{COLLECTIONS, THINGS, event, thing};
pub use sabotage::{Broken, Sabotage};
use tertulia_runtime::Ambient;

use crate::{Collection, Documents, Error};

/// A store under test, empty at first, with a way in that does not lead through the port.
#[async_trait]
pub trait Store: Send + Sync {
    /// One more handle on it, for [`COLLECTIONS`].
    async fn open(&self, ambient: &Ambient) -> Result<Arc<dyn Documents>, Error>;

    /// Overwrites the stored body of a document with something that cannot have been one.
    async fn damage(&self, collection: &Collection, id: &str);
}

tertulia_conformance::cases! {
    on dyn Store, broken by Sabotage:
    content::bodies_come_back_as_they_went_in by FloatsBecomeIntegers,
    content::missing_is_not_an_error by MissingIsAnError,
    content::undecodable_is_an_error by UndecodableIsSkipped,
    content::what_exceeds_a_bound_is_invalid by BoundsAreNotChecked,
    content::what_fits_a_bound_is_stored by BoundsAreTooTight,
    content::collections_are_apart by CollectionsAreMixed,
    content::a_store_that_answers_is_ready by NeverReady,
    writing::stale_revisions_conflict by RevisionsAreIgnored,
    writing::an_id_is_taken_once by InsertReplaces,
    writing::revisions_grow_by_one by RevisionsJump,
    writing::a_unique_violation_names_its_index by AnotherIndexIsNamed,
    writing::unique_keys_are_sparse_and_freed by DeletesDoNothing,
    writing::events_commit_with_their_document by EventsAreLost,
    writing::a_refused_write_leaves_no_events by EventsOutliveTheirWrite,
    writing::a_run_stops_at_the_first_conflict by RunsGoOnAfterAConflict,
    writing::racing_writers_win_once_a_revision by LastWriterWins,
    writing::racing_inserts_win_once_a_key by RefusalsAreHidden,
    writing::commits_that_arrive_together_do_not_share_refusals by RefusalsSinkOthers,
    reading::many_come_in_the_order_asked_for by ManyComeSorted,
    reading::pages_meet_without_gap_or_overlap by CursorsForgetTheId,
    reading::pages_run_backward_too by OrderIsIgnored,
    reading::cursors_stay_while_documents_come_and_go by CursorsAreCounted,
    reading::ranges_bound_a_scan by RangesAreIgnored,
    reading::keys_are_ordered_by_bytes by OrderIgnoresCase,
    reading::the_deleted_are_not_seen by DeletesDoNothing,
    reading::a_replacement_moves_in_its_indexes by KeysStayBehind,
    outbox::pending_events_come_oldest_first by NewestFirst,
    outbox::a_handle_sees_its_own_events by EverybodysAreMine,
    outbox::events_left_behind_are_found_by_age by NothingIsLeftBehind,
    outbox::settled_events_are_gone by NothingIsSettled,
    outbox::deleting_keeps_the_events by DeletesLoseEvents,
    outbox::a_commit_with_events_nudges by NobodyIsNudged,
}
