//! Cases about what operators do.

use crate::model::change::{Change, Request};
use crate::model::{JobAction, Setting};

use super::*;

fn was(reply: &Reply) -> JobState {
    match reply {
        Reply::Changed { was, queue } if *queue == QueueName::default() => *was,
        other => panic!("{other:?}"),
    }
}

/// Applies `op` to a job in each state; says what it became.
fn in_each_state<T: Into<Op>>(kit: &mut Kit, op: impl Fn(JobId) -> T) -> Vec<(JobState, Option<JobState>)> {
    let mut seen = Vec::new();
    for state in JobState::ALL {
        let id = kit.job_in(state, job());
        let reply = kit.one(op(id));
        assert_eq!(was(&reply), state);
        seen.push((state, kit.state(id)));
        while let Some(job) = kit.claim(1).pop() {
            kit.succeed(&Arc::new(job));
        }
    }
    seen
}

pub(super) fn cancel_in_each_state(kit: &mut Kit) {
    for (before, after) in in_each_state(kit, Change::cancel) {
        let changed = WAITING.has(before);
        assert_eq!(after, Some(if changed { JobState::Cancelled } else { before }));
    }
    let id = kit.job_in(JobState::Ready, job());
    kit.one(Change::cancel(id));
    let record = kit.job(id);
    assert_eq!((record.cause, record.error, record.finished_at), (Some(Cause::Cancelled), None, Some(kit.at())));
}

pub(super) fn retry_in_each_state(kit: &mut Kit) {
    for (before, after) in in_each_state(kit, Request::retry) {
        let changed = matches!(before, JobState::Dead | JobState::Cancelled | JobState::Scheduled);
        assert_eq!(after, Some(if changed { JobState::Ready } else { before }));
    }
}

pub(super) fn delete_in_each_state(kit: &mut Kit) {
    for (before, after) in in_each_state(kit, Request::delete) {
        assert_eq!(after, (before == JobState::Running).then_some(JobState::Running));
    }
    assert!(kit.claim(9).is_empty());
    assert_eq!(kit.store.next_due().unwrap(), None);
}

