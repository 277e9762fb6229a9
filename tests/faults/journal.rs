//! What the fixture journal.py wrote: the truth about runs, outside of the store.

use std::collections::BTreeMap;
use std::path::Path;

/// One start of a job, as the worker saw it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) attempt: u64,
    pub(crate) pid: i32,
    pub(crate) ended: bool,
}

/// Every start of every job, in order. Panics if two runs of one job overlap: lines are written with one write at the
/// end of the file, so their order is the order of what happened.
#[track_caller]
pub(crate) fn read(path: &Path) -> BTreeMap<i64, Vec<Seen>> {
    let text = std::fs::read_to_string(path).expect("a journal");
    let mut jobs: BTreeMap<i64, Vec<Seen>> = BTreeMap::new();
    for line in text.lines() {
        let [word, job, attempt, pid, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("what is {line:?}") };
        let (job, attempt, pid) =
            (job.parse().expect("an id"), attempt.parse().expect("a number"), pid.parse().expect("a pid"));
        let seen = jobs.entry(job).or_default();
        if word == "START" {
            seen.push(Seen { attempt, pid, ended: false });
        } else {
            let last = seen.last_mut().expect("it has started");
            assert!(last.pid == pid && !last.ended, "runs of job {job} overlap: {line} after {last:?}");
            last.ended = true;
        }
    }
    jobs
}
