//! A disk that is full and then is not: a process whose files may not grow beyond a limit, which it then
//! lifts. That needs no privileges, unlike a small file system.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{json, value::to_raw_value};
use tertulia_documents::{
    Documents, Draft, Error, Write,
    conformance::{THINGS, event, thing},
};
use tertulia_runtime::Ambient;

/// Commits of 32 KiB until the limit of a few MiB is hit; far fewer are enough.
const MANY: u64 = 900;

/// Fills the disk, reads, makes room, writes on. Prints the number of each acknowledged commit.
pub(crate) async fn fill_and_recover(documents: &dyn Documents, ambient: &Ambient) -> Result<()> {
    let full = fill(documents, ambient).await?;
    for attempt in 0..3 {
        let refused = commit(documents, ambient, full).await;
        ensure!(
            matches!(refused, Err(Error::Unavailable(_))),
            "attempt {attempt} at a full disk: {refused:?}"
        );
    }
    let first = documents.get(&THINGS, "0000").await?;
    ensure!(first.is_some(), "what was committed can still be read");
    ensure!(documents.get(&THINGS, &format!("{full:04}")).await?.is_none(), "what was refused is not there");

    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE)?;
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard)?;
    for number in full..full + 10 {
        commit(documents, ambient, number).await.context("there is room again")?;
        println!("{number}");
    }
    Ok(())
}

/// The number of the first commit that found no room.
async fn fill(documents: &dyn Documents, ambient: &Ambient) -> Result<u64> {
    for number in 0..MANY {
        match commit(documents, ambient, number).await {
            Ok(()) => println!("{number}"),
            Err(Error::Unavailable(_)) => return Ok(number),
            Err(other) => bail!("a full disk is not {other:?}"),
        }
    }
    bail!("{MANY} commits did not fill the disk")
}

async fn commit(documents: &dyn Documents, ambient: &Ambient, number: u64) -> Result<(), Error> {
    let body =
        to_raw_value(&json!({ "number": number, "padding": "x".repeat(32 << 10) })).expect("it encodes");
    let draft = Draft { body, ..thing(&format!("{number:04}"), number) };
    documents.commit(&THINGS, Write::Insert(draft), vec![event(ambient, number)]).await.map(|_| ())
}
