//! Autoscaling: how a pool scales itself, what is measured for it, and why it has as many workers as it has.
//!
//! Shares are fractions: 0.9 is 90 %. Invariant: a [`Why`] holds every number that its wording needs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::processor::Schedule;
use super::{MOST_WORKERS, PoolName, UnixMicros, units};

/// How a pool scales itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscale {
    pub min: u32,
    pub max: u32,
    /// How long a ready job may wait.
    pub target_wait: Duration,
    /// The share of the CPUs that are to be busy.
    pub target_cpu: Option<f64>,
    /// The share of busy CPUs at which no worker is added.
    pub cpu_max: Option<f64>,
    pub memory_budget: Option<Budget>,
    /// For so long as many workers are kept as were needed.
    pub hold: Duration,
    /// The most workers that come at once.
    pub step_up: Option<Step>,
    /// The most workers that leave at once.
    pub step_down: Option<Step>,
    pub schedule: Vec<Window>,
}

/// The least and the most workers at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub least: u32,
    pub most: u32,
    /// Whether each comes from the schedule.
    pub least_is_scheduled: bool,
    pub most_is_scheduled: bool,
}

impl Autoscale {
    /// The bounds at this moment: of windows that overlap, the largest number counts.
    #[must_use]
    pub fn bounds(&self, at: UnixMicros) -> Bounds {
        let open = || self.schedule.iter().filter(|window| window.is_open(at));
        let (min, max) = (open().filter_map(|window| window.min).max(), open().filter_map(|window| window.max).max());
        let most = max.unwrap_or(self.max).max(min.unwrap_or(0));
        Bounds {
            least: min.unwrap_or(self.min).min(most),
            most,
            least_is_scheduled: min.is_some(),
            most_is_scheduled: max.is_some(),
        }
    }

    /// When the bounds may change next.
    #[must_use]
    pub fn next_change(&self, at: UnixMicros) -> Option<UnixMicros> {
        self.schedule.iter().flat_map(|window| window.edges(at)).min()
    }

    /// The most workers that there can ever be.
    #[must_use]
    pub fn most_ever(&self) -> u32 {
        self.schedule.iter().flat_map(|window| [window.min, window.max]).flatten().fold(self.max, u32::max)
    }
}

/// A time with bounds of its own.
#[derive(Clone, Debug)]
pub struct Window {
    pub begins: Arc<dyn Schedule>,
    /// The calendar as it is written, which tells whether it was changed: `0 8 * * MON-FRI (Europe/Berlin)`.
    pub written: String,
    pub lasts: Duration,
    pub min: Option<u32>,
    pub max: Option<u32>,
}

impl Window {
    fn is_open(&self, at: UnixMicros) -> bool {
        self.begins.until(at).is_some_and(|begun| at.since(begun) < self.lasts)
    }

    fn edges(&self, at: UnixMicros) -> impl Iterator<Item = UnixMicros> {
        let end = self.begins.until(at).map(|begun| begun.plus(self.lasts)).filter(|end| *end > at);
        self.begins.after(at).into_iter().chain(end)
    }
}

/// Calendars are told apart as they are written.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (&self.written, self.lasts, self.min, self.max) == (&other.written, other.lasts, other.min, other.max)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.written, units::show_duration(self.lasts))?;
        for (word, workers) in [("min", self.min), ("max", self.max)] {
            workers.map_or(Ok(()), |workers| write!(f, ", {word} {workers}"))?;
        }
        Ok(())
    }
}

/// Memory that workers may fill, with everything else that fills it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// Of the machine, or of the control group where that has a limit.
    Share(f64),
    Bytes(u64),
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Share(share) => write!(f, "{}", percent(share)),
            Self::Bytes(bytes) => f.write_str(&units::show_bytes(bytes)),
        }
    }
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.ends_with('%') { read_percent(text).map(Self::Share) } else { units::bytes(text).map(Self::Bytes) }
    }
}

/// A change of the number of workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Of the workers that there are.
    Share(f64),
    Workers(u32),
}

