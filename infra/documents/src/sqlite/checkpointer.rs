//! The checkpointer: a thread that copies what was committed from the log into the file, beside the writer.
//!
//! SQLite would do it within a commit, and whoever waits for that commit would wait for a sync of thousands of pages.
//! Here the writer goes on meanwhile (a passive checkpoint locks nobody out), and what is left for a commit to do when
//! the log begins anew is the little that came in since.

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use rusqlite::Connection;

use super::{connect, unavailable};
use crate::Error;

/// So many documents make a checkpoint worth its syncs; with their indexes they are some megabytes.
const DOCUMENTS: usize = 1_024;

/// The writer's side of it.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    documents: usize,
}

impl Checkpointer {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(path: &Path) -> Result<Self, Error> {
        let connection = connect(path)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
        // One that waits is enough: it will find whatever came in before it began.
        let (wake, woken) = sync_channel(1);
        let thread = std::thread::Builder::new().name("documents-checkpointer".to_owned());
        thread
            .spawn(move || run(&connection, &woken))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { wake, documents: 0 })
    }

    /// So many documents were committed.
    pub(super) fn committed(&mut self, documents: usize) {
        self.documents += documents;
        if self.documents >= DOCUMENTS {
            self.documents = 0;
            // Full: a checkpoint waits already. Gone: the writer's own are left.
            let _ = self.wake.try_send(());
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = done {
            // The log keeps what it has; the writer meets the same failure if it lasts.
            tracing::warn!(%error, "a checkpoint failed");
        }
    }
}
