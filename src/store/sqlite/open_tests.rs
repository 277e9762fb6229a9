//! Files that are missing, foreign, newer or not to be written.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::{SqliteRecords, SqliteStore};
use crate::model::change::{Change, Claim, Finish, Keep, Next, Op, Reply, Request};
use crate::model::{Detail, NewJob, Outcome, QueueName, Takes, UnixMicros, WorkerId};
use crate::store::relational::job_list;
use crate::store::relational::read::Asks as _;
use crate::store::{JobFilter, Master, Records, Store, StoreError};

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    (dir, path)
}

fn cannot(result: Result<impl Sized, StoreError>, needle: &str) {
    match result.map(drop) {
        Err(e @ StoreError::Cannot { .. }) => assert!(e.to_string().contains(needle), "{e}"),
        other => panic!("{other:?}"),
    }
}

fn push() -> Op {
    Request::Push(Arc::new([NewJob::new("t", "1")])).into()
}

#[test]
fn a_new_database_is_for_its_owner_only_and_in_wal_mode() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store.apply(0, &[push()], UnixMicros(1)).unwrap();
    for name in ["q.db", "q.db-wal", "q.db-shm"] {
        let mode = std::fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let read = |pragma: &str| store.conn.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(read("PRAGMA synchronous"), 1);
    assert_eq!(read("PRAGMA page_size"), 4096);
}

#[test]
fn what_a_guest_commits_is_synced() {
    let (_dir, path) = place();
    let store = SqliteStore::open_as_guest(&path).unwrap();
    let read = |pragma: &str| store.conn.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(read("PRAGMA synchronous"), 2);
}

#[test]
fn a_reader_sees_what_is_committed_beside_a_writer_and_after_it() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    let mut records = SqliteRecords::open(&path).unwrap();
    store.apply(0, &[push()], UnixMicros(1)).unwrap();
    assert_eq!(records.jobs(&JobFilter::default()).unwrap().len(), 1);
    drop(records);
    drop(store);
    assert_eq!(SqliteRecords::open(&path).unwrap().jobs(&JobFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_alone() {
    let (_dir, path) = place();
    std::fs::write(&path, "not a database, but long enough to look at, surely more than a hundred bytes long, yes")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Foreign { .. })));
    assert!(matches!(SqliteRecords::open(&path), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE jobs (id)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_schema_is_refused() {
    let (_dir, path) = place();
    SqliteStore::open(&path).unwrap().conn.execute_batch("PRAGMA user_version = 99").unwrap();
    let newer = |e| matches!(e, StoreError::Newer { found: 99, known, .. } if known == super::migrate::KNOWN);
    assert!(newer(SqliteStore::open(&path).unwrap_err()));
    assert!(newer(SqliteRecords::open(&path).unwrap_err()));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let (dir, path) = place();
    cannot(SqliteRecords::open(&path), "it does not exist");
    cannot(SqliteStore::open(&dir.path().join("no/q.db")), "/no` does not exist");
    cannot(SqliteStore::open(dir.path()), "it is a directory");
    cannot(SqliteStore::open(std::path::Path::new("/proc/queue-work.db")), "create");
}

#[test]
fn a_read_only_file_or_folder_is_refused() {
    let (dir, path) = place();
    drop(SqliteStore::open(&path).unwrap());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    // Permissions do not bind root.
    if nix::unistd::geteuid().is_root() {
        return;
    }
    cannot(SqliteStore::open(&path), "read-only");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o500)).unwrap();
    let result = SqliteStore::open(&dir.path().join("new.db"));
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o700)).unwrap();
    cannot(result, "create");
}

#[test]
fn a_database_that_vanished_is_not_replaced_by_an_empty_one() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(store.apply(0, &[push()], UnixMicros(1)), Err(StoreError::Gone { .. })));
    assert!(matches!(store.reopen(), Err(StoreError::Gone { .. })));
    assert!(matches!(store.news(), Err(StoreError::Gone { .. })));
    assert!(!path.exists());
    std::fs::write(&path, "").unwrap();
    assert!(matches!(store.reopen(), Err(StoreError::Gone { .. })), "another file under the name");
}

