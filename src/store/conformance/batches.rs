//! Batches.

use super::*;
use crate::model::batch::{BatchCounts, BatchError, BatchRecord, IntoBatch, NewBatch};
use crate::model::{BatchId, BulkId, UNFINISHED};
use crate::store::BatchFilter;

use crate::model::bulk::BulkStep;

fn follower() -> Box<NewJob> {
    Box::new(NewJob { queue: queue("then"), ..job() })
}

fn new(name: &str, then: bool, then_failed: bool) -> IntoBatch {
    let name = (!name.is_empty()).then(|| name.into());
    IntoBatch::New(NewBatch { name, then: then.then(follower), then_failed: then_failed.then(follower) })
}

/// One for random operations.
pub(super) fn into(kit: &Kit, n: u8) -> Arc<IntoBatch> {
    Arc::new(match n {
        0 => new("", false, false),
        1..=3 => new("night", true, n > 1),
        4 => new("", false, true),
        5..=8 => IntoBatch::Join(BatchId(i64::from(n) - 4)),
        _ => IntoBatch::JoinThatOf(JobId((kit.batch % 20) as i64)),
    })
}

pub(super) fn push_op(kit: &Kit, jobs: Arc<[NewJob]>, n: u8) -> Op {
    Request::PushInto { jobs, batch: into(kit, n) }.into()
}

fn push_into(kit: &mut Kit, jobs: usize, batch: IntoBatch) -> (BatchId, Vec<JobId>) {
    match kit.one(Request::PushInto { jobs: vec![job(); jobs].into(), batch: Arc::new(batch) }) {
        Reply::Pushed(pushed) => (pushed[0].batch.unwrap(), pushed.iter().map(|pushed| pushed.id).collect()),
        other => panic!("{other:?}"),
    }
}

fn refusal(kit: &mut Kit, batch: IntoBatch) -> BatchError {
    let jobs = kit.records.job_ids(&JobFilter::default()).unwrap().len();
    match kit.one(Request::PushInto { jobs: [job()].into(), batch: Arc::new(batch) }) {
        Reply::BadBatch(why) => {
            assert_eq!(kit.records.job_ids(&JobFilter::default()).unwrap().len(), jobs, "nothing is added");
            why
        }
        other => panic!("{other:?}"),
    }
}

fn batch(kit: &mut Kit, id: BatchId) -> BatchRecord {
    kit.records.batches(&BatchFilter { id: Some(id), ..BatchFilter::default() }).unwrap().remove(0)
}

fn counts(kit: &mut Kit, id: BatchId) -> BatchCounts {
    batch(kit, id).counts
}

fn succeed_all(kit: &mut Kit, jobs: u32) {
    for job in kit.claim(jobs) {
        kit.succeed(&Arc::new(job));
    }
}

fn die(kit: &mut Kit) -> JobId {
    let job = kit.claim_one();
    kit.finish(&job, Outcome::Failed, Next::Dead(Cause::MaxAttempts), super::counters(1, 0, 0));
    job.id
}

pub(super) fn a_batch_counts_its_jobs_by_state_until_they_are_gone(kit: &mut Kit) {
    kit.push_one(NewJob { priority: -9, ..job() });
    let (id, jobs) = push_into(kit, 6, new("night", false, false));
    assert_eq!(counts(kit, id), BatchCounts { ready: 6, ..BatchCounts::default() });
    succeed_all(kit, 2);
    die(kit);
    kit.one(Change::cancel(jobs[3]));
    kit.claim_one();
    let after = BatchCounts { succeeded: 2, dead: 1, cancelled: 1, running: 1, ready: 1, ..BatchCounts::default() };
    assert_eq!((counts(kit, id), after.all(), after.open()), (after, 6, 2));
    kit.one(Request::delete(jobs[0]));
    assert_eq!(counts(kit, id), BatchCounts { succeeded: 1, gone: 1, ..after });
    let record = batch(kit, id);
    assert_eq!((record.name.as_deref(), record.then), (Some("night"), None));
    assert_eq!(record.ranges.ranges().len(), 1, "{record:?}");
    assert_eq!((kit.job(jobs[1]).batch, kit.job(JobId(1)).batch), (Some(id), None));
    let (other, _) = push_into(kit, 1, new("night", false, false));
    let filter = |name: &str| BatchFilter { name: Some(name.into()), limit: Some(1), ..BatchFilter::default() };
    assert_eq!(kit.records.batches(&filter("night")).unwrap()[0].id, other, "the newest of that name");
    assert_eq!(kit.records.batches(&filter("day")).unwrap(), []);
    let before = BatchFilter { before: Some(other), ..BatchFilter::default() };
    assert_eq!(kit.records.batches(&before).unwrap().len(), 1);
}