impl Step {
    /// In workers, at least one.
    #[must_use]
    pub fn of(self, workers: u32) -> u32 {
        match self {
            Self::Share(share) => ((f64::from(workers) * share).ceil() as u32).max(1),
            Self::Workers(workers) => workers.max(1),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Share(share) => write!(f, "{}", percent(share)),
            Self::Workers(workers) => write!(f, "{workers}"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.ends_with('%') {
            return read_percent(text).map(Self::Share);
        }
        let workers = text.parse().ok().filter(|workers| (1..=MOST_WORKERS).contains(workers));
        let wrong = || format!("`{text}` is no step; write a number of workers from 1 to {MOST_WORKERS}, or \"25%\"");
        workers.map(Self::Workers).ok_or_else(wrong)
    }
}

/// Reads `80%`: 1 % to 100 %.
fn read_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    let share = number.filter(|percent| (1.0..=100.0).contains(percent)).map(|percent| percent / 100.0);
    share.ok_or_else(|| format!("`{text}` is no share; write \"1%\" to \"100%\""))
}

/// `80%`
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{}%", (share * 1000.0).round() / 10.0)
}

/// What concerns all pools together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Together {
    /// The most processes of workers that there may be, of whichever pool.
    pub cap: Option<u32>,
    /// The most workers of all pools that pools which scale themselves bring about.
    pub max_processes: Option<u32>,
    pub share: Sharing,
}

/// Who gets how much of `max_processes` where that is less than all need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// After the least number of each, in proportion to the need.
    #[default]
    ByNeed,
    /// In the order of the file.
    ByPriority,
}

impl Sharing {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ByNeed => "by_need",
            Self::ByPriority => "by_priority",
        }
    }
}

/// The machine, or the control group where that has limits. `None`: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    /// The share of the CPUs that was busy in the last seconds.
    pub cpu: Option<f64>,
    /// CPUs that this process may use.
    pub cpus: f64,
    /// Memory that there is and that is in use, in bytes.
    pub memory: Option<(u64, u64)>,
    /// The share of time in which some processes, and all of them, waited for memory.
    pub pressure: Option<(f64, f64)>,
    /// Processes that may still be started.
    pub processes_left: Option<u64>,
}

/// Reason for a number of workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Why {
    pub basis: Basis,
    /// What keeps it from being more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
}

/// Where a number of workers comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Jobs that come and jobs that wait need so many.
    Load { arrivals_per_s: f64, service_s: f64, steady: f64, ready: u64, drain: f64 },
    /// The CPUs are busier than they are to be.
    Cpu { busy: f64, target: f64 },
    /// So many were needed a while ago, and are kept.
    Held { needed: u32 },
    /// The workers that are too many are busy.
    Busy,
    /// The least number.
    Min,
    /// The least number of the schedule.
    Schedule,
    /// An operator has said so.
    Pinned,
    /// An operator holds the number no longer.
    Unpinned,
    /// An operator has stopped the pool.
    Stopped,
    /// An operator has stopped a worker.
    StoppedWorker,
    /// The CPUs are busy, and there are far more workers than CPUs.
    TooManyForCpus,
    /// Processes wait for memory.
    MemoryIsShort,
}

/// What keeps a pool from having more workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    Max,
    Schedule,
    MaxProcesses,
    Cpu,
    Memory,
    MemoryPressure,
    Processes,
    Spawn,
    StepUp,
}

/// What a decision rests on; in JSON as `queue-work autoscale` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Jobs that became ready, per second.
    pub arrivals_per_s: f64,
    /// How long a job takes; `null`: none has run yet.
    pub service_s: Option<f64>,
    pub ready: u64,
    pub oldest_ready_s: Option<f64>,
    /// Jobs that run.
    pub busy: u32,
    /// From the spawn of a worker until it is ready; `null`: none has started yet.
    pub start_s: Option<f64>,
    /// The share of the CPUs that is busy.
    pub cpu: Option<f64>,
    /// Memory of the workers of the pool.
    pub memory_bytes: Option<u64>,
}

/// A pool that scales itself, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Autoscaled {
    pub pool: PoolName,
    /// Processes that are there.
    pub workers: u32,
    pub wanted: u32,
    pub min: u32,
    pub max: u32,
    pub why: Why,
    /// To how many it goes down, and in how long at the earliest.
    pub down: Option<(u32, Duration)>,
    pub measured: Measured,
}

/// A change of a number of workers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscaleChange {
    pub at: UnixMicros,
    pub pool: PoolName,
    pub was: u32,
    pub wanted: u32,
    pub why: Why,
    pub measured: Measured,
}

/// Changes are kept for so long.
pub const CHANGES_KEPT_FOR: Duration = Duration::from_hours(7 * 24);
/// The newest changes that are kept: of pools that change all the time a day or so.
pub const MOST_CHANGES: u32 = 50_000;

/// A change on record, with its id.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoscaleRecord {
    pub id: i64,
    pub change: AutoscaleChange,
}
