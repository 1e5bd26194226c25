//! Runs the conformance suite on every adapter, and each case on a store that is broken on purpose.
//!
//! Trials are named `adapter::case`. The process starts itself again for the trials that need one to kill.

mod crash;
mod disk;
mod mongodb;
mod sqlite;

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_documents::conformance::{Broken, CASES, Case, Store};
use tokio::runtime::Runtime;

/// Makes an empty store.
type NewStore = Arc<dyn Fn() -> Arc<dyn Store> + Send + Sync>;

fn main() -> anyhow::Result<()> {
    let runtime = Arc::new(Runtime::new()?);
    if let Some(part) = std::env::var_os(crash::PART) {
        return runtime.block_on(crash::play(&part));
    }
    let arguments = Arguments::from_args();
    silence_expected_panics();

    let sqlite: NewStore = Arc::new(|| Arc::new(sqlite::SqliteStore::new()));
    let mut trials = Vec::new();
    for case in CASES {
        trials.push(conforms("sqlite", case, &runtime, &sqlite));
        trials.push(catches_sabotage(case, &runtime, &sqlite));
    }
    trials.extend(sqlite::trials(&runtime));
    for kind in [mongodb::Kind::SecantusDb, mongodb::Kind::FerretDb] {
        let stores = mongodb::stores(kind);
        let cases = CASES.iter().filter(|case| is_promised(kind, case));
        trials.extend(cases.map(|case| conforms(kind.name(), case, &runtime, &stores)));
        trials.extend(mongodb::trials(kind, &runtime));
    }
    // The trials are gone when this returns, and with the last of a server's the server.
    let conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit();
}

/// FerretDB 1.24 reads the document that an update's filter names, then overwrites it by its id: of two
/// writers that race, both may win. It is a second opinion on the protocol, not a store to run on.
fn is_promised(kind: mongodb::Kind, case: &Case) -> bool {
    !(matches!(kind, mongodb::Kind::FerretDb) && case.name == "racing_writers_win_once_a_revision")
}

fn conforms(adapter: &str, case: &'static Case, runtime: &Arc<Runtime>, store: &NewStore) -> Trial {
    let (runtime, store) = (runtime.clone(), store.clone());
    Trial::test(format!("{adapter}::{}", case.name), move || {
        runtime.block_on((case.run)(store()));
        Ok(())
    })
}

fn catches_sabotage(case: &'static Case, runtime: &Arc<Runtime>, store: &NewStore) -> Trial {
    let (runtime, store) = (runtime.clone(), store.clone());
    Trial::test(format!("sabotage::{}", case.name), move || {
        let broken = Arc::new(Broken { store: store(), sabotage: case.sabotage });
        PANIC_IS_EXPECTED.set(true);
        let verdict = catch_unwind(AssertUnwindSafe(|| runtime.block_on((case.run)(broken))));
        PANIC_IS_EXPECTED.set(false);
        match verdict {
            Err(_) => Ok(()),
            Ok(()) => Err(Failed::from(format!("the case did not notice that {:?}", case.sabotage))),
        }
    })
}

/// An ordinary trial of one adapter.
fn trial<F>(name: &str, runtime: &Arc<Runtime>, body: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = runtime.clone();
    Trial::test(name, move || runtime.block_on(body()).map_err(|error| Failed::from(format!("{error:?}"))))
}

thread_local! {
    static PANIC_IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

fn silence_expected_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !PANIC_IS_EXPECTED.get() {
            print(panic);
        }
    }));
}
