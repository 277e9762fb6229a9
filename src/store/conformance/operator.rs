//! Cases about what operators do.

use crate::model::change::{Change, Request};

use super::*;

fn was(reply: &Reply) -> JobState {
    match reply {
        Reply::Changed { was, queue } if *queue == QueueName::default() => *was,
        other => panic!("{other:?}"),
    }
}

/// Applies `op` to a job in each state; says what it became.
fn in_each_state<T: Into<Op>>(kit: &mut Kit, op: fn(JobId) -> T) -> Vec<(JobState, Option<JobState>)> {
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
    for (before, after) in in_each_state(kit, Change::Cancel) {
        let changed = matches!(before, JobState::Ready | JobState::Scheduled);
        assert_eq!(after, Some(if changed { JobState::Cancelled } else { before }));
    }
    let id = kit.job_in(JobState::Ready, job());
    kit.one(Change::Cancel(id));
    let record = kit.job(id);
    assert_eq!((record.cause, record.error, record.finished_at), (Some(Cause::Cancelled), None, Some(kit.at())));
}

pub(super) fn retry_in_each_state(kit: &mut Kit) {
    for (before, after) in in_each_state(kit, Request::Retry) {
        let changed = matches!(before, JobState::Dead | JobState::Cancelled | JobState::Scheduled);
        assert_eq!(after, Some(if changed { JobState::Ready } else { before }));
    }
}

