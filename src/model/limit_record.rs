//! What is on record of the limits of a queue: those of the configuration, what an operator has set over them, and keys that are
//! paused.
//!
//! Invariant: what is set lies over the configuration limit by limit, whichever of the two changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::UnixMicros;
use super::queue_limits::{OFF, QueueLimits, SaidLimits};

/// The most keys of a queue that can be paused: each is looked at when its totals are.
const MOST_PAUSED: usize = 100;

/// Limits that an operator has set over those of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    pub limits: SaidLimits,
    pub by: Option<String>,
    pub at: UnixMicros,
    /// `None`: until they are taken back.
    pub until: Option<UnixMicros>,
}

/// A key of which an operator lets no job start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedKey {
    pub by: Option<String>,
    pub at: UnixMicros,
}

/// Keys that are paused; "" stands for jobs without one.
pub type PausedKeys = BTreeMap<String, PausedKey>;

/// Limits of a queue on record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRecord {
    /// As the configuration of the last master has them.
    pub configured: SaidLimits,
    pub set: Option<Override>,
    /// What both come to.
    pub in_force: QueueLimits,
    /// Keys of which no job starts.
    pub paused: PausedKeys,
}

impl LimitRecord {
    /// The limits of a queue; `None`: it has none.
    #[must_use]
    pub fn new(mut configured: SaidLimits, set: Option<Override>, paused: PausedKeys) -> Option<Self> {
        configured.retain(|_, text| text != OFF);
        let record = Self { configured, set, paused, in_force: QueueLimits::default() };
        let said = record.said();
        let is_empty = said.is_empty() && record.set.is_none() && record.paused.is_empty();
        (!is_empty).then(|| Self { in_force: QueueLimits::read(&said), ..record })
    }

    /// What both come to, as it is written.
    #[must_use]
    pub fn said(&self) -> SaidLimits {
        let mut said = self.configured.clone();
        said.extend(self.set.iter().flat_map(|set| set.limits.clone()));
        said.retain(|_, text| text != OFF);
        said
    }

    /// Whether a job with this key waits in the lane of it, apart from those of its type.
    #[must_use]
    pub fn waits_by_key(&self, key: &str) -> bool {
        self.in_force.is_keyed() || self.paused.contains_key(key)
    }

    /// Why one more key cannot be paused.
    #[must_use]
    pub fn refuses_pause(&self, key: &str) -> Option<String> {
        let is_full = self.paused.len() >= MOST_PAUSED && !self.paused.contains_key(key);
        is_full
            .then(|| format!("{MOST_PAUSED} keys of the queue are paused, which is the most; pause the queue instead"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_sets_lies_over_the_configuration_key_by_key() {
        let said = |pairs: &[(&str, &str)]| -> SaidLimits {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
        };
        let set = |limits| Override { limits, by: None, at: UnixMicros(1), until: None };
        let configured = said(&[("concurrency", "4"), ("rate", "5/m")]);
        let record = {
            let set = set(said(&[("concurrency", "off"), ("max_ready", "9")]));
            LimitRecord::new(configured, Some(set), PausedKeys::new()).unwrap()
        };
        assert_eq!(record.said(), said(&[("max_ready", "9"), ("rate", "5/m")]));
        assert_eq!((record.in_force.concurrency, record.in_force.max_ready), (None, Some(9)));
        assert_eq!(LimitRecord::new(SaidLimits::new(), None, PausedKeys::new()), None);
    }
}
