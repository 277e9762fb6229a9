//! Cases about what happens to a running job, and about the listings.

use super::*;
use crate::model::change::{Change, Request};
use crate::model::job::Progress;

pub(super) fn a_success_is_recorded_with_its_result(kit: &mut Kit) {
    let id = kit.push_one(job());
    kit.pass(3);
    let claimed = kit.claim_one();
    assert!(matches!(kit.succeed(&claimed), Reply::Done));
    let record = kit.job(id);
    assert_eq!((record.state, record.result.unwrap().get()), (JobState::Succeeded, "[1]"));
    assert_eq!((record.cause, record.error, record.finished_at), (None, None, Some(kit.later(2))));
    let run = kit.runs(&RunFilter::default()).remove(0);
    assert_eq!((run.id, run.job_id, run.attempt, run.outcome), (claimed.run, id, 1, Outcome::Succeeded));
    assert_eq!((run.kind.as_str(), run.queue, run.generation.0), ("resize", QueueName::default(), 1));
    assert!((run.waited_s - 3.0).abs() < 1e-9 && (run.duration_s - 2.0).abs() < 1e-9);
    assert_eq!((run.worker, run.pid), (None, None));
    assert_eq!((kit.totals().succeeded_total, kit.totals().failed_total, kit.totals().running), (1, 0, 0));
}

pub(super) fn a_failed_run_waits_for_its_retry(kit: &mut Kit) {
    let id = kit.push_one(job());
    let claimed = kit.claim_one();
    kit.finish(&claimed, Outcome::TimedOut, Next::RetryAt(kit.later(25)), counters(1, 0, 0));
    let record = kit.job(id);
    assert_eq!((record.state, record.due_at), (JobState::Scheduled, kit.later(25)));
    assert_eq!((record.error.as_deref(), record.cause), (Some("run 1 ended"), Some(Cause::Error)));
    assert!(record.result.is_none() && record.finished_at.is_none());
    assert_eq!((kit.totals().scheduled, kit.totals().retrying, kit.totals().failed_total), (1, 1, 1));
    kit.pass(25);
    kit.one(Change::Promote { limit: 9 });
    let again = kit.claim_one();
    assert_eq!((again.attempt(), again.run.0, again.due_at), (2, 2, kit.at()));
}

pub(super) fn a_released_job_is_at_the_front_again(kit: &mut Kit) {
    kit.push(vec![job(), job()]);
    kit.pass(1);
    kit.push([NewJob { priority: -1, ..job() }]);
    let first = kit.claim_one();
    kit.finish(&first, Outcome::Released, Next::Ready, counters(0, 0, 1));
    let again = kit.claim_one();
    assert_eq!((again.id, again.due_at, again.counters), (first.id, first.due_at, counters(0, 0, 1)));
    assert_eq!(kit.totals().failed_total, 0);
}

pub(super) fn a_dead_job_says_why(kit: &mut Kit) {
    let id = kit.job_in(JobState::Dead, job());
    let record = kit.job(id);
    assert_eq!((record.cause, record.error.as_deref()), (Some(Cause::MaxAttempts), Some("run 1 ended")));
    assert_eq!((record.counters, record.finished_at), (counters(1, 0, 0), Some(kit.later(2))));
    assert!(record.result.is_none());
    assert_eq!((kit.totals().dead, kit.totals().failed_total), (1, 1));
}

