//! The writer over the store in memory with faults, and over SQLite for the syncs.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::*;
use crate::model::change::{Change, Claim, Request};
use crate::model::{JobId, JobState, NewJob, Pushed, QueueName, Takes};
use crate::store::memory::{Fault, Faulty, MemoryStore};
use crate::store::sqlite::SqliteStore;
use crate::store::{Master, Records};

const PATIENCE: Duration = Duration::from_secs(10);
const AT: UnixMicros = UnixMicros(1_000_000);

fn master() -> Master {
    Master { host: String::new(), pid: 1, pid_start: 2, boot_id: "b".into(), cookie: "c".into(), version: "0".into() }
}

fn job() -> NewJob {
    NewJob::new("t", "1")
}

fn push(number: u64) -> Batch {
    Batch { number, ops: vec![Request::Push(Arc::new([job()])).into()], at: AT, sync: true }
}

fn started(mut store: impl Store + 'static) -> (Writer, Receiver<Written>) {
    store.join(&master(), AT).unwrap();
    let (tx, rx): (Sender<Written>, _) = unbounded();
    let notify = move |written| drop(tx.send(written));
    (Writer::start(Box::new(store), Durability::Full, notify).unwrap(), rx)
}

fn next(events: &Receiver<Written>) -> Written {
    events.recv_timeout(PATIENCE).unwrap()
}

fn pushed(written: &Written) -> (u64, JobId) {
    let Written::Committed { batch, replies, .. } = written else { panic!("{written:?}") };
    let [Reply::Pushed(jobs)] = &replies[..] else { panic!("{replies:?}") };
    let [Pushed { id, deduplicated: false, .. }] = jobs[..] else { panic!("{jobs:?}") };
    (*batch, id)
}

#[test]
fn batches_are_committed_in_order_with_replies_and_totals() {
    let (writer, events) = started(MemoryStore::new());
    for number in 1..=3 {
        writer.send(push(number)).unwrap();
        let written = next(&events);
        assert_eq!(pushed(&written), (number, JobId(number as i64)));
        let Written::Committed { changed, durable, .. } = written else { unreachable!() };
        assert_eq!((changed[0].ready, durable), (number, true));
    }
    writer.stop(Some(AT)).unwrap();
    assert!(events.recv().is_err(), "nothing is said without need");
}

/// A batch that no one waits for with an open connection: it is tried until it is in.
fn cancel(number: u64) -> Batch {
    Batch { ops: vec![Change::cancel(JobId(1)).into()], ..push(number) }
}

fn cancelled(written: &Written) -> u64 {
    let Written::Committed { batch, replies, .. } = written else { panic!("{written:?}") };
    assert!(matches!(replies[..], [Reply::Changed { was: JobState::Ready, .. }]), "{replies:?}");
    *batch
}

#[test]
fn a_batch_that_fails_before_its_commit_is_tried_again_and_applied_once() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    other.apply(0, &push(0).ops, AT).unwrap();
    let faulty = Faulty::new(memory).with(1, Fault::BeforeCommit).with(2, Fault::Full).with_failing_reopens(1);
    let (writer, events) = started(faulty);
    writer.send(cancel(1)).unwrap();
    assert!(matches!(next(&events), Written::Failing { batch: 1, error: StoreError::Io(_) }));
    let mut failures = 1;
    let committed = loop {
        match next(&events) {
            Written::Failing { batch: 1, .. } => failures += 1,
            other => break other,
        }
    };
    assert_eq!(failures, 3, "two faults and one reopen that failed");
    assert_eq!(cancelled(&committed), 1);
    writer.stop(None).unwrap();
    assert_eq!(other.queue_totals().unwrap()[0].ready, 0);
}

#[test]
fn a_push_that_failed_is_withdrawn_with_those_behind_it_and_the_rest_of_its_batch_goes_in() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    other.apply(0, &push(0).ops, AT).unwrap();
    let faulty = Faulty::new(memory).with(1, Fault::Full).with(2, Fault::Full);
    let (writer, events) = started(faulty);
    writer
        .send(Batch { ops: vec![Request::Push(Arc::new([job()])).into(), Change::cancel(JobId(1)).into()], ..push(1) })
        .unwrap();
    writer.send(push(2)).unwrap();
    let mut withdrawn = Vec::new();
    let committed = loop {
        match next(&events) {
            Written::Failing { batch: 1, error: StoreError::Full { .. } } => {}
            Written::Withdrawn { batch, error, certain: true } if error.contains("full") => withdrawn.push(batch),
            other => break other,
        }
    };
    withdrawn.sort_unstable();
    assert_eq!(withdrawn, [1, 2], "each is told once");
    let Written::Committed { batch: 1, replies, .. } = committed else { panic!("{committed:?}") };
    assert!(matches!(&replies[..], [Reply::Pushed(none), Reply::Changed { .. }] if none.is_empty()), "{replies:?}");
    assert!(matches!(next(&events), Written::Committed { batch: 2, .. }));
    writer.send(push(3)).unwrap();
    assert_eq!(pushed(&next(&events)), (3, JobId(2)));
    writer.stop(None).unwrap();
    assert_eq!(other.queue_totals().unwrap()[0].ready, 1);
}

