//! The summary of a master's run in one line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words;
use crate::model::Outcome;

/// Counts since the master started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How long it ran, in seconds.
    pub seconds: f64,
    pub succeeded: u64,
    /// Jobs that were given up.
    pub dead: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Runs that failed and were, or will be, tried again.
    pub failed_runs: u64,
    /// Runs past their deadline.
    pub timed_out_runs: u64,
    /// Runs whose worker died.
    pub crashed_runs: u64,
    /// Runs that were given back.
    pub released_runs: u64,
}

impl Summary {
    /// Jobs that ended.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.succeeded + self.dead + self.cancelled
    }

    /// Counts a run; what became of its job is counted by the caller.
    pub fn count_run(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Succeeded | Outcome::Cancelled => {}
            Outcome::Failed => self.failed_runs += 1,
            Outcome::TimedOut => self.timed_out_runs += 1,
            Outcome::Crashed => self.crashed_runs += 1,
            Outcome::Released => self.released_runs += 1,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.jobs();
        write!(f, "{} in {:.1} s", words::count(jobs, "job"), self.seconds)?;
        if self.seconds > 0.0 && jobs > 0 {
            let rate = jobs as f64 / self.seconds;
            let digits = usize::from(rate < 10.0);
            write!(f, " ({rate:.digits$}/s)")?;
        }
        let parts = [(self.succeeded, "succeeded"), (self.dead, "dead"), (self.cancelled, "cancelled")];
        let runs = [
            (self.failed_runs, "failed"),
            (self.timed_out_runs, "timed-out"),
            (self.crashed_runs, "crashed"),
            (self.released_runs, "released"),
        ];
        let jobs = parts.iter().filter(|p| p.0 > 0).map(|(n, word)| format!("{n} {word}"));
        let runs = runs.iter().filter(|p| p.0 > 0).map(|(n, word)| words::count(*n, &format!("{word} run")));
        let all: Vec<String> = jobs.chain(runs).collect();
        if all.is_empty() { Ok(()) } else { write!(f, ": {}", all.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_jobs_by_outcome_and_their_rate() {
        let summary = Summary { seconds: 12.3, succeeded: 3212, dead: 2, ..Summary::default() };
        assert_eq!(summary.to_string(), "3214 jobs in 12.3 s (261/s): 3212 succeeded, 2 dead");
        let mut summary = Summary { seconds: 0.5, succeeded: 1, ..Summary::default() };
        summary.count_run(Outcome::Failed);
        summary.count_run(Outcome::Released);
        assert_eq!(summary.to_string(), "1 job in 0.5 s (2.0/s): 1 succeeded, 1 failed run, 1 released run");
        assert_eq!(Summary::default().to_string(), "0 jobs in 0.0 s");
    }
}
