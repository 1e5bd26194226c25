//! What a socket costs that says nothing.

use std::path::PathBuf;

use anyhow::Result;
use tokio::time::{Duration, sleep};

use super::real;
use crate::{people, process, product::Product, report::Figure};

const PAIRS: usize = 5_000;
const SOCKETS: usize = 2 * PAIRS;
/// How long the process may take to come to rest.
const REST: Duration = Duration::from_secs(5);
const KIB: f64 = 1024.0;

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    process::require_sockets(SOCKETS)?;
    let data = folder.join("data");
    let product = Product::start(&data).await?;
    let pairs = people::pairs(&product, PAIRS).await?;
    product.stop().await?;

    // A new process, so that making the accounts has left no memory behind to be used again.
    let product = Product::start(&data).await?;
    drop(people::sockets(&product, people::both_listening(&pairs[..1])).await?);
    sleep(REST).await;
    let before = product.resident_bytes()?;
    let mut sockets = people::sockets(&product, people::both_listening(&pairs)).await?;
    for (ear, _) in &mut sockets {
        ear.rest();
    }
    sleep(REST).await;
    let after = product.resident_bytes()?;
    drop(sockets);
    product.stop().await?;
    let seen = format!("{:.1} MiB, then {:.1} MiB", before / KIB / KIB, after / KIB / KIB);
    let each = (after - before) / real(SOCKETS as u64);
    Ok(vec![Figure::at_most(6.0 * KIB, "idle.bytes_per_socket", each, "bytes", seen)])
}
