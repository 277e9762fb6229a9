//! What is on record of one key of a queue: its jobs that wait and run, and the tokens of its rate.

use serde::{Deserialize, Serialize};

use super::QueueName;
use super::queue_limits::Bucket;

/// A key; "" stands for jobs without one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub queue: QueueName,
    pub key: String,
    /// Ready jobs in lanes of the key.
    pub waiting: u64,
    pub running: u64,
    /// As they were at the last start; `None`: the bucket is full, or there is no rate.
    pub bucket: Option<Bucket>,
}

impl KeyRecord {
    /// A key of which no job is on record.
    #[must_use]
    pub const fn idle(queue: QueueName, key: String) -> Self {
        Self { queue, key, waiting: 0, running: 0, bucket: None }
    }

    /// Keys with the most jobs come first.
    pub fn sort(keys: &mut [Self]) {
        keys.sort_by(|one, other| {
            let jobs = |of: &Self| std::cmp::Reverse((of.waiting, of.running));
            (jobs(one), &one.key).cmp(&(jobs(other), &other.key))
        });
    }
}
