//! Cases about limits of queues: what may start, what may be pushed, and for how long.

use crate::model::change::HeldBack;
use crate::model::limit_record::Override;
use crate::model::queue_limits::{Full, SaidLimits};

use super::*;

pub(super) fn said(limits: &[(&str, &str)]) -> SaidLimits {
    limits.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

pub(super) fn configure(kit: &mut Kit, limits: &[(&str, &str)]) {
    let queues = if limits.is_empty() { BTreeMap::new() } else { BTreeMap::from([(queue("default"), said(limits))]) };
    assert!(matches!(kit.one(Request::ConfigureQueues(Arc::new(queues))), Reply::Sorted { .. }));
}

fn set(kit: &mut Kit, limits: &[(&str, &str)], until: Option<UnixMicros>) {
    let set = Override { limits: said(limits), by: Some("anna".to_owned()), at: kit.at(), until };
    kit.one(Request::SetLimits { queue: queue("default"), set: Some(Box::new(set)) });
}

pub(super) fn claim(total: u32, at_once: u32) -> Claim {
    let takes = vec![(QueueName::default(), total)];
    Claim { takes, lanes: Takes::Others, workers: vec![], total, at_once, max_bytes: usize::MAX }
}

pub(super) fn take(kit: &mut Kit, total: u32, at_once: u32) -> (Vec<Arc<Claimed>>, HeldBack) {
    match kit.one(Change::Claim(claim(total, at_once))) {
        Reply::Claimed { jobs, held, .. } => (jobs.into_iter().map(Arc::new).collect(), held),
        other => panic!("{other:?}"),
    }
}

fn closed(until: Option<UnixMicros>) -> HeldBack {
    HeldBack { closed: vec![(QueueName::default(), until)], for_workers: false }
}

fn push_is_full(kit: &mut Kit, jobs: Vec<NewJob>) -> Option<Full> {
    match kit.one(Request::Push(jobs.into())) {
        Reply::Full(full) => Some(full),
        Reply::Pushed(_) => None,
        other => panic!("{other:?}"),
    }
}

pub(super) fn no_more_run_than_the_limit_and_the_end_of_one_opens_the_queue(kit: &mut Kit) {
    kit.push(vec![job(); 5]);
    configure(kit, &[("concurrency", "2")]);
    let (jobs, held) = take(kit, 9, 9);
    assert_eq!((jobs.len(), held), (2, closed(None)));
    assert_eq!(take(kit, 9, 9), (Vec::new(), closed(None)));
    // In one batch with the end of a job, a claim sees it.
    let end = kit.finish_op(&jobs[0], Outcome::Succeeded, Next::Succeeded, jobs[0].counters);
    let ops = [end, Change::Claim(claim(9, 9))];
    let replies = kit.apply(&ops.map(Into::into));
    let [_, Reply::Claimed { jobs: more, .. }] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(more.len(), 1);
    kit.join(2);
    assert_eq!(kit.recover(), 2, "those of a master that is dead");
    assert_eq!(take(kit, 9, 9).0.len(), 2);
    configure(kit, &[("concurrency", "1")]);
    assert_eq!(take(kit, 9, 9).0.len(), 0, "nothing is ended, and nothing starts until it fits");
    configure(kit, &[]);
    assert_eq!(take(kit, 9, 9).0.len(), 2);
    assert_eq!(kit.totals().limits, None);
}

pub(super) fn jobs_of_a_queue_with_a_limit_are_not_claimed_ahead(kit: &mut Kit) {
    kit.push(vec![job(); 5]);
    configure(kit, &[("concurrency", "4")]);
    let (jobs, held) = take(kit, 9, 1);
    assert_eq!((jobs.len(), held), (1, HeldBack { closed: vec![], for_workers: true }));
    let (jobs, held) = take(kit, 9, 3);
    assert_eq!((jobs.len(), held), (3, closed(None)));
    configure(kit, &[("concurrency", "9")]);
    let (jobs, held) = take(kit, 9, 9);
    assert_eq!((jobs.len(), held), (1, HeldBack::default()), "none is left to be held back");
}

pub(super) fn a_rate_gives_its_burst_then_one_after_the_other(kit: &mut Kit) {
    kit.push(vec![job(); 20]);
    configure(kit, &[("rate", "2/s"), ("rate_burst", "3")]);
    let half = |kit: &Kit| UnixMicros(kit.now + SECOND / 2);
    let (jobs, held) = take(kit, 9, 9);
    assert_eq!((jobs.len(), held), (3, closed(Some(half(kit)))));
    assert_eq!(take(kit, 9, 9).0.len(), 0);
    kit.now += SECOND / 2;
    let (one, held) = take(kit, 9, 9);
    assert_eq!((one.len(), held), (1, closed(Some(half(kit)))));
    // One that has not started gives its token back.
    kit.one(Change::Unclaim { job: one[0].id, run: one[0].run });
    assert_eq!(take(kit, 9, 9).0.len(), 1);
    kit.join(2);
    kit.recover();
    assert_eq!(take(kit, 9, 9).0.len(), 0, "a bucket outlives its master");
    kit.pass(100);
    assert_eq!(take(kit, 9, 9).0.len(), 3);
    kit.pass(-1000);
    assert_eq!(take(kit, 9, 9).0.len(), 0, "the clock was set back, and nothing is gained");
    kit.pass(1);
    assert_eq!(take(kit, 9, 9).0.len(), 2);
}

pub(super) fn what_is_set_holds_until_its_time_or_until_it_is_taken_back(kit: &mut Kit) {
    kit.push(vec![job(); 9]);
    configure(kit, &[("concurrency", "1"), ("max_ready", "9")]);
    assert_eq!(take(kit, 9, 9).0.len(), 1);
    let until = kit.later(60);
    set(kit, &[("concurrency", "3")], Some(until));
    assert_eq!(kit.store.next_due().unwrap(), Some(until));
    let record = kit.totals().limits.unwrap();
    assert_eq!(record.said(), said(&[("concurrency", "3"), ("max_ready", "9")]));
    assert_eq!(record.set.as_ref().and_then(|set| set.by.as_deref()), Some("anna"));
    assert_eq!(take(kit, 9, 9).0.len(), 2);
    kit.pass(60);
    let Reply::Promoted { queues, .. } = kit.one(Change::Promote { limit: 9 }) else { panic!() };
    assert_eq!((queues, kit.store.next_due().unwrap()), (vec![queue("default")], None));
    assert_eq!(kit.totals().limits.unwrap().in_force.concurrency, Some(1));
    set(kit, &[("concurrency", "off")], None);
    assert_eq!(take(kit, 9, 9).0.len(), 6);
    kit.one(Request::SetLimits { queue: queue("default"), set: None });
    assert_eq!(kit.totals().limits.unwrap().said(), said(&[("concurrency", "1"), ("max_ready", "9")]));
    let other = Override { limits: said(&[("rate", "1/d")]), by: None, at: kit.at(), until: None };
    kit.one(Request::SetLimits { queue: queue("new"), set: Some(Box::new(other)) });
    assert!(kit.store.totals().unwrap().iter().any(|totals| totals.name == queue("new") && totals.limits.is_some()));
    configure(kit, &[]);
    assert_eq!(kit.totals().limits, None);
}

pub(super) fn a_push_beyond_the_room_of_a_queue_adds_nothing(kit: &mut Kit) {
    configure(kit, &[("max_ready", "3")]);
    kit.push(vec![job(), unique("k")]);
    let full = |pushed| Some(Full { queue: queue("default"), ready: 2, most: 3, pushed });
    let other = NewJob { queue: queue("other"), ..job() };
    assert_eq!(push_is_full(kit, vec![other.clone(), job(), job()]), full(2));
    assert!(kit.store.totals().unwrap().iter().all(|totals| totals.name != queue("other")), "nothing was added");
    let later = NewJob { due_at: Some(kit.later(60)), ..job() };
    assert_eq!(push_is_full(kit, vec![later, unique("k"), unique("l"), unique("l"), other]), None);
    assert_eq!(push_is_full(kit, vec![job()]), Some(Full { ready: 3, ..full(1).unwrap() }));
    kit.claim(1);
    assert_eq!(push_is_full(kit, vec![job()]), None, "one that runs makes room");
}

pub(super) fn a_bulk_push_beyond_the_room_of_a_queue_is_not_committed(kit: &mut Kit) {
    use crate::model::bulk::BulkStep;
    configure(kit, &[("max_ready", "3")]);
    let Reply::Begun(bulk) = kit.one(Request::Bulk(BulkStep::Begin(super::bulk::owner()))) else { panic!() };
    let stage = |n: usize| Request::Bulk(BulkStep::Stage { bulk, jobs: vec![job(); n].into() });
    assert!(matches!(kit.one(stage(2)), Reply::Staged { .. }));
    assert!(
        matches!(kit.one(stage(4)), Reply::Full(Full { pushed: 4, .. })),
        "more than there is room for in any case"
    );
    assert!(matches!(kit.one(stage(2)), Reply::Staged { .. }));
    let commit = Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() });
    assert!(matches!(kit.one(commit.clone()), Reply::Full(Full { pushed: 4, ready: 0, .. })));
    set(kit, &[("max_ready", "off")], None);
    assert!(matches!(kit.one(commit), Reply::Committed(_)));
    assert_eq!(kit.totals().ready, 4);
}

pub(super) fn a_job_keeps_its_key_and_is_found_by_it(kit: &mut Kit) {
    let keyed = |key: &str| NewJob { key: Some(key.into()), ..job() };
    kit.push(vec![keyed("a"), job(), keyed("b"), keyed("a")]);
    assert_eq!(kit.job(JobId(1)).key.as_deref(), Some("a"));
    let filter = JobFilter { key: Some("a".to_owned()), ..JobFilter::default() };
    let found: Vec<i64> = kit.records.jobs(&filter).unwrap().iter().map(|job| job.id.0).collect();
    assert_eq!(found, [1, 4]);
}
