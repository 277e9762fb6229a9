//! Jobs that are given back again and again, and of which nothing else ever comes: they may be what makes it happen.

use std::collections::BTreeSet;

use super::verdict::Verdict;
use super::{Action, Core};
use crate::model::problem::{self, Topic};
use crate::model::{Counters, JobId, Now, Outcome};

/// So many are remembered.
const MOST: usize = 1000;

/// Jobs that went behind the others for it.
#[derive(Debug, Default)]
pub(super) struct GivenBack(BTreeSet<JobId>);

impl Core {
    /// A run has ended.
    pub(super) fn count_releases(&mut self, job: JobId, verdict: &Verdict, now: Now, out: &mut Vec<Action>) {
        if verdict.outcome == Outcome::Released {
            self.note_releases(job, verdict.counters, now, out);
        } else {
            self.given_back.0.remove(&job);
        }
    }

    /// The job is about to run, or was given back once more.
    pub(super) fn note_releases(&mut self, job: JobId, counters: Counters, now: Now, out: &mut Vec<Action>) {
        if counters.goes_behind() && self.given_back.0.len() < MOST {
            self.given_back.0.insert(job);
            self.raise(Topic::Released, problem::given_back_again(job, counters.releases_in_a_row), now, out);
        }
    }

    /// The job has ended, or is gone.
    pub fn forget_releases(&mut self, job: JobId) {
        self.given_back.0.remove(&job);
    }

    /// Whether there are such jobs.
    #[must_use]
    pub fn gives_back_again(&self) -> bool {
        !self.given_back.0.is_empty()
    }
}
