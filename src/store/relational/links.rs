//! The links of a job, as they are read.

use rusqlite::Result;

use super::conn::{Conn, Row};
use super::names::maybe_text;
use crate::model::JobId;
use crate::model::graph::{Link, Side};

/// `waits_open`, then the rest by the key of `waits`.
const PARENT_LINKS: &str = "SELECT * FROM (SELECT job, parent, name, 1 FROM waits INDEXED BY waits_open \
     WHERE job = ?1 AND open > 0 AND parent > 0 ORDER BY open, parent) AS a UNION ALL SELECT * FROM (SELECT job, parent, name, 0 FROM waits \
     WHERE job = ?1 AND open = 0 AND parent > 0 ORDER BY parent) AS b LIMIT ?2";
/// `waits_by_parent`.
const CHILD_LINKS: &str = "SELECT job, parent, name, open > 0 FROM waits INDEXED BY waits_by_parent \
     WHERE parent = ?1 ORDER BY job LIMIT ?2";

/// The links of a job.
pub(in crate::store) fn links(conn: Conn<'_>, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>> {
    let read = |row: &Row<'_>| {
        let name = maybe_text(row, 2)?;
        Ok(Link { job: JobId(row.get(0)?), after: JobId(row.get(1)?), name, is_open: row.get(3)? })
    };
    let text = if side == Side::Parents { PARENT_LINKS } else { CHILD_LINKS };
    conn.prepare_cached(text)?.query_map((id.0, limit), read)?.collect()
}
