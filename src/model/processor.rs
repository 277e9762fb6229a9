//! Processors: tasks that run on an interval or by cron, as a job or outside of queue-work, with every run on record.
//!
//! A *tick* is the instant for which a run is scheduled, never the moment when it is started. Exactly one run belongs to
//! a tick; a run that somebody asked for, or that began outside, has none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

pub use super::tick::{Armed, OnRecord, Tick, TickFate};
use super::{JobId, NewJob, ProcessorName, ProcessorRunId, UnixMicros};

/// The queue and the pool of processors that are commands.
pub const PROCESSORS: &str = "processors";
/// How long a run outside may go on, of a processor that is not configured.
const USUAL_TIMEOUT: Duration = Duration::from_hours(1);
/// The longest note of a run, in bytes.
pub const MOST_NOTE_BYTES: usize = 8192;

/// Instants of a calendar, such as those of a cron expression in a time zone. Strictly increasing.
pub trait Schedule: fmt::Debug + Send + Sync {
    /// The first instant after this one; `None` if there is none to be found.
    fn after(&self, at: UnixMicros) -> Option<UnixMicros>;
    /// The last instant at or before this one.
    fn until(&self, at: UnixMicros) -> Option<UnixMicros>;

    /// Whether its time of day does not exist on that day, so that it is at the end of the gap.
    fn is_moved(&self, _tick: UnixMicros) -> bool {
        false
    }

    /// On the clock of its zone.
    fn zoned(&self, at: UnixMicros) -> Zoned {
        at.to_timestamp().to_zoned(TimeZone::UTC)
    }
}

/// When a processor runs.
#[derive(Clone, Debug)]
pub enum Timing {
    /// Never by itself: begun by somebody else, or by an operator.
    External,
    /// So long after the end of the run before.
    Every(Duration),
    /// On a grid, from its first tick on.
    Grid(Duration),
    Calendar(Arc<dyn Schedule>),
}

/// Calendars are told apart by [`ProcessorSettings::schedule`].
impl PartialEq for Timing {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::External, Self::External) | (Self::Calendar(_), Self::Calendar(_)) => true,
            (Self::Every(one), Self::Every(other)) | (Self::Grid(one), Self::Grid(other)) => one == other,
            _ => false,
        }
    }
}

/// Fate of a tick while the run before is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// No run.
    #[default]
    Skip,
    /// One run follows it, never two.
    Queue,
    /// Both run.
    Allow,
    /// The run before is cancelled, then this one follows.
    Replace,
}

/// Fate of ticks at which no master ran, or the machine slept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// One run, for the latest.
    #[default]
    Once,
    Skip,
    /// A run for each, oldest first.
    All,
}

/// A processor as it is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorSettings {
    pub name: ProcessorName,
    pub description: String,
    /// Until an operator says otherwise.
    pub enabled: bool,
    pub timing: Timing,
    /// The schedule as it is written, which tells whether it was changed: `every 5s`, `every 5s from start`,
    /// `30 2 * * * (Europe/Berlin)`, `none`.
    pub schedule: String,
    /// IANA name of the zone of a calendar.
    pub timezone: Option<String>,
    /// The least pause after a run.
    pub sleep: Duration,
    pub overlap: Overlap,
    pub missed: Missed,
    /// Older ticks are passed over.
    pub missed_within: Duration,
    /// With [`Missed::All`]: at most so many at a time, the latest.
    pub missed_max: u32,
    /// A run starts after its tick by a part of this that its name decides, always the same.
    pub jitter: Duration,
    pub run_at_start: bool,
    /// Its runs are older than this when they go; `None`: as other runs.
    pub keep_runs: Option<Duration>,
    /// How long a run outside may go on of which no process is known.
    pub timeout: Duration,
    /// The job of each run, with the queue, type, args and limits; `None`: it is run from outside only.
    pub job: Option<NewJob>,
}

/// Why there is a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunSource {
    /// Its tick.
    Schedule,
    /// An operator.
    Now,
    /// A tick at which no master ran, or the machine slept.
    Missed,
    /// A process outside, with `begin`.
    Foreign,
    /// The start of a master, with `run_at_start`.
    Start,
}

impl RunSource {
    /// Every source, by number in the store.
    pub const ALL: [Self; 5] = [Self::Schedule, Self::Now, Self::Missed, Self::Foreign, Self::Start];

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Now => "now",
            Self::Missed => "missed",
            Self::Foreign => "foreign",
            Self::Start => "start",
        }
    }
}

