//! Dice for the simulated world.

use crate::core::random::Random;

#[derive(Debug)]
pub(super) struct Chance(Random);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// From `low` to below `high`.
    pub(super) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next() % (high - low).max(1)
    }

    /// True this often in a thousand times.
    pub(super) fn often(&mut self, in_a_thousand: u64) -> bool {
        self.range(0, 1000) < in_a_thousand
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.range(0, from.len() as u64) as usize]
    }

    /// Mostly short, sometimes long: microseconds between `low` and `high`, evenly spread over the magnitudes.
    pub(super) fn micros(&mut self, low: u64, high: u64) -> u64 {
        let magnitudes = (high / low.max(1)).max(2).ilog2();
        let top = low << self.range(0, u64::from(magnitudes) + 1);
        self.range(low, top.max(low + 1)).min(high)
    }
}
