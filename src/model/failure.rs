//! Failed runs, counted by what they failed of: one record per queue and fingerprint.
//!
//! Bounded: a message without its variable parts is the same for most failures of a kind; of what still differs
//! [`MOST_PER_TYPE`] errors of a type are told apart in each queue, and all others share one record, which has a fingerprint
//! of its own. A dead job has the fingerprint of the record it is counted in.

use serde::{Deserialize, Serialize};

use super::change::{Finish, Next};
use super::fingerprint::{self, Fingerprint};
use super::{Cause, Outcome, QueueName, RunId, UnixMicros};

/// Errors of one type in one queue that are told apart.
pub const MOST_PER_TYPE: usize = 100;
/// Hours of the trend.
pub const HOURS: usize = 24;
/// Ten minutes, in microseconds.
const SLOT_US: i64 = 600 * 1_000_000;
const SLOTS_PER_HOUR: i64 = 6;

/// Something that a job failed of.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// The type of the job.
    pub kind: &'a str,
    /// Tells errors apart that have no text.
    pub cause: Cause,
    /// What the worker said of the kind of error.
    pub error_type: Option<&'a str>,
    pub error: Option<&'a str>,
    /// `None`: the job failed without a run.
    pub run: Option<RunId>,
    pub at: UnixMicros,
}

impl<'a> Failure<'a> {
    /// Of a run that failed, or that made its job dead.
    #[must_use]
    pub fn of(finish: &'a Finish) -> Option<Self> {
        let failed = matches!(finish.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed);
        let cause = match finish.next {
            Next::Dead(cause) => cause,
            _ if failed => finish.cause.unwrap_or(Cause::Error),
            _ => return None,
        };
        Some(Self {
            kind: &finish.job.kind,
            cause,
            error_type: finish.detail.error_type.as_deref(),
            error: finish.detail.error.as_deref(),
            run: Some(finish.job.run),
            at: finish.ended_at,
        })
    }

    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.kind, self.cause, self.error_type, self.error)
    }

    /// What all failures with this fingerprint have in common.
    #[must_use]
    pub fn template(&self) -> String {
        self.error.map_or_else(|| format!("no message ({})", self.cause.as_str()), fingerprint::template)
    }
}

/// The part of a day in which a run is counted.
#[must_use]
pub const fn slot(at: UnixMicros) -> i64 {
    at.0.div_euclid(SLOT_US)
}

/// The first part of the day that ends now.
#[must_use]
pub const fn first_slot(now: UnixMicros) -> i64 {
    slot(now) - SLOTS_PER_HOUR * HOURS as i64 + 1
}

/// One error, over all queues that are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRecord {
    pub fingerprint: Fingerprint,
    #[serde(rename = "type")]
    pub kind: String,
    /// What the workers said of the kind of error.
    pub error_type: Option<String>,
    /// The message without its variable parts.
    pub message: String,
    pub queues: Vec<QueueName>,
    /// Failed runs since the first.
    pub runs: u64,
    /// In the last hour, to ten minutes.
    pub runs_1h: u64,
    /// In the last day, to ten minutes.
    pub runs_24h: u64,
    pub dead_now: u64,
    pub first_at: UnixMicros,
    pub last_at: UnixMicros,
    /// The last of the runs.
    pub sample_run: Option<RunId>,
    /// Failed runs in each hour of the last day, the last hour last.
    pub trend: Vec<u64>,
    #[serde(flatten)]
    pub said: FailureNote,
}

/// What people have said of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureNote {
    pub note: Option<String>,
    /// Until when lists leave it out; a time that is past says nothing.
    pub muted_until: Option<UnixMicros>,
}

impl FailureNote {
    /// With what is said now; an empty note removes the one before, a time that is past ends the mute.
    #[must_use]
    pub fn changed(self, by: &Self) -> Self {
        let note = by.note.clone().or(self.note).filter(|note| !note.is_empty());
        Self { note, muted_until: by.muted_until.or(self.muted_until) }
    }

    #[must_use]
    pub fn is_muted(&self, now: UnixMicros) -> bool {
        self.muted_until.is_some_and(|until| until > now)
    }
}

