//! Compares what was said with what is on record, once everything has been worked off.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde_json::Value;

use crate::pusher::{Journal, Said};
use crate::support::{Bench, DEADLINE, fixture};

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Said to be stored, and not there, or not done.
    pub(crate) lost: usize,
    /// Twice on record, or recorded as done more than once.
    pub(crate) duplicated: usize,
    /// Said not to be stored, and there.
    pub(crate) invented: usize,
}

/// Lets a master without faults finish everything, and compares.
pub(crate) fn settle(bench: &Bench, journals: &[Journal]) -> Found {
    let echo = fixture("echo.py");
    let mut args = vec!["--workers", "2", "--queue", "default", "--drain", "--"];
    args.extend(echo.iter().map(String::as_str));
    let mut master = bench.launch(&args);
    assert_eq!(master.wait_exit(2 * DEADLINE).code(), Some(0), "{}", bench.dump());
    compare(bench, journals)
}

fn compare(bench: &Bench, journals: &[Journal]) -> Found {
    let conn = Connection::open(bench.database()).expect("a database");
    let sound: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(sound, "ok");
    let mut jobs: BTreeMap<u64, Vec<(i64, i64)>> = BTreeMap::new();
    let query =
        "SELECT j.id, j.args, (SELECT count(*) FROM runs r WHERE r.job_id = j.id AND r.outcome = 0) FROM jobs j";
    let mut statement = conn.prepare(query).expect("tables");
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?)))
        .expect("jobs");
    for (id, args, done) in rows.map(|row| row.expect("a job")) {
        let args: Value = serde_json::from_str(&args).expect("JSON");
        jobs.entry(args["n"].as_u64().expect("a number")).or_default().push((id, done));
    }
    let mut found = Found {
        duplicated: jobs.values().filter(|same| same.len() > 1 || same.iter().any(|(_, done)| *done > 1)).count(),
        ..Found::default()
    };
    for (n, said) in journals.iter().flat_map(|journal| &journal.said) {
        let there = jobs.get(n);
        match said {
            Said::Yes(id) => found.lost += usize::from(there.is_none_or(|same| !same.contains(&(*id, 1)))),
            Said::No(_) => found.invented += usize::from(there.is_some()),
            Said::Unknown(_) => {}
        }
    }
    found
}
