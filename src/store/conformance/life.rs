//! Cases about generations, recovery and workers.

use super::*;
use crate::model::change::{Change, Request, WorkerEnded, WorkerStarted};
use crate::model::worker::{EndReason, Exit};
use crate::model::{Generation, PoolName, Slot};
use crate::store::memory::{Fault, Faulty};
use crate::store::{StoreError, WorkerFilter};

pub(super) fn worker(id: i64, slot: u32, at: UnixMicros) -> WorkerStarted {
    WorkerStarted { worker: WorkerId(id), pool: PoolName::new("pool").unwrap(), slot: Slot(slot), pid: 100 + slot, at }
}

pub(super) fn a_generation_that_did_not_end_is_found_crashed(kit: &mut Kit) {
    let membership = kit.join(2);
    assert_eq!((membership.generation, membership.tenure), (Generation(2), kit.tenure));
    assert_eq!(kit.dead(), [master(1)]);
    kit.store.leave(kit.at()).unwrap();
    let last = kit.records.last_master().unwrap().unwrap();
    assert_eq!((last.master, last.generation), (master(2), Generation(2)));
    assert_eq!((last.started_at, last.ended_at), (kit.at(), Some(kit.at())));
    kit.join(3);
    assert_eq!(kit.dead(), [master(1)], "nobody has recovered the first");
}

pub(super) fn generations_that_nobody_recovered_are_all_found_crashed(kit: &mut Kit) {
    kit.join(2);
    assert_eq!(kit.dead(), [master(1)]);
    kit.join(3);
    assert_eq!(kit.dead(), [master(1), master(2)]);
    kit.recover();
    assert_eq!(kit.records.last_master().unwrap().unwrap().ended_at, None, "the one that recovers goes on");
    kit.join(4);
    assert_eq!(kit.dead(), [master(3)]);
    kit.recover();
    kit.store.leave(kit.at()).unwrap();
    kit.join(5);
    assert_eq!(kit.dead(), []);
}

pub(super) fn a_superseded_master_is_refused_everything(kit: &mut Kit) {
    kit.push_one(job());
    let mut other = (kit.connect)();
    other.join(&master(2), kit.at()).unwrap();
    let at = kit.at();
    let by = |result: Result<(), StoreError>| assert!(matches!(result, Err(StoreError::Superseded(Generation(2)))));
    by(kit.store.apply(9, &[Request::Push([job()].into()).into()], at).map(drop));
    by(kit.store.recover(Generation(0), at).map(drop));
    by(kit.store.leave(at));
    assert_eq!(kit.totals().ready, 1);
    assert_eq!(kit.records.last_master().unwrap().unwrap().ended_at, None);
}

pub(super) fn a_batch_is_applied_once(kit: &mut Kit) {
    kit.push_one(job());
    let again = kit.store.apply(kit.batch, &[Request::Push([job()].into()).into()], kit.at());
    assert!(matches!(again, Err(StoreError::AlreadyApplied)));
    kit.store.reopen().unwrap();
    let again = kit.store.apply(kit.batch, &[Request::Push([job()].into()).into()], kit.at());
    assert!(matches!(again, Err(StoreError::AlreadyApplied)));
    kit.push_one(job());
    assert_eq!(kit.totals().ready, 2);
    kit.join(2);
    kit.push_one(job());
    assert_eq!(kit.totals().ready, 3, "each generation counts its batches from 1");
}

pub(super) fn recovery_gives_back_what_was_running(kit: &mut Kit) {
    kit.push(vec![unique("k"), job()]);
    let first = kit.claim_one();
    kit.finish(&first, Outcome::Crashed, Next::Ready, counters(0, 1, 0));
    let claimed = kit.claim(2);
    kit.one(Change::Assign { job: claimed[1].id, run: claimed[1].run, worker: WorkerId(1) });
    kit.pass(7);
    kit.join(2);
    let at = kit.at();
    assert_eq!(kit.recover(), 2);
    kit.check_totals();
    assert_eq!(kit.recover(), 0);
    let record = kit.job(first.id);
    assert_eq!((record.state, record.counters), (JobState::Ready, counters(0, 1, 1)));
    assert_eq!((record.cause, record.due_at), (Some(Cause::MasterLost), first.due_at));
    let run = kit.runs(&RunFilter { job: Some(first.id), ..RunFilter::default() }).remove(0);
    assert_eq!((run.id, run.outcome, run.cause), (claimed[0].run, Outcome::Released, Some(Cause::MasterLost)));
    assert_eq!((run.ended_at, run.attempt, run.generation), (at, 1, Generation(1)));
    let on_its_way = "the master died while this was on its way to a worker, or had just begun";
    assert_eq!(run.detail.error.as_deref(), Some(on_its_way));
    let begun = kit.runs(&RunFilter { job: Some(claimed[1].id), ..RunFilter::default() }).remove(0);
    assert_eq!(begun.detail.error.as_deref(), Some("the master died while this ran"));
    assert_eq!((run.worker, run.detail.stderr_tail.as_str()), (None, ""));
    assert!(matches!(kit.succeed(&Arc::new(claimed[0].clone())), Reply::Stale));
    assert_eq!(kit.claim_one().id, first.id);
}

