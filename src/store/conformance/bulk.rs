//! Cases about bulk pushes.

use super::*;
use crate::model::BulkId;
use crate::model::bulk::{BulkOwner, BulkStep, OpenBulk, Opened};
use crate::model::change::{Change, Request};

pub(super) fn owner() -> BulkOwner {
    BulkOwner { pid: 7, pid_start: 8, boot_id: "boot".into() }
}

pub(super) fn begin(kit: &mut Kit) -> BulkId {
    match kit.one(Request::Bulk(BulkStep::Begin(owner()))) {
        Reply::Begun(bulk) => bulk,
        other => panic!("{other:?}"),
    }
}

pub(super) fn stage(kit: &mut Kit, bulk: BulkId, jobs: impl Into<Arc<[NewJob]>>) -> JobId {
    match kit.one(Request::Bulk(BulkStep::Stage { bulk, jobs: jobs.into() })) {
        Reply::Staged { first } => first,
        other => panic!("{other:?}"),
    }
}

pub(super) fn commit(kit: &mut Kit, bulk: BulkId) {
    assert!(matches!(kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() })), Reply::Committed(_)));
}

pub(super) fn open(kit: &mut Kit, bulk: BulkId, limit: u32) -> Opened {
    match kit.one(Request::Bulk(BulkStep::Open { bulk, limit })) {
        Reply::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

pub(super) fn drop_some(kit: &mut Kit, bulk: BulkId, limit: u32) -> u64 {
    match kit.one(Request::Bulk(BulkStep::Drop { bulk, limit })) {
        Reply::Count(count) => count,
        other => panic!("{other:?}"),
    }
}

fn ids(kit: &mut Kit) -> Vec<i64> {
    kit.records.jobs(&JobFilter::default()).unwrap().iter().map(|job| job.id.0).collect()
}

pub(super) fn a_staged_job_is_not_there_in_any_way(kit: &mut Kit) {
    let before = kit.push_one(job());
    let bulk = begin(kit);
    let first = stage(kit, bulk, [unique("k"), NewJob { due_at: Some(kit.later(9)), ..job() }]);
    assert_eq!(first, JobId(2));
    assert_eq!(kit.store.bulks().unwrap(), [OpenBulk { id: bulk, owner: owner(), committed: false }]);
    assert_eq!((ids(kit), kit.records.job(first).unwrap().is_none()), (vec![before.0], true));
    for state in JobState::ALL {
        let found = kit.records.jobs(&JobFilter { states: States::of(&[state]), ..JobFilter::default() }).unwrap();
        assert_eq!(found.len(), usize::from(state == JobState::Ready), "{state:?}");
    }
    assert_eq!((kit.totals().ready, kit.totals().scheduled), (1, 0));
    assert_eq!(kit.store.next_due().unwrap(), None);
    for op in [Op::from(Change::cancel(first)), Request::retry(first).into(), Request::delete(first).into()] {
        assert!(matches!(kit.one(op), Reply::Missing));
    }
    assert!(matches!(kit.one(Request::Bulk(BulkStep::Open { bulk, limit: 9 })), Reply::Stale));
    let other = kit.push([unique("k")])[0];
    assert_eq!((other.id, other.deduplicated), (JobId(4), false), "its key is free, its id is taken");
    assert_eq!(kit.claim(9).len(), 2);
}

pub(super) fn a_bulk_push_is_there_as_a_whole_with_its_commit(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, vec![job(); 3]);
    let alone = kit.push_one(job());
    stage(kit, bulk, [NewJob { due_at: Some(kit.later(9)), queue: queue("mail"), ..job() }, job()]);
    assert_eq!(ids(kit), [alone.0]);
    commit(kit, bulk);
    assert_eq!(ids(kit), [1, 2, 3, 4, 5, 6]);
    let states = |kit: &mut Kit| [1, 4, 5, 6].map(|id| kit.state(JobId(id)).unwrap().as_str());
    assert_eq!(states(kit), ["ready", "ready", "scheduled", "ready"]);
    assert_eq!(kit.totals().ready, 5, "counted at once");
    assert_eq!(kit.claim(9).len(), 1, "and yet to be opened");
    let ready = JobFilter { states: States::of(&[JobState::Ready]), ..JobFilter::default() };
    assert_eq!(kit.records.jobs(&ready).unwrap().len(), 4);
    let opened = open(kit, bulk, 2);
    assert_eq!((opened.first, opened.last, opened.more), (Some(JobId(1)), Some(JobId(2)), true));
    assert_eq!(kit.claim(9).len(), 2);
    let opened = open(kit, bulk, 2);
    assert_eq!((opened.first, opened.last, opened.more), (Some(JobId(3)), Some(JobId(5)), true));
    assert!(!open(kit, bulk, 2).more);
    assert_eq!(kit.store.bulks().unwrap(), []);
    assert_eq!(kit.store.next_due().unwrap(), Some(kit.later(9)));
    assert_eq!(kit.claim(9).iter().map(|job| job.id.0).collect::<Vec<_>>(), [3, 6]);
    for step in [
        BulkStep::Commit { bulk, batch: Arc::default() },
        BulkStep::Open { bulk, limit: 1 },
        BulkStep::Drop { bulk, limit: 1 },
    ] {
        assert!(matches!(kit.one(Request::Bulk(step)), Reply::Missing));
    }
}

pub(super) fn what_is_dropped_leaves_nothing_and_its_ids_are_not_given_again(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, vec![unique("k"); 3]);
    let alone = kit.push_one(job());
    stage(kit, bulk, vec![job(); 2]);
    assert_eq!(drop_some(kit, bulk, 2), 2);
    assert_eq!(drop_some(kit, bulk, 2), 2);
    assert_eq!(kit.store.bulks().unwrap().len(), 1, "half of it is gone, and it can be gone on with");
    assert!(drop_some(kit, bulk, 2) < 2);
    assert_eq!((kit.store.bulks().unwrap(), ids(kit)), (vec![], vec![alone.0]));
    for step in [BulkStep::Stage { bulk, jobs: [job()].into() }, BulkStep::Commit { bulk, batch: Arc::default() }] {
        assert!(matches!(kit.one(Request::Bulk(step)), Reply::Missing), "who goes on hears that it is gone");
    }
    assert_eq!(kit.push_one(unique("k")), JobId(7));
    let next = begin(kit);
    assert_ne!(next, bulk);
    assert!(drop_some(kit, next, 1) < 1, "one without a job");
}