pub(super) fn delete_in_each_state(kit: &mut Kit) {
    for (before, after) in in_each_state(kit, Request::Delete) {
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
    assert_eq!(id(kit.apply(&[Request::Delete(JobId(1)).into(), push()]).pop()), 2, "deleted in the same batch");
    assert_eq!(
        id(kit.apply(&[push(), Request::Delete(JobId(3)).into(), push()]).pop()),
        4,
        "pushed and deleted in the same batch"
    );
    kit.apply(&[Request::Delete(JobId(4)).into(), Request::Delete(JobId(2)).into()]);
    let mut other = (kit.connect)();
    assert_eq!(
        id(other.apply(0, &[push()], kit.at()).unwrap().replies.pop()),
        5,
        "by another process, when all are deleted"
    );
    assert_eq!(id(kit.apply(&[push()]).pop()), 6);
    // One that is deleted below the highest changes nothing.
    kit.apply(&[Request::Delete(JobId(5)).into()]);
    assert_eq!(id(kit.apply(&[push()]).pop()), 7);
}

pub(super) fn a_retried_job_starts_anew(kit: &mut Kit) {
    let id = kit.push_one(NewJob { expires_at: Some(kit.later(1)), ..job() });
    kit.pass(5);
    kit.one(Change::Promote { limit: 9 });
    kit.one(Request::Retry(id));
    let record = kit.job(id);
    assert_eq!((record.state, record.due_at, record.finished_at), (JobState::Ready, kit.at(), None));
    let claimed = kit.claim_one();
    assert_eq!(claimed.id, id, "an expiry in the past does not end a job that was asked for again");
    kit.finish(&claimed, Outcome::Failed, Next::Dead(Cause::NoRetry), counters(1, 2, 0));
    kit.one(Request::Retry(id));
    assert_eq!((kit.job(id).counters, kit.totals().dead), (Counters::default(), 0));
    let claimed = kit.claim_one();
    kit.finish(&claimed, Outcome::Failed, Next::RetryAt(kit.later(99)), counters(1, 0, 0));
    kit.one(Request::Retry(id));
    assert_eq!((kit.totals().retrying, kit.totals().scheduled, kit.totals().ready), (0, 0, 1));
}

pub(super) fn a_retried_job_takes_its_key_again_if_it_is_free(kit: &mut Kit) {
    let first = kit.job_in(JobState::Dead, unique("k"));
    kit.one(Request::Retry(first));
    assert_eq!(kit.push([unique("k")]), [Pushed { id: first, deduplicated: true }]);
    kit.one(Change::Cancel(first));
    kit.one(Request::Retry(first));
    assert_eq!(kit.push([unique("k")]), [Pushed { id: first, deduplicated: true }], "taken again after a cancellation");
}

pub(super) fn a_job_whose_key_another_unfinished_job_has_is_not_retried_in_any_state_of_that(kit: &mut Kit) {
    for state in [JobState::Scheduled, JobState::Ready, JobState::Running] {
        for ended in [JobState::Dead, JobState::Cancelled] {
            let key = format!("{state:?} {ended:?}");
            let first = kit.job_in(ended, unique(&key));
            let second = kit.job_in(state, unique(&key));
            assert!(matches!(kit.one(Request::Retry(first)), Reply::Held { by } if by == second), "{key}");
            assert_eq!(kit.state(first), Some(ended), "{key}");
            assert_eq!(kit.push([unique(&key)]), [Pushed { id: second, deduplicated: true }], "the key stays");
            kit.one(Request::Delete(first));
            assert_eq!(kit.push([unique(&key)]), [Pushed { id: second, deduplicated: true }], "the key stays");
            while let Some(job) = kit.claim(1).pop() {
                kit.succeed(&Arc::new(job));
            }
        }
    }
}

pub(super) fn retry_dead_passes_over_those_whose_key_is_held(kit: &mut Kit) {
    let dead: Vec<JobId> = (0..3).map(|_| kit.job_in(JobState::Dead, unique("k"))).collect();
    let other = kit.job_in(JobState::Dead, job());
    let holder = kit.push_one(unique("k"));
    let mut after = None;
    let mut replies = Vec::new();
    loop {
        let Reply::Retried { count, held, next } = kit.one(Request::RetryDead { queue: None, after, limit: 2 }) else {
            panic!("another reply");
        };
        replies.push((count, held));
        after = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(replies, [(0, 2), (1, 1), (0, 0)]);
    assert_eq!(kit.state(other), Some(JobState::Ready));
    kit.one(Change::Cancel(holder));
    // Of those that share a key the first that died comes back.
    let reply = kit.one(Request::RetryDead { queue: Some(QueueName::default()), after: None, limit: 9 });
    assert!(matches!(reply, Reply::Retried { count: 1, held: 2, next: None }), "{reply:?}");
    assert_eq!(kit.state(dead[0]), Some(JobState::Ready));
}

pub(super) fn retry_dead_goes_by_queue_and_in_steps(kit: &mut Kit) {
    let dead: Vec<JobId> = (0..3).map(|_| kit.job_in(JobState::Dead, job())).collect();
    kit.job_in(JobState::Cancelled, job());
    let retry = |kit: &mut Kit, queue, limit| match kit.one(Request::RetryDead { queue, after: None, limit }) {
        Reply::Retried { count, .. } => count,
        other => panic!("{other:?}"),
    };
    assert_eq!(retry(kit, Some(queue("other")), 9), 0);
    assert_eq!(retry(kit, Some(QueueName::default()), 2), 2);
    assert_eq!(kit.state(dead[2]), Some(JobState::Dead));
    assert_eq!(retry(kit, None, 9), 1);
    assert_eq!(retry(kit, None, 9), 0);
    assert_eq!((kit.totals().ready, kit.totals().dead), (3, 0));
}

pub(super) fn operations_on_no_job_are_missing(kit: &mut Kit) {
    let none = JobId(77);
    let replies = kit.apply(&[Change::Cancel(none).into(), Request::Retry(none).into(), Request::Delete(none).into()]);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Missing)));
}

pub(super) fn a_paused_queue_still_takes_jobs(kit: &mut Kit) {
    kit.one(Request::Pause { queue: QueueName::default(), paused: true });
    kit.push_one(job());
    assert!(kit.totals().paused);
    assert_eq!(kit.totals().ready, 1);
    assert!(kit.claim(1).is_empty());
}