pub(super) fn recovery_goes_on_until_nothing_is_left(kit: &mut Kit) {
    // More than two steps; every third is of this generation when it recovers for the second time.
    kit.push(vec![job(); 2500]);
    kit.claim(2400);
    kit.join(2);
    let ours = kit.claim(60);
    assert_eq!(kit.recover(), 2400);
    kit.check_totals();
    let totals = kit.totals();
    assert_eq!((totals.ready, totals.running), (2440, 60));
    assert!(ours.iter().all(|job| kit.state(job.id) == Some(JobState::Running)), "what this generation runs is kept");
    assert_eq!(kit.runs(&RunFilter::default()).len(), 2400);
}

pub(super) fn a_unique_key_is_held_through_two_hundred_deaths(kit: &mut Kit) {
    let id = kit.push_one(unique("k"));
    for deaths in 1..=200 {
        let run = kit.claim_one();
        assert_eq!(run.id, id);
        if deaths % 10 == 0 {
            // With the master.
            kit.join(deaths);
            kit.recover();
        } else {
            let next = counters(0, run.counters.crashes + 1, run.counters.releases);
            kit.finish(&run, Outcome::Crashed, Next::Ready, next);
        }
        let again = kit.push([unique("k")]);
        assert!(again[0].deduplicated && again[0].id == id, "after {deaths} deaths");
    }
    assert_eq!(kit.job(id).counters, counters(0, 180, 20));
    let run = kit.claim_one();
    kit.succeed(&run);
    assert!(!kit.push([unique("k")])[0].deduplicated, "its end gives the key back");
}

pub(super) fn recovery_ends_the_workers_that_were_left(kit: &mut Kit) {
    let at = kit.at();
    kit.one(Change::WorkerStarted(Box::new(worker(1, 1, at))));
    let WorkerId(second) = kit.join(2).first_worker;
    assert!(second > 1);
    kit.one(Change::WorkerStarted(Box::new(worker(second, 1, at))));
    kit.pass(1);
    kit.recover();
    let workers = kit.records.workers(&WorkerFilter::default()).unwrap();
    assert_eq!((workers[0].ended_at, workers[0].generation), (None, Generation(2)));
    assert_eq!((workers[1].ended_at, workers[1].reason), (Some(kit.at()), Some(EndReason::MasterLost)));
}

pub(super) fn ids_go_on_after_a_restart(kit: &mut Kit) {
    kit.push_one(job());
    let first = kit.claim_one();
    kit.one(Change::Unclaim { job: first.id, run: first.run });
    kit.join(2);
    assert_eq!(kit.claim_one().run, RunId(first.run.0 + 1));
}

pub(super) fn workers_are_on_record(kit: &mut Kit) {
    let at = kit.at();
    for (id, slot) in [(1, 1), (2, 2)] {
        kit.one(Change::WorkerStarted(Box::new(worker(id, slot, at))));
    }
    let ended = |id, reason, exit| {
        Change::WorkerEnded(Box::new(WorkerEnded {
            worker: WorkerId(id),
            reason,
            exit,
            jobs_done: 5,
            peak_memory: Some(1 << 33),
            at,
        }))
    };
    kit.one(ended(1, EndReason::MemoryMax, Some(Exit::Signal(9))));
    kit.one(ended(2, EndReason::Exited, Some(Exit::Code(3))));
    let all = kit.records.workers(&WorkerFilter::default()).unwrap();
    assert_eq!(all.iter().map(|w| w.id.as_str()).collect::<Vec<_>>(), ["pool-2", "pool-1"]);
    assert_eq!((all[0].exit_code, all[0].signal.as_deref()), (Some(3), None));
    assert_eq!((all[1].exit_code, all[1].signal.as_deref()), (None, Some("SIGKILL")));
    assert_eq!((all[1].jobs_done, all[1].peak_memory_bytes, all[1].pid), (5, Some(1 << 33), 101));
    let one = WorkerFilter { worker: Some("pool-1".into()), ..WorkerFilter::default() };
    assert_eq!(kit.records.workers(&one).unwrap().len(), 1);
    let none = WorkerFilter { pool: Some("poo".into()), limit: Some(1), ..WorkerFilter::default() };
    assert!(kit.records.workers(&none).unwrap().is_empty());
}

pub(super) fn the_answers_of_a_batch_survive_an_unknown_commit(kit: &mut Kit) {
    let mut store = Faulty::new((kit.connect)()).with(1, Fault::AfterCommit);
    store.join(&master(2), kit.at()).unwrap();
    let push = [Request::Push([job()].into()).into()];
    assert!(matches!(store.apply(1, &push, kit.at()), Err(StoreError::Io(_))));
    assert!(matches!(store.apply(1, &push, kit.at()), Err(StoreError::Io(_))), "not before it is reopened");
    store.reopen().unwrap();
    assert!(matches!(store.apply(1, &push, kit.at()), Err(StoreError::AlreadyApplied)));
    assert!(store.applied_by(2).is_none());
    assert!(matches!(&store.applied_by(1).unwrap().replies[..], [Reply::Pushed(p)] if p[0].id == JobId(1)));
    assert_eq!(kit.totals().ready, 1);
}
