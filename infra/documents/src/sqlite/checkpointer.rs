//! The checkpointer: a thread that carries what was committed from the log over into the file, beside the writer.
//!
//! SQLite would do it within the commit that finds the log full, and everybody who stands behind that commit would wait for
//! thousands of pages to be copied and synced. A passive checkpoint locks nobody out, but one during which
//! something is committed copies pages and syncs none: SQLite leaves that to the one that finds nothing more to copy. So the thread copies
//! and syncs by turns until little is left; the writer does that little between two transactions, and the log begins anew.

use std::{
    fs::File,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use rusqlite::Connection;

use super::{connect, unavailable};
use crate::Error;

/// So many documents make a checkpoint worth its syncs; with their indexes they are some megabytes.
const DOCUMENTS: usize = 1_024;
/// A pass that copied no more pages than these leaves little to the writer.
const LITTLE: i64 = 512;
/// The most passes of one checkpoint. A writer faster than the disk is slowed down by the commit that finds the log full.
const MAX_PASSES: usize = 8;

/// The writer's side of it.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    documents: usize,
    little_is_left: Arc<AtomicBool>,
}

impl Checkpointer {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start(path: &Path, file: Arc<File>) -> Result<Self, Error> {
        let connection = connect(path)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(unavailable)?;
        // One that waits is enough: it will find whatever came in before it began.
        let (wake, woken) = sync_channel(1);
        let little_is_left = Arc::<AtomicBool>::default();
        let tell = little_is_left.clone();
        let thread = std::thread::Builder::new().name("documents-checkpointer".to_owned());
        thread
            .spawn(move || run(&connection, &file, &woken, &tell))
            .map_err(|error| Error::Unavailable(error.to_string()))?;
        Ok(Self { wake, documents: 0, little_is_left })
    }

    /// So many documents were committed. Tells whether what is left is little enough for the writer to carry it over.
    pub(super) fn committed(&mut self, documents: usize) -> bool {
        self.documents += documents;
        if self.documents >= DOCUMENTS {
            self.documents = 0;
            // Full: a checkpoint waits already. Gone: the writer's own are left.
            let _ = self.wake.try_send(());
        }
        self.little_is_left.swap(false, Relaxed)
    }
}

fn run(connection: &Connection, file: &File, woken: &Receiver<()>, little_is_left: &AtomicBool) {
    while woken.recv().is_ok() {
        match carry_over(connection, file) {
            Ok(()) => little_is_left.store(true, Relaxed),
            // The log keeps what it has; the writer meets the same failure if it lasts.
            Err(error) => tracing::warn!(%error, "a checkpoint failed"),
        }
    }
}

/// Copies and syncs until little comes in meanwhile.
fn carry_over(connection: &Connection, file: &File) -> Result<(), Error> {
    let mut copied_before = 0;
    for _ in 0..MAX_PASSES {
        let copied = checkpoint(connection)?;
        file.sync_data().map_err(|error| Error::Unavailable(error.to_string()))?;
        // Fewer than before: the log has begun anew since.
        if copied - copied_before.min(copied) <= LITTLE {
            break;
        }
        copied_before = copied;
    }
    Ok(())
}

/// Carries over what nobody's reading holds back. Gives the number of pages in the log that are carried over by now.
pub(super) fn checkpoint(connection: &Connection) -> Result<i64, Error> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(2)).map_err(unavailable)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tertulia_runtime::testkit::eventually_true;

    use super::*;
    use crate::{Collection, sqlite::open_writer};

    const THINGS: Collection = Collection { name: "things", indexes: &[] };

    fn write(connection: &Connection, names: std::ops::Range<u32>) {
        for name in names {
            let insert = "INSERT INTO things (id, revision, body) VALUES (?1, 1, ?2)";
            connection.execute(insert, (name.to_string(), "x".repeat(1_000))).unwrap();
        }
    }

    /// Pages of the log that stand in the file already; none in a log that has just begun anew.
    fn carried_over(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(2)).unwrap()
    }

    #[tokio::test]
    async fn the_log_begins_anew_when_the_writer_has_carried_over_what_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("things.db");
        let writer = open_writer(&path, &[THINGS]).unwrap();
        let mut checkpointer = Checkpointer::start(&path, Arc::new(File::open(&path).unwrap())).unwrap();
        write(&writer, 0..200);
        assert!(!checkpointer.committed(200), "too few for a checkpoint");
        assert_eq!(carried_over(&writer), 0);

        let mut little_is_left = checkpointer.committed(DOCUMENTS);
        eventually_true(Duration::from_secs(30), || {
            little_is_left |= checkpointer.committed(0);
            std::future::ready(little_is_left)
        })
        .await;
        write(&writer, 200..201);
        let before = checkpoint(&writer).unwrap();
        write(&writer, 201..202);
        assert_eq!(
            carried_over(&writer),
            0,
            "what comes now stands at the beginning, where {before} pages were"
        );
        assert!(!checkpointer.committed(0), "it is told once");
    }
}
