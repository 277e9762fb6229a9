//! The limits of jobs that say nothing themselves: those of the pool that serves their queue.
//!
//! A job keeps only what it was pushed with, so that a change of the configuration holds for jobs that wait; here its
//! record is completed for who reads it.

use super::Config;
use crate::model::{JobRecord, PoolLimits, PoolSettings};

/// The limits by queue.
#[derive(Clone, Debug)]
pub struct JobLimits {
    pools: Vec<PoolSettings>,
    otherwise: PoolLimits,
}

impl JobLimits {
    /// Limits of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let pools = config.pools.iter().map(|pool| pool.settings.clone());
        Self { pools: pools.collect(), otherwise: config.defaults.clone() }
    }

    /// Completes the records of jobs.
    pub fn complete_all(&self, jobs: &mut [JobRecord]) {
        for job in jobs {
            self.complete(job);
        }
    }

    /// Completes the record of a job: its own limits stand, the others are those of its pool.
    pub fn complete(&self, job: &mut JobRecord) {
        let pool = self.pools.iter().find(|pool| pool.queues.names().any(|queue| *queue == job.queue));
        let limits = pool.map_or(&self.otherwise, |pool| &pool.limits);
        job.max_attempts.get_or_insert(limits.max_attempts);
        job.timeout_s.get_or_insert(limits.timeout.as_secs_f64());
    }
}
