//! Runs the discovery's conformance suite on every adapter and on its real agent, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::sync::Arc;

use tertulia_conformance::Harness;
use tertulia_discovery::conformance::{CASES, Rig, SabotagedRig};

use rigs::{ConsulRig, StaticRig};

fn main() -> anyhow::Result<()> {
    let mut harness = Harness::new()?;
    for case in CASES {
        // An adapter without an agent cannot lose one.
        let needs_agent = case.module == "agent";
        if !needs_agent {
            harness.keeps("static", case, async || fixed());
        }
        harness.keeps("consul", case, consul);
        harness.notices(case, async move || {
            let sound = if needs_agent { consul().await } else { fixed() };
            Arc::new(SabotagedRig::new(sound, case.broken_by)) as Arc<dyn Rig>
        });
    }
    harness.run().exit()
}

fn fixed() -> Arc<dyn Rig> {
    Arc::new(StaticRig::default())
}

async fn consul() -> Arc<dyn Rig> {
    Arc::new(ConsulRig::start().await)
}