pub(super) fn a_bulk_push_of_which_a_part_was_dropped_can_neither_grow_nor_be_committed(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, vec![job(); 3]);
    assert_eq!(drop_some(kit, bulk, 2), 2);
    for step in [BulkStep::Stage { bulk, jobs: [job()].into() }, BulkStep::Commit { bulk, batch: Arc::default() }] {
        assert!(matches!(kit.one(Request::Bulk(step)), Reply::Stale));
    }
    assert!(drop_some(kit, bulk, 2) < 2);
    assert_eq!((ids(kit), kit.totals().ready), (vec![], 0));
}

pub(super) fn a_bulk_push_that_is_committed_cannot_be_dropped_or_added_to(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, [job()]);
    commit(kit, bulk);
    let stage = BulkStep::Stage { bulk, jobs: [job()].into() };
    for step in [stage, BulkStep::Commit { bulk, batch: Arc::default() }, BulkStep::Drop { bulk, limit: 9 }] {
        assert!(matches!(kit.one(Request::Bulk(step)), Reply::Stale));
    }
    // By another process, after the one that pushed is gone.
    kit.join(2);
    kit.recover();
    let left = kit.store.bulks().unwrap();
    assert!(left[0].committed);
    assert!(!open(kit, left[0].id, 9).more);
    assert_eq!(kit.claim(9).len(), 1);
}

pub(super) fn unique_keys_are_decided_when_a_bulk_push_is_opened(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, [unique("a"), unique("b"), job(), unique("a"), unique("c")]);
    let holder = kit.push_one(unique("b"));
    commit(kit, bulk);
    let opened = open(kit, bulk, 9);
    assert_eq!(opened.duplicates, [(JobId(2), holder), (JobId(4), JobId(1))]);
    assert_eq!((opened.first, opened.last), (Some(JobId(1)), Some(holder)));
    assert_eq!(ids(kit), [1, 3, 5, 6]);
    assert_eq!(kit.totals().ready, 4);
    assert!(kit.push([unique("c")])[0].deduplicated);
}

pub(super) fn a_job_that_is_not_opened_yet_can_be_cancelled_and_deleted(kit: &mut Kit) {
    let bulk = begin(kit);
    stage(kit, bulk, vec![NewJob { expires_at: Some(kit.later(5)), ..job() }; 6]);
    commit(kit, bulk);
    assert!(matches!(kit.one(Change::cancel(JobId(3))), Reply::Changed { was: JobState::Ready, .. }));
    assert!(matches!(kit.one(Request::delete(JobId(1))), Reply::Changed { was: JobState::Ready, .. }));
    assert!(matches!(kit.one(Request::retry(JobId(6))), Reply::Changed { was: JobState::Ready, .. }));
    assert_eq!(kit.claim(9).len(), 1, "the last one is ready already, and stays so");
    while open(kit, bulk, 1).more {}
    assert_eq!((ids(kit), kit.state(JobId(3))), (vec![2, 3, 4, 5, 6], Some(JobState::Cancelled)));
    kit.pass(6);
    let Reply::Promoted { expired, .. } = kit.one(Change::Promote { limit: 9 }) else { panic!("no promotion") };
    assert_eq!(expired, [JobId(2), JobId(4), JobId(5)]);
}
