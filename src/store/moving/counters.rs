//! Ids that were given out: the target gives none of them again, also where their rows are gone.

use rusqlite::{OptionalExtension as _, Result};

use super::tables::Table;
use crate::store::relational::conn::Conn;

/// Tables whose ids are never given twice.
pub(super) const GIVEN_ONCE: [&str; 2] = ["batches", "bulks"];

/// One row.
const ID_LAST: &str = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
/// One row of few.
const ID_DELETE: &str = "DELETE FROM sqlite_sequence WHERE name = ?1";
/// Appends.
const ID_SET: &str = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
/// The sequence of a table.
const SEQUENCE_LAST: &str = "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(?1, 'id') AS regclass))";
/// The highest run of all the few generations, and the last of `runs.id`.
const RUN_HIGH: &str =
    "SELECT max(coalesce((SELECT max(run_high) FROM generations), 0), coalesce((SELECT max(id) FROM runs), 0))";
/// No table.
const RUN_IDS: &str = "SELECT last_value FROM run_ids";
/// No table.
const RUN_IDS_SET: &str = "SELECT setval('run_ids', ?1)";
/// The last by `generations.generation`.
const GENERATION_IDS_SET: &str = "SELECT setval('generation_ids', greatest(g.last, 1), g.last > 0) FROM \
     (SELECT coalesce(max(generation), 0) AS last FROM generations) AS g";
/// The last by `generations.generation`: a master in a file goes on from it.
const HIGH_SET: &str = "UPDATE generations SET run_high = ?1, worker_high = (SELECT max(worker_high) FROM generations) \
     WHERE generation = (SELECT max(generation) FROM generations)";

/// Has the target go on where the source is.
pub(super) fn go_on(from: Conn<'_>, to: Conn<'_>, tables: &[Table]) -> Result<()> {
    let number = |conn: Conn<'_>, text: &str| conn.prepare_cached(text)?.query_row([], |row| row.get::<_, i64>(0));
    let mut run = number(from, RUN_HIGH)?;
    if from.is_remote() {
        run = run.max(number(from, RUN_IDS)?);
    }
    if to.is_remote() {
        to.prepare_cached(RUN_IDS_SET)?.query_row([run], |_| Ok(()))?;
        to.prepare_cached(GENERATION_IDS_SET)?.query_row([], |_| Ok(()))?;
    } else {
        to.prepare_cached(HIGH_SET)?.execute([run])?;
    }
    for table in tables.iter().filter(|table| table.has_ids()) {
        let name = &*table.name;
        let last = if GIVEN_ONCE.contains(&name) { last(from, name)? } else { 0 };
        if to.is_remote() {
            // Where there is no sequence this does nothing.
            let text = format!(
                "SELECT setval(CAST(pg_get_serial_sequence('{name}', 'id') AS regclass), greatest(n.last, 1), n.last > 0) \
                 FROM (SELECT greatest(CAST(?1 AS BIGINT), (SELECT max(id) FROM {name})) AS last) AS n"
            );
            to.prepare_cached(&text)?.query_row([last], |_| Ok(()))?;
        } else if last > 0 {
            to.prepare_cached(ID_DELETE)?.execute([name])?;
            to.prepare_cached(ID_SET)?.execute((name, last))?;
        }
    }
    Ok(())
}

/// The last id that a table has given, 0 if none.
fn last(conn: Conn<'_>, table: &str) -> Result<i64> {
    let text = if conn.is_remote() { SEQUENCE_LAST } else { ID_LAST };
    let last: Option<Option<i64>> = conn.prepare_cached(text)?.query_row([table], |row| row.get(0)).optional()?;
    Ok(last.flatten().unwrap_or(0))
}
