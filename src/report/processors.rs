//! Processors as they are shown: what the file and an operator say of each, its last run, its next ticks.
//!
//! Invariant: a processor is known if it is configured or on record; one that is on record only is never armed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::processor::{ProcessorRecord, ProcessorRun, ProcessorSettings, SkipCause, Timing};
use crate::model::{ProcessorName, UnixMicros};
use crate::schedule::{self, Upcoming};
use crate::wire::processors::{NextTick, NextTicks};

/// Ticks that are shown where no number is given, and at most.
const USUAL_TICKS: u32 = 10;
const MOST_TICKS: u32 = 1000;

/// A processor; serialises to the documented JSON of `processors`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessorStatus {
    pub name: ProcessorName,
    pub description: String,
    pub schedule: String,
    /// IANA name of the zone of a calendar.
    pub timezone: Option<String>,
    pub enabled: bool,
    /// The word of the file; `null`: it is not configured.
    pub configured_enabled: Option<bool>,
    /// When an operator has switched it, and who, and why; `null`: the file decides.
    pub changed_at: Option<UnixMicros>,
    pub changed_by: Option<String>,
    pub reason: Option<String>,
    /// The newest.
    pub last_run: Option<ProcessorRun>,
    pub next_at: Option<UnixMicros>,
    /// Ticks that have no run.
    pub skipped: u64,
    pub last_skip: Option<LastSkip>,
}

/// Why a tick has no run, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSkip {
    pub cause: SkipCause,
    pub at: UnixMicros,
}

impl ProcessorStatus {
    /// `None`: it is neither configured nor on record.
    #[must_use]
    pub fn new(settings: Option<&ProcessorSettings>, record: Option<ProcessorRecord>, now: UnixMicros) -> Option<Self> {
        let name = settings.map(|settings| &settings.name).or(record.as_ref().map(|record| &record.name))?.clone();
        let next_at = settings.and_then(|settings| first_tick(settings, record.as_ref(), now));
        let configured_enabled = settings.map(|settings| settings.enabled);
        let switch = record.as_ref().map(|record| record.switch.clone()).unwrap_or_default();
        let enabled = switch.enabled.or(configured_enabled).unwrap_or(true);
        let last_skip = record.as_ref().and_then(|record| record.last_skip);
        Some(Self {
            name,
            description: settings.map(|settings| settings.description.clone()).unwrap_or_default(),
            schedule: settings
                .map(without_zone)
                .or(record.as_ref().map(|record| &*record.schedule))
                .unwrap_or_default()
                .to_owned(),
            timezone: settings.and_then(|settings| settings.timezone.clone()),
            enabled,
            configured_enabled,
            changed_at: switch.changed_at,
            changed_by: switch.changed_by,
            reason: switch.reason,
            next_at: next_at.filter(|_| enabled),
            skipped: record.as_ref().map_or(0, |record| record.skipped),
            last_skip: last_skip.map(|(cause, at)| LastSkip { cause, at }),
            last_run: record.and_then(|record| record.last_run),
        })
    }

    /// Processors that are configured and those on record, by name.
    #[must_use]
    pub fn all(configured: &[Arc<ProcessorSettings>], records: Vec<ProcessorRecord>, now: UnixMicros) -> Vec<Self> {
        let mut records = by_name(records);
        let mut all: Vec<Self> = configured
            .iter()
            .filter_map(|settings| Self::new(Some(settings), records.remove(&settings.name), now))
            .collect();
        all.extend(records.into_values().filter_map(|record| Self::new(None, Some(record), now)));
        all.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Whether an operator has said that it is to be on or off.
    #[must_use]
    pub const fn is_switched(&self) -> bool {
        self.changed_at.is_some()
    }

    /// Its newest run, if that is not over.
    #[must_use]
    pub fn open_run(&self) -> Option<&ProcessorRun> {
        self.last_run.as_ref().filter(|run| run.state.is_open())
    }
}

fn without_zone(settings: &ProcessorSettings) -> &str {
    let zone = settings.timezone.as_ref().and_then(|zone| settings.schedule.strip_suffix(&format!(" ({zone})")));
    zone.unwrap_or(&settings.schedule)
}

fn by_name(records: Vec<ProcessorRecord>) -> BTreeMap<ProcessorName, ProcessorRecord> {
    records.into_iter().map(|record| (record.name.clone(), record)).collect()
}

/// The next tick: as it is on record for this schedule, else as the calendar says. An interval begins when it is armed.
fn first_tick(settings: &ProcessorSettings, record: Option<&ProcessorRecord>, now: UnixMicros) -> Option<UnixMicros> {
    settings.job.as_ref()?;
    let on_record = record.filter(|record| record.schedule == settings.schedule).and_then(|record| record.next_at);
    on_record.or_else(|| match &settings.timing {
        Timing::Calendar(schedule) => schedule.after(now),
        Timing::External | Timing::Every(_) | Timing::Grid(_) => None,
    })
}

/// The next ticks of these processors, in order.
#[must_use]
pub fn next_ticks(
    configured: &[Arc<ProcessorSettings>],
    records: Vec<ProcessorRecord>,
    asked: &NextTicks,
    now: UnixMicros,
) -> Vec<NextTick> {
    let records = by_name(records);
    let count = asked.count.unwrap_or(USUAL_TICKS).min(MOST_TICKS) as usize;
    let switch = |name: &ProcessorName| records.get(name).and_then(|record| record.switch.enabled);
    let is_meant = |settings: &&Arc<ProcessorSettings>| {
        let is_enabled = || switch(&settings.name).unwrap_or(settings.enabled);
        asked.processor.as_ref().map_or_else(is_enabled, |name| settings.name == *name)
    };
    let time = |tick: &Upcoming| UnixMicros::from_timestamp(tick.tick.parse().unwrap_or_default());
    let meant: Vec<&Arc<ProcessorSettings>> = configured.iter().filter(is_meant).collect();
    // The next tick of each; the first of them all is shown and makes room for the one after it.
    let first =
        |at: usize| upcoming(meant[at], records.get(&meant[at].name), asked, now).map(|tick| (time(&tick), at, tick));
    let mut next: BTreeMap<_, _> =
        (0..meant.len()).filter_map(first).map(|(time, at, tick)| ((time, at), tick)).collect();
    let mut shown = Vec::new();
    while shown.len() < count
        && let Some(((at, of), Upcoming { tick, moved })) = next.pop_first()
    {
        let processor = asked.processor.is_none().then(|| meant[of].name.clone());
        shown.push(NextTick { processor, tick, moved });
        next.extend(schedule::next(meant[of], at, 1).pop().map(|tick| ((time(&tick), of), tick)));
    }
    shown
}

/// From the tick that is on record on, where that is still to come.
fn upcoming(
    settings: &ProcessorSettings,
    record: Option<&ProcessorRecord>,
    asked: &NextTicks,
    now: UnixMicros,
) -> Option<Upcoming> {
    let on_record = first_tick(settings, record, now).filter(|tick| *tick > now && asked.from.is_none());
    let from = match (on_record, &settings.timing) {
        (Some(tick), Timing::Every(every) | Timing::Grid(every)) => tick.minus((*every).max(settings.sleep)),
        _ => asked.from.unwrap_or(now),
    };
    schedule::next(settings, from, 1).pop()
}