pub(super) fn an_id_is_never_given_again(kit: &mut Kit) {
    let push = || Op::from(Request::Push(Arc::new([job()])));
    let id = |reply: Option<Reply>| match reply {
        Some(Reply::Pushed(jobs)) => jobs[0].id.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(id(kit.apply(&[push()]).pop()), 1);
    assert_eq!(id(kit.apply(&[Request::delete(JobId(1)).into(), push()]).pop()), 2, "deleted in the same batch");
    assert_eq!(
        id(kit.apply(&[push(), Request::delete(JobId(3)).into(), push()]).pop()),
        4,
        "pushed and deleted in the same batch"
    );
    kit.apply(&[Request::delete(JobId(4)).into(), Request::delete(JobId(2)).into()]);
    let mut other = (kit.connect)();
    assert_eq!(
        id(other.apply(0, &[push()], kit.at()).unwrap().replies.pop()),
        5,
        "by another process, when all are deleted"
    );
    assert_eq!(id(kit.apply(&[push()]).pop()), 6);
    // One that is deleted below the highest changes nothing.
    kit.apply(&[Request::delete(JobId(5)).into()]);
    assert_eq!(id(kit.apply(&[push()]).pop()), 7);
}

pub(super) fn a_retried_job_starts_anew(kit: &mut Kit) {
    let id = kit.push_one(NewJob { expires_at: Some(kit.later(1)), ..job() });
    kit.pass(5);
    kit.one(Change::Promote { limit: 9 });
    kit.one(Request::retry(id));
    let record = kit.job(id);
    assert_eq!((record.state, record.due_at, record.finished_at), (JobState::Ready, kit.at(), None));
    let claimed = kit.claim_one();
    assert_eq!(claimed.id, id, "an expiry in the past does not end a job that was asked for again");
    kit.finish(&claimed, Outcome::Failed, Next::Dead(Cause::NoRetry), counters(1, 2, 0));
    kit.one(Request::retry(id));
    assert_eq!((kit.job(id).counters, kit.totals().dead), (Counters::default(), 0));
    let claimed = kit.claim_one();
    kit.finish(&claimed, Outcome::Failed, Next::RetryAt(kit.later(99)), counters(1, 0, 0));
    kit.one(Request::retry(id));
    assert_eq!((kit.totals().retrying, kit.totals().scheduled, kit.totals().ready), (0, 0, 1));
}

pub(super) fn a_retried_job_takes_its_key_again_if_it_is_free(kit: &mut Kit) {
    let first = kit.job_in(JobState::Dead, unique("k"));
    kit.one(Request::retry(first));
    assert_eq!(kit.push([unique("k")]), [Pushed { id: first, deduplicated: true, batch: None }]);
    kit.one(Change::cancel(first));
    kit.one(Request::retry(first));
    assert_eq!(
        kit.push([unique("k")]),
        [Pushed { id: first, deduplicated: true, batch: None }],
        "taken again after a cancellation"
    );
}

pub(super) fn a_job_whose_key_another_unfinished_job_has_is_not_retried_in_any_state_of_that(kit: &mut Kit) {
    for state in [JobState::Blocked, JobState::Scheduled, JobState::Ready, JobState::Running] {
        for ended in [JobState::Dead, JobState::Cancelled] {
            let key = format!("{state:?} {ended:?}");
            let first = kit.job_in(ended, unique(&key));
            let second = kit.job_in(state, unique(&key));
            assert!(matches!(kit.one(Request::retry(first)), Reply::Held { by } if by == second), "{key}");
            assert_eq!(kit.state(first), Some(ended), "{key}");
            assert_eq!(
                kit.push([unique(&key)]),
                [Pushed { id: second, deduplicated: true, batch: None }],
                "the key stays"
            );
            kit.one(Request::delete(first));
            assert_eq!(
                kit.push([unique(&key)]),
                [Pushed { id: second, deduplicated: true, batch: None }],
                "the key stays"
            );
            while let Some(job) = kit.claim(1).pop() {
                kit.succeed(&Arc::new(job));
            }
        }
    }
}

pub(super) fn set_in_each_state(kit: &mut Kit) {
    let setting = Arc::new(Setting { priority: Some(7), ..Setting::default() });
    let set = |job| Request::Act { job, only: States::ALL, action: JobAction::Set(setting.clone()) };
    for (before, after) in in_each_state(kit, set) {
        assert_eq!(after, Some(before));
    }
    let all = kit.records.jobs(&JobFilter::default()).unwrap();
    assert_eq!(all.iter().filter(|job| job.priority == 7).count(), 3, "those that waited");
}

pub(super) fn a_job_that_waits_goes_to_another_queue_priority_and_time(kit: &mut Kit) {
    let setting = |setting| JobAction::Set(Arc::new(setting));
    let act = |job, action| Request::Act { job, only: States::ALL, action };
    let (first, second) = (kit.push_one(job()), kit.push_one(job()));
    let up = setting(Setting { priority: Some(1), ..Setting::default() });
    assert!(matches!(kit.one(act(second, up)), Reply::Changed { was: JobState::Ready, .. }));
    let to = setting(Setting { queue: Some(queue("slow")), ..Setting::default() });
    let reply = kit.one(act(first, to));
    assert!(matches!(&reply, Reply::Changed { queue: found, .. } if *found == queue("slow")), "{reply:?}");
    assert_eq!(kit.claim(9).iter().map(|job| job.id).collect::<Vec<_>>(), [second]);
    let later = (kit.later(9), Some(Duration::from_secs(9)));
    let wait = setting(Setting { due: Some(later), ..Setting::default() });
    kit.one(act(first, wait));
    assert_eq!((kit.state(first), kit.job(first).due_at), (Some(JobState::Scheduled), kit.later(9)));
    let now = setting(Setting { due: Some((kit.at(), None)), ..Setting::default() });
    kit.one(act(first, now));
    assert_eq!(kit.state(first), Some(JobState::Ready));
}

pub(super) fn a_job_that_is_retried_at_a_time_waits_until_then(kit: &mut Kit) {
    let act = |job, at| Request::Act { job, only: States::ALL, action: JobAction::RetryAt(at) };
    let (dead, cancelled) = (kit.job_in(JobState::Dead, job()), kit.job_in(JobState::Cancelled, job()));
    let now = kit.at();
    kit.one(act(dead, kit.later(60)));
    kit.one(act(cancelled, now));
    assert_eq!((kit.state(dead), kit.job(dead).due_at), (Some(JobState::Scheduled), kit.later(60)));
    assert_eq!(kit.state(cancelled), Some(JobState::Ready));
    kit.pass(60);
    kit.one(Change::Promote { limit: 9 });
    assert_eq!((kit.state(dead), kit.job(dead).counters.attempts), (Some(JobState::Ready), 0));
}

pub(super) fn a_job_in_another_state_than_those_that_are_meant_is_left_alone(kit: &mut Kit) {
    let dead = States::of(&[JobState::Dead]);
    for action in [JobAction::Retry, JobAction::Cancel, JobAction::Delete, JobAction::Set(Arc::default())] {
        let only = if action == JobAction::Retry { States::of(&[JobState::Cancelled]) } else { dead };
        let id = kit.job_in(if action == JobAction::Retry { JobState::Dead } else { JobState::Ready }, job());
        let before = kit.state(id);
        let reply = kit.one(Request::Act { job: id, only, action: action.clone() });
        assert!(matches!(reply, Reply::Changed { was, .. } if Some(was) == before), "{reply:?}");
        assert_eq!(kit.state(id), before, "{action:?}");
    }
}

pub(super) fn operations_on_no_job_are_missing(kit: &mut Kit) {
    let none = JobId(77);
    let replies = kit.apply(&[Change::cancel(none).into(), Request::retry(none).into(), Request::delete(none).into()]);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Missing)));
}

pub(super) fn a_paused_queue_still_takes_jobs(kit: &mut Kit) {
    kit.one(Request::Pause { queue: QueueName::default(), paused: true });
    kit.push_one(job());
    assert!(kit.totals().paused);
    assert_eq!(kit.totals().ready, 1);
    assert!(kit.claim(1).is_empty());
}
