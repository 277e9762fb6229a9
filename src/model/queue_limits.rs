//! Limits of a queue: how many of its jobs run at a time, how many start in a time, and how many may wait.
//!
//! Limits are texts by key as they are written in the configuration ([`SaidLimits`]). Invariant: a bucket never gains more than one
//! burst, whatever happens to the clock.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::fair::{self, Fair};
use super::key::{Key, Kind};
use super::{QueueName, UnixMicros};

/// Limits by their keys, each as it is written in the configuration.
pub type SaidLimits = BTreeMap<String, String>;

/// The word for a limit that there is not.
pub const OFF: &str = "off";

const MOST_RUNNING: i64 = 1_000_000;
const MOST_WAITING: i64 = 1_000_000_000;
/// The most starts per second that a rate can allow.
const MOST_PER_S: f64 = 100_000.0;
/// Tokens of so many seconds are waited for at once: a fast bucket is not looked at for each of them.
const AT_ONCE_S: f64 = 0.005;
/// A sum of parts of tokens may lack this much to a whole one.
const ROUNDING: f64 = 1e-6;

/// So many starts in a time: `100/s`, `5/m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    per: Per,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Second,
    Minute,
    Hour,
    Day,
}

impl Per {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    const fn unit(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "m",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }

    const fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 86_400,
        }
    }
}

impl Rate {
    /// Starts per second.
    #[must_use]
    pub fn per_s(self) -> f64 {
        f64::from(self.count) / f64::from(self.per.seconds())
    }

    /// The starts of a second, at least one.
    fn burst(self) -> u32 {
        self.per_s().ceil() as u32
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "write a number of starts and their time, such as \"100/s\", \"5/m\", \"1000/h\" or \"10/d\"".to_owned();
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let per = Per::ALL.into_iter().find(|per| per.unit() == unit.trim()).ok_or_else(wrong)?;
        let count = count.trim();
        if count.is_empty() || !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        let rate = count.parse().ok().map(|count| Self { count, per });
        match rate {
            Some(Self { count: 0, .. }) => Err("the least is \"1/d\"; to stop a queue, pause it".to_owned()),
            Some(rate) if rate.per_s() <= MOST_PER_S => Ok(rate),
            _ => Err(format!("the most is \"{MOST_PER_S}/s\"; \"{OFF}\" is no limit")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.unit())
    }
}

/// Limits of a queue in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueLimits {
    pub fair: Fair,
    /// Shares of keys; 1 where a key is not named.
    pub weights: BTreeMap<String, u32>,
    /// Most jobs that run, over all pools.
    pub concurrency: Option<u32>,
    /// Most starts in a time.
    pub rate: Option<Rate>,
    /// Most starts at once after a pause; `None`: those of a second.
    pub rate_burst: Option<u32>,
    /// The same for the jobs of each key.
    pub concurrency_per_key: Option<u32>,
    pub rate_per_key: Option<Rate>,
    /// A push beyond so many ready jobs is refused.
    pub max_ready: Option<u64>,
}

impl QueueLimits {
    /// The keys of `[queues.NAME]`.
    pub const KEYS: &'static [Key] = &[
        Key::new("fair", Kind::Choice(Fair::WORDS)),
        Key::new("weights", Kind::Weights),
        Key::new("concurrency", Kind::Count(1, MOST_RUNNING)).or(OFF),
        Key::new("rate", Kind::Text(|text| text.parse::<Rate>().map(drop))).or(OFF),
        Key::new("rate_burst", Kind::Count(1, MOST_RUNNING)).or(OFF),
        Key::new("concurrency_per_key", Kind::Count(1, MOST_RUNNING)).or(OFF),
        Key::new("rate_per_key", Kind::Text(|text| text.parse::<Rate>().map(drop))).or(OFF),
        Key::new("max_ready", Kind::Count(1, MOST_WAITING)).or(OFF),
    ];

    /// Reads what was checked; a limit that cannot be read, after damage or by a later version, is none.
    #[must_use]
    pub fn read(said: &SaidLimits) -> Self {
        fn of<T: FromStr>(said: &SaidLimits, key: &str) -> Option<T> {
            said.get(key).and_then(|text| text.parse().ok())
        }
        let weights = said.get("weights").and_then(|text| serde_json::from_str(text).ok());
        Self {
            fair: of(said, "fair").unwrap_or_default(),
            weights: weights.unwrap_or_default(),
            concurrency_per_key: of(said, "concurrency_per_key"),
            rate_per_key: of(said, "rate_per_key"),
            concurrency: of(said, "concurrency"),
            rate: of(said, "rate"),
            rate_burst: of(said, "rate_burst"),
            max_ready: of(said, "max_ready"),
        }
    }

    fn burst(&self, rate: Rate) -> f64 {
        f64::from(self.rate_burst.unwrap_or_else(|| rate.burst()))
    }

    /// Whether a job may have to wait although a worker is free.
    #[must_use]
    pub const fn holds_back(&self) -> bool {
        self.concurrency.is_some() || self.rate.is_some() || self.holds_back_keys()
    }

    const fn holds_back_keys(&self) -> bool {
        self.concurrency_per_key.is_some() || self.rate_per_key.is_some()
    }

    /// Whether keys take turns, as they do wherever they have limits.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.fair != Fair::Off || self.holds_back_keys()
    }

    /// The limits of each key, as those of a queue.
    #[must_use]
    pub fn of_key(&self) -> Self {
        Self { concurrency: self.concurrency_per_key, rate: self.rate_per_key, ..Self::default() }
    }

    /// By how much a job moves the turn of its key.
    #[must_use]
    pub fn cost_of(&self, key: &str) -> i64 {
        let weight = if self.weights.is_empty() { None } else { self.weights.get(key) };
        fair::UNIT / i64::from(weight.copied().unwrap_or(1).max(1))
    }

    /// How many jobs may start, with so many running.
    #[must_use]
    pub fn room(&self, running: u64, bucket: &Bucket) -> u32 {
        let slots = self
            .concurrency
            .map_or(u32::MAX, |most| u32::try_from(u64::from(most).saturating_sub(running)).unwrap_or(0));
        let tokens = if self.rate.is_some() { bucket.whole() } else { u32::MAX };
        slots.min(tokens)
    }

    /// When the next jobs may start; `None`: when one that runs has ended.
    #[must_use]
    pub fn opens_at(&self, running: u64, bucket: &Bucket) -> Option<UnixMicros> {
        let has_slot = self.concurrency.is_none_or(|most| running < u64::from(most));
        let rate = self.rate.filter(|_| has_slot)?;
        let wanted = (rate.per_s() * AT_ONCE_S).floor().clamp(1.0, self.burst(rate));
        let seconds = (wanted - bucket.tokens).max(0.0) / rate.per_s();
        Some(UnixMicros(bucket.at.0.saturating_add((seconds * 1e6).ceil() as i64)))
    }

    /// How many of a queue may be wanted by workers at once: those that a limit holds back for longer do not count.
    #[must_use]
    pub fn startable(&self, ready: u64, running: u64) -> u64 {
        let slots = self.concurrency.map_or(u64::MAX, |most| u64::from(most).saturating_sub(running));
        let tokens = self.rate.map_or(u64::MAX, |rate| u64::from(rate.burst()));
        ready.min(slots).min(tokens)
    }
}

