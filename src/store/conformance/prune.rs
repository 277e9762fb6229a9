//! Cases about retention.

use super::*;
use crate::model::change::{Change, Request, WorkerEnded};
use crate::model::worker::EndReason;
use crate::store::WorkerFilter;

fn prune(kit: &mut Kit, keep: Keep) -> u64 {
    match kit.one(Change::Prune(keep)) {
        Reply::Count(n) => n,
        other => panic!("{other:?}"),
    }
}

pub(super) fn what_is_past_its_time_goes_and_the_rest_stays(kit: &mut Kit) {
    let running = kit.job_in(JobState::Running, job());
    let [succeeded, dead, cancelled] = over(kit);
    let [scheduled, ready] = [JobState::Scheduled, JobState::Ready].map(|state| kit.job_in(state, job()));
    kit.pass(100);
    let young = over(kit);
    let since = kit.later(-50);
    let keep = Keep { succeeded_since: since, dead_since: kit.later(-500), runs_since: since, limit: 1000 };
    assert_eq!(prune(kit, keep), 1, "the walk for succeeded jobs waits for the run that is still open");
    assert_eq!((kit.state(cancelled), kit.state(succeeded)), (None, Some(JobState::Succeeded)));
    let run = kit.runs(&RunFilter::default()).iter().map(|r| r.id).min().unwrap();
    kit.one(Change::Unclaim { job: running, run: RunId(run.0 - 1) });
    assert_eq!(prune(kit, Keep { dead_since: since, ..keep }), 5, "the succeeded, the dead, and three runs");
    assert_eq!((kit.state(dead), kit.state(succeeded)), (None, None));
    assert!(young.into_iter().chain([running, scheduled, ready]).all(|id| kit.state(id).is_some()));
    assert_eq!(kit.runs(&RunFilter::default()).len(), 3);
}

/// A job in each final state, past those that wait.
fn over(kit: &mut Kit) -> [JobId; 3] {
    [JobState::Succeeded, JobState::Dead, JobState::Cancelled]
        .map(|state| kit.job_in(state, NewJob { priority: 100, ..job() }))
}

pub(super) fn pruning_goes_in_small_steps(kit: &mut Kit) {
    for _ in 0..5 {
        kit.job_in(JobState::Succeeded, unique("k"));
    }
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    let steps: Vec<u64> = (0..5).map(|_| prune(kit, keep)).collect();
    assert_eq!(steps, [4, 4, 2, 0, 0], "two jobs and two runs a step");
    assert!(kit.records.jobs(&JobFilter::default()).unwrap().is_empty());
    assert!(kit.runs(&RunFilter::default()).is_empty());
    assert_eq!(kit.totals().succeeded_total, 5, "totals are for ever");
}

pub(super) fn a_step_past_what_stays_says_that_there_may_be_more(kit: &mut Kit) {
    for _ in 0..4 {
        kit.job_in(JobState::Dead, job());
    }
    let all = kit.at();
    let keep = Keep { succeeded_since: all, dead_since: all, runs_since: all, limit: 2 };
    let steps: Vec<u64> = (0..3).map(|_| prune(kit, keep)).collect();
    assert_eq!(steps, [1, 1, 0], "nothing is removed, but two runs are passed in a step");
}

pub(super) fn runs_stay_as_long_as_their_succeeded_job(kit: &mut Kit) {
    let id = kit.job_in(JobState::Succeeded, job());
    let keep = Keep { succeeded_since: kit.at(), ..kit.keep_nothing() };
    assert_eq!(prune(kit, keep), 0);
    assert!(kit.job(id).result.is_some());
    assert_eq!(prune(kit, kit.keep_nothing()), 2);
}

pub(super) fn a_run_that_ends_late_is_not_missed(kit: &mut Kit) {
    kit.push_one(job());
    let slow = kit.claim_one();
    let fast = kit.job_in(JobState::Succeeded, job());
    let keep = kit.keep_nothing();
    assert_eq!(prune(kit, keep), 0);
    kit.succeed(&slow);
    assert_eq!(prune(kit, keep), 4);
    assert_eq!((kit.state(slow.id), kit.state(fast)), (None, None));
}

pub(super) fn ids_are_not_used_again_after_pruning(kit: &mut Kit) {
    let at = kit.at();
    kit.one(Change::WorkerStarted(Box::new(super::life::worker(1, 1, at))));
    let ended = WorkerEnded {
        worker: WorkerId(1),
        reason: EndReason::Stopped,
        exit: None,
        jobs_done: 0,
        peak_memory: None,
        at,
    };
    kit.one(Change::WorkerEnded(Box::new(ended)));
    let id = kit.job_in(JobState::Succeeded, job());
    assert_eq!(prune(kit, kit.keep_nothing()), 3, "a job, its run and a worker");
    assert!(kit.records.workers(&WorkerFilter::default()).unwrap().is_empty());
    assert_eq!(kit.begin(2).next_worker, WorkerId(2));
    assert_eq!(prune(kit, kit.keep_nothing()), 1, "the generation before");
    kit.begin(3);
    assert_eq!(kit.push_one(job()), JobId(id.0 + 1));
    assert_eq!(kit.claim_one().run, RunId(2));
}

pub(super) fn deleting_a_job_takes_its_runs(kit: &mut Kit) {
    let dead = kit.job_in(JobState::Dead, job());
    let other = kit.job_in(JobState::Dead, job());
    kit.one(Request::Delete(dead));
    let runs = kit.runs(&RunFilter::default());
    assert_eq!(runs.iter().map(|run| run.job_id).collect::<Vec<_>>(), [other]);
    let since = kit.keep_nothing();
    assert_eq!(prune(kit, Keep { runs_since: kit.at(), ..since }), 1);
    assert_eq!(kit.runs(&RunFilter::default()).len(), 1, "the run of a pruned job stays until its own time");
}
