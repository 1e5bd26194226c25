//! The pool of readers: connections that only read, used on blocking threads.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{connect, unavailable};
use crate::Error;

/// Enough to keep every core of a small machine reading.
const READERS: usize = 4;
/// Holds the inner pages of indexes; what lies below them is in the system's cache, once for all readers, and
/// fetching it from there costs a microsecond.
const CACHE_KIB: i32 = 512;

/// Readers see the last commit and never wait for the writer.
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Idle>,
    permits: Arc<Semaphore>,
}

struct Idle {
    connections: Mutex<Vec<Connection>>,
    /// The checkpointer's, closed behind these connections: to close any handle of a file gives up all locks that the process
    /// has on it (POSIX, fcntl), and another program could take the log for left behind.
    _file: Arc<File>,
}

impl Idle {
    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    pub(super) fn new(path: &Path, file: Arc<File>) -> Self {
        let idle = Arc::new(Idle { connections: Mutex::default(), _file: file });
        Self { path: path.to_owned(), idle, permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Runs a query on a free reader. A query that has begun ends, even if its caller goes away.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.permits.clone().acquire_owned().await.expect("nobody closes the semaphore");
        let (path, idle) = (self.path.clone(), self.idle.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let free = idle.connections().pop();
            let connection = free.map_or_else(|| open(&path), Ok)?;
            let answer = query(&connection);
            idle.connections().push(connection);
            answer
        });
        reading.await.map_err(|error| Error::Unavailable(error.to_string()))?
    }
}

fn open(path: &Path) -> Result<Connection, Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true).map_err(unavailable)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(unavailable)?;
    Ok(connection)
}
