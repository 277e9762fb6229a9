//! Files in which bytes were changed or the end is missing.
//!
//! `PROPTEST_CASES` gives the number of damaged files.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use rusqlite::Connection;

use super::{SqliteRecords, SqliteStore};
use crate::model::change::{Change, Claim, Finish, Next, Op, Reply, Request};
use crate::model::{Claimed, Detail, JobState, Mono, NewJob, Outcome, QueueName, Takes, UnixMicros, WorkerId};
use crate::store::{JobFilter, Master, Records, RunFilter, Store, StoreError, WorkerFilter};

const JOBS: usize = 300;

fn now() -> UnixMicros {
    UnixMicros(1_700_000_000_000_000)
}

pub(in crate::store) fn master() -> Master {
    Master {
        host: String::new(),
        pid: 1,
        pid_start: 7,
        boot_id: "boot".into(),
        cookie: "c".into(),
        version: "0.1.0".into(),
    }
}

fn job(n: usize) -> NewJob {
    NewJob {
        queue: QueueName::new(["default", "mail"][n % 2]).unwrap(),
        priority: (n % 3) as i8,
        due_at: (n.is_multiple_of(7)).then(|| UnixMicros(now().0 + n as i64)),
        unique: (n.is_multiple_of(5)).then(|| format!("key {n}").into()),
        ..NewJob::new(format!("type {}", n % 5), format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(n % 200)))
    }
}

fn claim(total: u32) -> Op {
    let takes = ["default", "mail"].map(|name| (QueueName::new(name).unwrap(), total)).to_vec();
    Change::Claim(Claim {
        takes,
        lanes: Takes::Others,
        workers: vec![WorkerId(1); 4],
        total,
        at_once: u32::MAX,
        max_bytes: 1 << 20,
    })
    .into()
}

fn finish(job: Claimed, n: usize) -> Op {
    let (outcome, next) = if n.is_multiple_of(3) {
        (Outcome::Failed, Next::Dead(crate::model::Cause::NoRetry))
    } else {
        (Outcome::Succeeded, Next::Succeeded)
    };
    let counters = job.counters;
    let (started_at, ended_at) = (now(), now());
    let detail = Detail::default();
    let job = Arc::new(job);
    Change::Finish(Box::new(Finish {
        job,
        worker: WorkerId(1),
        outcome,
        cause: None,
        detail,
        started_at,
        ended_at,
        next,
        counters,
        max_attempts: 3,
    }))
    .into()
}

/// A database with jobs in every state, as one file.
fn whole() -> &'static [u8] {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let mut store = SqliteStore::open(&path).unwrap();
        store.join(&master(), now()).unwrap();
        store.apply(1, &[Request::Push((0..JOBS).map(job).collect::<Vec<_>>().into()).into()], now()).unwrap();
        let mut replies = store.apply(2, &[claim(100)], now()).unwrap().replies;
        let Reply::Claimed { jobs, .. } = replies.remove(0) else { panic!() };
        let ends: Vec<Op> = jobs.into_iter().take(80).enumerate().map(|(n, job)| finish(job, n)).collect();
        store.apply(3, &ends, now()).unwrap();
        drop(store);
        std::fs::read(path).unwrap()
    })
}

/// Steps of a master before it runs.
fn start(path: &Path) -> Result<SqliteStore, StoreError> {
    let mut store = SqliteStore::open(path)?;
    store.check()?;
    store.join(&master(), now())?;
    for member in store.dead(Mono(0))? {
        store.recover(member.generation, now())?;
    }
    store.totals()?;
    store.next_due()?;
    Ok(store)
}

/// Everything a master that runs and its clients do with a database. The jobs that are listed.
fn use_it(mut store: SqliteStore, path: &Path) -> Result<usize, StoreError> {
    let mut records = SqliteRecords::open(path)?;
    let all = records.jobs(&JobFilter::default())?;
    records.runs(&RunFilter::default())?;
    records.workers(&WorkerFilter::default())?;
    let mut applied =
        store.apply(1, &[Change::Promote { limit: 1000 }.into(), claim(1000)], UnixMicros(now().0 + 1_000_000))?;
    if let Some(Reply::Claimed { jobs, .. }) = applied.replies.pop() {
        let ends: Vec<Op> = jobs.into_iter().enumerate().map(|(n, job)| finish(job, n)).collect();
        store.apply(2, &ends, now())?;
    }
    store.leave(now())?;
    Ok(all.len())
}

fn is_sound(path: &Path) -> bool {
    let conn = Connection::open(path).unwrap();
    conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0)).is_ok_and(|found| found == "ok")
}

/// Either it is refused in words, or it works, is sound and nothing is missing but what was changed.
fn judge(bytes: &[u8], changes: usize) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    std::fs::write(&path, bytes).unwrap();
    match start(&path) {
        Ok(store) => match use_it(store, &path) {
            Ok(jobs) => {
                // A changed number within a row is another number: SQLite has no sums of them. It is the loss of one.
                prop_assert!(jobs + changes >= JOBS, "{} jobs are left", jobs);
                prop_assert!(is_sound(&path));
            }
            // A row whose numbers were changed may contradict another only when both are used.
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        },
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

#[test]
fn the_whole_file_is_used_without_complaint() {
    judge(whole(), 0).unwrap();
    assert!(whole().len() > 40 * 1024);
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_changed_bytes_is_refused_or_used_as_a_whole(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..8),
    ) {
        let mut bytes = whole().to_vec();
        for &(at, by) in &changes {
            let at = at.index(bytes.len());
            bytes[at] ^= by;
        }
        judge(&bytes, changes.len())?;
    }

    #[test]
    fn a_file_without_its_end_is_refused_or_used_as_a_whole(length in any::<prop::sample::Index>()) {
        // An empty file is one that nobody has used yet.
        let length = length.index(whole().len()).max(1);
        judge(&whole()[..length], 0)?;
    }
}

#[test]
fn a_job_whose_args_are_no_text_is_dead_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    let mut store = SqliteStore::open(&path).unwrap();
    store.join(&master(), now()).unwrap();
    let jobs: Vec<NewJob> = (1..4).map(|n| NewJob { unique: Some(format!("{n}").into()), ..job(2 * n) }).collect();
    store.apply(1, &[Request::Push(jobs.clone().into()).into()], now()).unwrap();
    store.conn.execute("UPDATE jobs SET args = CAST(x'7b22ff' AS TEXT) WHERE id = 2", []).unwrap();
    let replies = store.apply(2, &[claim(10)], now()).unwrap().replies;
    let Reply::Claimed { jobs: claimed, expired, .. } = &replies[0] else { panic!("{replies:?}") };
    assert_eq!((claimed.len(), expired.iter().map(|id| id.0).collect::<Vec<_>>()), (2, vec![2]));
    let mut records = SqliteRecords::open(&path).unwrap();
    let dead = records.job(crate::model::JobId(2)).unwrap().unwrap();
    assert_eq!((dead.state, dead.args.get()), (JobState::Dead, "\"{\\\"\u{fffd}\""));
    assert!(dead.error.unwrap().contains("damaged"));
    let totals = store.totals().unwrap();
    assert_eq!((totals[0].ready, totals[0].running, totals[0].dead), (0, 2, 1));
    // Its key is free again.
    let again = store.apply(3, &[Request::Push(jobs[1..2].to_vec().into()).into()], now()).unwrap();
    assert!(format!("{again:?}").contains('4'), "{again:?}");
}
