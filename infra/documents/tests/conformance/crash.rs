//! A writer that says what was acknowledged, and the check of what is there after it was killed.

use std::{collections::BTreeSet, ffi::OsStr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, stream};
use tertulia_documents::{
    Documents, Index, Key, PendingScope, Scan, SqliteDocuments, Write,
    conformance::{COLLECTIONS, THINGS, event, thing},
    port::MAX_PAGE,
};
use tertulia_runtime::{Ambient, Timestamp};

use crate::disk;

/// Set in a process that this one starts: which part it plays, `part:file`.
pub(crate) const PART: &str = "TERTULIA_CONFORMANCE_PART";

/// How many commits a writer makes; each writes one document and one event.
pub(crate) const COMMITS: u64 = 1000;
/// How many of them are under way at once.
const AT_ONCE: usize = 16;

/// Plays the part this process was started for.
pub(crate) async fn play(part: &OsStr) -> Result<()> {
    let part = part.to_str().context("the part is a text")?;
    let (part, path) = part.split_once(':').context("a part has a file")?;
    let ambient = Ambient::system();
    let documents = SqliteDocuments::open(&PathBuf::from(path), COLLECTIONS, &ambient).await?;
    match part {
        "writer" => {
            let print = |number| println!("{number}");
            write(&documents, &ambient, print)
                .await
                .map_err(|error| error.context("the writer was not killed"))
        }
        "full_disk" => disk::fill_and_recover(&documents, &ambient).await,
        other => bail!("there is no part {other}"),
    }
}

/// Makes the commits, several at once, and tells the number of each that was acknowledged. Ends with the
/// first error.
pub(crate) async fn write(
    documents: &dyn Documents,
    ambient: &Ambient,
    mut acknowledged: impl FnMut(u64),
) -> Result<()> {
    let commits = stream::iter(0..COMMITS).map(|number| async move {
        let write = Write::Insert(thing(&format!("{number:04}"), number));
        documents.commit(&THINGS, write, vec![event(ambient, number)]).await.map(|_| number)
    });
    let mut commits = std::pin::pin!(commits.buffer_unordered(AT_ONCE));
    while let Some(committed) = commits.next().await {
        acknowledged(committed?);
    }
    Ok(())
}

/// What a store holds: the numbers of its documents and of its pending events.
pub(crate) async fn contents(documents: &dyn Documents) -> Result<(BTreeSet<u64>, BTreeSet<u64>)> {
    let page = documents.scan(&THINGS, Scan::of(Index::ID, Key::new(), MAX_PAGE)).await?;
    let numbers =
        page.items.iter().map(|stored| number(stored.body.get())).collect::<Result<BTreeSet<_>>>()?;
    let everything = PendingScope::LeftBehind(Timestamp::from_millis(i64::MAX));
    let pending = documents.pending(everything, MAX_PAGE).await?;
    let told =
        pending.iter().map(|pending| number(pending.event.data.get())).collect::<Result<BTreeSet<_>>>()?;
    ensure!(told.len() == pending.len(), "an event is there twice");
    Ok((numbers, told))
}

/// Every acknowledged commit is there with its event, and none is half there.
pub(crate) async fn check(documents: &dyn Documents, acknowledged: &BTreeSet<u64>) -> Result<()> {
    let (numbers, told) = contents(documents).await?;
    let lost: Vec<_> = acknowledged.difference(&numbers).collect();
    ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let half: Vec<_> = numbers.symmetric_difference(&told).collect();
    ensure!(half.is_empty(), "a document without its event, or an event without its document: {half:?}");
    Ok(())
}

fn number(json: &str) -> Result<u64> {
    let value: serde_json::Value = serde_json::from_str(json)?;
    value["number"].as_u64().context("a thing carries a number")
}

/// The checker is worth something only if it sees a loss and a half.
pub(crate) async fn the_check_sees_a_loss_and_a_half(documents: Arc<dyn Documents>) -> Result<()> {
    let ambient = Ambient::system();
    let insert = |number: u64, events| {
        let documents = documents.clone();
        async move {
            let write = Write::Insert(thing(&number.to_string(), number));
            documents.commit(&THINGS, write, events).await
        }
    };
    insert(1, vec![event(&ambient, 1)]).await?;
    check(&*documents, &BTreeSet::from([1])).await?;
    ensure!(check(&*documents, &BTreeSet::from([1, 2])).await.is_err(), "a loss was not seen");
    insert(3, Vec::new()).await?;
    ensure!(
        check(&*documents, &BTreeSet::from([1])).await.is_err(),
        "a document without its event was not seen"
    );
    Ok(())
}
