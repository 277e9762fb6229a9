//! How long things took: a histogram of which any quantile is known to 2.2 %, whatever the range.
//!
//! Buckets are exponential with base 2, 16 an octave, over microseconds: those of a native histogram of Prometheus (schema
//! 4) and of an exponential histogram of OpenTelemetry (scale 4). As bytes, only buckets that hold something take room; in
//! memory all from the first to the last that do, so that every run is counted without a search: 1.3 kB from 1 ms to 1 s,
//! 8.2 kB at most. Invariants: the first and the last bucket are not empty; a sketch of all values is the sum of sketches of
//! their parts; bytes that are no sketch are refused, whatever they are.

use std::time::Duration;

/// Buckets of one doubling.
const PER_OCTAVE: u16 = 16;
/// The bucket of the largest number.
const LAST: u16 = 64 * PER_OCTAVE;
/// The upper bounds of the buckets of one octave, as numbers of 64 bits whose first is set: 2^(63 + k/16), rounded down.
const BOUNDS: [u64; PER_OCTAVE as usize] = [
    0x8000_0000_0000_0000,
    0x85aa_c367_cc48_7b14,
    0x8b95_c1e3_ea8b_d6e6,
    0x91c3_d373_ab11_c336,
    0x9837_f051_8db8_a96f,
    0x9ef5_3260_91a1_11ad,
    0xa5fe_d6a9_b151_38ea,
    0xad58_3eea_42a1_4ac6,
    0xb504_f333_f9de_6484,
    0xbd08_a39f_580c_36be,
    0xc567_2a11_5506_dadd,
    0xce24_8c15_1f84_80e3,
    0xd744_fcca_d69d_6af4,
    0xe0cc_deec_2a94_e111,
    0xeac0_c6e7_dd24_392e,
    0xf525_7d15_2486_cc2c,
];

/// Counts by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    /// The bucket of the first count; the others follow.
    first: u16,
    counts: Vec<u64>,
}

/// How long things of one kind took: each of them, and all together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    pub sketch: Sketch,
    pub sum_us: u64,
}

impl Durations {
    /// Takes in one.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sketch.add(micros);
        self.sum_us = self.sum_us.saturating_add(micros);
    }
}

/// The bucket with this number of microseconds.
fn bucket_of(micros: u64) -> u16 {
    let micros = micros.max(1);
    let octave = micros.ilog2() as u16;
    let above = BOUNDS.partition_point(|bound| *bound < micros << micros.leading_zeros());
    octave * PER_OCTAVE + above as u16
}

/// The upper bound of a bucket, in microseconds; it belongs to it.
fn bound_of(bucket: u16) -> f64 {
    (f64::from(bucket) / f64::from(PER_OCTAVE)).exp2()
}

impl Sketch {
    /// Takes in one that took so many microseconds.
    pub fn add(&mut self, micros: u64) {
        self.add_to(bucket_of(micros), 1);
    }

    fn add_to(&mut self, bucket: u16, count: u64) {
        // Of a bucket before the first the difference is larger than any place.
        let sum = match self.counts.get_mut(usize::from(bucket.wrapping_sub(self.first))) {
            Some(sum) => sum,
            None => self.widen(bucket),
        };
        *sum = sum.saturating_add(count);
    }

