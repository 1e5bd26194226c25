//! Where everything that is left to chance in a run comes from: one sequence, drawn from in the order in which things
//! happen, so that the seed decides all of it.

use std::time::Duration;

use tertulia_runtime::{
    Entropy,
    entropy::{SeededEntropy, random_below},
};

/// The dice of one run.
pub(crate) struct Chance(SeededEntropy);

impl Chance {
    /// The dice that belong to a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// A number below a bound, which is not 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        random_below(&self.0, bound)
    }

    /// One of so many, which are not none.
    pub(crate) fn index(&self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).expect("it is below a usize")
    }

    /// One of these; none if there are none.
    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.index(from.len())) }
    }

    /// Whether something happens that does so many times in a thousand.
    pub(crate) fn happens(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1_000) < per_mille
    }

    /// A time of whole milliseconds, from one to another.
    pub(crate) fn between(&self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.below(to_ms - from_ms + 1))
    }

    /// Dice of their own for one part, which draws as it pleases.
    pub(crate) fn fork(&self) -> SeededEntropy {
        let mut seed = [0; 8];
        self.0.fill(&mut seed);
        SeededEntropy::new(u64::from_le_bytes(seed))
    }
}
