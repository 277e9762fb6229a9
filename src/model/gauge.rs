//! How queues and pools stood in a period, and what was done to them: lines of a chart that are no runs.
//!
//! Invariant: what a period says is what its parts say together, in the order of time.

use serde::{Deserialize, Serialize};

use super::rollup::Tally;
use super::worker::EndReason;
use super::{PoolName, QueueName, QueueTotals, UnixMicros};

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueGauge {
    pub queue: QueueName,
    /// Jobs that were pushed; known to the store alone.
    pub pushed: u64,
    /// At its end.
    pub ready: u64,
    pub ready_max: u64,
    /// At its end.
    pub scheduled: u64,
    pub running: u64,
    pub dead: u64,
    /// How long the oldest ready job had waited, at most.
    pub oldest_us_max: u64,
}

impl QueueGauge {
    /// As it stands now.
    #[must_use]
    pub fn of(totals: &QueueTotals, now: UnixMicros) -> Self {
        let oldest = totals.oldest_ready_at.map_or(0, |at| now.since(at).as_micros());
        Self {
            queue: totals.name.clone(),
            pushed: 0,
            ready: totals.ready,
            ready_max: totals.ready,
            scheduled: totals.scheduled,
            running: totals.running,
            dead: totals.dead,
            oldest_us_max: u64::try_from(oldest).unwrap_or(u64::MAX),
        }
    }

    /// Takes in what came later.
    pub fn merge(&mut self, later: &Self) {
        self.pushed = self.pushed.saturating_add(later.pushed);
        self.ready_max = self.ready_max.max(later.ready_max);
        self.oldest_us_max = self.oldest_us_max.max(later.oldest_us_max);
        (self.ready, self.scheduled, self.running, self.dead) =
            (later.ready, later.scheduled, later.running, later.dead);
    }
}

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolGauge {
    pub pool: PoolName,
    /// At its end.
    pub wanted: u64,
    pub ready_min: u64,
    /// Time that jobs took of workers, and the time that there was.
    pub busy_us: u64,
    pub capacity_us: u64,
    pub cpu_us: u64,
    /// Most memory of all its workers together, and of one, in bytes.
    pub memory_max: u64,
    pub worker_memory_max: u64,
    /// Workers.
    pub started: u64,
    pub ended: u64,
    /// Of `ended`, those that ended unasked; that were at a limit; that had too much memory and were killed.
    pub crashed: u64,
    pub recycled: u64,
    pub oom: u64,
}

impl PoolGauge {
    /// Takes in what came later.
    pub fn merge(&mut self, later: &Self) {
        self.wanted = later.wanted;
        self.ready_min = self.ready_min.min(later.ready_min);
        self.memory_max = self.memory_max.max(later.memory_max);
        self.worker_memory_max = self.worker_memory_max.max(later.worker_memory_max);
        for (sum, more) in [
            (&mut self.busy_us, later.busy_us),
            (&mut self.capacity_us, later.capacity_us),
            (&mut self.cpu_us, later.cpu_us),
            (&mut self.started, later.started),
            (&mut self.ended, later.ended),
            (&mut self.crashed, later.crashed),
            (&mut self.recycled, later.recycled),
            (&mut self.oom, later.oom),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// Work of a pool and the workers that came and went, since the master has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Of runs that are over.
    pub busy_us: u64,
    pub cpu_us: u64,
    pub started: u64,
    /// By [`EndReason`], in the order of all of them.
    pub ended: [u64; EndReason::ALL.len()],
}

impl PoolCounts {
    /// Workers that ended for a reason that is one of these.
    #[must_use]
    pub fn ended_for(&self, is_it: impl Fn(EndReason) -> bool) -> u64 {
        EndReason::ALL.into_iter().filter(|why| is_it(*why)).map(|why| self.ended[why as usize]).sum()
    }
}

/// Acts of operators and masters, drawn as lines through the charts. What a pool does by itself is none: it would hide the
/// others, and is in the log of autoscaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MarkKind {
    /// A master began.
    Start,
    /// A configuration came into force.
    Reload,
    Scale,
    Pause,
    Resume,
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Start, Self::Reload, Self::Scale, Self::Pause, Self::Resume];

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Reload => "reload",
            Self::Scale => "scale",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

/// An act, and when it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub at: UnixMicros,
    pub kind: MarkKind,
    /// To what, for people.
    pub text: String,
}

impl Mark {
    /// A queue was paused, or resumed.
    #[must_use]
    pub fn pause(queue: &QueueName, paused: bool, at: UnixMicros) -> Self {
        let kind = if paused { MarkKind::Pause } else { MarkKind::Resume };
        Self { at, kind, text: format!("queue `{queue}`") }
    }
}

/// Everything that was counted since the last time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Runs, by the number of the minute in which they ended.
    pub minutes: Vec<(i64, Tally)>,
    /// When the gauges were read.
    pub at: UnixMicros,
    pub queues: Vec<QueueGauge>,
    pub pools: Vec<PoolGauge>,
    pub marks: Vec<Mark>,
}