/// Tokens of a rate: each start takes one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub tokens: f64,
    /// By the clock of the store.
    pub at: UnixMicros,
}

impl Bucket {
    /// The bucket as it is by now; one that was never used is full.
    #[must_use]
    pub fn filled(before: Option<Self>, limits: &QueueLimits, now: UnixMicros) -> Self {
        let Some(rate) = limits.rate else { return Self { tokens: 0.0, at: now } };
        let burst = limits.burst(rate);
        let tokens = before.map_or(burst, |before| {
            before.tokens + now.0.saturating_sub(before.at.0).max(0) as f64 / 1e6 * rate.per_s()
        });
        Self { tokens: tokens.min(burst), at: now }
    }

    fn whole(&self) -> u32 {
        (self.tokens + ROUNDING).floor().max(0.0) as u32
    }

    /// With one that was not used.
    #[must_use]
    pub fn more(self, limits: &QueueLimits) -> Self {
        let burst = limits.rate.map_or(0.0, |rate| limits.burst(rate));
        Self { tokens: (self.tokens + 1.0).min(burst), ..self }
    }

    /// With so many fewer.
    #[must_use]
    pub fn less(self, starts: u32) -> Self {
        Self { tokens: self.tokens - f64::from(starts), ..self }
    }
}

/// Ready jobs that a claim has left because of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// Queues of which no more may start, and until when; `None`: until one that runs has ended.
    pub closed: Vec<(QueueName, Option<UnixMicros>)>,
    /// More may start, but no worker is free: jobs of queues with limits are not claimed ahead.
    pub for_workers: bool,
}

/// A push would make more jobs ready than a queue may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    pub queue: QueueName,
    pub ready: u64,
    pub most: u64,
    /// How many were to come.
    pub pushed: u64,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, ready, most, pushed } = self;
        write!(f, "queue `{queue}` is full: {ready} jobs are ready, and `max_ready` is {most}")?;
        match pushed {
            1 => f.write_str("; nothing was added"),
            _ => write!(f, "; none of {pushed} was added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(said: &[(&str, &str)]) -> QueueLimits {
        QueueLimits::read(&said.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_rate_is_a_number_and_a_time_within_bounds() {
        for good in ["1/d", "100/s", "5/m", "1000/h", "100000/s"] {
            assert_eq!(good.parse::<Rate>().unwrap().to_string(), good);
        }
        for bad in ["0/s", "1000000000/s", "99999999999999/d", "5", "/s", "-1/s", "1.5/s", "5/w", "5/", "+5/s", ""] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate_and_gains_one_burst_at_most_when_the_clock_is_set() {
        let limits = limits(&[("rate", "10/s"), ("rate_burst", "3")]);
        let at = |us| Bucket::filled(Some(Bucket { tokens: 0.0, at: UnixMicros(1_000_000) }), &limits, UnixMicros(us));
        assert_eq!(limits.room(0, &Bucket::filled(None, &limits, UnixMicros(0))), 3);
        assert_eq!(limits.opens_at(0, &at(1_000_000)), Some(UnixMicros(1_100_000)));
        for (us, starts) in [(1_000_000, 0), (1_099_999, 0), (1_100_000, 1), (1_250_000, 2), (9_000_000, 3), (0, 0)] {
            assert_eq!(limits.room(0, &at(us)), starts, "{us}");
        }
        let back = at(0);
        assert_eq!(limits.room(0, &Bucket::filled(Some(back), &limits, UnixMicros(1_000_000))), 3);
    }

    #[test]
    fn the_least_of_slots_and_tokens_may_start_and_it_is_known_when_more_may() {
        let limits = limits(&[("concurrency", "4"), ("rate", "100/s"), ("max_ready", "7")]);
        let bucket = Bucket { tokens: 2.5, at: UnixMicros(0) };
        assert_eq!([limits.room(0, &bucket), limits.room(3, &bucket), limits.room(9, &bucket)], [2, 1, 0]);
        assert_eq!(limits.opens_at(4, &bucket), None, "when one has ended");
        assert_eq!(limits.opens_at(1, &bucket.less(2)), Some(UnixMicros(5_000)));
        assert_eq!(limits.startable(1000, 1), 3);
    }
}
