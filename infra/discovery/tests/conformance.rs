//! Runs the discovery's conformance suite on every adapter and on its real agent, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::{sync::Arc, time::Duration};

use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_discovery::conformance::{CASES, Case, Rig, SabotagedRig};
use tertulia_runtime::testkit::outcome;
use tokio::runtime::Runtime;

use rigs::{ConsulRig, StaticRig};

/// No case may hang the suite.
const CASE_TIMEOUT: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new()?);
    let mut trials = Vec::new();
    for case in CASES {
        if !case.needs_agent {
            trials.push(trial("static", case, &runtime, || Box::pin(async { fixed() })));
        }
        trials.push(trial("consul", case, &runtime, || Box::pin(consul())));
        trials.push(sabotage(case, &runtime));
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn fixed() -> Arc<dyn Rig> {
    Arc::new(StaticRig::default())
}

async fn consul() -> Arc<dyn Rig> {
    Arc::new(ConsulRig::start().await)
}

type Start = fn() -> std::pin::Pin<Box<dyn Future<Output = Arc<dyn Rig>>>>;

fn trial(adapter: &str, case: &'static Case, runtime: &Arc<Runtime>, start: Start) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("{adapter}::{}", case.name), move || run(&runtime, case, async { start().await }))
}

/// Passes when the case fails.
fn sabotage(case: &'static Case, runtime: &Arc<Runtime>) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("sabotage::{}", case.name), move || {
        let rig = async {
            let sound = if case.needs_agent { consul().await } else { fixed() };
            Arc::new(SabotagedRig::new(sound, case.broken_by)) as Arc<dyn Rig>
        };
        match run(&runtime, case, rig) {
            Ok(()) => Err(format!("it did not notice {:?}", case.broken_by).into()),
            Err(_) => Ok(()),
        }
    })
}

fn run(runtime: &Runtime, case: &Case, rig: impl Future<Output = Arc<dyn Rig>>) -> Result<(), Failed> {
    runtime.block_on(async {
        // Not part of what may fail: a case that is to fail must not do so for want of an agent.
        let rig = rig.await;
        outcome(CASE_TIMEOUT, (case.run)(rig)).await.map_err(Failed::from)
    })
}
