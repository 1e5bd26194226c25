//! What the conformance suites of the ports are made of: a list of named promises that every adapter of a port keeps,
//! and a harness that runs them.
//!
//! A case panics when the adapter breaks the promise it is named after. So that a case which cannot fail is found out,
//! each names what breaks its promise on purpose, and must fail when it is run on an adapter broken like that.
//!
//! A port lists its promises with [`cases!`], behind its feature `conformance`; its test without a harness of its own
//! (`harness = false`) gathers trials in a [`Harness`] and runs them. Trials are named `adapter::case`.

use std::{cell::Cell, fmt::Debug, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use libtest_mimic::{Arguments, Failed, Trial};
use tertulia_runtime::problem::panic_text;
use tokio::{runtime::Runtime, time::timeout};

/// No case may hang the suite.
const CASE_TIMEOUT: Duration = Duration::from_mins(2);

/// One promise of a port, as told to a rig: an adapter, its server, and the ways to hurt them.
pub struct Case<Rig: ?Sized + 'static, Fault: 'static> {
    /// The promise.
    pub name: &'static str,
    /// The module that it stands in: promises of one kind stand together.
    pub module: &'static str,
    /// Panics when it is broken.
    pub run: Run<Rig>,
    /// What breaks it on purpose.
    pub broken_by: Fault,
}

/// How a case is told to a rig.
pub type Run<Rig> = fn(Arc<Rig>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Lists a port's promises, as `CASES`.
///
/// ```text
/// tertulia_conformance::cases! {
///     on dyn Rig, broken by Fault:
///     keeping::what_is_set_is_found by ForgetsAtOnce,
/// }
/// ```
#[macro_export]
macro_rules! cases {
    (on $rig:ty, broken by $fault:ident: $($module:ident :: $name:ident by $variant:ident,)*) => {
        /// A promise of the port.
        pub type Case = $crate::Case<$rig, $fault>;

        /// Every promise of the port.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            module: stringify!($module),
            run: |rig| ::std::boxed::Box::pin($module::$name(rig)),
            broken_by: $fault::$variant,
        }),*];
    };
}

/// Gathers trials and runs them as the test binary of a crate.
pub struct Harness {
    arguments: Arguments,
    runtime: Arc<Runtime>,
    trials: Vec<Trial>,
}

impl Harness {
    /// Takes the command line that `cargo test` gives.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new() -> anyhow::Result<Self> {
        say_panics_in_a_line();
        let runtime = Arc::new(Runtime::new()?);
        Ok(Self { arguments: Arguments::from_args(), runtime, trials: Vec::new() })
    }

    /// Where everything runs.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Whether trials of an adapter may run: not when their names are only listed, or those of others asked for.
    pub fn wants(&self, adapter: &str) -> bool {
        let asked_for = self.arguments.filter.as_deref();
        !self.arguments.list && asked_for.is_none_or(|name| !name.contains("::") || name.starts_with(adapter))
    }

    /// An adapter keeps a promise.
    pub fn keeps<Rig, Fault, Start>(
        &mut self,
        adapter: &str,
        case: &'static Case<Rig, Fault>,
        rig: impl FnOnce() -> Start + Send + 'static,
    ) where
        Rig: ?Sized,
        Fault: Sync,
        Start: Future<Output = Arc<Rig>>,
    {
        let (runtime, name) = (self.runtime.clone(), format!("{adapter}::{}", case.name));
        let told =
            move || runtime.block_on(async { tell(case.run, rig().await).await }).map_err(Failed::from);
        self.trials.push(Trial::test(name, told));
    }

    /// The case fails on a rig that is broken in just the way that it names.
    pub fn notices<Rig, Fault, Start>(
        &mut self,
        case: &'static Case<Rig, Fault>,
        broken_rig: impl FnOnce() -> Start + Send + 'static,
    ) where
        Rig: ?Sized,
        Fault: Debug + Sync,
        Start: Future<Output = Arc<Rig>>,
    {
        let runtime = self.runtime.clone();
        let told = async move || {
            // Not part of what may fail: the case must not do so for want of a server.
            let rig = broken_rig().await;
            PANIC_IS_EXPECTED.set(true);
            let ended = tell(case.run, rig).await;
            PANIC_IS_EXPECTED.set(false);
            match ended {
                Err(_) => Ok(()),
                Ok(()) => Err(Failed::from(format!("it did not notice {:?}", case.broken_by))),
            }
        };
        let told = move || runtime.block_on(told());
        self.trials.push(Trial::test(format!("sabotage::{}", case.name), told));
    }

    /// Something that concerns one adapter alone.
    pub fn trial<Body>(&mut self, name: &str, body: impl FnOnce() -> Body + Send + 'static)
    where
        Body: Future<Output = anyhow::Result<()>>,
    {
        let runtime = self.runtime.clone();
        let run = move || runtime.block_on(body()).map_err(|error| Failed::from(format!("{error:?}")));
        self.trials.push(Trial::test(name, run));
    }

    /// Runs what was asked for. The trials are gone when this returns, and whatever they alone held; the process then
    /// [exits](Conclusion::exit) with the result.
    pub fn run(self) -> Conclusion {
        libtest_mimic::run(&self.arguments, self.trials)
    }
}

pub use libtest_mimic::Conclusion;

/// Tells a case to a rig, and says in words how it failed.
async fn tell<Rig: ?Sized>(run: Run<Rig>, rig: Arc<Rig>) -> Result<(), String> {
    match timeout(CASE_TIMEOUT, AssertUnwindSafe(run(rig)).catch_unwind()).await {
        Ok(ended) => ended.map_err(|panic| panic_text(panic.as_ref()).to_owned()),
        Err(_) => Err(format!("it was not done within {CASE_TIMEOUT:?}")),
    }
}

thread_local! {
    static PANIC_IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Many cases panic by design, in handlers that they plant and on adapters that are broken: no traces of the stack.
fn say_panics_in_a_line() {
    std::panic::set_hook(Box::new(|panic| {
        if !PANIC_IS_EXPECTED.get() {
            eprintln!("{panic}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_case_says_in_words_how_it_failed() {
        let case: Run<bool> = |rig| Box::pin(async move { assert!(*rig, "the promise is broken") });
        assert_eq!(tell(case, Arc::new(true)).await, Ok(()));
        assert_eq!(tell(case, Arc::new(false)).await, Err("the promise is broken".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_case_that_hangs_has_failed() {
        let ended = tell(|_| Box::pin(std::future::pending()), Arc::new(true)).await;
        assert!(ended.unwrap_err().contains("not done"));
    }
}
