//! The memory of each worker in the last minutes, as statuses had it that somebody looked at.
//!
//! Invariant: nothing is asked for it; what nobody looked at is a gap.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::model::UnixMicros;
use crate::report::status::WorkerStatus;

/// The length of a point, in microseconds, and how many there are: ten minutes.
const POINT_US: i64 = 10_000_000;
const POINTS: i64 = 60;
/// Workers that have a line.
const MOST: usize = 2_000;

/// Points by their numbers, with the most bytes that were seen in each.
type Line = VecDeque<(i64, u64)>;

#[derive(Default)]
pub(super) struct Memory(Mutex<HashMap<String, Line>>);

impl Memory {
    /// Keeps what a status says.
    pub(super) fn note(&self, workers: &[WorkerStatus], now: UnixMicros) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let point = now.0 / POINT_US;
        let is_kept = |(at, _): &(i64, u64)| *at > point - POINTS;
        lines.retain(|_, line| line.back().is_some_and(is_kept));
        for worker in workers {
            let Some(bytes) = worker.memory_bytes else { continue };
            if lines.len() >= MOST && !lines.contains_key(&worker.id) {
                continue;
            }
            let line = lines.entry(worker.id.clone()).or_default();
            while line.front().is_some_and(|first| !is_kept(first)) {
                line.pop_front();
            }
            match line.back_mut() {
                Some((at, most)) if *at == point => *most = bytes.max(*most),
                _ => line.push_back((point, bytes)),
            }
        }
    }

    /// The line of a worker, oldest first.
    pub(super) fn of(&self, worker: &str, now: UnixMicros) -> Vec<Option<f64>> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = now.0 / POINT_US - POINTS + 1;
        let mut values = vec![None; POINTS as usize];
        for (at, bytes) in lines.get(worker).into_iter().flatten() {
            if let Some(value) = usize::try_from(at - first).ok().and_then(|at| values.get_mut(at)) {
                *value = Some(*bytes as f64);
            }
        }
        values
    }
}
