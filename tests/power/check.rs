//! Looks at what a power cut left: with the program's own store, then with stock SQLite; and starts the program on it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use queue_work::testing::model::StoreUrl;
use rusqlite::Connection;
use serde_json::Value;

use crate::run::Ack;
use crate::support::{Bench, DEADLINE, fixture};

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Which cut it was.
    pub(crate) context: String,
    /// Acknowledged, and not there.
    pub(crate) lost: Vec<Ack>,
    /// The files, as the power cut left them.
    image: Vec<(String, Vec<u8>)>,
    acknowledged: Vec<i64>,
}

fn put(image: &[(String, Vec<u8>)], folder: &Path) -> PathBuf {
    for (name, content) in image {
        fs::write(folder.join(name), content).expect("a file");
    }
    folder.join("q.db")
}

/// In memory where that can be had: hundreds of databases are opened and synced.
fn folder() -> tempfile::TempDir {
    let memory = tempfile::Builder::new().prefix("qw").tempdir_in("/dev/shm");
    memory.or_else(|_| tempfile::tempdir()).expect("a folder")
}

/// Opens the image; panics unless the database is sound and nothing in it contradicts anything.
pub(crate) fn look(image: &[(String, Vec<u8>)], acknowledged: &[&Ack], context: &str) -> Found {
    let folder = folder();
    let path = put(image, folder.path());
    let store = queue_work::testing::store::open(&StoreUrl::File(path.clone())).unasked();
    drop(store.unwrap_or_else(|e| panic!("{context}: cannot be opened: {e}")));
    let conn = Connection::open(&path).expect("a database");
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(sound, "ok", "{context}");
    check_places(&conn, context);
    let mut jobs: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut statement = conn.prepare("SELECT id, args FROM jobs").expect("a table");
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).expect("jobs");
    for (id, args) in rows.map(|row| row.expect("a job")) {
        let args: Value = serde_json::from_str(&args).unwrap_or_else(|e| panic!("{context}: job {id}: {e}"));
        jobs.entry(args["n"].as_u64().expect("a number")).or_default().push(id);
    }
    assert!(jobs.values().all(|ids| ids.len() == 1), "{context}: pushed twice: {jobs:?}");
    let is_lost = |ack: &Ack| jobs.get(&ack.n).is_none_or(|ids| ids[0] != ack.id);
    Found {
        context: context.to_owned(),
        lost: acknowledged.iter().filter(|ack| is_lost(ack)).map(|ack| (*ack).clone()).collect(),
        image: image.to_vec(),
        acknowledged: acknowledged.iter().map(|ack| ack.id).collect(),
    }
}

/// Every job is in one place at most, and the totals say how many are where: a transaction is there whole or not.
fn check_places(conn: &Connection, context: &str) {
    let mut places: Vec<i64> = Vec::new();
    for query in
        ["SELECT id FROM ready", "SELECT id FROM scheduled", "SELECT job_id FROM running", "SELECT job_id FROM ended"]
    {
        let mut statement = conn.prepare(query).expect("a table");
        places.extend(statement.query_map([], |row| row.get::<_, i64>(0)).expect("rows").map(|id| id.expect("an id")));
    }
    let count = places.len();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), count, "{context}: a job in two places");
    let totals =
        "SELECT coalesce(sum(ready), 0), coalesce(sum(running), 0), coalesce(sum(succeeded_total), 0) FROM queues";
    let counted = "SELECT (SELECT count(*) FROM ready), (SELECT count(*) FROM running), \
         (SELECT count(*) FROM runs WHERE outcome = 0)";
    let read = |query: &str| {
        let row = |row: &rusqlite::Row<'_>| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?]);
        conn.query_row(query, [], row).expect(query)
    };
    assert_eq!(read(totals), read(counted), "{context}: the totals are not those of the rows");
}

/// Starts the program on the image and lets it finish everything.
pub(crate) fn start_on(found: &Found) {
    let bench = Bench::new();
    put(&found.image, bench.path());
    let echo = fixture("echo.py");
    let mut args = vec!["--workers", "2", "--queue", "default", "--drain", "--"];
    args.extend(echo.iter().map(String::as_str));
    let mut master = bench.launch(&args);
    assert_eq!(master.wait_exit(2 * DEADLINE).code(), Some(0), "{}\n{}", found.context, bench.dump());
    let conn = Connection::open(bench.database()).expect("a database");
    for id in &found.acknowledged {
        let runs = "SELECT count(*) FROM runs WHERE job_id = ?1 AND outcome = 0";
        let succeeded: i64 = conn.query_row(runs, [id], |row| row.get(0)).expect("a count");
        assert_eq!(succeeded, 1, "{}: job {id} has not succeeded once", found.context);
    }
    bench.expect_no_leftovers();
}