#[test]
fn what_was_in_a_log_that_was_deleted_is_saved_and_no_answer_is_lost() {
    for ending in ["-wal", "-shm"] {
        let (_dir, path) = place();
        let mut store = SqliteStore::open(&path).unwrap();
        let master = Master {
            host: String::new(),
            pid: 1,
            pid_start: 2,
            boot_id: "b".into(),
            cookie: "c".into(),
            version: "0".into(),
        };
        store.join(&master, UnixMicros(1)).unwrap();
        store.apply(1, &[push()], UnixMicros(1)).unwrap();
        std::fs::remove_file(path.with_file_name(format!("q.db{ending}"))).unwrap();
        let refused = store.apply(2, &[push()], UnixMicros(1)).unwrap_err().to_string();
        assert!(refused.contains(&format!("q.db{ending}` was deleted or replaced")), "{refused}");
        store.reopen().unwrap();
        store.apply(2, &[push()], UnixMicros(1)).unwrap();
        assert_eq!(store.totals().unwrap()[0].ready, 2);
        // Another process sees all of it: it is in files that have names.
        let mut records = SqliteRecords::open(&path).unwrap();
        assert_eq!(records.jobs(&JobFilter::default()).unwrap().len(), 2, "{ending}");
    }
}

#[test]
fn a_reader_in_the_same_process_does_not_keep_the_writer_in_files_without_a_name() {
    for ending in ["-wal", "-shm"] {
        let (_dir, path) = place();
        let mut store = SqliteStore::open(&path).unwrap();
        let records = store.records();
        let count = || records.clone().jobs(&JobFilter::default()).unwrap().len();
        store.apply(0, &[push()], UnixMicros(1)).unwrap();
        assert_eq!(count(), 1);
        let lost = path.with_file_name(format!("q.db{ending}"));
        std::fs::remove_file(&lost).unwrap();
        store.apply(0, &[push()], UnixMicros(1)).unwrap_err();
        store.reopen().unwrap();
        assert!(lost.exists(), "{ending}");
        store.apply(0, &[push()], UnixMicros(1)).unwrap();
        assert_eq!(count(), 2, "{ending}");
    }
}

#[test]
fn a_writer_that_opens_anew_does_not_wait_for_a_long_answer_which_is_given_all_the_same() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store.apply(0, &[push()], UnixMicros(1)).unwrap();
    let records = store.records();
    let (begun, begins) = std::sync::mpsc::channel();
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
    let asking = std::thread::spawn(move || {
        let times = std::cell::Cell::new(0);
        records.ask(|conn| {
            times.set(times.get() + 1);
            begun.send(()).unwrap();
            if times.get() == 1 {
                conn.prepare_cached(endless)?.query_row([], |row| row.get::<_, i64>(0))?;
            }
            Ok((times.get(), job_list::jobs(conn, &JobFilter::default())?.len()))
        })
    });
    begins.recv().unwrap();
    store.reopen().unwrap();
    assert_eq!(asking.join().unwrap().unwrap(), (2, 1));
}

#[test]
fn a_checkpoint_is_put_off_where_somebody_waits_but_not_for_ever() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    let master = Master {
        host: String::new(),
        pid: 1,
        pid_start: 2,
        boot_id: "b".into(),
        cookie: "c".into(),
        version: "0".into(),
    };
    store.join(&master, UnixMicros(1)).unwrap();
    let mut batch = 0;
    // Pages in the log after so many, and how many of them were moved.
    let mut grown = |store: &mut SqliteStore, pages: i64, awaited: bool| loop {
        batch += 1;
        store.apply(batch, &vec![push(); 100], UnixMicros(1)).unwrap();
        let length: i64 = store.conn.query_row(super::sql::LOG_LENGTH, [], |row| row.get(1)).unwrap();
        store.tend(awaited).unwrap();
        let moved: i64 = store.conn.query_row(super::sql::LOG_LENGTH, [], |row| row.get(2)).unwrap();
        if length >= pages || moved > 0 {
            return (length, moved);
        }
    };
    let (length, moved) = grown(&mut store, 1000, true);
    assert!(length >= 1000 && moved == 0, "{length} {moved}");
    let (length, moved) = grown(&mut store, i64::MAX, true);
    // With the seal of the checkpoint.
    assert!(length >= 1600 && moved == length + 1, "{length} {moved}");
    let (length, moved) = grown(&mut store, i64::MAX, false);
    assert!((400..1000).contains(&length) && moved == length + 1, "{length} {moved}");
}

#[test]
fn after_a_reopen_that_failed_nothing_is_said_of_others_before_one_that_succeeds() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store.broken = true;
    assert!(matches!(store.news(), Err(StoreError::Io(_))));
    store.reopen().unwrap();
    assert!(store.news().unwrap().anything, "anything may have happened");
}

#[test]
fn a_failed_operation_leaves_nothing_of_its_batch() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store
        .conn
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON ready WHEN NEW.id > 1 BEGIN SELECT raise(ABORT, 'no'); END")
        .unwrap();
    assert!(matches!(store.apply(0, &[push(), push()], UnixMicros(1)), Err(StoreError::Other(_))));
    assert!(store.totals().unwrap().is_empty(), "not even the queue");
    store.conn.execute_batch("DROP TRIGGER no").unwrap();
    store.apply(0, &[push()], UnixMicros(1)).unwrap();
    assert_eq!(store.totals().unwrap()[0].ready, 1);
}