    /// Makes room for a bucket that is not between the first and the last.
    #[cold]
    fn widen(&mut self, bucket: u16) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        let missing = usize::from(self.first.saturating_sub(bucket));
        self.counts.splice(..0, std::iter::repeat_n(0, missing));
        self.first = self.first.min(bucket);
        let at = usize::from(bucket - self.first);
        self.counts.resize(self.counts.len().max(at + 1), 0);
        &mut self.counts[at]
    }

    /// Buckets that hold something, in order.
    fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        (self.first..).zip(self.counts.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// Takes in all of another.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in other.buckets() {
            self.add_to(bucket, count);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// How many took at most 2^`octave` microseconds; exact, as that is the bound of a bucket.
    #[must_use]
    pub fn within(&self, octave: u16) -> u64 {
        let within = self.buckets().take_while(|(bucket, _)| *bucket <= octave.saturating_mul(PER_OCTAVE));
        within.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// The time that this part of all (0 to 1) took at most, in microseconds, to 2.2 %; `None` if there is nothing.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let rank = ((self.count() as f64 * part).ceil() as u64).max(1);
        let mut seen: u64 = 0;
        let is_it = |&(_, count): &(u16, u64)| {
            seen = seen.saturating_add(count);
            seen >= rank
        };
        let (bucket, _) = self.buckets().find(is_it)?;
        // Half-way between the bounds as the error counts: as far from the one as from the other, in parts of them.
        let bound = bound_of(bucket);
        Some(2.0 * bound / (1.0 + bound_of(1)))
    }

    /// As bytes: of each bucket how far it is from the one before, and its count, in LEB128.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut next = 0;
        for (bucket, count) in self.buckets() {
            write(&mut bytes, u64::from(bucket - next));
            write(&mut bytes, count);
            next = bucket + 1;
        }
        bytes
    }

    /// From bytes; `None` if they are not what [`Sketch::encode`] writes.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut sketch = Self::default();
        let mut next: u64 = 0;
        while !bytes.is_empty() {
            let bucket = next.checked_add(read(&mut bytes)?)?;
            let count = read(&mut bytes)?;
            let number = u16::try_from(bucket).ok().filter(|number| *number <= LAST && count > 0)?;
            sketch.add_to(number, count);
            next = bucket + 1;
        }
        Some(sketch)
    }
}

fn write(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn read(bytes: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            // One that is longer than it must be is not ours.
            return (*byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Sketch {
        let mut sketch = Sketch::default();
        for value in values {
            sketch.add(*value);
        }
        sketch
    }

    /// Of any size: as many small as large ones.
    fn value() -> impl Strategy<Value = u64> {
        (0..64_u32, any::<u64>()).prop_map(|(bits, number)| number >> bits)
    }

    #[test]
    fn bounds_belong_to_the_bucket_below_them() {
        for octave in 0..64_u16 {
            let power = 1_u64 << octave;
            assert_eq!(bucket_of(power), octave * PER_OCTAVE);
            assert_eq!((of(&[power]).within(octave), of(&[power]).count()), (1, 1));
            if octave > 0 {
                assert_eq!(of(&[power]).within(octave - 1), 0);
                assert_eq!(of(&[power + 1]).within(octave), 0, "{power}");
            }
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, LAST));
    }

    #[test]
    fn a_sketch_of_one_value_is_a_few_bytes_and_of_nothing_none() {
        assert!(Sketch::default().encode().is_empty());
        assert_eq!(of(&[1000, 1000]).encode().len(), 3);
        assert_eq!(Sketch::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(values in proptest::collection::vec(value(), 0..200)) {
            let sketch = of(&values);
            prop_assert_eq!(sketch.count(), values.len() as u64);
            prop_assert_eq!(Sketch::decode(&sketch.encode()), Some(sketch));
        }

        #[test]
        fn the_sum_of_parts_is_the_sketch_of_all(
            a in proptest::collection::vec(value(), 0..100), b in proptest::collection::vec(value(), 0..100)
        ) {
            let mut sum = of(&a);
            sum.merge(&of(&b));
            prop_assert_eq!(sum, of(&[a, b].concat()));
        }

        #[test]
        fn a_quantile_is_known_to_two_point_two_per_cent(
            mut values in proptest::collection::vec(value(), 1..200), part in 0.0..=1.0
        ) {
            let found = of(&values).quantile(part).expect("there are some");
            values.sort_unstable();
            let rank = ((values.len() as f64 * part).ceil() as usize).max(1);
            let exact = values[rank - 1].max(1) as f64;
            prop_assert!((found - exact).abs() <= exact * 0.022, "{} for {}", found, exact);
        }

        #[test]
        fn bytes_of_others_are_refused_or_are_a_sketch(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(sketch) = Sketch::decode(&bytes) {
                prop_assert_eq!(sketch.encode(), bytes);
                let _ = (sketch.count(), sketch.quantile(0.99), sketch.within(20));
                let mut twice = sketch.clone();
                twice.merge(&sketch);
            }
        }
    }
}
