//! `MongoDocuments` under test, on two servers that have nothing in common but the protocol.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use mongodb::{
    Client,
    bson::{DateTime, Document, doc},
};
use tertulia_conformance::Harness;
use tertulia_documents::{
    Collection, Documents, Error, MongoDocuments, Write,
    conformance::{COLLECTIONS, Store, THINGS, thing},
    mongodb::OPERATION_TIMEOUT,
};
use tertulia_runtime::{Ambient, testkit::eventually_true};
use tertulia_testbed::{Server, Testbed, ferretdb, secantusdb};
use tokio::sync::{OnceCell, mpsc};

use crate::{NewStore, crash};

/// Longer than the adapter looks for a server or waits for its answer, with room for a busy machine.
const IN_TIME: Duration = OPERATION_TIMEOUT.saturating_mul(2);

/// Which server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    SecantusDb,
    FerretDb,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SecantusDb => "secantusdb",
            Self::FerretDb => "ferretdb",
        }
    }

    async fn start(self) -> Result<Server> {
        let bed = Testbed::new()?;
        match self {
            Self::SecantusDb => secantusdb::start(&bed).await,
            Self::FerretDb => ferretdb::start(&bed).await,
        }
    }
}

/// A server that all cases share, started by the first; each case has a database of its own.
pub(crate) struct Shared {
    kind: Kind,
    server: OnceCell<Server>,
    databases: AtomicU32,
}

/// Makes empty stores on a server of this kind.
pub(crate) fn stores(kind: Kind) -> NewStore {
    let shared = Arc::new(Shared { kind, server: OnceCell::new(), databases: AtomicU32::new(0) });
    Arc::new(move || {
        let number = shared.databases.fetch_add(1, Ordering::Relaxed);
        Arc::new(MongoStore { shared: shared.clone(), database: format!("conformance_{number}") })
    })
}

struct MongoStore {
    shared: Arc<Shared>,
    database: String,
}

impl MongoStore {
    async fn url(&self) -> String {
        let server = self.shared.server.get_or_try_init(|| self.shared.kind.start()).await;
        server.expect("the server starts").url().to_owned()
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn open(&self, ambient: &Ambient) -> Result<Arc<dyn Documents>, Error> {
        Ok(Arc::new(MongoDocuments::open(&self.url().await, &self.database, COLLECTIONS, ambient).await?))
    }

    async fn damage(&self, collection: &Collection, id: &str) {
        let client = Client::with_uri_str(self.url().await).await.expect("the server is there");
        let documents = client.database(&self.database).collection::<Document>(collection.name);
        let damage = doc! { "$set": { "body": { "number": DateTime::from_millis(0) } } };
        let damaged = documents.update_one(doc! { "_id": id }, damage).await.expect("the server answers");
        assert_eq!(damaged.matched_count, 1);
    }
}

pub(crate) fn add_trials(kind: Kind, harness: &mut Harness) {
    let named = |name: &str| format!("{}::{name}", kind.name());
    harness.trial(&named("killed_while_committing"), move || killed_while_committing(kind));
    harness.trial(&named("an_absent_server_is_unavailable_in_time"), move || absent(kind));
    harness.trial(&named("newer_databases_are_refused"), move || newer_databases_are_refused(kind));
}

async fn open(server: &Server) -> Result<Arc<dyn Documents>, Error> {
    Ok(Arc::new(MongoDocuments::open(server.url(), "documents", COLLECTIONS, &Ambient::system()).await?))
}

async fn killed_while_committing(kind: Kind) -> Result<()> {
    const KILL_AFTER: usize = 413;
    let mut server = kind.start().await?;
    let documents = open(&server).await?;
    let ambient = Ambient::system();
    let (tell, mut told) = mpsc::unbounded_channel();
    let writing = crash::write(&*documents, &ambient, move |number| {
        tell.send(number).expect("the listener stays until the last");
    });
    let killing = async {
        let mut acknowledged = BTreeSet::new();
        while let Some(number) = told.recv().await {
            acknowledged.insert(number);
            if acknowledged.len() == KILL_AFTER {
                server.kill().await?;
            }
        }
        anyhow::Ok(acknowledged)
    };
    let (written, acknowledged) = tokio::join!(writing, killing);
    let acknowledged = acknowledged?;
    ensure!(written.is_err() && acknowledged.len() >= KILL_AFTER, "the server was killed in the middle");
    server.start_again().await?;
    crash::check(&*open(&server).await?, &acknowledged).await
}

async fn absent(kind: Kind) -> Result<()> {
    let mut server = kind.start().await?;
    let documents = open(&server).await?;
    insert(&*documents, "before").await?;

    server.pause()?;
    unavailable_in_time(&*documents).await.context("paused")?;
    server.resume()?;
    server.kill().await?;
    unavailable_in_time(&*documents).await.context("killed")?;
    let begun = Instant::now();
    let refused = open(&server).await.err();
    ensure!(matches!(refused, Some(Error::Unavailable(_))), "opening: {refused:?}");
    ensure!(begun.elapsed() < IN_TIME, "opening took {:?}", begun.elapsed());

    server.start_again().await?;
    // The same handle serves again. An earlier attempt may have gone in although it was not answered.
    eventually_true(Duration::from_secs(30), || {
        let documents = documents.clone();
        async move { matches!(insert(&*documents, "after").await, Ok(()) | Err(Error::Conflict { .. })) }
    })
    .await;
    ensure!(
        documents.get(&THINGS, "before").await?.is_some() && documents.get(&THINGS, "after").await?.is_some()
    );
    Ok(())
}

async fn insert(documents: &dyn Documents, id: &str) -> Result<(), Error> {
    documents.commit(&THINGS, Write::Insert(thing(id, 1)), Vec::new()).await.map(|_| ())
}

async fn unavailable_in_time(documents: &dyn Documents) -> Result<()> {
    let begun = Instant::now();
    let (read, written, checked) =
        tokio::join!(documents.get(&THINGS, "before"), insert(documents, "while away"), documents.check(),);
    ensure!(matches!(read, Err(Error::Unavailable(_))), "reading: {read:?}");
    ensure!(matches!(written, Err(Error::Unavailable(_))), "writing: {written:?}");
    ensure!(matches!(checked, Err(Error::Unavailable(_))), "checking: {checked:?}");
    ensure!(begun.elapsed() < IN_TIME, "it took {:?}", begun.elapsed());
    Ok(())
}

async fn newer_databases_are_refused(kind: Kind) -> Result<()> {
    let server = kind.start().await?;
    drop(open(&server).await?);
    let meta =
        Client::with_uri_str(server.url()).await?.database("documents").collection::<Document>("_meta");
    meta.update_one(doc! { "_id": "layout" }, doc! { "$set": { "version": 999 } }).await?;
    let refused = open(&server).await.err();
    ensure!(matches!(refused, Some(Error::NewerSchema { found: 999, known: 1 })), "{refused:?}");
    Ok(())
}