#[test]
fn a_push_of_which_nothing_can_be_found_out_does_not_wait_for_ever() {
    let faulty = Faulty::new(MemoryStore::new()).with(1, Fault::BeforeCommit).with_failing_reopens(u32::MAX);
    let (writer, events) = started(faulty);
    writer.send(push(1)).unwrap();
    loop {
        match next(&events) {
            Written::Failing { batch: 1, .. } => {}
            Written::Withdrawn { batch: 1, certain: false, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    writer.stop(None).unwrap();
}

#[test]
fn the_answers_of_a_commit_that_was_unknown_are_those_it_gave() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    let (writer, events) = started(Faulty::new(memory).with(1, Fault::AfterCommit));
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Failing { batch: 1, .. }));
    assert_eq!(pushed(&next(&events)), (1, JobId(1)));
    writer.send(push(2)).unwrap();
    assert_eq!(pushed(&next(&events)), (2, JobId(2)));
    writer.stop(None).unwrap();
    assert_eq!(other.queue_totals().unwrap()[0].ready, 2);
}

#[test]
fn a_master_that_was_superseded_is_rejected() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    let (writer, events) = started(memory);
    other.join(&master(), AT).unwrap();
    writer.send(push(1)).unwrap();
    let Written::Rejected { batch: 1, error: StoreError::Superseded(by) } = next(&events) else { panic!() };
    assert_eq!(by.0, 2);
    assert!(matches!(writer.stop(Some(AT)), Err(StoreError::Superseded(_))));
    assert!(other.totals().unwrap().is_empty());
}

#[test]
fn a_writer_that_is_stopped_tries_once_more_and_gives_up() {
    let mut faulty = Faulty::new(MemoryStore::new());
    for n in 1..1000 {
        faulty = faulty.with(n, Fault::Full);
    }
    let (writer, events) = started(faulty);
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Failing { batch: 1, .. }));
    writer.stop(None).unwrap();
    let last = events.iter().last().unwrap();
    assert!(matches!(last, Written::Rejected { batch: 1, error: StoreError::Full { .. } }), "{last:?}");
}

#[test]
fn what_others_push_is_noticed_at_a_check() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    let (writer, events) = started(memory);
    other.apply(0, &push(0).ops, AT).unwrap();
    writer.check();
    let Written::Changed { totals, next_due: None, .. } = next(&events) else { panic!() };
    assert_eq!(totals[0].ready, 1);
    writer.check();
    writer.stop(None).unwrap();
    assert!(events.recv().is_err(), "nothing new since");
}

#[test]
fn what_another_member_has_ended_and_wants_cancelled_is_told_at_a_check() {
    let memory = MemoryStore::shared(Duration::from_secs(30));
    let mut other = memory.connect();
    let (writer, events) = started(memory);
    other.join(&master(), AT).unwrap();
    let claim = || Claim {
        takes: vec![(QueueName::default(), 1)],
        lanes: Takes::Others,
        workers: vec![],
        total: 1,
        at_once: u32::MAX,
        max_bytes: 99,
    };
    let ops = vec![Request::Push(Arc::new([job(), job()])).into(), Change::Claim(claim()).into()];
    writer.send(Batch { ops, ..push(1) }).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 1, durable: true, .. }));
    let (ours, theirs) = (JobId(1), JobId(2));
    let replies = other.apply(1, &[Change::Claim(claim()).into(), Change::cancel(ours).into()], AT).unwrap().replies;
    let [Reply::Claimed { jobs, .. }, Reply::Elsewhere(..)] = &replies[..] else { panic!("{replies:?}") };
    let ops = [Change::Unclaim { job: theirs, run: jobs[0].run }, Change::cancel(theirs)].map(Op::from);
    other.apply(2, &ops, AT).unwrap();
    writer.check();
    let Written::Ordered(orders) = next(&events) else { panic!() };
    assert!(orders.asked[0].request.contains(&format!("[{ours}]")), "{orders:?}");
    let Written::Changed { news, totals, .. } = next(&events) else { panic!() };
    assert_eq!((news.ended, news.anything), (vec![theirs], false));
    assert_eq!((totals[0].ready, totals[0].running), (0, 1));
    writer.stop(None).unwrap();
}

