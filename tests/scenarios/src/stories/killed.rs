//! Every process is killed with -9, one after the other, while people talk.

use anyhow::{Context, Result, ensure};

use super::crowd::{more_is_acked, talk_through};
use crate::{journal::Journal, system::System};

/// Each process is killed and started again under load.
pub(super) async fn each_process_under_load(system: &mut System) -> Result<()> {
    talk_through("kill -9 of each process", |system, journal| Box::pin(strike_each(system, journal)), system)
        .await
}

async fn strike_each(system: &mut System, journal: &Journal) -> Result<()> {
    let names: Vec<String> = system.processes.keys().cloned().collect();
    ensure!(!names.is_empty(), "there is nothing to kill");
    for name in names {
        let process = system.process(&name)?;
        process.kill().await.with_context(|| format!("killing {name}"))?;
        process.start_again().await.with_context(|| format!("starting {name} again"))?;
        more_is_acked(journal).await;
    }
    Ok(())
}
