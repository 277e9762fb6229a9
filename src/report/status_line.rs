//! The state of a master in one line, as a service manager shows it.

use std::fmt;

use super::words;

/// Facts of the line.
#[derive(Clone, Copy, Debug)]
pub struct StatusLine<'a> {
    pub is_stopping: bool,
    /// Workers that live, and those of them with a job.
    pub workers: u64,
    pub busy: u64,
    /// Jobs that are ready.
    pub ready: u64,
    pub jobs_per_s: f64,
    /// The first of the problems, if there are any.
    pub problem: Option<&'a str>,
}

impl fmt::Display for StatusLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { busy, jobs_per_s, .. } = *self;
        let workers = words::count(self.workers, "worker");
        match self.problem {
            Some(problem) => write!(f, "problem: {}; ", words::one_line(problem, 200))?,
            None if self.is_stopping => f.write_str("stopping: ")?,
            None => {}
        }
        let (ready, rate) = (words::count(self.ready, "job"), words::rate(jobs_per_s));
        write!(f, "{workers} ({busy} busy), {ready} ready, {rate} jobs/s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_comes_before_the_numbers_and_all_of_it_is_one_line() {
        let line = StatusLine { is_stopping: false, workers: 4, busy: 1, ready: 120, jobs_per_s: 5.25, problem: None };
        assert_eq!(line.to_string(), "4 workers (1 busy), 120 jobs ready, 5.2 jobs/s");
        let stopping = StatusLine { is_stopping: true, workers: 1, ..line };
        assert_eq!(stopping.to_string(), "stopping: 1 worker (1 busy), 120 jobs ready, 5.2 jobs/s");
        let problem = StatusLine { problem: Some("the disk\nis full"), ..stopping };
        assert!(problem.to_string().starts_with("problem: the disk ⏎ is full; 1 worker"), "{problem}");
    }
}