pub(super) fn what_comes_after_a_batch_runs_once_when_all_have_ended(kit: &mut Kit) {
    let (id, _) = push_into(kit, 3, new("night", true, true));
    let BatchRecord { then: Some(then), then_failed: Some(failed), .. } = batch(kit, id) else { panic!() };
    assert_eq!((kit.state(then), kit.job(then).after_batch), (Some(JobState::Blocked), Some(id)));
    assert_eq!((kit.job(then).after, kit.job(then).batch), (vec![], None));
    succeed_all(kit, 1);
    let dead = die(kit);
    assert_eq!((kit.state(then), &kit.settled), (Some(JobState::Blocked), &Settled::default()));
    succeed_all(kit, 1);
    kit.promote();
    assert_eq!([kit.state(then), kit.state(failed)], [Some(JobState::Ready); 2]);
    kit.one(Request::retry(dead));
    succeed_all(kit, 1);
    assert_eq!([kit.state(then), kit.state(failed)], [Some(JobState::Ready); 2], "it has ended once");
    assert_eq!(refusal(kit, IntoBatch::Join(id)), BatchError::Ended(id));
    let takes = vec![(queue("then"), 9)];
    let claim = Claim { takes, lanes: Takes::Others, workers: vec![], total: 1, at_once: 9, max_bytes: 99 };
    let (claimed, _) = kit.claim_as(claim);
    let members = claimed[0].parents.as_ref().unwrap().members();
    let end = r#"{"id":1,"name":"night","jobs":3,"succeeded":2,"dead":1,"cancelled":0}"#;
    assert_eq!(members, format!(r#""parents":{{"batch":{end}}}"#), "as it was when it ended");
    let child = After { parents: [Parent::Job(then)].into(), ..After::default() };
    let child = kit.push_one(NewJob { after: Some(Box::new(child)), ..job() });
    kit.succeed(&Arc::new(claimed.into_iter().next().unwrap()));
    assert_eq!(kit.state(child), Some(JobState::Ready));
    assert_eq!(kit.claim_one().parents.as_ref().unwrap().members(), format!(r#""parents":{{"{then}":[1]}}"#));
}

pub(super) fn what_is_for_a_failure_is_cancelled_where_none_has_died(kit: &mut Kit) {
    let (id, jobs) = push_into(kit, 2, new("", false, true));
    let failed = batch(kit, id).then_failed.unwrap();
    succeed_all(kit, 1);
    kit.one(Change::cancel(jobs[1]));
    kit.promote();
    assert_eq!((kit.state(failed), kit.job(failed).cause), (Some(JobState::Cancelled), Some(Cause::Parent)));
    let Reply::ParentFailed { parent, is_gone: true } = kit.one(Request::retry(failed)) else { panic!() };
    assert_eq!(BatchId::of_parent(parent), Some(id));
    let (id, jobs) = push_into(kit, 1, new("", true, false));
    let then = batch(kit, id).then.unwrap();
    kit.one(Change::cancel(then));
    kit.one(Request::retry(then));
    assert_eq!(kit.state(then), Some(JobState::Blocked), "it waits again");
    kit.one(Request::delete(jobs[0]));
    kit.promote();
    assert_eq!(kit.state(then), Some(JobState::Ready), "there is nothing to wait for");
}

pub(super) fn jobs_join_a_batch_that_is_open_and_no_other(kit: &mut Kit) {
    let alone = kit.push_one(NewJob { priority: -9, ..job() });
    let (id, jobs) = push_into(kit, 2, new("", true, false));
    let then = batch(kit, id).then.unwrap();
    let run = kit.claim_one();
    let (joined, more) = push_into(kit, 2, IntoBatch::JoinThatOf(run.id));
    assert_eq!((joined, kit.job(more[1]).batch, counts(kit, id).all()), (id, Some(id), 4));
    kit.succeed(&run);
    succeed_all(kit, 1);
    kit.promote();
    assert_eq!(kit.state(then), Some(JobState::Blocked), "those that have joined are waited for as well");
    let (joined, last) = push_into(kit, 1, IntoBatch::Join(id));
    assert_eq!(joined, id);
    succeed_all(kit, 3);
    kit.promote();
    assert_eq!((kit.state(last[0]), kit.state(then)), (Some(JobState::Succeeded), Some(JobState::Ready)));
    let refused = [
        (IntoBatch::Join(id), BatchError::Ended(id)),
        (IntoBatch::Join(BatchId(99)), BatchError::Unknown(BatchId(99))),
        (IntoBatch::JoinThatOf(jobs[0]), BatchError::Ended(id)),
        (IntoBatch::JoinThatOf(alone), BatchError::Alone(alone)),
        (IntoBatch::JoinThatOf(JobId(99)), BatchError::UnknownJob(JobId(99))),
    ];
    for (into, why) in refused {
        assert_eq!(refusal(kit, into), why);
    }
    // One that nothing comes after, and which is open by its first job alone.
    let (id, jobs) = push_into(kit, 5, new("", false, false));
    for job in &jobs[1..] {
        kit.one(Change::cancel(*job));
    }
    assert_eq!(push_into(kit, 1, IntoBatch::Join(id)).0, id);
    let open = kit.records.job_ids(&JobFilter { states: UNFINISHED, ..JobFilter::default() }).unwrap();
    for (job, _) in open {
        kit.one(Change::cancel(job));
    }
    assert_eq!(refusal(kit, IntoBatch::Join(id)), BatchError::Ended(id));
}

pub(super) fn a_bulk_push_is_a_batch(kit: &mut Kit) {
    let commit = |kit: &mut Kit, bulk: BulkId, batch: IntoBatch| {
        kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::new(batch) }))
    };
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [unique("k"), job()]);
    let held = kit.push_one(unique("k"));
    super::bulk::stage(kit, bulk, [job(), unique("k")]);
    let Reply::Committed(id) = commit(kit, bulk, new("bulk", true, false)) else { panic!() };
    let then = batch(kit, id).then.unwrap();
    assert_eq!((counts(kit, id).ready, batch(kit, id).ranges.ranges().len()), (4, 2));
    while super::bulk::open(kit, bulk, 2).more {}
    kit.promote();
    let gone = BatchCounts { ready: 2, gone: 2, ..BatchCounts::default() };
    assert_eq!(counts(kit, id), gone, "two were pushed for nothing");
    succeed_all(kit, 9);
    kit.promote();
    assert_eq!((kit.state(held), kit.state(then)), (Some(JobState::Succeeded), Some(JobState::Ready)));
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [job()]);
    assert!(matches!(commit(kit, bulk, IntoBatch::Join(id)), Reply::BadBatch(BatchError::Ended(_))));
    let (open, _) = push_into(kit, 1, new("", true, false));
    assert!(matches!(commit(kit, bulk, IntoBatch::Join(open)), Reply::Committed(batch) if batch == open));
    assert_eq!(counts(kit, open).all(), 2);
    super::bulk::open(kit, bulk, 9);
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [NewJob { unique: Some("x".into()), ..job() }]);
    let held = kit.push_one(unique("x"));
    let Reply::Committed(id) = commit(kit, bulk, new("", true, false)) else { panic!() };
    super::bulk::open(kit, bulk, 9);
    let then = batch(kit, id).then.unwrap();
    assert_eq!((kit.state(held), kit.state(then)), (Some(JobState::Ready), Some(JobState::Ready)), "none is left");
}

