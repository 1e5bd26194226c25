//! Runs the bus's conformance suite on every adapter and on its real server, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::sync::Arc;

use tertulia_bus::conformance::{CASES, Rig, SabotagedRig};
use tertulia_conformance::Harness;

use rigs::{Broker, SqliteRig};

fn main() -> anyhow::Result<()> {
    let mut harness = Harness::new()?;
    let broker =
        harness.wants("rabbitmq").then(|| harness.runtime().block_on(Broker::start())).transpose()?;
    let broker = broker.map(Arc::new);
    for case in CASES {
        harness.keeps("sqlite", case, async || sqlite());
        let broker = broker.clone();
        harness.keeps("rabbitmq", case, async || {
            broker.expect("the broker was started unless its cases are left out").rig().await as Arc<dyn Rig>
        });
        harness.notices(case, async || {
            Arc::new(SabotagedRig::new(sqlite(), sqlite(), case.broken_by)) as Arc<dyn Rig>
        });
    }
    let conclusion = harness.run();
    // `exit` runs no destructors, and the servers are to end in good order.
    drop(broker);
    conclusion.exit()
}

fn sqlite() -> Arc<dyn Rig> {
    Arc::new(SqliteRig::new())
}
