//! Runs the conformance suite on every adapter, and each case on a store that is broken on purpose.
//!
//! Trials are named `adapter::case`. The process starts itself again for the trials that need one to kill.

mod crash;
mod disk;
mod memory;
mod mongodb;
mod sqlite;

use std::sync::Arc;

use tertulia_conformance::Harness;
use tertulia_documents::conformance::{Broken, CASES, Case, Store};

/// Makes an empty store.
type NewStore = Arc<dyn Fn() -> Arc<dyn Store> + Send + Sync>;

fn main() -> anyhow::Result<()> {
    let mut harness = Harness::new()?;
    if let Some(part) = std::env::var_os(crash::PART) {
        return harness.runtime().block_on(crash::play(&part));
    }
    for case in CASES {
        harness.keeps("sqlite", case, async || sqlite());
        harness.keeps("memory", case, async || memory::store());
        harness.notices(case, async || {
            Arc::new(Broken { store: sqlite(), sabotage: case.broken_by }) as Arc<dyn Store>
        });
    }
    sqlite::add_trials(&mut harness);
    for kind in [mongodb::Kind::SecantusDb, mongodb::Kind::FerretDb] {
        let stores = mongodb::stores(kind);
        for case in CASES.iter().filter(|case| is_promised(kind, case)) {
            let stores = stores.clone();
            harness.keeps(kind.name(), case, async move || stores());
        }
        mongodb::add_trials(kind, &mut harness);
    }
    // With the last trial of a server goes the server.
    harness.run().exit()
}

fn sqlite() -> Arc<dyn Store> {
    Arc::new(sqlite::SqliteStore::new())
}

/// FerretDB 1.24 reads the document that an update's filter names, then overwrites it by its id: of two
/// writers that race, both may win. It is a second opinion on the protocol, not a store to run on.
fn is_promised(kind: mongodb::Kind, case: &Case) -> bool {
    !(matches!(kind, mongodb::Kind::FerretDb) && case.name == "racing_writers_win_once_a_revision")
}
