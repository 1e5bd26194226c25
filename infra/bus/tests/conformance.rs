//! Runs the bus's conformance suite on every adapter and on its real server, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_bus::conformance::{CASES, Case, Rig, SabotagedRig};
use tertulia_runtime::testkit::outcome;
use tokio::runtime::Runtime;

use rigs::{Broker, SqliteRig};

/// No case may hang the suite.
const CASE_TIMEOUT: Duration = Duration::from_mins(2);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::from_args();
    // Sabotaged cases panic by design: one line each is enough.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let runtime = Arc::new(Runtime::new()?);
    // Only a list of the names, or a filter that leaves the real server out, needs none.
    let wants_broker = !arguments.list && arguments.filter.as_deref().is_none_or(|name| !is_embedded(name));
    let broker = wants_broker.then(|| runtime.block_on(Broker::start())).transpose()?.map(Arc::new);
    let one_at_a_time = Arc::new(Mutex::new(()));
    let mut trials = Vec::new();
    for case in CASES {
        trials.push(on_sqlite(case, &runtime));
        trials.push(sabotaged(case, &runtime));
        trials.push(on_rabbitmq(case, &runtime, broker.clone(), one_at_a_time.clone()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // `exit` runs no destructors, and the servers are to end in good order.
    drop(broker);
    conclusion.exit();
}

fn is_embedded(name: &str) -> bool {
    ["sqlite", "sabotage"].iter().any(|adapter| name.starts_with(adapter))
}

fn on_sqlite(case: &'static Case, runtime: &Arc<Runtime>) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("sqlite::{}", case.name), move || run(&runtime, case, Arc::new(SqliteRig::new())))
}

fn on_rabbitmq(
    case: &'static Case,
    runtime: &Arc<Runtime>,
    broker: Option<Arc<Broker>>,
    one_at_a_time: Arc<Mutex<()>>,
) -> Trial {
    let runtime = runtime.clone();
    Trial::test(format!("rabbitmq::{}", case.name), move || {
        // Cases restart and cut off the one broker there is.
        let _alone = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let broker = broker.ok_or("the broker was not started for this filter")?;
        run(&runtime, case, runtime.block_on(broker.rig()))
    })
}

/// Passes when the case fails.
fn sabotaged(case: &'static Case, runtime: &Arc<Runtime>) -> Trial {
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
    runtime.block_on(outcome(CASE_TIMEOUT, (case.run)(rig))).map_err(Failed::from)
}
