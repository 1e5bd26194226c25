//! Takes away what has ended by itself.

use std::time::Duration;

use tertulia_documents::{self as documents, Record, Table, Versioned};
use tertulia_mail::OutboxMailer;
use tertulia_runtime::{Clock, lifecycle::CancellationToken};

use crate::{Error, store::Store};

/// How often it goes round.
const ROUND: Duration = Duration::from_mins(10);
const PAGE: usize = 100;

/// Goes round until shutdown.
pub(crate) async fn run(
    store: &Store,
    outbox: Option<&OutboxMailer>,
    clock: &dyn Clock,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    loop {
        sweep(store, clock).await?;
        if let Some(outbox) = outbox {
            outbox.sweep(clock.now()).await?;
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// Deletes what is over: sessions, setup links, invitations, challenges and sign-ins at providers. Nobody is told: they were no
/// longer good.
pub(crate) async fn sweep(store: &Store, clock: &dyn Clock) -> Result<(), Error> {
    while delete(&store.sessions, store.expired_sessions(clock.now(), PAGE).await?).await? == PAGE {}
    while delete(&store.setup_links, store.expired_setup_links(clock.now(), PAGE).await?).await? == PAGE {}
    while delete(&store.invitations, store.expired_invitations(clock.now(), PAGE).await?).await? == PAGE {}
    while delete(&store.challenges, store.expired_challenges(clock.now(), PAGE).await?).await? == PAGE {}
    while delete(&store.flows, store.expired_flows(clock.now(), PAGE).await?).await? == PAGE {}
    Ok(())
}

/// Answers how many it deleted. One that changed meanwhile may have been refreshed at the last moment.
async fn delete<T: Record>(table: &Table<T>, over: Vec<Versioned<T>>) -> Result<usize, Error> {
    let mut deleted = 0;
    for record in over {
        match table.delete(&record.value.id(), record.revision, Vec::new()).await {
            Ok(()) => deleted += 1,
            Err(documents::Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(deleted)
}