/// One record in one queue, as a store keeps it.
#[derive(Clone, Debug)]
pub struct FailureRow {
    pub queue: QueueName,
    pub fingerprint: Fingerprint,
    pub kind: String,
    pub error_type: Option<String>,
    /// `None`: of the errors that are not told apart.
    pub template: Option<String>,
    pub runs: u64,
    pub dead: u64,
    pub first_at: UnixMicros,
    pub last_at: UnixMicros,
    pub sample_run: Option<RunId>,
    /// Runs by [`slot`].
    pub slots: Vec<(i64, u64)>,
}

impl FailureRecord {
    /// Of the rows with one fingerprint; `None`: there are none.
    #[must_use]
    pub fn of(rows: Vec<FailureRow>, said: FailureNote, now: UnixMicros) -> Option<Self> {
        let mut rows = rows.into_iter();
        let mut record = Self { said, ..Self::of_one(rows.next()?, now) };
        record.said.muted_until = record.said.muted_until.filter(|until| *until > now);
        for row in rows {
            let other = Self::of_one(row, now);
            record.queues.extend(other.queues);
            record.runs += other.runs;
            record.dead_now += other.dead_now;
            record.first_at = record.first_at.min(other.first_at);
            record.last_at = record.last_at.max(other.last_at);
            record.sample_run = record.sample_run.max(other.sample_run);
            for (hour, runs) in record.trend.iter_mut().zip(other.trend) {
                *hour += runs;
            }
        }
        record.queues.sort();
        record.runs_1h = record.trend.last().copied().unwrap_or_default();
        record.runs_24h = record.trend.iter().sum();
        Some(record)
    }

    fn of_one(row: FailureRow, now: UnixMicros) -> Self {
        let mut trend = vec![0; HOURS];
        for (at, runs) in row.slots {
            let hour = usize::try_from((at - first_slot(now)).div_euclid(SLOTS_PER_HOUR)).unwrap_or(usize::MAX);
            if let Some(hour) = trend.get_mut(hour) {
                *hour += runs;
            }
        }
        let others = || format!("other errors (more than {MOST_PER_TYPE} of this type differ)");
        Self {
            fingerprint: row.fingerprint,
            kind: row.kind,
            error_type: row.error_type,
            message: row.template.unwrap_or_else(others),
            queues: vec![row.queue],
            runs: row.runs,
            runs_1h: 0,
            runs_24h: 0,
            dead_now: row.dead,
            first_at: row.first_at,
            last_at: row.last_at,
            sample_run: row.sample_run,
            trend,
            said: FailureNote::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * 1_000_000;

    fn row(queue: &str, slots: &[(i64, u64)]) -> FailureRow {
        FailureRow {
            queue: QueueName::new(queue).unwrap(),
            fingerprint: Fingerprint::of("resize", Cause::Error, None, Some("lost")),
            kind: "resize".to_owned(),
            error_type: None,
            template: Some("lost".to_owned()),
            runs: 9,
            dead: 1,
            first_at: UnixMicros(5),
            last_at: UnixMicros(7),
            sample_run: Some(RunId(3)),
            slots: slots.to_vec(),
        }
    }

    #[test]
    fn a_record_counts_the_hours_of_the_last_day_over_all_queues() {
        let now = UnixMicros(100 * 24 * 60 * MINUTE + 3 * MINUTE);
        let ago = |minutes: i64| slot(UnixMicros(now.0 - minutes * MINUTE));
        let first = row("mail", &[(ago(0), 1), (ago(51), 2), (ago(61), 4)]);
        let second = row("default", &[(ago(23 * 60 + 51), 8), (ago(24 * 60), 16), (ago(0) + 1, 32)]);
        let record = FailureRecord::of(vec![first, second], FailureNote::default(), now).unwrap();
        assert_eq!((record.runs, record.dead_now, record.runs_1h, record.runs_24h), (18, 2, 3, 15));
        assert_eq!((record.trend[0], record.trend[22], record.trend[23]), (8, 4, 3));
        assert_eq!(record.queues.iter().map(QueueName::as_str).collect::<Vec<_>>(), ["default", "mail"]);
        assert_eq!(FailureRecord::of(Vec::new(), FailureNote::default(), now), None);
    }
}