pub(super) fn a_batch_that_is_searched_in_steps_ends_also_after_a_restart(kit: &mut Kit) {
    let (id, jobs) = push_into(kit, 12, new("", true, false));
    let then = batch(kit, id).then.unwrap();
    succeed_all(kit, 12);
    assert_eq!(
        (kit.state(then), kit.settled.moved),
        (Some(JobState::Blocked), true),
        "the last end does not wait for it"
    );
    assert_eq!(kit.store.next_due().unwrap(), Some(UnixMicros(0)));
    kit.join(2);
    kit.recover();
    kit.one(Change::Promote { limit: 4 });
    assert_eq!(kit.state(then), Some(JobState::Blocked));
    kit.promote();
    assert_eq!((kit.state(then), kit.store.next_due().unwrap()), (Some(JobState::Ready), None));
    assert_eq!(counts(kit, id).succeeded, jobs.len() as u64);
}

pub(super) fn a_job_that_is_retried_is_waited_for_again(kit: &mut Kit) {
    let (id, _) = push_into(kit, 9, new("", true, false));
    let then = batch(kit, id).then.unwrap();
    let dead = die(kit);
    succeed_all(kit, 8);
    // Meanwhile the first ones have been looked at.
    kit.one(Change::Promote { limit: 2 });
    assert_eq!(kit.state(then), Some(JobState::Blocked));
    kit.one(Request::retry(dead));
    kit.promote();
    assert_eq!((kit.state(then), counts(kit, id).ready), (Some(JobState::Blocked), 1));
    succeed_all(kit, 1);
    kit.promote();
    assert_eq!(kit.state(then), Some(JobState::Ready));
}

