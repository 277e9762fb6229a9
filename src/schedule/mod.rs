//! Schedules of processors: cron expressions in a time zone, and what comes next.
//!
//! croner parses and searches, jiff knows the zones: those of the system (`/usr/share/zoneinfo`), none is built in. Where
//! croner does what users of cron do not expect, [`expression`] says so and does otherwise.
//! Invariant: the ticks of a schedule are strictly increasing, whole seconds, and each is found from both directions.

mod calendar;
mod expression;
mod zone;

#[cfg(test)]
mod tests;

pub use calendar::Calendar;
pub use zone::{LOCAL, Zone};

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::model::processor::{ProcessorSettings, Timing};
use crate::model::{ProcessorName, UnixMicros, digest};

/// A tick that is to come; serialises to the documented JSON of `processors next`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upcoming {
    /// RFC 3339, with the offset of its zone.
    pub tick: String,
    /// Its time of day does not exist on that day, so it is at the end of the gap.
    pub moved: bool,
}

/// The next ticks after a moment, at most so many; those of an interval as if it began then and its runs took no time.
#[must_use]
pub fn next(settings: &ProcessorSettings, from: UnixMicros, count: usize) -> Vec<Upcoming> {
    let after = |at: UnixMicros| match &settings.timing {
        Timing::External => None,
        Timing::Every(every) | Timing::Grid(every) => Some(at.plus((*every).max(settings.sleep))),
        Timing::Calendar(schedule) => schedule.after(at),
    };
    let upcoming = |at: UnixMicros| {
        let (zoned, moved) = match &settings.timing {
            Timing::Calendar(schedule) => (schedule.zoned(at), schedule.is_moved(at)),
            Timing::External | Timing::Every(_) | Timing::Grid(_) => {
                (at.to_timestamp().to_zoned(TimeZone::system()), false)
            }
        };
        Upcoming { tick: zoned.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(), moved }
    };
    std::iter::successors(after(from), |tick| after(*tick)).take(count).map(upcoming).collect()
}

/// How long after its ticks a processor starts: a part of `most` that its name and the store decide, always the same.
#[must_use]
pub fn jitter(name: &ProcessorName, store: &str, most: Duration) -> Duration {
    let hash = digest(name.as_str().bytes().chain([0]).chain(store.bytes()));
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(hash.checked_rem(micros).unwrap_or(0))
}
