//! The map of runs is complete, also after a rollback, and costs next to nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::model::change::{Change, Claim, Finish, Next, Op, Reply, Request, WorkerStarted};
use crate::model::{Claimed, Detail, JobId, NewJob, Outcome, PoolName, QueueName, Slot, Takes, UnixMicros, WorkerId};
use crate::store::sqlite::SqliteStore;
use crate::store::{Master, RunFilter, Store};

const AT: UnixMicros = UnixMicros(1_700_000_000_000_000);

/// A store with so many jobs that run.
fn running(jobs: u32) -> (tempfile::TempDir, SqliteStore, Vec<Claimed>) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&dir.path().join("q.db")).unwrap();
    let life = Master {
        host: String::new(),
        pid: 1,
        pid_start: 1,
        boot_id: "b".into(),
        cookie: "c".into(),
        version: "0".into(),
    };
    store.join(&life, AT).unwrap();
    let job = NewJob::new("t", "1");
    let takes = vec![(QueueName::default(), jobs)];
    let claim =
        Claim { takes, lanes: Takes::Others, workers: vec![], total: jobs, at_once: u32::MAX, max_bytes: usize::MAX };
    let replies = store
        .apply(1, &[Request::Push(vec![job; jobs as usize].into()).into(), Change::Claim(claim).into()], AT)
        .unwrap()
        .replies;
    let Some(Reply::Claimed { jobs, .. }) = replies.into_iter().last() else { panic!("nothing was claimed") };
    (dir, store, jobs)
}

fn end(job: &Claimed, ended_at: UnixMicros) -> Op {
    Change::Finish(Box::new(Finish {
        job: Arc::new(job.clone()),
        worker: WorkerId(1),
        outcome: Outcome::Succeeded,
        cause: None,
        detail: Detail::default(),
        started_at: AT,
        ended_at,
        next: Next::Succeeded,
        counters: job.counters,
        max_attempts: 3,
    }))
    .into()
}

/// A worker with this number.
fn worker(id: i64) -> Op {
    let pool = PoolName::new("p").unwrap();
    Change::WorkerStarted(Box::new(WorkerStarted { worker: WorkerId(id), pool, slot: Slot(1), pid: 1, at: AT })).into()
}

/// Runs that no block promises.
fn unmapped(store: &SqliteStore) -> i64 {
    let blocks =
        "SELECT block FROM run_blocks WHERE queue = r.queue AND outcome = r.outcome AND ended_until >= r.ended_at";
    // The length of a block in tests.
    let text = format!("SELECT count(*) FROM runs r WHERE r.id >> 2 NOT IN ({blocks})");
    store.conn.query_row(&text, [], |row| row.get(0)).unwrap()
}

#[test]
fn what_was_taken_back_is_written_again() {
    let (_dir, mut store, jobs) = running(8);
    store.apply(2, &[worker(1)], AT).unwrap();
    let ends: Vec<Op> = jobs.iter().map(|job| end(job, AT)).collect();
    let failing: Vec<Op> = ends.iter().cloned().chain([worker(1)]).collect();
    store.apply(3, &failing, AT).expect_err("there is one with this number");
    store.apply(3, &ends[..4], AT).unwrap();
    store.reopen().unwrap();
    store.apply(4, &ends[4..], AT).unwrap();
    assert_eq!(store.conn.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).unwrap(), 8);
    assert_eq!(unmapped(&store), 0);
}

#[test]
fn a_block_is_written_once_and_then_once_a_second_at_most() {
    let (_dir, mut store, jobs) = running(1000);
    store
        .conn
        .execute_batch(
            "CREATE TEMP TABLE writes (n); \
        CREATE TEMP TRIGGER i AFTER INSERT ON run_blocks BEGIN INSERT INTO writes VALUES (NEW.block); END; \
        CREATE TEMP TRIGGER u AFTER UPDATE ON run_blocks BEGIN INSERT INTO writes VALUES (NEW.block); END;",
        )
        .unwrap();
    let later = |n: usize| UnixMicros(AT.0 + n as i64 * 10_000);
    // 10 ms between two of them, 4 in a block: once for each.
    let ends: Vec<Op> = jobs[..996].iter().enumerate().map(|(n, job)| end(job, later(n))).collect();
    store.apply(2, &ends, AT).unwrap();
    let writes = |store: &SqliteStore| -> i64 {
        store.conn.query_row("SELECT count(*) FROM temp.writes", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(writes(&store), 250, "run ids begin with 1, so the first block has three");
    // The others of a block half a minute later, one after the other, 0.6 s apart.
    let ends: Vec<Op> = jobs[996..].iter().enumerate().map(|(n, job)| end(job, later(3000 + 60 * n))).collect();
    store.apply(3, &ends, AT).unwrap();
    assert_eq!(writes(&store), 253);
    assert_eq!(unmapped(&store), 0);
}

#[test]
fn a_search_in_slices_goes_on_to_the_end_but_not_before_the_first_run_that_can_be_meant() {
    let (_dir, store, _) = running(1);
    store
        .conn
        .execute_batch(
            "WITH RECURSIVE n(id) AS (SELECT 100 UNION ALL SELECT id + 1 FROM n WHERE id < 20000)
             INSERT INTO runs (id, job_id, queue, type, generation, attempt, outcome, started_at, ended_at, waited_us, error, stderr_tail)
             SELECT id, id % 3, (SELECT id FROM queues), (SELECT id FROM types), 1, 1, 1 + (id % 2), id, id, 0,
                    iif(id % 1000 = 7, 'puce ' || id, NULL), '' FROM n;
             INSERT INTO run_blocks (queue, outcome, block, ended_until)
             SELECT queue, outcome, id >> 2, max(ended_at) FROM runs GROUP BY queue, outcome, id >> 2;",
        )
        .unwrap();
    crate::store::sqlite::functions::prepare(&store.conn).unwrap();
    let all: Vec<i64> = (1..20).rev().map(|n| n * 1000 + 7).collect();
    let search = |filter: &RunFilter, within| super::search((&store.conn).into(), filter, within).unwrap();
    let text = RunFilter { text: vec!["puce".to_owned()], ..RunFilter::default() };
    let of_job = RunFilter { job: Some(JobId(1)), ..text.clone() };
    let since = RunFilter { since: Some(UnixMicros(15_000)), ..text.clone() };
    for (mut filter, wanted) in [
        (text, all.clone()),
        (of_job, all.iter().copied().filter(|id| id % 3 == 1).collect()),
        (since, all.iter().copied().filter(|id| *id >= 15_000).collect::<Vec<_>>()),
    ] {
        let whole = search(&filter, None);
        assert_eq!(whole.found.iter().map(|run| run.id.0).collect::<Vec<_>>(), wanted);
        let most = if filter.since.is_some() { 5_100 } else { 20_000 };
        assert!(whole.searched <= most, "{}: {filter:?}", whole.searched);
        (filter.limit, filter.before) = (Some(3), None);
        let (mut found, mut slices) = (Vec::new(), 0);
        loop {
            let slice = search(&filter, Some(Duration::ZERO));
            found.extend(slice.found.iter().map(|run| run.id.0));
            (filter.before, slices) = (slice.next, slices + 1);
            if slice.next.is_none() {
                break;
            }
        }
        assert_eq!(found, wanted);
        assert!(slices > 3, "{slices}");
    }
}
