//! The figures, a file for each group that is measured together.

mod fanout;
mod groups;
mod idle;
mod ingest;
mod log;
mod pairs;
mod storm;
mod subscribers;
mod whole;

use std::path::PathBuf;

use anyhow::Result;
use futures_util::future::BoxFuture;

use crate::{Plan, report::Figure};

/// Figures that come out of one measurement.
pub(crate) struct Group {
    pub names: &'static [&'static str],
    /// Measures, in a folder that does not exist yet.
    pub measure: fn(Plan, PathBuf) -> BoxFuture<'static, Result<Vec<Figure>>>,
}

impl Group {
    /// Whether one of its figures begins so.
    pub(crate) fn is_wanted(&self, prefix: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(prefix))
    }
}

/// All of them, in the order of the table.
pub(crate) const GROUPS: &[Group] = &[
    Group { names: &["ingest.ratio"], measure: |_, folder| Box::pin(ingest::measure(folder)) },
    Group {
        names: &["fanout.ratio", "fanout.to_uwebsockets"],
        measure: |_, folder| Box::pin(fanout::measure(folder)),
    },
    Group {
        names: &["groups.to_ejabberd", "groups.to_prosody"],
        measure: |_, folder| Box::pin(groups::measure(folder)),
    },
    Group {
        names: &["pairs.p50_ms", "pairs.p99_ms", "pairs.p99_to_p50"],
        measure: |_, folder| Box::pin(pairs::measure(folder)),
    },
    Group { names: &["idle.bytes_per_socket"], measure: |_, folder| Box::pin(idle::measure(folder)) },
    Group { names: &["storm.resumed_s"], measure: |_, folder| Box::pin(storm::measure(folder)) },
    Group {
        names: &[
            "subscribers.writes_per_post",
            "subscribers.post_ratio",
            "subscribers.page_ratio",
            "subscribers.unread_ratio",
            "subscribers.join_ratio",
        ],
        measure: |plan, folder| Box::pin(subscribers::measure(plan, folder)),
    },
    Group {
        names: &["log.page_ratio", "log.post_ratio"],
        measure: |plan, folder| Box::pin(log::measure(plan, folder)),
    },
    Group {
        names: &["whole.idle_rss_mb", "whole.ready_ms", "whole.binary_mb"],
        measure: |_, folder| Box::pin(whole::measure(folder)),
    },
];

/// A count or a size as what is divided by.
#[expect(clippy::cast_precision_loss, reason = "nothing counted here reaches 2^52")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The middle one. Something must have been measured.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
