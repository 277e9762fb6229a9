//! Keys of queues, for people and programs: what waits and runs of each, and why no more of it starts.

use serde::Serialize;

use super::status::QueueStatus;
use super::tables::{Align, Column, Room, render_within};
use super::{queue_limits, words};
use crate::model::key_record::KeyRecord;
use crate::model::limit_record::PausedKey;
use crate::model::queue_limits::{Bucket, QueueLimits};
use crate::model::{QueueName, UnixMicros};

/// One key of a queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyStatus {
    pub queue: QueueName,
    /// "": jobs without one.
    pub key: String,
    pub waiting: u64,
    pub running: u64,
    /// The most that may run, and start in a time, of this key; `null`: any number.
    pub concurrency: Option<u32>,
    pub rate: Option<String>,
    /// Why no more starts; `null`: more may.
    pub closed: Option<Closed>,
    /// When the next may start, if it is closed until a time.
    pub closed_until: Option<UnixMicros>,
    pub paused: Option<PausedKey>,
}

/// Why no job of a key starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    Paused,
    Concurrency,
    Rate,
}

impl KeyStatus {
    /// A key, by the limits of its queue.
    #[must_use]
    pub fn new(found: KeyRecord, queues: &[QueueStatus], now: UnixMicros) -> Self {
        let KeyRecord { queue, key, waiting, running, bucket } = found;
        let status = queues.iter().find(|status| status.name == queue).and_then(|status| status.limits.as_ref());
        let limits = status.map(|status| QueueLimits::read(&status.in_force).of_key()).unwrap_or_default();
        let paused = status.and_then(|status| status.paused_keys.get(&key)).cloned();
        let bucket = Bucket::filled(bucket, &limits, now);
        let until = limits.opens_at(running, &bucket);
        let closed = match (&paused, limits.room(running, &bucket), until) {
            (Some(_), ..) => Some(Closed::Paused),
            (None, 0, Some(_)) => Some(Closed::Rate),
            (None, 0, None) => Some(Closed::Concurrency),
            (None, ..) => None,
        };
        let closed_until = until.filter(|_| closed == Some(Closed::Rate));
        let (concurrency, rate) = (limits.concurrency, limits.rate.map(|rate| rate.to_string()));
        Self { queue, key, waiting, running, concurrency, rate, closed, closed_until, paused }
    }

    /// `concurrency_per_key 2, rate_per_key 5/m`.
    #[must_use]
    pub fn limits(&self) -> String {
        let concurrency = self.concurrency.map(|most| ("concurrency_per_key".to_owned(), most.to_string()));
        let rate = self.rate.clone().map(|rate| ("rate_per_key".to_owned(), rate));
        queue_limits::worded(&concurrency.into_iter().chain(rate).collect())
    }

    /// Why no more starts, in words.
    #[must_use]
    pub fn held_back(&self, now: UnixMicros) -> Option<String> {
        Some(match self.closed? {
            Closed::Paused => {
                format!("paused{}", self.paused.as_ref().map(|paused| by(paused, now)).unwrap_or_default())
            }
            Closed::Concurrency => format!("all {} run", self.running),
            Closed::Rate => {
                let until = self.closed_until.unwrap_or(now);
                format!("next start in {}", words::seconds(until.since(now).as_secs_f64()))
            }
        })
    }
}

/// ` by anna, 5m ago`.
#[must_use]
pub fn by(paused: &PausedKey, now: UnixMicros) -> String {
    let by = paused.by.as_deref().map(|by| format!(" by {},", words::one_line(by, 40))).unwrap_or_default();
    format!("{by} {}", words::ago(now, paused.at))
}

/// A row for each key.
#[must_use]
pub fn table(keys: &[KeyStatus], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("queue", Align::Left),
        Column("key", Align::Left),
        Column("waiting", Align::Right),
        Column("running", Align::Right),
        Column("rate", Align::Left),
        Column("held back", Align::Left),
    ];
    let dash = || "-".to_owned();
    let row = |key: &KeyStatus| {
        vec![
            key.queue.to_string(),
            if key.key.is_empty() { dash() } else { words::escape(&key.key) },
            key.waiting.to_string(),
            key.running.to_string(),
            key.rate.clone().unwrap_or_else(dash),
            key.held_back(now).unwrap_or_else(dash),
        ]
    };
    let without: &[_] = if keys.iter().any(|key| key.rate.is_some()) { &[] } else { &["rate"] };
    let room = Room { width, cut: &[("key", 16), ("held back", 16)], leave_out: &["rate", "queue"], without };
    render_within(room, &columns, keys.iter().map(row).collect())
}
