//! The limits of a pool: each stands here once, and is a field of [`PoolLimits`] and a key of the configuration.
//!
//! The defaults are in `config/default.toml`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PoolKind;
use super::autoscale::{Budget, Step};
use super::key::Key;
use super::key::Kind::{Count, Memory, Share, Size, Span};
use super::units::{self, LONGEST};

/// The most workers of one pool.
pub const MOST_WORKERS: u32 = 10_000;
/// Below this no program of any language starts, so it is a unit that was forgotten.
pub const LEAST_MEMORY: u64 = 1 << 20;
/// A wait before a retry is never longer than this, so a first wait must not be either.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);
/// The most CPUs that a limit may name.
const MOST_CPUS: f64 = 1024.0;
const A_MILLISECOND: Duration = Duration::from_millis(1);

/// The soft memory limit of a worker, its descendants counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryLimit {
    /// Recycle after this many bytes of growth since the worker's first finished job (`+128M`).
    Growth(u64),
    /// Recycle above this many bytes (`256M`).
    Absolute(u64),
}

/// How many jobs may be on their way to one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefetch {
    /// About 1 ms of work, 1 to 64.
    Auto,
    /// A fixed number, 1 to 1000.
    Fixed(u32),
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// Writes [`PoolLimits`] and the list of its keys.
macro_rules! limits {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $kind:expr $(, $more:ident $words:tt)*;)+) => {
        /// The limits of a pool, as far as its workers and their jobs have any.
        #[derive(Clone, Debug, PartialEq)]
        pub struct PoolLimits {
            $($(#[$doc])+ pub $name: $type,)+
        }

        impl PoolLimits {
            /// The keys of `[defaults]`, which every pool has too.
            pub const KEYS: &'static [Key] = &[$(Key::new(stringify!($name), $kind)$(.$more $words)*),+];

            /// Reads each limit from the text of its key.
            pub fn read<'a>(text: impl Fn(&'static str) -> Result<&'a str, String>) -> Result<Self, String> {
                Ok(Self { $($name: AsText::from_text(text(stringify!($name))?)?,)+ })
            }

            fn texts(&self) -> [Option<String>; Self::KEYS.len()] {
                [$(self.$name.to_text()),+]
            }
        }
    };
}

limits! {
    /// Wanted workers. A file may park a pool with 0.
    workers: u32 = Count(0, MOST_WORKERS as i64), or("cpus");
    /// The most workers that anybody can have the pool want.
    max_workers: Option<u32> = Count(1, MOST_WORKERS as i64), or("off");
    /// Longest run of a job that says nothing itself.
    timeout: Duration = Span(A_MILLISECOND, LONGEST), of_jobs();
    /// Attempts of a job that says nothing itself.
    max_attempts: u32 = Count(1, 1_000_000), of_jobs();
    /// Deaths of its worker that end a job.
    max_crashes: u32 = Count(1, 1_000_000), of_jobs();
    /// First wait before a retry.
    backoff: Duration = Span(Duration::ZERO, LONGEST_BACKOFF), of_jobs();
    /// Soft limit: the worker is recycled after its job.
    memory: Option<MemoryLimit> = Memory, or("off");
    /// Hard limit: the worker is killed.
    memory_max: Option<Bytes> = Size(LEAST_MEMORY), or("off");
    /// CPUs, such as 0.9: a worker that uses more for a minute is recycled after its job.
    cpu: Option<f64> = Share(MOST_CPUS), or("off");
    /// Jobs after which a worker is recycled.
    max_jobs: Option<u64> = Count(1, i64::MAX), or("off"), of_jobs(), varied();
    /// Age at which a worker is recycled.
    max_time: Option<Duration> = Span(A_MILLISECOND, LONGEST), or("off"), varied();
    /// For running jobs when the master stops, and for a worker without one to leave.
    grace: Duration = Span(Duration::ZERO, LONGEST);
    /// From TERM to KILL, and from a cancellation to TERM.
    kill_after: Duration = Span(Duration::ZERO, LONGEST);
    /// For a worker to become ready.
    ready_timeout: Duration = Span(A_MILLISECOND, LONGEST), of_jobs();
    /// Jobs on their way to one worker.
    prefetch: Prefetch = Count(1, 1000), or("auto"), of_jobs();
}

impl PoolLimits {
    /// Every limit with its unit, in the order of the file: `memory` = `+128M`, `max_time` = `1h ± 10 %`; `None`: off.
    pub fn shown(&self) -> impl Iterator<Item = (&'static Key, Option<String>)> {
        let shown = |(key, text): (&'static Key, Option<String>)| {
            (key, text.map(|text| if key.varies { format!("{text} ± 10 %") } else { text }))
        };
        Self::KEYS.iter().zip(self.texts()).map(shown)
    }

    /// Limits in force in a pool of this kind. A limit that is off, or has no meaning there, is not listed, nor is the number of
    /// workers, which may change.
    #[must_use]
    pub fn in_force(&self, kind: PoolKind) -> BTreeMap<String, String> {
        let counts = |key: &Key| key.name != "workers" && key.has_effect(kind);
        let all = self.shown().filter(|(key, _)| counts(key));
        all.filter_map(|(key, text)| Some((key.name.to_owned(), text?))).collect()
    }
}

/// A value that a key of the configuration holds as text.
pub trait AsText: Sized {
    /// Reads what was written.
    fn from_text(text: &str) -> Result<Self, String>;
    /// For people, with its unit; `None`: off.
    fn to_text(&self) -> Option<String>;
}

impl<T: AsText> AsText for Option<T> {
    fn from_text(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn to_text(&self) -> Option<String> {
        self.as_ref().and_then(T::to_text)
    }
}

/// The other values: each is never off.
macro_rules! as_text {
    ($($type:ty: $read:expr, $show:expr;)+) => {$(
        impl AsText for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                $read(text)
            }

            fn to_text(&self) -> Option<String> {
                Some($show(*self))
            }
        }
    )+};
}

as_text! {
    Duration: units::duration, units::show_duration;
    Bytes: |text| units::bytes(text).map(Bytes), |Bytes(bytes)| units::show_bytes(bytes);
    MemoryLimit: units::memory_limit, units::show_memory_limit;
    bool: |text: &str| text.parse().map_err(|e: std::str::ParseBoolError| e.to_string()), |yes: bool| yes.to_string();
    i8: number, |n: i8| n.to_string();
    u32: number, |n: u32| n.to_string();
    u64: number, |n: u64| n.to_string();
    Prefetch: prefetch, show_prefetch;
    f64: |text: &str| text.parse().map_err(|e: std::num::ParseFloatError| e.to_string()), |share: f64| share.to_string();
    Budget: str::parse, |budget: Budget| budget.to_string();
    Step: str::parse, |step: Step| step.to_string();
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: std::num::ParseIntError| e.to_string())
}

fn prefetch(text: &str) -> Result<Prefetch, String> {
    if text == "auto" { Ok(Prefetch::Auto) } else { number(text).map(Prefetch::Fixed) }
}

fn show_prefetch(prefetch: Prefetch) -> String {
    match prefetch {
        Prefetch::Auto => "auto".to_owned(),
        Prefetch::Fixed(jobs) => jobs.to_string(),
    }
}
