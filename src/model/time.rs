//! Time as a value: wall time for records, monotonic time for deadlines.
//!
//! Invariant: durations and deadlines of the core are monotonic; wall time is only for `due`, `expires` and
//! records, so a clock that is set back or forward ends no job.

use std::ops::Add;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wall time, in microseconds since 1970-01-01 UTC. Written as RFC 3339 in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// Later by a duration (one that does not fit ends at the far future).
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Earlier by a duration.
    #[must_use]
    pub fn minus(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long since `earlier`; zero if the clock went back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As a calendar time, cut to what the calendar can hold.
    #[must_use]
    pub fn to_timestamp(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// From a calendar time.
    #[must_use]
    pub fn from_timestamp(t: jiff::Timestamp) -> Self {
        Self(t.as_microsecond())
    }
}

impl Serialize for UnixMicros {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{:.6}", self.to_timestamp()))
    }
}

impl<'de> Deserialize<'de> for UnixMicros {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        let time = text.parse().map(Self::from_timestamp);
        time.map_err(|_| {
            let text: String = text.chars().take(50).collect();
            serde::de::Error::custom(format!("{text:?} is no time such as `2026-01-31T12:00:00Z` (RFC 3339)"))
        })
    }
}

/// Monotonic time, in microseconds since the master started. Stands still while the machine sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// How long since `earlier`; zero if that is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Both clocks, read once at the start of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For deadlines and durations.
    pub mono: Mono,
    /// For records and due times.
    pub wall: UnixMicros,
}

impl Now {
    /// The wall time at an earlier monotonic moment, reckoned back from now.
    #[must_use]
    pub fn wall_at(&self, then: Mono) -> UnixMicros {
        self.wall.minus(self.mono.since(then))
    }
}
