//! Jobs of a bulk push that come after others.
//!
//! A job that names a ref which is staged already has its row in `waits` from then on; one whose ref is yet to come is written
//! down, and gets it with the commit. Invariants: what is committed has no ref that nobody has, and no circle; a parent that
//! ends between staging and opening is on record in `waits`, so opening looks at nothing else.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{OptionalExtension, Result};

use super::batch::Batch;
use super::codes;
use super::conn::Row;
use crate::model::after::{AfterFailed, BadLink, LinkError, Parent, Standing, circle};
use crate::model::{BulkId, NewJob};

/// Key of `bulk_refs`.
const REF_GET: &str = "SELECT job FROM bulk_refs WHERE bulk = ?1 AND name = ?2";
/// Key of `bulk_refs`.
const REF_ADD: &str = "INSERT INTO bulk_refs (bulk, name, job) VALUES (?1, ?2, ?3)";
/// Key of `bulk_refs`; at the commit or the drop.
const REFS_DELETE: &str = "DELETE FROM bulk_refs WHERE bulk = ?1";
/// Key of `bulk_waits`.
const LATER_ADD: &str = "INSERT INTO bulk_waits (bulk, job, name, after_failed) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT DO NOTHING";
/// Key of `bulk_waits`, then that of `bulk_refs`.
const LATER: &str = "SELECT w.job, w.name, w.after_failed, r.job FROM bulk_waits w \
     LEFT JOIN bulk_refs r ON r.bulk = w.bulk AND r.name = w.name WHERE w.bulk = ?1 ORDER BY w.job, w.name";
/// Key of `bulk_waits`; at the commit or the drop.
const LATER_DELETE: &str = "DELETE FROM bulk_waits WHERE bulk = ?1";
/// The few rows of `bulk_ranges`, then the key of `waits`: which jobs of a bulk push come after which others.
const EDGES: &str = "SELECT w.job, w.parent FROM bulk_ranges g CROSS JOIN waits w \
     ON w.job BETWEEN g.first_id AND g.last_id WHERE g.bulk = ?1";
/// Range of the key of `waits`.
const WITHIN: &str = "SELECT job, min(after_failed) FROM waits WHERE job BETWEEN ?1 AND ?2 GROUP BY job ORDER BY job";

/// The few rows of `bulk_ranges`.
const BEFORE: &str = "SELECT coalesce(CAST(sum(min(last_id, CAST(?2 AS BIGINT) - 1) - first_id + 1) AS BIGINT), 0) FROM bulk_ranges \
     WHERE bulk = ?1 AND first_id < ?2";

/// A job that comes after a ref which was not known when it was staged.
struct Later {
    job: i64,
    name: String,
    failed: i64,
    parent: Option<i64>,
}

