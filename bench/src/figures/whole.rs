//! The product as it is installed, with nothing to do.

use std::path::PathBuf;

use anyhow::Result;
use tokio::time::{Duration, sleep};

use super::{median, real};
use crate::{product, product::Product, report::Figure};

const STARTS: usize = 5;
/// How long the process may take to come to rest.
const REST: Duration = Duration::from_secs(5);
const MB: f64 = 1e6;

pub(super) async fn measure(folder: PathBuf) -> Result<Vec<Figure>> {
    let data = folder.join("data");
    let first = Product::start_as_installed(&data).await?;
    let first_ms = millis(first.ready_after);
    first.stop().await?;
    let mut ready_ms = Vec::with_capacity(STARTS);
    let mut idle_mb = 0.0;
    for _ in 0..STARTS {
        let product = Product::start_as_installed(&data).await?;
        ready_ms.push(millis(product.ready_after));
        if ready_ms.len() == STARTS {
            sleep(REST).await;
            idle_mb = product.resident_bytes()? / MB;
        }
        product.stop().await?;
    }
    let ready_seen = format!("on a new folder {first_ms:.0} ms");
    let size_mb = real(std::fs::metadata(product::binary()?)?.len()) / MB;
    let idle_seen = format!("{} s after it was ready", REST.as_secs());
    Ok(vec![
        Figure::at_most(60.0, "whole.idle_rss_mb", idle_mb, "MB", idle_seen),
        Figure::at_most(1_000.0, "whole.ready_ms", median(&mut ready_ms), "ms", ready_seen),
        Figure::at_most(60.0, "whole.binary_mb", size_mb, "MB", "stripped".to_owned()),
    ])
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
