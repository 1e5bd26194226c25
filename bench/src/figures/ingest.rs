//! Durable, acknowledged messages a second against bare grouped commits of the same rows.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tokio::time::{Duration, Instant, sleep};

use super::real;
use crate::{commits, people, product::Product, pump::Pump, report::Figure};

const PAIRS: usize = 500;
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);
/// More than can be sent in that time.
const MOST_MESSAGES: u64 = 2_000_000;
/// Enough for some seconds of bare commits.
const MOST_ROWS: usize = 120_000;

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    let data = folder.join("data");
    let product = Product::start(&data).await?;
    let pairs = people::pairs(&product, PAIRS).await?;
    let (mut speakers, mut conversations) = (Vec::new(), Vec::new());
    for pair in &pairs {
        speakers.extend(pair.people.iter().map(|person| (person, Vec::new())));
        conversations.extend([pair.conversation; 2]);
    }
    let opened = people::sockets(&product, speakers).await?.into_iter().zip(conversations);
    let sockets = opened.map(|((ear, mouth), conversation)| (ear, mouth, conversation)).collect();
    let pump = Pump::start(sockets, MOST_MESSAGES)?;
    sleep(WARM_UP).await;
    let (before, began) = (pump.acknowledged(), Instant::now());
    sleep(MEASURED).await;
    let (after, took) = (pump.acknowledged(), began.elapsed());
    pump.enough();
    pump.finish().await?;
    product.stop().await?;
    let per_second = real(after - before) / took.as_secs_f64();

    let (file, bare_file) = (data.join("messaging.db"), folder.join("bare.db"));
    let bare = tokio::task::spawn_blocking(move || commits::measure(&file, &bare_file, MOST_ROWS));
    let bare = bare.await.context("the bare writer panicked")??;
    let seen =
        format!("{per_second:.0} messages/s; bare {:.0} rows/s of {} rows", bare.per_second, bare.rows);
    Ok(vec![Figure::at_least(0.5, "ingest.ratio", per_second / bare.per_second, "ratio", seen)])
}
