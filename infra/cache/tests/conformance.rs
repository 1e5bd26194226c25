//! Runs the cache's conformance suite on every adapter and on its real server, and each case once more on an
//! adapter that breaks the case's promise, where it has to fail.

mod rigs;

use std::sync::Arc;

use tertulia_cache::conformance::{CASES, Rig, SabotagedRig};
use tertulia_conformance::Harness;

use rigs::{MemoryRig, RedisRig};

fn main() -> anyhow::Result<()> {
    let mut harness = Harness::new()?;
    for case in CASES {
        // An adapter without a server cannot lose one.
        let needs_server = case.module == "losing";
        if !needs_server {
            harness.keeps("memory", case, async || memory());
        }
        harness.keeps("redis", case, redis);
        harness.notices(case, async move || {
            let sound = if needs_server { redis().await } else { memory() };
            Arc::new(SabotagedRig::new(sound, case.broken_by)) as Arc<dyn Rig>
        });
    }
    harness.run().exit()
}

fn memory() -> Arc<dyn Rig> {
    Arc::new(MemoryRig::new())
}

async fn redis() -> Arc<dyn Rig> {
    Arc::new(RedisRig::start().await)
}
