//! The limits of jobs that say nothing themselves: those of the pool that serves their queue.
//!
//! A job keeps only what it was pushed with, so that a change of the configuration holds for jobs that wait; here its
//! record is completed for who reads it.

use std::time::Duration;

use super::Config;
use crate::model::{JobRecord, QueueName};

/// Attempts and time limit by queue.
#[derive(Clone, Debug)]
pub struct JobLimits {
    pools: Vec<(Vec<QueueName>, Limits)>,
    otherwise: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    max_attempts: u32,
    timeout: Duration,
}

impl JobLimits {
    /// Limits of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let limits = |pool: &super::PoolConfig| Limits { max_attempts: pool.max_attempts, timeout: pool.timeout };
        let pools = config.pools.iter().map(|p| (p.queues.names().cloned().collect(), limits(p)));
        Self { pools: pools.collect(), otherwise: limits(&config.defaults) }
    }

    /// Completes the records of jobs.
    pub fn complete_all(&self, jobs: &mut [JobRecord]) {
        for job in jobs {
            self.complete(job);
        }
    }

    /// Completes the record of a job: its own limits stand, the others are those of its pool.
    pub fn complete(&self, job: &mut JobRecord) {
        let pool = self.pools.iter().find(|(queues, _)| queues.contains(&job.queue));
        let limits = pool.map_or(self.otherwise, |(_, limits)| *limits);
        job.max_attempts.get_or_insert(limits.max_attempts);
        job.timeout_s.get_or_insert(limits.timeout.as_secs_f64());
    }
}
