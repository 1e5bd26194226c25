//! `SqliteDocuments` under test.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use rusqlite::Connection;
use tempfile::TempDir;
use tertulia_conformance::Harness;
use tertulia_documents::{
    Collection, Documents, Error, SqliteDocuments,
    conformance::{COLLECTIONS, Store},
};
use tertulia_runtime::Ambient;

use crate::crash;

/// A file in a folder that goes with it.
pub(crate) struct SqliteStore(TempDir);

impl SqliteStore {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("there is room for a temporary folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("documents.db")
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn open(&self, ambient: &Ambient) -> Result<Arc<dyn Documents>, Error> {
        Ok(Arc::new(SqliteDocuments::open(&self.path(), COLLECTIONS, ambient).await?))
    }

    async fn damage(&self, collection: &Collection, id: &str) {
        let connection = Connection::open(self.path()).expect("the file is there");
        let sql = format!("UPDATE {} SET body = '{{\"number\":' WHERE id = ?1", collection.name);
        assert_eq!(connection.execute(&sql, [id]).expect("the table is there"), 1);
    }
}

pub(crate) fn add_trials(harness: &mut Harness) {
    harness.trial("sqlite::killed_while_committing", killed_while_committing);
    harness.trial("sqlite::full_disk_is_unavailable", full_disk_is_unavailable);
    harness.trial("sqlite::newer_files_are_refused", newer_files_are_refused);
    harness.trial("sqlite::what_cannot_be_opened_is_unavailable", what_cannot_be_opened_is_unavailable);
    harness.trial("sqlite::commits_share_transactions", commits_share_transactions);
    harness.trial("sabotage::crash_check", || async {
        crash::the_check_sees_a_loss_and_a_half(SqliteStore::new().open(&Ambient::system()).await?).await
    });
}

fn myself() -> Result<PathBuf> {
    std::env::current_exe().context("this process has a program")
}

/// The numbers that a writer prints.
fn numbers(writer: &mut Child) -> Result<impl Iterator<Item = Result<u64>> + use<>> {
    let output = BufReader::new(writer.stdout.take().context("its output is a pipe")?);
    Ok(output.lines().map(|line| Ok(line?.parse()?)))
}

async fn killed_while_committing() -> Result<()> {
    for kill_after in [1, 137, 402, 731] {
        let store = SqliteStore::new();
        let part = format!("writer:{}", store.path().display());
        let mut writer = Command::new(myself()?).env(crash::PART, part).stdout(Stdio::piped()).spawn()?;
        let mut numbers = numbers(&mut writer)?;
        let mut acknowledged = numbers.by_ref().take(kill_after).collect::<Result<BTreeSet<_>>>()?;
        writer.kill()?;
        let status = writer.wait()?;
        ensure!(status.signal() == Some(9), "the writer ended by itself: {status}");
        // It was told of these too before it died; a line is one write, so none is torn.
        acknowledged.extend(numbers.collect::<Result<Vec<_>>>()?);
        let survivor = store.open(&Ambient::system()).await?;
        crash::check(&*survivor, &acknowledged)
            .await
            .with_context(|| format!("killed after {kill_after}"))?;
    }
    Ok(())
}

async fn full_disk_is_unavailable() -> Result<()> {
    let store = SqliteStore::new();
    let part = format!("full_disk:{}", store.path().display());
    // Beyond the soft limit of 4 MiB a write fails; without the trap the signal would end the process.
    let script = "trap '' XFSZ; ulimit -S -f 8192; exec \"$0\"";
    let mut writer = Command::new("sh")
        .args(["-c", script])
        .arg(myself()?)
        .env(crash::PART, part)
        .stdout(Stdio::piped())
        .spawn()?;
    let acknowledged = numbers(&mut writer)?.collect::<Result<BTreeSet<_>>>()?;
    ensure!(writer.wait()?.success(), "the writer found something wrong, see above");
    let survivor = store.open(&Ambient::system()).await?;
    let (numbers, _) = crash::contents(&*survivor).await?;
    ensure!(numbers == acknowledged, "what is there is what was acknowledged");
    crash::check(&*survivor, &acknowledged).await?;
    let verdict: String =
        Connection::open(store.path())?.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    ensure!(verdict == "ok", "the file is damaged: {verdict}");
    Ok(())
}

async fn newer_files_are_refused() -> Result<()> {
    let store = SqliteStore::new();
    drop(store.open(&Ambient::system()).await?);
    Connection::open(store.path())?.pragma_update(None, "user_version", 999)?;
    let refused = store.open(&Ambient::system()).await.err();
    ensure!(matches!(refused, Some(Error::NewerSchema { found: 999, .. })), "{refused:?}");
    Ok(())
}

async fn what_cannot_be_opened_is_unavailable() -> Result<()> {
    let store = SqliteStore::new();
    std::fs::write(store.path(), "this is a letter, not a database; ".repeat(100))?;
    for path in [store.path().as_path(), Path::new("/nonexistent/documents.db")] {
        let refused = SqliteDocuments::open(path, COLLECTIONS, &Ambient::system()).await.err();
        ensure!(matches!(refused, Some(Error::Unavailable(_))), "{}: {refused:?}", path.display());
    }
    Ok(())
}

async fn commits_share_transactions() -> Result<()> {
    let store = SqliteStore::new();
    let ambient = Ambient::system();
    let documents = SqliteDocuments::open(&store.path(), COLLECTIONS, &ambient).await?;
    crash::write(&documents, &ambient, |_| {}).await?;
    let (transactions, commits) = (documents.stats().transactions(), documents.stats().documents());
    ensure!(commits == crash::COMMITS, "{commits}");
    ensure!(transactions * 2 < commits, "{commits} commits took {transactions} transactions");
    Ok(())
}
