//! The embedded adapter: its server is a file.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::Connection;
use tempfile::TempDir;
use tertulia_bus::{Bus, SqliteBus, Topology, conformance::Rig};
use tertulia_runtime::testkit::seeded;

pub(crate) struct SqliteRig(TempDir);

impl SqliteRig {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("bus.db")
    }

    /// Reaches into the file past the adapter.
    fn meddle(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) {
        let connection = Connection::open(self.path()).expect("the file opens");
        connection.busy_timeout(Duration::from_secs(5)).expect("a timeout can be set");
        change(&connection).expect("the file can be changed");
    }
}

#[async_trait]
impl Rig for SqliteRig {
    async fn open(&self, topology: Topology) -> Arc<dyn Bus> {
        Arc::new(SqliteBus::open(&self.path(), topology, seeded(7)).await.expect("the queue opens"))
    }

    /// What is on the disk is copied away while the queue is in use: that is what a crash leaves behind.
    async fn restart(&self, bus: Arc<dyn Bus>, topology: Topology) -> Arc<dyn Bus> {
        let left_behind = ["bus.db", "bus.db-wal"].map(|name| {
            let path = self.0.path().join(name);
            let bytes = std::fs::read(&path).expect("the queue's files are there");
            (path, bytes)
        });
        let observed = Arc::downgrade(&bus);
        drop(bus);
        assert!(observed.upgrade().is_none(), "the case let go of the bus");
        let fresh = tempfile::tempdir_in(self.0.path()).expect("a temporary folder can be made").keep();
        for (path, bytes) in left_behind {
            let name = path.file_name().expect("it is a file");
            std::fs::write(fresh.join(name), bytes).expect("the folder can be written to");
        }
        Arc::new(
            SqliteBus::open(&fresh.join("bus.db"), topology, seeded(8)).await.expect("the queue opens again"),
        )
    }

    async fn cut(&self) {}

    async fn restore(&self) {}

    fn has_connections(&self) -> bool {
        false
    }

    async fn break_routing(&self, _: &str) {
        self.meddle(|file| file.execute_batch("ALTER TABLE queue RENAME TO gone"));
    }

    async fn plant(&self, group: &str, bytes: &[u8]) {
        let sql = "INSERT INTO queue (grp, key, event) VALUES (?1, 'poison', ?2)";
        self.meddle(|file| file.execute(sql, (group, bytes)).map(drop));
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(20)
    }
}