pub(super) fn a_batch_goes_with_its_last_job(kit: &mut Kit) {
    let (id, _) = push_into(kit, 2, new("", true, false));
    let (other, _) = push_into(kit, 1, new("", false, false));
    let then = batch(kit, id).then.unwrap();
    succeed_all(kit, 2);
    kit.promote();
    let prune = |kit: &mut Kit| {
        kit.pass(60);
        for _ in 0..9 {
            kit.prune(kit.keep_nothing());
        }
        let left = kit.records.batches(&BatchFilter::default()).unwrap();
        left.into_iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!(prune(kit), [other, id], "what comes after it is to be told of it");
    kit.one(Change::cancel(then));
    assert_eq!(prune(kit), [other]);
    succeed_all(kit, 1);
    assert_eq!(prune(kit), []);
    let (next, _) = push_into(kit, 1, new("", false, false));
    assert_eq!(next.0, 3, "a number is never given again");
}

pub(super) fn many_jobs_are_counted_by_a_walk_over_what_waits(kit: &mut Kit) {
    let (large, _) = push_into(kit, 10_500, new("", false, false));
    let (small, _) = push_into(kit, 2, new("", false, false));
    let (_, more) = push_into(kit, 2, IntoBatch::Join(large));
    succeed_all(kit, 3);
    die(kit);
    kit.one(Change::cancel(more[0]));
    kit.claim_one();
    kit.one(Request::delete(JobId(1)));
    let large_counts = BatchCounts {
        ready: 10_500 - 5 + 1,
        succeeded: 2,
        dead: 1,
        cancelled: 1,
        running: 1,
        gone: 1,
        ..BatchCounts::default()
    };
    let all = kit.records.batches(&BatchFilter::default()).unwrap();
    assert_eq!(all.iter().map(|batch| batch.id).collect::<Vec<_>>(), [small, large]);
    assert_eq!((all[0].counts.ready, all[1].counts), (2, large_counts));
}
