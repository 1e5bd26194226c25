//! Runs the bus's conformance suite on every adapter and on its real server, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_bus::conformance::{CASES, Case, Rig, SabotagedRig};
use tokio::runtime::Runtime;

use rigs::SqliteRig;

/// No case may hang the suite.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    // Sabotaged cases panic by design: one line each is enough.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let runtime = Arc::new(Runtime::new()?);
    let mut trials = Vec::new();
    for case in CASES {
        trials.push(trial("sqlite", case, &runtime, || Arc::new(SqliteRig::new())));
        trials.push(sabotage(case, &runtime));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(
    adapter: &str,
    case: &'static Case,
    runtime: &Arc<Runtime>,
    rig: impl FnOnce() -> Arc<dyn Rig> + Send + 'static,
) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("{adapter}::{}", case.name), move || run(&runtime, case, rig()))
}

/// Passes when the case fails.
fn sabotage(case: &'static Case, runtime: &Arc<Runtime>) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("sabotage::{}", case.name), move || {
        let (inner, spare) = (Arc::new(SqliteRig::new()), Arc::new(SqliteRig::new()));
        let rig = SabotagedRig::new(inner, spare, case.broken_by);
        match run(&runtime, case, Arc::new(rig)) {
            Ok(()) => Err(format!("it did not notice {:?}", case.broken_by).into()),
            Err(_) => Ok(()),
        }
    })
}

fn run(runtime: &Runtime, case: &Case, rig: Arc<dyn Rig>) -> Result<(), Failed> {
    let case = std::panic::AssertUnwindSafe((case.run)(rig)).catch_unwind();
    let ended = runtime.block_on(async { tokio::time::timeout(CASE_TIMEOUT, case).await });
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        Failed::from(words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked"))
    };
    ended.map_err(|_| Failed::from("it hung"))?.map_err(panicked)
}
