//! The same stories over `tertulia up` and over the split system on real servers.

use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_scenarios::{
    stories::STORIES,
    system::{Network, System, Topology},
};
use tokio::runtime::Runtime;

const SHAPES: [(&str, Topology); 2] = [("single", Topology::Single), ("split", Topology::Split)];

fn main() -> Result<()> {
    let mut arguments = Arguments::from_args();
    // One after the other: two shapes at once would share two cores, and the last story kills processes.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new()?);
    let mut trials = Vec::new();
    for (shape, topology) in SHAPES {
        // Started by the first story that is told, ended when the last one is done with.
        let system: Arc<Mutex<Option<System>>> = Arc::default();
        for story in STORIES {
            let (system, runtime) = (system.clone(), runtime.clone());
            trials.push(Trial::test(format!("{shape}::{}", story.name), move || {
                let mut system =
                    system.lock().map_err(|_| Failed::from("a story before this one panicked"))?;
                runtime
                    .block_on(async {
                        if system.is_none() {
                            *system = Some(
                                System::start(topology, Network::Hurtable)
                                    .await
                                    .with_context(|| format!("starting the {shape} system"))?,
                            );
                        }
                        let system = system.as_mut().ok_or_else(|| anyhow!("it was started just before"))?;
                        (story.tell)(system).await
                    })
                    .map_err(|error| Failed::from(format!("{error:#}")))
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit()
}
