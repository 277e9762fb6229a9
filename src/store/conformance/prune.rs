//! Cases about retention.

use super::*;
use crate::model::change::{Change, Request, WorkerEnded};
use crate::model::worker::EndReason;
use crate::store::WorkerFilter;

impl Kit {
    pub(super) fn keep_nothing(&self) -> Keep {
        let later = self.later(1000);
        Keep { succeeded_since: later, dead_since: later, runs_since: later, audit_since: later, limit: 1000 }
    }

    /// Prunes while somebody serves the default queue.
    pub(super) fn prune(&mut self, keep: Keep) -> u64 {
        self.prune_serving(keep, &["default"])
    }

    pub(super) fn prune_serving(&mut self, keep: Keep, names: &[&str]) -> u64 {
        match self.one(Change::Prune { keep, served: served(names), keep_runs: Arc::default() }) {
            Reply::Count(n) => n,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn what_is_past_its_time_goes_and_the_rest_stays(kit: &mut Kit) {
    let running = kit.job_in(JobState::Running, job());
    let [succeeded, dead, cancelled] = over(kit);
    let [scheduled, ready] = [JobState::Scheduled, JobState::Ready].map(|state| kit.job_in(state, job()));
    kit.pass(100);
    let young = over(kit);
    let since = kit.later(-50);
    let keep = Keep {
        succeeded_since: since,
        dead_since: kit.later(-500),
        runs_since: since,
        audit_since: since,
        limit: 1000,
    };
    assert_eq!(kit.prune(keep), 1, "the walk for succeeded jobs waits for the run that is still open");
    assert_eq!((kit.state(cancelled), kit.state(succeeded)), (None, Some(JobState::Succeeded)));
    let run = kit.runs(&RunFilter::default()).iter().map(|r| r.id).min().unwrap();
    kit.one(Change::Unclaim { job: running, run: RunId(run.0 - 1) });
    assert_eq!(kit.prune(Keep { dead_since: since, ..keep }), 5, "the succeeded, the dead, and three runs");
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
    let steps: Vec<u64> = (0..5).map(|_| kit.prune(keep)).collect();
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
    let keep = Keep { succeeded_since: all, dead_since: all, runs_since: all, audit_since: all, limit: 2 };
    let steps: Vec<u64> = (0..3).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [1, 1, 0], "nothing is removed, but two runs are passed in a step");
}

pub(super) fn runs_stay_as_long_as_their_succeeded_job(kit: &mut Kit) {
    let id = kit.job_in(JobState::Succeeded, job());
    let keep = Keep { succeeded_since: kit.at(), ..kit.keep_nothing() };
    assert_eq!(kit.prune(keep), 0);
    assert!(kit.job(id).result.is_some());
    assert_eq!(kit.prune(kit.keep_nothing()), 2);
}

pub(super) fn a_run_that_ends_late_is_not_missed(kit: &mut Kit) {
    kit.push_one(job());
    let slow = kit.claim_one();
    let fast = kit.job_in(JobState::Succeeded, job());
    let keep = kit.keep_nothing();
    assert_eq!(kit.prune(keep), 0);
    kit.succeed(&slow);
    assert_eq!(kit.prune(keep), 4);
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
    assert_eq!(kit.prune(kit.keep_nothing()), 3, "a job, its run and a worker");
    assert!(kit.records.workers(&WorkerFilter::default()).unwrap().is_empty());
    assert!(kit.join(2).first_worker > WorkerId(1));
    kit.recover();
    assert_eq!(kit.prune(kit.keep_nothing()), 1, "the generation before");
    kit.join(3);
    assert_eq!(kit.push_one(job()), JobId(id.0 + 1));
    assert_eq!(kit.claim_one().run, RunId(2));
}

pub(super) fn deleting_a_job_takes_its_runs(kit: &mut Kit) {
    let dead = kit.job_in(JobState::Dead, job());
    let other = kit.job_in(JobState::Dead, job());
    kit.one(Request::delete(dead));
    let runs = kit.runs(&RunFilter::default());
    assert_eq!(runs.iter().map(|run| run.job_id).collect::<Vec<_>>(), [other]);
    let since = kit.keep_nothing();
    assert_eq!(kit.prune(Keep { runs_since: kit.at(), ..since }), 1);
    assert_eq!(kit.runs(&RunFilter::default()).len(), 1, "the run of a pruned job stays until its own time");
}

fn on_record(kit: &mut Kit) -> Vec<String> {
    kit.store.totals().unwrap().into_iter().map(|totals| totals.name.to_string()).collect()
}

fn in_queue(name: &str) -> NewJob {
    NewJob { queue: queue(name), ..job() }
}

pub(super) fn a_queue_of_no_use_is_forgotten_with_its_last_run(kit: &mut Kit) {
    kit.job_in(JobState::Succeeded, job());
    let keep = Keep { runs_since: kit.later(5), ..kit.keep_nothing() };
    assert_eq!(kit.prune_serving(Keep { runs_since: kit.at(), ..keep }, &[]), 1, "the job goes, its run is too young");
    assert_eq!(on_record(kit), ["default"]);
    kit.pass(10);
    assert_eq!(kit.prune_serving(keep, &["default"]), 1, "the run goes, but somebody serves the queue");
    assert_eq!(kit.prune_serving(Keep { runs_since: kit.later(-10), ..keep }, &[]), 0, "it was used then");
    assert_eq!(on_record(kit), ["default"]);
    assert_eq!(kit.prune_serving(keep, &["mail"]), 1);
    assert!(on_record(kit).is_empty());
    assert_eq!(kit.prune_serving(keep, &[]), 0);
    kit.push_one(job());
    assert_eq!((kit.totals().ready, kit.totals().succeeded_total), (1, 0), "it begins anew");
    assert_eq!(kit.claim(9).len(), 1);
}

pub(super) fn a_queue_is_kept_while_anything_belongs_to_it(kit: &mut Kit) {
    let keep = Keep { succeeded_since: kit.at(), dead_since: kit.at(), ..kit.keep_nothing() };
    for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Blocked) {
        let id = kit.job_in(state, job());
        assert_eq!(kit.prune_serving(keep, &[]), u64::from(state == JobState::Dead || state == JobState::Cancelled));
        assert_eq!(on_record(kit), ["default"], "{state:?}");
        assert_eq!(kit.job(id).queue, QueueName::default());
        if let Some(run) = kit.runs(&RunFilter::default()).first().filter(|_| state == JobState::Succeeded) {
            assert_eq!(run.queue, QueueName::default());
        }
        if state == JobState::Running {
            let run = kit.records.runs(&RunFilter::default()).unwrap().len() as i64 + 1;
            kit.one(Change::Unclaim { job: id, run: RunId(run) });
        }
        kit.one(Request::delete(id));
    }
    kit.one(Request::Pause { queue: queue("default"), paused: true });
    assert_eq!(kit.prune_serving(keep, &[]), 0);
    kit.one(Request::Pause { queue: queue("default"), paused: false });
    assert_eq!(kit.prune_serving(keep, &[]), 1);
    assert!(on_record(kit).is_empty());
}

pub(super) fn a_queue_of_a_bulk_push_is_forgotten_only_after_the_bulk_push_was_dropped(kit: &mut Kit) {
    let keep = kit.keep_nothing();
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [in_queue("a"), in_queue("b"), in_queue("a")]);
    kit.pass(60);
    for left in [3, 2] {
        assert_eq!(kit.prune_serving(keep, &[]), 0, "{left} jobs are staged");
        super::bulk::drop_some(kit, bulk, 1);
    }
    assert_eq!(kit.prune_serving(keep, &[]), 0, "one is staged");
    assert_eq!(on_record(kit), ["a", "b"]);
    while super::bulk::drop_some(kit, bulk, 1) > 0 {}
    assert_eq!(kit.prune_serving(keep, &[]), 2);
    assert!(on_record(kit).is_empty());
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [in_queue("a"), in_queue("b")]);
    super::bulk::commit(kit, bulk);
    assert_eq!(kit.prune_serving(keep, &[]), 0, "what is not opened yet counts");
    assert!(!super::bulk::open(kit, bulk, 9).more);
    let takes = vec![(queue("b"), 9), (queue("a"), 9)];
    let claim =
        Claim { takes, lanes: Takes::Others, workers: vec![], total: 9, at_once: u32::MAX, max_bytes: usize::MAX };
    assert_eq!(kit.claim_as(claim).0.iter().map(|job| job.queue.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

pub(super) fn queues_are_forgotten_in_small_steps(kit: &mut Kit) {
    let names = ["a", "b", "c", "d", "e"];
    let jobs: Vec<NewJob> = names.iter().map(|name| in_queue(name)).collect();
    for pushed in kit.push(jobs) {
        kit.one(Request::delete(pushed.id));
    }
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    let steps: Vec<u64> = (0..3).map(|_| kit.prune_serving(keep, &["b"])).collect();
    assert_eq!(steps, [1, 2, 1], "a; c and d; e");
    assert_eq!(on_record(kit), ["b"]);
    kit.push([in_queue("a")]);
    assert_eq!(kit.prune_serving(keep, &[]), 1, "it begins again from the first");
    assert_eq!(on_record(kit), ["a"]);
}

pub(super) fn a_queue_that_another_process_remembers_is_made_again_when_that_pushes(kit: &mut Kit) {
    let mut other = (kit.connect)();
    let push = |name: &str| Request::Push([in_queue(name)].into()).into();
    let mut pushed = |kit: &Kit, name: &str| match other.apply(0, &[push(name)], kit.at()).unwrap().replies[..] {
        [Reply::Pushed(ref jobs)] => jobs[0].id,
        ref other => panic!("{other:?}"),
    };
    let id = pushed(kit, "mail");
    kit.one(Request::delete(id));
    assert_eq!(kit.prune_serving(kit.keep_nothing(), &[]), 1);
    let first = kit.push_one(in_queue("video"));
    let second = pushed(kit, "mail");
    assert_eq!(on_record(kit), ["mail", "video"]);
    let queues = [first, second].map(|id| kit.job(id).queue.to_string());
    assert_eq!(queues, ["video", "mail"], "although `video` may have got the number that `mail` had");
    // And the other way round: what the master remembers another may have made anew.
    for id in [first, second] {
        kit.one(Request::delete(id));
    }
    assert_eq!(kit.prune_serving(kit.keep_nothing(), &[]), 2);
    let third = pushed(kit, "news");
    assert_eq!(kit.push_one(in_queue("video")).0, third.0 + 1);
    assert_eq!(on_record(kit), ["news", "video"]);
    assert_eq!(kit.job(third).queue, queue("news"));
}

pub(super) fn a_queue_that_its_own_batch_uses_again_stays(kit: &mut Kit) {
    let id = kit.push_one(job());
    kit.one(Request::delete(id));
    let prune = || Change::Prune { keep: kit.keep_nothing(), served: served(&[]), keep_runs: Arc::default() }.into();
    let push = || Request::Push([job()].into()).into();
    let (before, after) = ([push(), prune()], [prune(), push()]);
    kit.apply(&before);
    assert_eq!(kit.totals().ready, 1);
    let held = kit.claim_one();
    kit.one(Change::Unclaim { job: held.id, run: held.run });
    kit.one(Request::delete(held.id));
    kit.apply(&after);
    assert_eq!((kit.totals().ready, kit.claim(9).len()), (1, 1));
}
