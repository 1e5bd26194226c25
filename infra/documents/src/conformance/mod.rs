//! The conformance suite: one list of named cases that every adapter passes against its real server.
//!
//! Each case names a [`Sabotage`]: a store that breaks just the promise the case is about. The case has to
//! fail on it, or it proves nothing. Cases panic when a promise is broken.

mod content;
mod fixture;
mod outbox;
mod reading;
mod sabotage;
mod writing;

use std::sync::Arc;

use async_trait::async_trait;
pub use fixture::{COLLECTIONS, THINGS, event, thing};
use futures_util::future::BoxFuture;
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

/// A promise and how it is tested.
pub struct Case {
    /// The promise.
    pub name: &'static str,
    /// Panics if the store does not keep it.
    pub run: fn(Arc<dyn Store>) -> BoxFuture<'static, ()>,
    /// What breaks it.
    pub sabotage: Sabotage,
}

macro_rules! case {
    ($module:ident::$name:ident fails_when $sabotage:ident) => {
        Case {
            name: stringify!($name),
            run: |store| Box::pin($module::$name(store)),
            sabotage: Sabotage::$sabotage,
        }
    };
}

/// Every case, for every adapter.
pub const CASES: &[Case] = &[
    case!(content::bodies_come_back_as_they_went_in fails_when FloatsBecomeIntegers),
    case!(content::missing_is_not_an_error fails_when MissingIsAnError),
    case!(content::undecodable_is_an_error fails_when UndecodableIsSkipped),
    case!(content::what_exceeds_a_bound_is_invalid fails_when BoundsAreNotChecked),
    case!(content::what_fits_a_bound_is_stored fails_when BoundsAreTooTight),
    case!(content::collections_are_apart fails_when CollectionsAreMixed),
    case!(content::a_store_that_answers_is_ready fails_when NeverReady),
    case!(writing::stale_revisions_conflict fails_when RevisionsAreIgnored),
    case!(writing::an_id_is_taken_once fails_when InsertReplaces),
    case!(writing::revisions_grow_by_one fails_when RevisionsJump),
    case!(writing::a_unique_violation_names_its_index fails_when AnotherIndexIsNamed),
    case!(writing::unique_keys_are_sparse_and_freed fails_when DeletesDoNothing),
    case!(writing::events_commit_with_their_document fails_when EventsAreLost),
    case!(writing::a_refused_write_leaves_no_events fails_when EventsOutliveTheirWrite),
    case!(writing::a_run_stops_at_the_first_conflict fails_when RunsGoOnAfterAConflict),
    case!(writing::racing_writers_win_once_a_revision fails_when LastWriterWins),
    case!(writing::racing_inserts_win_once_a_key fails_when RefusalsAreHidden),
    case!(writing::commits_that_arrive_together_do_not_share_refusals fails_when RefusalsSinkOthers),
    case!(reading::many_come_in_the_order_asked_for fails_when ManyComeSorted),
    case!(reading::pages_meet_without_gap_or_overlap fails_when CursorsForgetTheId),
    case!(reading::pages_run_backward_too fails_when OrderIsIgnored),
    case!(reading::cursors_stay_while_documents_come_and_go fails_when CursorsAreCounted),
    case!(reading::ranges_bound_a_scan fails_when RangesAreIgnored),
    case!(reading::keys_are_ordered_by_bytes fails_when OrderIgnoresCase),
    case!(reading::the_deleted_are_not_seen fails_when DeletesDoNothing),
    case!(reading::a_replacement_moves_in_its_indexes fails_when KeysStayBehind),
    case!(outbox::pending_events_come_oldest_first fails_when NewestFirst),
    case!(outbox::a_handle_sees_its_own_events fails_when EverybodysAreMine),
    case!(outbox::events_left_behind_are_found_by_age fails_when NothingIsLeftBehind),
    case!(outbox::settled_events_are_gone fails_when NothingIsSettled),
    case!(outbox::deleting_keeps_the_events fails_when DeletesLoseEvents),
    case!(outbox::a_commit_with_events_nudges fails_when NobodyIsNudged),
];
