//! The statements: that each finds its rows by a key.

use super::{lanes, sql};
use crate::store::sqlite::SqliteStore;

/// Statements that read all of a table which has few rows, or are there to do so.
pub(in crate::store) const SCANS: &[&str] = &[
    "ALL",
    "DANGLING",
    "TOTALS",
    "RUNNING_BOUNDS",
    "RUNNING_LEFT",
    "GENERATIONS_CRASHED",
    "GENERATION_DISOWN",
    "SEAL_BEGIN",
    "BULKS",
    "RANGE_FIRST",
    "EDGES",
    "RANGES_OF_BULK",
    "ON_RECORD",
    "BOUNDS",
    "SELECT",
    "SERIES_OF_TYPE",
    "SERIES_TOO_MANY",
    "COUNTED_PUT",
    "UNCOUNTED",
    "CHANGES",
    "CALLS",
    "DEEDS",
    "LIMITS",
    "STATES_COUNT",
    "BUSIEST",
    "RUNNING",
    "OPENING_DOUBT",
    "NAMES",
    "WITH_RUNS_OUTSIDE",
    "RUNS_OPEN",
    "ABOVE",
    "READY",
    "SCHEDULED",
    "STAGED",
    "BATCHES",
    "GROUPS",
    "GROUPS_OF_QUEUE",
    "ROWS",
    "OF_DEAD",
];

/// Every statement that is written down as a whole, with its name.
pub(in crate::store) fn all() -> Vec<(String, String)> {
    let files = [
        include_str!("sql.rs"),
        include_str!("run_row.rs"),
        include_str!("lanes.rs"),
        include_str!("processors.rs"),
        include_str!("processor_row.rs"),
        include_str!("rollups.rs"),
        include_str!("history.rs"),
        include_str!("autoscale_log.rs"),
        include_str!("call_log.rs"),
        include_str!("audit.rs"),
        include_str!("limits.rs"),
        include_str!("after.rs"),
        include_str!("batches.rs"),
        include_str!("batch_list.rs"),
        include_str!("bulk_links.rs"),
        include_str!("ended.rs"),
        include_str!("failures.rs"),
        include_str!("link_bounds.rs"),
        include_str!("links.rs"),
        include_str!("key_lanes.rs"),
        include_str!("key_limits.rs"),
        include_str!("paused_keys.rs"),
        include_str!("key_list.rs"),
        include_str!("operations.rs"),
        include_str!("ready_list.rs"),
        include_str!("table_rows.rs"),
    ];
    let text = files.concat();
    let made = [("QUEUE_COUNT", sql::QUEUE_COUNT), ("TOTALS", sql::TOTALS), ("front", &lanes::front(3, false))];
    let written = text.split("const ").skip(1).filter_map(|part| {
        let (name, rest) = part.split_once(": &str")?;
        let sql = rest.split('"').nth(1)?.replace("\\\n", "");
        let is_whole = !sql.contains('{')
            && ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| sql.starts_with(word));
        (!rest.starts_with(" = concat!") && is_whole).then(|| (name.to_owned(), sql))
    });
    written.chain(made.map(|(name, sql)| (name.to_owned(), sql.to_owned()))).collect()
}

#[test]
fn every_statement_of_the_hot_path_uses_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("q.db")).unwrap();
    let (mut seen, mut bad) = (0, Vec::new());
    for (name, sql) in all() {
        let mut plan = store.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let params = vec![rusqlite::types::Value::Null; plan.parameter_count()];
        let steps: Vec<String> =
            plan.query_map(rusqlite::params_from_iter(params), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        for step in &steps {
            let bounded = sql.contains("LIMIT") || sql.starts_with("SELECT m") || SCANS.contains(&&*name);
            if step.starts_with("SCAN") && !bounded || step.contains("TEMP B-TREE") && !SCANS.contains(&&*name) {
                bad.push(format!("{name}: {step}"));
            }
        }
        seen += 1;
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(seen > 50);
}
