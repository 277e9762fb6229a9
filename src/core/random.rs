//! Seeded jitter: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

use std::time::Duration;

/// From the state of one number to that of the next.
pub(super) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A small generator; the same seed gives the same numbers.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// Between `1 - part` and `1 + part`.
    pub(super) fn factor(&mut self, part: f64) -> f64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        1.0 + part * (2.0 * unit - 1.0)
    }

    /// `d`, give or take `part` of it.
    pub(super) fn around(&mut self, d: Duration, part: f64) -> Duration {
        Duration::from_secs_f64(d.as_secs_f64() * self.factor(part))
    }
}

/// A number that looks like any other, the same for the same.
pub(super) fn mix(number: u64) -> u64 {
    let z = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