/// Where a run of a processor is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessorRunState {
    /// Its job has not started, or waits for another attempt.
    Waiting,
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Crashed,
    /// Its job was cancelled, deleted, or expired.
    Cancelled,
    /// Its process outside is gone without an `end`, or past its timeout.
    Lost,
}

impl ProcessorRunState {
    /// Every state, by number in the store.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Crashed,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The word used in JSON, tables and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Crashed => "crashed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether it is not over.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }
}

/// Why a tick has no run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SkipCause {
    Disabled,
    /// The run before was open.
    Overlap,
    /// No master ran then, or the machine slept.
    Missed,
}

impl SkipCause {
    /// Every cause, by number in the store.
    pub const ALL: [Self; 3] = [Self::Disabled, Self::Overlap, Self::Missed];

    /// The word used in JSON and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Overlap => "overlap",
            Self::Missed => "missed",
        }
    }
}

/// A process outside that runs a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignProcess {
    pub host: String,
    pub pid: u32,
    /// Its start time, in clock ticks since boot.
    pub start: u64,
    pub boot_id: String,
}

/// A run of a processor on record; serialises to the documented JSON of `processors runs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessorRun {
    pub id: ProcessorRunId,
    pub processor: ProcessorName,
    /// `null` where there was none.
    pub tick: Option<UnixMicros>,
    pub source: RunSource,
    pub state: ProcessorRunState,
    pub job_id: Option<JobId>,
    /// When it was started: handed to a worker, for the last time, or begun outside.
    pub started_at: Option<UnixMicros>,
    pub ended_at: Option<UnixMicros>,
    /// `ended_at - started_at`, in seconds.
    pub duration_s: Option<f64>,
    /// The words of the worker, of the command, or of `end`.
    pub note: Option<String>,
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun {
    pub id: ProcessorRunId,
    /// `None`: begun outside.
    pub job: Option<JobId>,
    /// The process outside that runs it, where it is known.
    pub process: Option<ForeignProcess>,
    /// When a run outside counts as lost.
    pub deadline: Option<UnixMicros>,
}

/// Word of an operator on a processor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// `None`: the file decides.
    pub enabled: Option<bool>,
    pub changed_at: Option<UnixMicros>,
    /// The user.
    pub changed_by: Option<String>,
    pub reason: Option<String>,
}

impl Switch {
    /// Without a choice there is nobody who made it.
    #[must_use]
    pub fn settled(&self) -> Self {
        if self.enabled.is_some() { self.clone() } else { Self::default() }
    }
}

/// A processor as it is on record.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorRecord {
    pub name: ProcessorName,
    /// The schedule for which `next_at` was reckoned, as it is written.
    pub schedule: String,
    pub switch: Switch,
    /// Every tick up to this one has its run, or was passed over.
    pub last_tick: Option<UnixMicros>,
    /// The next tick.
    pub next_at: Option<UnixMicros>,
    /// Ticks that have no run, since it is on record.
    pub skipped: u64,
    pub last_skip: Option<(SkipCause, UnixMicros)>,
    /// The newest.
    pub last_run: Option<ProcessorRun>,
    pub open: Vec<OpenRun>,
}

/// A run that a process outside begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginRun {
    pub processor: ProcessorName,
    /// Whether the file enables it; `None`: it is not configured.
    pub configured: Option<bool>,
    pub process: Option<ForeignProcess>,
    /// When it counts as lost.
    pub deadline: Option<UnixMicros>,
}

impl BeginRun {
    /// Lost when its process is gone, where that is known, else after the timeout of the processor, unless one is given.
    #[must_use]
    pub fn new(
        processor: &ProcessorName,
        settings: Option<&ProcessorSettings>,
        process: Option<ForeignProcess>,
        timeout: Option<Duration>,
        now: UnixMicros,
    ) -> Self {
        let usual = settings.map_or(USUAL_TIMEOUT, |settings| settings.timeout);
        let timeout = timeout.or_else(|| process.is_none().then_some(usual));
        let configured = settings.map(|settings| settings.enabled);
        Self { processor: processor.clone(), configured, process, deadline: timeout.map(|timeout| now.plus(timeout)) }
    }
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedRun {
    pub processor: ProcessorName,
    pub id: ProcessorRunId,
    pub state: ProcessorRunState,
    pub ended_at: UnixMicros,
}

/// Runs of a processor that are over, by [`ProcessorRunState`], in the order of all of them.
pub type EndedRuns = [u64; ProcessorRunState::ALL.len()];
