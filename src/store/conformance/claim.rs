//! Cases about claiming, promotion and expiry.

use std::time::Duration;

use crate::model::change::{Change, Request};

use super::*;

fn ids(jobs: &[Claimed]) -> Vec<i64> {
    jobs.iter().map(|job| job.id.0).collect()
}

fn in_queue(name: &str) -> NewJob {
    NewJob { queue: queue(name), ..job() }
}

fn takes(takes: &[(&str, u32)], total: u32) -> Claim {
    let takes = takes.iter().map(|(name, most)| (queue(name), *most)).collect();
    Claim { takes, lanes: Takes::Others, workers: vec![], total, at_once: u32::MAX, max_bytes: usize::MAX }
}

pub(super) fn the_order_is_priority_then_due_then_id(kit: &mut Kit) {
    let at = |priority, due: i64| NewJob { priority, due_at: Some(UnixMicros(due)), ..job() };
    kit.push(vec![at(0, 20), at(0, 10), at(-100, 1), at(100, 30), at(100, 30), at(0, 10)]);
    assert_eq!(ids(&kit.claim(2)), [4, 5]);
    assert_eq!(ids(&kit.claim(9)), [2, 6, 1, 3]);
    assert!(kit.claim(9).is_empty());
}

pub(super) fn a_claim_gives_every_detail_of_the_job(kit: &mut Kit) {
    let new = NewJob { timeout: Some(Duration::from_micros(7)), max_attempts: Some(4), ..unique("k") };
    kit.push_one(new);
    let pushed_at = kit.at();
    kit.pass(3);
    let job = kit.claim_one();
    assert_eq!((job.id, job.run, &*job.kind, &*job.args), (JobId(1), RunId(1), "resize", "{}"));
    assert_eq!((job.timeout, job.max_attempts, job.holds.unique), (Some(Duration::from_micros(7)), Some(4), true));
    assert_eq!((job.pushed_at, job.due_at, job.counters), (pushed_at, pushed_at, Counters::default()));
    assert_eq!(kit.state(job.id), Some(JobState::Running));
}

pub(super) fn strict_order_takes_all_of_the_first_queue_first(kit: &mut Kit) {
    kit.push(vec![in_queue("low"), in_queue("high"), in_queue("high")]);
    assert_eq!(ids(&kit.claim_as(takes(&[("high", 9), ("low", 9)], 9)).0), [2, 3, 1]);
}

pub(super) fn shares_leave_room_and_take_what_is_left(kit: &mut Kit) {
    kit.push(vec![in_queue("a"); 5]);
    kit.push(vec![in_queue("b"); 5]);
    let shares = [("a", 2), ("b", 1), ("a", 9), ("b", 9)];
    assert_eq!(ids(&kit.claim_as(takes(&shares, 4)).0), [1, 2, 6, 3]);
    assert_eq!(ids(&kit.claim_as(takes(&shares, 9)).0), [4, 5, 7, 8, 9, 10]);
}

pub(super) fn unknown_and_paused_queues_give_nothing(kit: &mut Kit) {
    kit.push(vec![in_queue("a"), in_queue("b")]);
    kit.one(Request::Pause { queue: queue("a"), paused: true });
    let all = takes(&[("nobody", 9), ("a", 9), ("b", 9)], 9);
    assert_eq!(ids(&kit.claim_as(all.clone()).0), [2]);
    kit.one(Request::Pause { queue: queue("a"), paused: false });
    assert_eq!(ids(&kit.claim_as(all).0), [1]);
    assert!(kit.store.totals().unwrap().iter().all(|t| t.name != queue("nobody")), "a claim makes no queue");
}

pub(super) fn a_claim_stops_at_its_bytes(kit: &mut Kit) {
    kit.push(vec![NewJob { args: "\"12345678\"".into(), ..job() }; 5]);
    let claim = |max_bytes| Claim { max_bytes, ..takes(&[("default", 9), ("default", 9)], 9) };
    let (jobs, more) = kit.claim_as(claim(25));
    assert_eq!((ids(&jobs), more), (vec![1, 2], true));
    let (jobs, more) = kit.claim_as(claim(1));
    assert_eq!((ids(&jobs), more), (vec![3], true), "the first is always taken");
    let (jobs, more) = kit.claim_as(claim(20));
    assert_eq!((ids(&jobs), more), (vec![4, 5], false));
}

pub(super) fn a_claim_stops_at_its_total(kit: &mut Kit) {
    kit.push(vec![in_queue("a"), in_queue("b"), in_queue("b")]);
    let (jobs, more) = kit.claim_as(takes(&[("a", 9), ("b", 9)], 2));
    assert_eq!((ids(&jobs), more), (vec![1, 2], false));
    assert!(kit.claim_as(takes(&[("b", 9)], 0)).0.is_empty());
}

