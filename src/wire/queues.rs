//! Params and results of the methods about queues.

use serde::{Deserialize, Serialize};

use super::control::Span;
use super::push::span;
use crate::model::limit_record::Override;
use crate::model::queue_limits::SaidLimits;
use crate::model::{QueueName, UnixMicros, payload};

/// Names of queues.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queues {
    pub queues: Vec<String>,
    /// Only jobs of the one queue that have this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Also those that no pool serves and of which nothing is on record.
    #[serde(default)]
    pub force: bool,
}

impl Queues {
    /// The one queue whose key is meant; `None`: queues are.
    pub fn of_key(&self) -> Result<Option<(QueueName, &str)>, String> {
        let Some(key) = &self.key else { return Ok(None) };
        payload::check_key(key).map_err(|e| e.to_string())?;
        let [queue] = &self.queues[..] else { return Err("a key goes with one queue".to_owned()) };
        Ok(Some((QueueName::new(queue).map_err(|e| e.to_string())?, key)))
    }
}

/// The answer to `pause` and `resume`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedQueues {
    /// The queues, and whether each is paused now.
    pub queues: Vec<PausedQueue>,
}

/// One queue in [`PausedQueues`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedQueue {
    pub name: QueueName,
    /// Only the jobs with this key were meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
}

/// Set limits of a queue over those of the configuration, in the place of what was set before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetQueue {
    pub queue: String,
    /// By the keys of `[queues.NAME]`, each as it is written there; without any, what was set is taken back.
    #[serde(default)]
    pub limits: SaidLimits,
    /// For how long; absent: until it is taken back.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Also of a queue that no pool serves and of which nothing is on record.
    #[serde(default)]
    pub force: bool,
}

impl SetQueue {
    /// As it is put on record; `None`: what was set is taken back.
    pub fn to_override(&self, by: Option<String>, now: UnixMicros) -> Result<Option<Override>, String> {
        let lasts = span("for", self.lasts.as_ref())?;
        if self.limits.is_empty() {
            return if lasts.is_some() { Err("`for` goes with `limits`".to_owned()) } else { Ok(None) };
        }
        let until = lasts.map(|lasts| now.plus(lasts));
        Ok(Some(Override { limits: self.limits.clone(), by, at: now, until }))
    }
}