#[test]
fn a_change_whose_totals_cannot_be_read_is_told_when_they_can_be() {
    let memory = MemoryStore::new();
    let mut other = memory.connect();
    let (writer, events) = started(Faulty::new(memory).with_failing_totals(1));
    other.apply(0, &push(0).ops, AT).unwrap();
    // Asked once: nobody may have a reason to ask again.
    writer.check();
    let written = next(&events);
    let Written::Changed { totals, .. } = written else { panic!("{written:?}") };
    assert_eq!(totals.len(), 1);
    assert_eq!(totals[0].ready, 1);
    writer.stop(None).unwrap();
}

#[test]
fn checks_take_no_place_of_a_batch() {
    let mut faulty = Faulty::new(MemoryStore::new());
    for n in 1..1000 {
        faulty = faulty.with(n, Fault::Busy);
    }
    let (writer, events) = started(faulty);
    writer.send(cancel(1)).unwrap();
    assert!(matches!(next(&events), Written::Failing { batch: 1, .. }));
    for _ in 0..100 {
        writer.check();
    }
    for number in 2..=CAPACITY as u64 + 1 {
        writer.send(cancel(number)).unwrap();
    }
    writer.stop(None).unwrap();
}

#[test]
fn sending_never_waits() {
    let mut faulty = Faulty::new(MemoryStore::new());
    for n in 1..1000 {
        faulty = faulty.with(n, Fault::Busy);
    }
    let (writer, events) = started(faulty);
    let taken = (1..99).find(|&number| match writer.send(cancel(number)) {
        Ok(()) => false,
        Err(Unsent::Full(batch)) => batch.number == number,
        Err(gone @ Unsent::Gone(_)) => panic!("{gone:?}"),
    });
    let taken = taken.expect("a bound") - 1;
    assert!((CAPACITY as u64..=2 * CAPACITY as u64 + 1).contains(&taken), "{taken}");
    writer.stop(None).unwrap();
    let rejected = events.iter().filter(|e| matches!(e, Written::Rejected { .. })).count();
    assert_eq!(rejected as u64, taken);
}

#[test]
fn a_batch_is_said_to_be_durable_after_it_is_said_to_be_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let (writer, events) = started(SqliteStore::open(&path).unwrap());
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 1, durable: false, .. }));
    assert!(matches!(next(&events), Written::Durable { batch: 1, .. }));
    writer.send(Batch { sync: false, ..push(2) }).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 2, .. }));
    writer.stop(Some(AT)).unwrap();
    assert!(matches!(next(&events), Written::Durable { batch: 2, .. }), "the last batches are synced at the stop");
}

#[test]
fn a_sync_that_failed_is_made_good_before_anything_is_said_to_be_durable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Faulty::new(SqliteStore::open(&path).unwrap()).with_failing_hardenings(3).without_sync();
    let (writer, events) = started(store);
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 1, .. }));
    // The first failure may be the same one once more.
    assert!(matches!(next(&events), Written::SyncFailed { batch: 1, .. }));
    assert!(matches!(next(&events), Written::SyncFailed { batch: 1, .. }));
    assert!(matches!(next(&events), Written::Mended { batch: 1, .. }));
    let claim = Claim {
        takes: vec![(QueueName::default(), 9)],
        lanes: Takes::Others,
        workers: vec![],
        total: 9,
        at_once: u32::MAX,
        max_bytes: 99,
    };
    writer.send(Batch { number: 2, ops: vec![Change::Claim(claim).into()], at: AT, sync: false }).unwrap();
    let Written::Committed { batch: 2, replies, .. } = next(&events) else { panic!() };
    let [Reply::Claimed { jobs, .. }] = &replies[..] else { panic!() };
    assert_eq!(jobs.len(), 1);
    writer.stop(None).unwrap();
}

#[test]
fn a_checkpoint_that_failed_is_made_good_before_its_batch_is_said_to_be_durable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Faulty::new(SqliteStore::open(&path).unwrap()).with_failing_checkpoints(1).with_failing_hardenings(3);
    let (writer, events) = started(store);
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 1, durable: false, .. }));
    // The log itself can be synced all the time.
    assert!(matches!(next(&events), Written::SyncFailed { batch: 1, .. }));
    assert!(matches!(next(&events), Written::SyncFailed { batch: 1, .. }));
    assert!(matches!(next(&events), Written::Mended { batch: 1, .. }));
    assert!(matches!(next(&events), Written::Durable { batch: 1, .. }));
    writer.stop(None).unwrap();
}

#[test]
fn nothing_is_said_to_be_durable_where_a_checkpoint_fails_until_the_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let store = Faulty::new(SqliteStore::open(&path).unwrap()).with_failing_checkpoints(1).with_failing_hardenings(99);
    let (writer, events) = started(store);
    writer.send(push(1)).unwrap();
    assert!(matches!(next(&events), Written::Committed { batch: 1, .. }));
    assert!(matches!(next(&events), Written::SyncFailed { .. }));
    writer.stop(None).unwrap();
    assert!(events.iter().all(|said| matches!(said, Written::SyncFailed { .. })));
}
