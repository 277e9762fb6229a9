//! Between which ids there are jobs that come after others, and jobs that others come after.
//!
//! A store in which a few jobs come after others, or only one after a batch of very many, looks at `waits` for no job beyond.
//! Invariant: a job with a row in `waits` is within the bounds; these may be wider than needed.

use rusqlite::Result;

use super::batch::Batch;

/// The ends of the key of `waits`, and of `waits_by_parent` above what stands for batches; once per transaction, where there are
/// any.
const BOUNDS: &str = "SELECT (SELECT min(job) FROM waits), (SELECT max(job) FROM waits), \
     (SELECT min(parent) FROM waits INDEXED BY waits_by_parent WHERE parent > 0), \
     (SELECT max(parent) FROM waits INDEXED BY waits_by_parent WHERE parent > 0)";

/// The first and the last of each.
#[derive(Clone, Copy)]
pub(in crate::store) struct Bounds {
    children: (i64, i64),
    parents: (i64, i64),
}

const fn within(id: i64, (first, last): (i64, i64)) -> bool {
    first <= id && id <= last
}

impl Batch<'_> {
    fn bounds(&mut self) -> Result<Bounds> {
        if let Some(known) = self.bounds {
            return Ok(known);
        }
        let span = |first: Option<i64>, last: Option<i64>| (first.unwrap_or(i64::MAX), last.unwrap_or(i64::MIN));
        let bounds = self.conn.prepare_cached(BOUNDS)?.query_row([], |row| {
            Ok(Bounds { children: span(row.get(0)?, row.get(1)?), parents: span(row.get(2)?, row.get(3)?) })
        })?;
        self.bounds = Some(bounds);
        Ok(bounds)
    }

    /// Whether the job may come after others.
    pub(in crate::store) fn may_have_parents(&mut self, id: i64) -> Result<bool> {
        Ok(self.has_links()? && within(id, self.bounds()?.children))
    }

    /// Whether others may come after the job.
    pub(in crate::store) fn may_have_children(&mut self, id: i64) -> Result<bool> {
        Ok(self.has_links()? && within(id, self.bounds()?.parents))
    }
}