#[test]
fn there_is_one_sqlite_and_it_is_newer_than_the_corruption_of_reset_logs() {
    // Fixed in 3.51.3; 3.52.0 was withdrawn.
    let version = rusqlite::version_number();
    assert!(version >= 3_051_003 && version != 3_052_000, "{version}");
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let linked: Vec<&str> = lock.lines().filter(|l| l.starts_with("name = ") && l.contains("sqlite")).collect();
    // Two of them are for WebAssembly only.
    let known = ["libsqlite3-sys", "rsqlite-vfs", "rusqlite", "rusqlite_migration", "sqlite-wasm-rs"];
    assert_eq!(linked, known.map(|name| format!("name = \"{name}\"")));
    // Built in: that of the system is not loaded beside it.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("libsqlite3"), "{maps}");
}

/// Pushes, runs and forgets so many jobs.
fn one_day(store: &mut SqliteStore, batch: &mut u64, now: &mut i64, jobs: usize) {
    *now += 1_000_000;
    let at = UnixMicros(*now);
    let mut apply = |ops: &[Op]| {
        *batch += 1;
        store.apply(*batch, ops, at).unwrap().replies
    };
    apply(&vec![push(); jobs]);
    let takes = vec![(QueueName::default(), jobs as u32)];
    let claim = Claim {
        takes,
        lanes: Takes::Others,
        workers: vec![],
        total: jobs as u32,
        at_once: u32::MAX,
        max_bytes: usize::MAX,
    };
    let replies = apply(&[Change::Claim(claim).into()]);
    let Reply::Claimed { jobs: claimed, .. } = &replies[0] else { panic!("{replies:?}") };
    assert_eq!(claimed.len(), jobs);
    let finish = |job: &crate::model::Claimed| {
        Change::Finish(Box::new(Finish {
            job: Arc::new(job.clone()),
            worker: WorkerId(1),
            outcome: Outcome::Succeeded,
            cause: None,
            detail: Detail { stderr_tail: "x".repeat(200), ..Detail::default() },
            started_at: at,
            ended_at: at,
            next: Next::Succeeded,
            counters: job.counters,
            max_attempts: 3,
        }))
        .into()
    };
    apply(&claimed.iter().map(finish).collect::<Vec<_>>());
    let past = UnixMicros(*now - 500_000);
    let keep = Keep { succeeded_since: past, dead_since: past, runs_since: past, audit_since: past, limit: 500 };
    while !matches!(
        apply(&[Change::Prune { keep, served: Arc::default(), keep_runs: Arc::default() }.into()])[..],
        [Reply::Count(0)]
    ) {}
}

#[test]
fn the_file_does_not_grow_with_what_was_forgotten() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    let life = Master {
        host: String::new(),
        pid: 1,
        pid_start: 1,
        boot_id: "b".into(),
        cookie: "c".into(),
        version: "0".into(),
    };
    store.join(&life, UnixMicros(1)).unwrap();
    let (mut batch, mut now) = (0, 1_000_000);
    let mut sizes = Vec::new();
    for _ in 0..12 {
        one_day(&mut store, &mut batch, &mut now, 1000);
        sizes.push(store.conn.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap());
    }
    assert!(sizes[11] * 10 <= sizes[2] * 12, "pages after each day: {sizes:?}");
    let log = std::fs::metadata(path.with_file_name("q.db-wal")).unwrap().len();
    assert!(log < 16 << 20, "the log has {log} bytes");
}

#[test]
fn who_began_a_generation_and_did_not_end_it_is_known_before_another_begins() {
    let (_dir, path) = place();
    let mut store = SqliteStore::open(&path).unwrap();
    store.refuse_living(&|_| panic!("nobody is on record")).unwrap();
    let life = |pid| Master {
        host: String::new(),
        pid,
        pid_start: 9,
        boot_id: "b".into(),
        cookie: "c".into(),
        version: "0".into(),
    };
    store.join(&life(4), UnixMicros(17)).unwrap();
    let mut other = SqliteStore::open(&path).unwrap();
    let refused = other.refuse_living(&|master| *master == life(4));
    assert!(matches!(refused, Err(StoreError::MasterRuns { pid: 4, started_at: UnixMicros(17) })));
    other.refuse_living(&|_| false).unwrap();
    store.leave(UnixMicros(18)).unwrap();
    other.refuse_living(&|_| true).unwrap();
}