impl Batch<'_> {
    /// Checks what jobs to be staged say of others, and of refs that are staged already.
    pub(in crate::store) fn check_staged(
        &mut self,
        bulk: BulkId,
        jobs: &[NewJob],
    ) -> Result<std::result::Result<Vec<Vec<Standing>>, BadLink>> {
        for (nth, job) in jobs.iter().enumerate() {
            if let Some(name) = job.after.as_ref().and_then(|after| after.name.clone())
                && self.staged_ref(bulk, &name)?.is_some()
            {
                return Ok(Err(BadLink { nth, why: LinkError::Twice(name) }));
            }
        }
        self.check_links(jobs, false)
    }

    fn staged_ref(&self, bulk: BulkId, name: &str) -> Result<Option<i64>> {
        self.conn.prepare_cached(REF_GET)?.query_row((bulk.0, name), |row| row.get(0)).optional()
    }

    /// Writes down after which jobs those come that were staged, from this id on.
    pub(in crate::store) fn link_staged(
        &mut self,
        bulk: BulkId,
        first: i64,
        jobs: &[NewJob],
        standings: &[Vec<Standing>],
    ) -> Result<()> {
        for (id, job) in (first..).zip(jobs) {
            if let Some(name) = job.after.as_ref().and_then(|after| after.name.as_deref()) {
                self.run(REF_ADD, (bulk.0, name, id))?;
            }
        }
        for ((id, job), standings) in (first..).zip(jobs).zip(standings) {
            let Some(after) = &job.after else { continue };
            let mut refs = HashMap::new();
            for parent in &after.parents {
                if let Parent::Ref(name) = parent
                    && let Some(id) = self.staged_ref(bulk, name)?
                {
                    refs.insert(name.clone(), id);
                }
            }
            for name in self.link(id, after, standings, &refs)? {
                self.run(LATER_ADD, (bulk.0, id, name, after.failed as i64))?;
            }
        }
        Ok(())
    }

    /// Looks up the refs that came after those who name them. Before that the commit is refused.
    pub(in crate::store) fn resolve_staged(&mut self, bulk: BulkId) -> Result<std::result::Result<(), BadLink>> {
        let read =
            |row: &Row<'_>| Ok(Later { job: row.get(0)?, name: row.get(1)?, failed: row.get(2)?, parent: row.get(3)? });
        let later: Vec<Later> = self.conn.prepare_cached(LATER)?.query_map([bulk.0], read)?.collect::<Result<_>>()?;
        if let Some(unknown) = later.iter().find(|later| later.parent.is_none()) {
            let why = LinkError::UnknownRef(unknown.name.as_str().into());
            return Ok(Err(BadLink { nth: self.nth_staged(bulk, unknown.job)?, why }));
        }
        // Without them there is no circle: each push of a step was checked by itself.
        if !later.is_empty() {
            let mut parents: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            let mut edges = self.conn.prepare_cached(EDGES)?;
            let mut rows = edges.query([bulk.0])?;
            while let Some(row) = &rows.next()? {
                parents.entry(row.get(0)?).or_default().push(row.get(1)?);
            }
            for Later { job, parent, .. } in &later {
                parents.entry(*job).or_default().extend(parent);
            }
            if let Some((job, parent)) = circle(&parents) {
                let is_it = |later: &&Later| later.job == job && later.parent == Some(parent);
                let name = later.iter().find(is_it).map_or_else(|| parent.to_string(), |later| later.name.clone());
                return Ok(Err(BadLink { nth: self.nth_staged(bulk, job)?, why: LinkError::Circle(name.into()) }));
            }
        }
        for Later { job, name, failed, parent } in &later {
            if let Some(parent) = parent {
                self.link_one(*job, *parent, name, *failed)?;
            }
        }
        self.forget_refs(bulk)?;
        Ok(Ok(()))
    }

    /// Which of the jobs of a bulk push it is, from 0.
    fn nth_staged(&self, bulk: BulkId, job: i64) -> Result<usize> {
        let nth: i64 = self.conn.prepare_cached(BEFORE)?.query_row((bulk.0, job), |row| row.get(0))?;
        Ok(nth.unsigned_abs() as usize)
    }

    /// A bulk push is committed or dropped.
    pub(in crate::store) fn forget_refs(&self, bulk: BulkId) -> Result<()> {
        self.run(REFS_DELETE, [bulk.0])?;
        self.run(LATER_DELETE, [bulk.0]).map(drop)
    }

    /// The jobs of a range that come after others, and what becomes of each if one of these fails.
    pub(in crate::store) fn linked_within(&self, first: i64, last: i64) -> Result<Vec<(i64, AfterFailed)>> {
        let read = |row: &Row<'_>| Ok((row.get(0)?, codes::word(&AfterFailed::ALL, row.get::<_, i64>(1)?)?));
        self.conn.prepare_cached(WITHIN)?.query_map((first, last), read)?.collect()
    }

    /// The totals count it as blocked already.
    pub(in crate::store) fn open_linked(&mut self, id: i64, failed: AfterFailed) -> Result<()> {
        let Some(place) = self.place(id)? else { return Ok(()) };
        self.change(place.at.queue).blocked -= 1;
        self.enter_linked(place.at, failed)
    }
}
