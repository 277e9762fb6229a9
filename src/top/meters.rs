//! The numbers of the last minute, each with the line of its course.
//!
//! Invariant: there is one sample a second, however often a status comes; seconds without one have a gap.

use std::collections::VecDeque;

use crate::model::UnixMicros;
use crate::report::{Status, words};

/// Seconds that are shown.
const SECONDS: usize = 60;
/// Columns of dots in a character, and dots of a column from the lowest on.
const COLUMNS: usize = 2;
const DOTS: [[u32; 4]; COLUMNS] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
/// The character without a dot.
const BRAILLE: u32 = 0x2800;
/// Numbers that have a line.
pub(super) const METERS: usize = 6;

/// A number with its name, as it is shown.
pub(super) struct Meter {
    pub(super) name: &'static str,
    pub(super) value: String,
    /// The number in [`Meters::line`].
    pub(super) at: usize,
}

#[derive(Debug, Default)]
pub(super) struct Meters {
    /// The last second with a sample, since 1970.
    second: i64,
    samples: VecDeque<Option<[f64; METERS]>>,
    /// Runs that had failed by the status before, and when that came.
    failed: Option<(u64, UnixMicros)>,
    failed_per_s: f64,
}

impl Meters {
    /// Takes the sample of this second; whether the lines are others then.
    pub(super) fn hear(&mut self, status: &Status, at: UnixMicros) -> bool {
        let before = self.samples.clone();
        let failed = status.queues.iter().map(|queue| queue.failed_total).sum();
        let second = at.0.div_euclid(1_000_000);
        let passed = usize::try_from(second - self.second).unwrap_or(0).min(SECONDS);
        if passed > 0 || self.failed.is_none() {
            let before = self.failed.replace((failed, at));
            let since = before.map_or(0.0, |(_, then)| at.since(then).as_secs_f64()).max(1e-3);
            self.failed_per_s = before.map_or(0.0, |(before, _)| failed.saturating_sub(before) as f64 / since);
        }
        self.second = second;
        self.samples.extend(std::iter::repeat_n(None, passed));
        self.samples.drain(..self.samples.len().saturating_sub(SECONDS));
        let sample = self.sample(status);
        if let Some(last) = self.samples.back_mut() {
            *last = Some(sample);
        }
        self.samples != before
    }

    fn sample(&self, status: &Status) -> [f64; METERS] {
        [
            status.jobs_per_s,
            sum(status, |queue| queue.ready) as f64,
            self.failed_per_s,
            status.pools.iter().map(|pool| f64::from(pool.busy)).sum(),
            memory(status) as f64,
            cpu(status),
        ]
    }

    /// The numbers of now, in words.
    pub(super) fn now(&self, status: &Status) -> [Meter; METERS] {
        let busy: u32 = status.pools.iter().map(|pool| pool.busy).sum();
        let all: u32 = status.pools.iter().map(|pool| pool.wanted).sum();
        let dead = sum(status, |queue| queue.dead);
        let dead = if dead > 0 { format!(" {dead} dead") } else { String::new() };
        let values = [
            ("rate", format!("{}/s", words::rate(status.jobs_per_s))),
            ("waiting", sum(status, |queue| queue.ready).to_string()),
            ("failed", format!("{}/s{dead}", words::rate(self.failed_per_s))),
            ("busy", format!("{busy} of {all}")),
            ("memory", words::bytes(memory(status))),
            ("CPU", format!("{:.0}%", cpu(status))),
        ];
        let mut at = 0..;
        values.map(|(name, value)| Meter { name, value, at: at.next().unwrap_or_default() })
    }

    /// The last minute of a number, in so many characters: of each dot the most that it stands for.
    pub(super) fn line(&self, meter: usize, width: usize) -> String {
        let wide = (width * COLUMNS).max(1);
        let seconds = SECONDS.div_ceil(wide);
        let value = |sample: &Option<[f64; METERS]>| sample.map_or(0.0, |sample| sample[meter]);
        let most = self.samples.iter().map(value).fold(0.0, f64::max);
        // Each dot keeps its seconds while they move to the left.
        let newest = self.second.div_euclid(seconds as i64);
        let mut dots = vec![0.0_f64; wide];
        for (age, sample) in (0..).zip(self.samples.iter().rev()) {
            let back = newest - (self.second - age).div_euclid(seconds as i64);
            if let Some(dot) = usize::try_from(back).ok().and_then(|back| wide.checked_sub(back + 1)) {
                dots[dot] = dots[dot].max(value(sample));
            }
        }
        let height = |value: f64| ((value / most * 4.0).ceil() as usize).min(4);
        let cell = |pair: &[f64]| {
            let of = |(column, &value): (usize, &f64)| DOTS[column][..height(value)].iter().sum::<u32>();
            char::from_u32(BRAILLE + pair.iter().enumerate().map(of).sum::<u32>()).unwrap_or(' ')
        };
        dots.chunks(COLUMNS).map(cell).collect()
    }
}

fn sum(status: &Status, of: impl Fn(&crate::report::status::QueueStatus) -> u64) -> u64 {
    status.queues.iter().map(of).sum()
}

/// Of the master and its workers, in bytes.
fn memory(status: &Status) -> u64 {
    let master = status.master.as_ref().map_or(0, |master| master.memory_bytes);
    master + status.workers.iter().filter_map(|worker| worker.memory_bytes).sum::<u64>()
}

/// Of the workers, in percent of one CPU.
fn cpu(status: &Status) -> f64 {
    // The sum of nothing is -0.
    status.workers.iter().filter_map(|worker| worker.cpu_percent).sum::<f64>() + 0.0
}
