//! News of members for each other: one row per batch that changes something others wait for, with who is meant and what it is.
//!
//! Invariants: rows are numbered in the order of commits, as one transaction writes at a time; a member reads each once, and
//! where rows that it has not read are gone, anything may have changed.

use rusqlite::Result;
use serde::{Deserialize, Serialize};

use crate::model::{Generation, JobId, ProcessorName, QueueName};
use crate::store::News;
use crate::store::relational::batch::Told;
use crate::store::relational::conn::{Conn, Row};

/// Jobs that are named; of more, any may have ended.
const MOST_ENDED: usize = 1_000;
/// Rows that are kept for those who are slow to read.
const KEPT: i64 = 10_000;

/// Appends.
const ADD: &str = "INSERT INTO news (by, member, what) VALUES (?1, ?2, ?3) RETURNING id";
/// `news.id`: the oldest few.
const PRUNE: &str = "DELETE FROM news WHERE id <= ?1";
/// The last row by key.
const LAST: &str = "SELECT coalesce(max(id), 0) FROM news";
/// The same, one step into the key of `inbox`, and the end of the key of `applied` for each of the few others; once a second.
const GLANCE: &str = "SELECT coalesce((SELECT max(id) FROM news), 0), EXISTS (SELECT 1 FROM inbox WHERE refused IS NULL), \
     (SELECT CAST(coalesce(sum((SELECT batch FROM applied a WHERE a.generation = g.generation ORDER BY batch DESC LIMIT 1)), 0) AS BIGINT) \
     FROM generations g WHERE g.ended_at IS NULL AND g.generation <> ?1)";

/// A look at what others do, without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Glance {
    /// The number of the last row.
    pub(super) last: i64,
    /// Whether the inbox has something to take in.
    pub(super) has_inbox: bool,
    /// A number that another batch of theirs changes.
    pub(super) batches: i64,
}
/// Onward by `news.id`.
const SINCE: &str = "SELECT id, by, member, what FROM news WHERE id > ?1 ORDER BY id LIMIT 1000";

/// A row.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct What {
    #[serde(skip_serializing_if = "is_false")]
    anything: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queues: Vec<QueueName>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ended: Vec<JobId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    processors: Vec<ProcessorName>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The number of the last row.
pub(super) fn last(conn: Conn<'_>) -> Result<i64> {
    conn.prepare_cached(LAST)?.query_row([], |row| row.get(0))
}

/// Looks at what members other than this one do.
pub(super) fn glance(conn: Conn<'_>, ours: i64) -> Result<Glance> {
    let read = |row: &Row<'_>| Ok(Glance { last: row.get(0)?, has_inbox: row.get(1)?, batches: row.get(2)? });
    conn.prepare_cached(GLANCE)?.query_row([ours], read)
}

/// Writes down what a batch of `by` tells the others, if it does; whether it does.
pub(super) fn tell(conn: Conn<'_>, by: i64, told: &Told) -> Result<bool> {
    let mut last = 0;
    if !told.all.is_none() {
        let many = told.all.ended.len() > MOST_ENDED;
        let what = What {
            anything: told.all.anything || many,
            queues: told.all.queues.iter().cloned().collect(),
            ended: if many { Vec::new() } else { told.all.ended.clone() },
            processors: told.all.processors.iter().cloned().collect(),
        };
        last = add(conn, by, None, &what)?;
    }
    for &member in &told.rung {
        last = add(conn, by, Some(member), &What::default())?;
    }
    if last > KEPT && last % (KEPT / 10) == 0 {
        conn.prepare_cached(PRUNE)?.execute([last - KEPT])?;
    }
    Ok(last > 0)
}

fn add(conn: Conn<'_>, by: i64, member: Option<i64>, what: &What) -> Result<i64> {
    let text = serde_json::to_string(what).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    conn.prepare_cached(ADD)?.query_row((by, member, text), |row| row.get(0))
}

/// News of others for this member since row `heard`, and the row up to which that goes.
pub(super) fn since(conn: Conn<'_>, ours: Generation, heard: i64) -> Result<(News, i64)> {
    let (mut news, mut at) = (News::default(), heard);
    let mut since = conn.prepare_cached(SINCE)?;
    loop {
        let before = at;
        let read = |row: &Row<'_>| {
            let what: String = row.get(3)?;
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?, what))
        };
        for row in since.query_map([at], read)? {
            let (id, by, member, what) = row?;
            // Rows may have been pruned that were not read.
            news.anything |= at == heard && heard != 0 && id > heard + 1;
            at = id;
            if by == ours.0 || member.is_some_and(|member| member != ours.0) {
                continue;
            }
            let what: What = serde_json::from_str(&what).unwrap_or(What { anything: true, ..What::default() });
            news.add(News {
                anything: what.anything,
                queues: what.queues.into_iter().collect(),
                ended: what.ended,
                processors: what.processors.into_iter().collect(),
                ..News::default()
            });
        }
        if at == before {
            return Ok((news, at));
        }
    }
}
