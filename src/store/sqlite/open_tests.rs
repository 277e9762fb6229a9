//! What happens to files that are missing, foreign, newer or not to be written.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::{SqliteRecords, SqliteStore};
use crate::model::{NewJob, QueueName, UnixMicros};
use crate::store::{JobFilter, Op, Records, Store, StoreError};

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
    Op::Push(Arc::new([NewJob {
        kind: "t".into(),
        args: "1".into(),
        queue: QueueName::default(),
        priority: 0,
        due_at: None,
        expires_at: None,
        timeout: None,
        max_attempts: None,
        unique: None,
    }]))
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
    cannot(store.reopen(), "it does not exist any more");
    assert!(!path.exists());
    assert!(matches!(store.apply(0, &[push()], UnixMicros(1)), Err(StoreError::Io(_))), "it must be reopened first");
    std::fs::write(&path, "").unwrap();
    cannot(store.reopen(), "it is empty");
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
fn every_statement_of_the_hot_path_uses_a_key() {
    let (_dir, path) = place();
    let store = SqliteStore::open(&path).unwrap();
    let text = include_str!("sql.rs");
    let scans = ["DANGLING", "TOTALS", "RUNNING_BOUNDS", "RUNNING_LEFT", "GENERATIONS_CRASHED"];
    let mut seen = 0;
    for part in text.split("pub(super) const ").skip(1) {
        let (name, rest) = part.split_once(": &str").unwrap();
        let sql = rest.split('"').nth(1).unwrap().replace("\\\n", "");
        let mut plan = store.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let params = vec![rusqlite::types::Value::Null; plan.parameter_count()];
        let steps: Vec<String> =
            plan.query_map(rusqlite::params_from_iter(params), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        for step in &steps {
            let bounded = sql.contains("LIMIT") || sql.starts_with("SELECT m") || scans.contains(&name);
            assert!(!step.starts_with("SCAN") || bounded, "{name}: {step}");
            assert!(!step.contains("TEMP B-TREE") || scans.contains(&name), "{name}: {step}");
        }
        seen += 1;
    }
    assert!(seen > 50);
}