pub(super) fn an_error_is_kept_with_its_kind_its_number_and_where_it_happened(kit: &mut Kit) {
    let id = kit.push_one(job());
    let claimed = kit.claim_one();
    let mut op = kit.finish_op(&claimed, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
    let Change::Finish(finish) = &mut op else { panic!("{op:?}") };
    let detail = Detail { result: None, peak_memory: None, ..Detail::full() };
    finish.detail = detail.clone();
    kit.one(op);
    let facts = |record: &JobRecord| (record.error_type.clone(), record.error_code, record.backtrace.clone());
    let kept =
        (detail.error_type.clone().map(String::from), detail.error_code, detail.backtrace.clone().map(String::from));
    assert_eq!(facts(&kit.job(id)), kept);
    assert_eq!(kit.runs(&RunFilter::default()).remove(0).detail, detail);
    // An end without a run has another reason.
    kit.one(Request::retry(id));
    assert_eq!(facts(&kit.job(id)), kept);
    kit.one(Change::cancel(id));
    assert_eq!((kit.job(id).error, facts(&kit.job(id))), (None, (None, None, None)));
}

pub(super) fn the_limit_of_attempts_is_the_one_that_was_in_force(kit: &mut Kit) {
    let ids: Vec<JobId> = kit.push([job(), NewJob { max_attempts: Some(9), ..job() }]).iter().map(|p| p.id).collect();
    let limits = |kit: &mut Kit| [kit.job(ids[0]).max_attempts, kit.job(ids[1]).max_attempts];
    assert_eq!(limits(kit), [None, Some(9)]);
    for _ in 0..2 {
        let claimed = kit.claim_one();
        kit.finish(&claimed, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
    }
    assert_eq!(limits(kit), [Some(3), Some(9)]);
    for &id in &ids {
        kit.one(Request::retry(id));
    }
    assert_eq!(limits(kit), [None, Some(9)], "the next attempt has the limit of its time");
    let claimed = kit.claim_one();
    kit.finish(&claimed, Outcome::Failed, Next::Ready, counters(1, 0, 0));
    kit.claim_one();
    kit.join(2);
    kit.recover();
    assert_eq!(limits(kit), [Some(3), Some(9)], "a release changes nothing");
}

pub(super) fn a_cancelled_run_ends_its_job(kit: &mut Kit) {
    let id = kit.job_in(JobState::Cancelled, job());
    assert_eq!(kit.job(id).cause, Some(Cause::Cancelled));
    assert_eq!((kit.totals().dead, kit.totals().failed_total), (0, 0));
    assert!(kit.claim(9).is_empty());
}

pub(super) fn a_stale_finish_changes_nothing(kit: &mut Kit) {
    kit.push_one(unique("k"));
    let first = kit.claim_one();
    kit.finish(&first, Outcome::Released, Next::Ready, counters(0, 0, 1));
    let second = kit.claim_one();
    let (runs, totals) = (kit.runs(&RunFilter::default()), kit.totals());
    for next in [Next::Succeeded, Next::Ready, Next::RetryAt(kit.at()), Next::Dead(Cause::Error)] {
        assert!(matches!(kit.finish(&first, Outcome::Failed, next, counters(9, 9, 9)), Reply::Stale));
    }
    assert_eq!((kit.runs(&RunFilter::default()), kit.totals()), (runs, totals));
    assert!(kit.push([unique("k")])[0].deduplicated);
    assert!(matches!(kit.succeed(&second), Reply::Done));
    assert!(matches!(kit.succeed(&second), Reply::Stale), "a run ends once");
    assert_eq!(kit.totals().succeeded_total, 1);
}

pub(super) fn an_unclaimed_job_leaves_no_trace(kit: &mut Kit) {
    kit.push(vec![job(), job()]);
    let first = kit.claim_one();
    assert!(matches!(kit.one(Change::Unclaim { job: first.id, run: first.run }), Reply::Done));
    assert!(kit.runs(&RunFilter::default()).is_empty());
    let again = kit.claim_one();
    assert_eq!((again.id, again.counters), (first.id, Counters::default()));
    assert!(again.run > first.run, "a run id is never given twice");
}

pub(super) fn an_unclaimed_job_can_expire_again(kit: &mut Kit) {
    let id = kit.push_one(NewJob { expires_at: Some(kit.later(1)), ..job() });
    let claimed = kit.claim_one();
    kit.one(Change::Unclaim { job: id, run: claimed.run });
    assert_eq!(kit.store.next_due().unwrap(), Some(kit.later(1)));
    kit.pass(1);
    assert!(kit.claim(9).is_empty());
    assert_eq!(kit.job(id).cause, Some(Cause::Expired));
}

pub(super) fn a_stale_unclaim_assign_or_progress_changes_nothing(kit: &mut Kit) {
    kit.push_one(job());
    let first = kit.claim_one();
    kit.one(Change::Unclaim { job: first.id, run: first.run });
    let second = kit.claim_one();
    let (job, run) = (first.id, first.run);
    let progress = Progress { percent: Some(50.0), ..Progress::default() };
    let stale = [
        Change::Unclaim { job, run },
        Change::Assign { job, run, worker: WorkerId(3) },
        Change::Progress { job, run, progress: progress.clone() },
        Change::Unclaim { job: JobId(99), run },
    ];
    assert!(kit.apply(&stale.map(Op::from)).iter().all(|reply| matches!(reply, Reply::Stale)));
    assert_eq!((kit.state(job), kit.job(job).progress), (Some(JobState::Running), None));
    assert!(matches!(kit.one(Change::Progress { job, run: second.run, progress }), Reply::Done));
}

pub(super) fn progress_stays_until_the_job_goes(kit: &mut Kit) {
    let id = kit.push_one(job());
    let claimed = kit.claim_one();
    for progress in [
        Progress { percent: Some(12.5), message: Some("a".into()), state: None },
        Progress { percent: None, message: Some("b".into()), state: None },
    ] {
        kit.one(Change::Progress { job: id, run: claimed.run, progress: progress.clone() });
        assert_eq!(kit.job(id).progress, Some(progress));
    }
    kit.succeed(&claimed);
    assert_eq!(kit.job(id).progress.unwrap().message.as_deref(), Some("b"));
    kit.one(Request::delete(id));
    assert!(kit.records.job(id).unwrap().is_none());
}

pub(super) fn a_state_is_given_to_the_next_attempt(kit: &mut Kit) {
    let id = kit.push_one(job());
    let say = |kit: &mut Kit, claimed: &Claimed, state: Option<&str>| {
        let progress = Progress { state: state.map(Into::into), ..Progress::default() };
        kit.one(Change::Progress { job: id, run: claimed.run, progress });
    };
    let first = kit.claim_one();
    assert_eq!(first.state, None);
    say(kit, &first, Some("{\"page\": 3}"));
    say(kit, &first, None);
    kit.finish(&first, Outcome::Crashed, Next::Ready, counters(1, 1, 0));
    let second = kit.claim_one();
    assert_eq!(second.state.as_deref(), Some("{\"page\": 3}"));
    assert_eq!(kit.job(id).progress.unwrap().state, second.state);
    say(kit, &second, Some("7"));
    kit.join(2);
    kit.recover();
    let third = kit.claim_one();
    assert_eq!(third.state.as_deref(), Some("7"), "also after the master has died");
    kit.finish(&third, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(3, 1, 0));
    kit.one(Request::retry(id));
    assert_eq!(kit.claim_one().state.as_deref(), Some("7"), "also where an operator retries it");
}

pub(super) fn counters_come_back_at_the_next_claim(kit: &mut Kit) {
    let id = kit.push_one(job());
    for (outcome, charged) in [
        (Outcome::Failed, counters(1, 0, 0)),
        (Outcome::Crashed, counters(1, 1, 0)),
        (Outcome::Released, counters(1, 1, 1)),
    ] {
        let claimed = kit.claim_one();
        kit.finish(&claimed, outcome, Next::Ready, charged);
        assert_eq!(kit.job(id).counters, charged);
    }
    let claimed = kit.claim_one();
    assert_eq!((claimed.counters, claimed.attempt()), (counters(1, 1, 1), 2));
    kit.one(Change::Unclaim { job: id, run: claimed.run });
    let claimed = kit.claim_one();
    kit.succeed(&claimed);
    assert_eq!(kit.job(id).counters, counters(1, 1, 1));
    assert_eq!(kit.totals().failed_total, 2);
}

pub(super) fn runs_are_listed_newest_first_by_filter(kit: &mut Kit) {
    kit.push(vec![job(), job(), job()]);
    for (outcome, next) in [
        (Outcome::Failed, Next::Ready),
        (Outcome::Succeeded, Next::Succeeded),
        (Outcome::Succeeded, Next::Succeeded),
        (Outcome::Crashed, Next::Dead(Cause::Poison)),
    ] {
        let claimed = kit.claim_one();
        kit.finish(&claimed, outcome, next, counters(1, 0, 0));
        kit.pass(10);
    }
    let all = RunFilter::default();
    let list = |kit: &mut Kit, filter: RunFilter| kit.runs(&filter).iter().map(|r| r.id.0).collect::<Vec<_>>();
    assert_eq!(list(kit, all.clone()), [4, 3, 2, 1]);
    assert_eq!(list(kit, RunFilter { job: Some(JobId(1)), ..all.clone() }), [2, 1]);
    assert_eq!(list(kit, RunFilter { outcome: Some(Outcome::Succeeded), ..all.clone() }), [3, 2]);
    assert_eq!(list(kit, RunFilter { before: Some(RunId(3)), limit: Some(1), ..all.clone() }), [2]);
    assert_eq!(list(kit, RunFilter { since: Some(kit.later(-18)), ..all.clone() }), [4, 3]);
    assert_eq!(list(kit, RunFilter { queue: Some(queue("other")), ..all }), [0; 0]);
}

pub(super) fn jobs_are_listed_by_filter(kit: &mut Kit) {
    let states = [JobState::Succeeded, JobState::Dead, JobState::Cancelled, JobState::Running, JobState::Scheduled];
    for state in states.into_iter().chain([JobState::Ready]) {
        kit.job_in(state, job());
    }
    kit.push(vec![NewJob { kind: "other".into(), queue: queue("q"), ..job() }; 3]);
    let all = JobFilter::default();
    let list = |kit: &mut Kit, f: JobFilter| kit.records.jobs(&f).unwrap().iter().map(|j| j.id.0).collect::<Vec<_>>();
    assert_eq!(list(kit, all.clone()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (id, state) in (1_i64..).zip(states) {
        assert_eq!(list(kit, JobFilter { states: States::of(&[state]), ..all.clone() }), [id], "{state:?}");
        let after = Some(JobId(id));
        assert_eq!(list(kit, JobFilter { states: States::of(&[state]), after, ..all.clone() }), [0; 0], "{state:?}");
    }
    let ready = JobFilter { states: States::of(&[JobState::Ready]), ..all.clone() };
    assert_eq!(list(kit, JobFilter { limit: Some(2), after: Some(JobId(6)), ..ready.clone() }), [7, 8]);
    assert_eq!(list(kit, JobFilter { queue: Some(queue("default")), ..ready.clone() }), [6]);
    assert_eq!(list(kit, JobFilter { kind: Some("other".into()), ..ready }), [7, 8, 9]);
    let newest = JobFilter { newest: true, before: Some(JobId(9)), limit: Some(2), ..all.clone() };
    assert_eq!(list(kit, newest.clone()), [8, 7]);
    assert_eq!(list(kit, JobFilter { after: Some(JobId(7)), ..newest }), [8]);
    assert_eq!(list(kit, JobFilter { limit: Some(0), ..all }), [0; 0]);
}