pub(super) fn a_job_past_its_expiry_is_cancelled_instead_of_claimed(kit: &mut Kit) {
    let brief = NewJob { expires_at: Some(kit.later(1)), ..unique("k") };
    kit.push(vec![brief.clone(), job(), NewJob { unique: None, ..brief }, job()]);
    kit.pass(1);
    let Reply::Claimed { jobs, expired, .. } = kit.one(Change::Claim(takes(&[("default", 2)], 2))) else { panic!() };
    assert_eq!((ids(&jobs), expired), (vec![2, 4], vec![JobId(1), JobId(3)]), "those that lapsed do not count");
    for id in [1, 3] {
        let record = kit.job(JobId(id));
        assert_eq!((record.state, record.cause), (JobState::Cancelled, Some(Cause::Expired)));
        assert_eq!(record.finished_at, Some(kit.at()));
    }
    assert_eq!(kit.store.next_due().unwrap(), None);
    assert!(!kit.push([unique("k")])[0].deduplicated);
}

/// Whether there is something to promote now.
fn is_due(kit: &mut Kit) -> bool {
    let now = kit.later(0);
    kit.store.next_due().unwrap().is_some_and(|at| at <= now)
}

pub(super) fn a_job_past_its_expiry_is_cancelled_by_promotion(kit: &mut Kit) {
    let brief = NewJob { expires_at: Some(kit.later(1)), ..job() };
    kit.push(vec![brief.clone(), NewJob { due_at: Some(kit.later(50)), ..brief.clone() }, brief]);
    kit.pass(1);
    let Reply::Promoted { queues, expired } = kit.one(Change::Promote { limit: 2 }) else { panic!() };
    assert_eq!((queues, expired, is_due(kit)), (vec![], vec![JobId(1), JobId(2)], true));
    let Reply::Promoted { expired, .. } = kit.one(Change::Promote { limit: 2 }) else { panic!() };
    assert_eq!((expired, is_due(kit)), (vec![JobId(3)], false));
    assert_eq!(kit.job(JobId(2)).cause, Some(Cause::Expired));
    assert_eq!((kit.totals().ready, kit.totals().scheduled, kit.totals().dead), (0, 0, 0));
}

pub(super) fn a_job_that_has_started_does_not_expire(kit: &mut Kit) {
    kit.push_one(NewJob { expires_at: Some(kit.later(1)), ..job() });
    let first = kit.claim_one();
    assert_eq!(kit.store.next_due().unwrap(), None);
    kit.pass(5);
    kit.finish(&first, Outcome::Released, Next::Ready, counters(0, 0, 1));
    kit.one(Change::Promote { limit: 9 });
    let again = kit.claim_one();
    kit.succeed(&again);
    assert_eq!(kit.state(first.id), Some(JobState::Succeeded));
}

pub(super) fn promotion_makes_ready_what_is_due_in_bounded_steps(kit: &mut Kit) {
    let due = |name: &str, at| NewJob { due_at: Some(at), ..in_queue(name) };
    let (soon, late) = (kit.later(1), kit.later(9));
    kit.push(vec![due("b", soon), due("a", soon), due("b", soon), due("a", late)]);
    let Reply::Promoted { queues, .. } = kit.one(Change::Promote { limit: 9 }) else { panic!() };
    assert_eq!((queues, is_due(kit)), (vec![], false));
    kit.pass(1);
    let Reply::Promoted { queues, .. } = kit.one(Change::Promote { limit: 2 }) else { panic!() };
    assert_eq!((queues, is_due(kit)), (vec![queue("a"), queue("b")], true));
    let Reply::Promoted { queues, .. } = kit.one(Change::Promote { limit: 2 }) else { panic!() };
    assert_eq!((queues, is_due(kit)), (vec![queue("b")], false));
    assert_eq!(kit.store.next_due().unwrap(), Some(late));
    assert_eq!(ids(&kit.claim_as(takes(&[("a", 9), ("b", 9)], 9)).0), [2, 1, 3]);
}

pub(super) fn next_due_is_the_first_of_due_and_expiry(kit: &mut Kit) {
    assert_eq!(kit.store.next_due().unwrap(), None);
    let (early, late) = (kit.later(5), kit.later(9));
    let id = kit.push_one(NewJob { due_at: Some(late), ..job() });
    assert_eq!(kit.store.next_due().unwrap(), Some(late));
    kit.push_one(NewJob { expires_at: Some(early), ..job() });
    assert_eq!(kit.store.next_due().unwrap(), Some(early));
    kit.claim_one();
    assert_eq!(kit.store.next_due().unwrap(), Some(late));
    kit.one(Change::cancel(id));
    assert_eq!(kit.store.next_due().unwrap(), None);
}

pub(super) fn jobs_are_claimed_for_workers_in_order(kit: &mut Kit) {
    for (id, slot) in [(1, 1), (2, 2)] {
        kit.one(Change::WorkerStarted(Box::new(super::life::worker(id, slot, kit.at()))));
    }
    kit.push(vec![job(); 3]);
    let workers = vec![WorkerId(2), WorkerId(1)];
    let (jobs, _) = kit.claim_as(Claim { workers, ..takes(&[("default", 9)], 9) });
    kit.one(Change::Assign { job: jobs[2].id, run: jobs[2].run, worker: WorkerId(1) });
    kit.join(2);
    kit.recover();
    let workers: Vec<_> = kit.runs(&RunFilter::default()).into_iter().map(|run| run.worker.unwrap()).collect();
    assert_eq!(workers, ["pool-1", "pool-1", "pool-2"]);
}
