//! Telling those that come after a job what became of it, and putting each where its parents let it be.
//!
//! A parent that ends, comes back or goes is a fate of which its children are told: at most so many in one transaction; how far
//! that has come is kept in `settling`, and the next promotion goes on with it. Invariant: of jobs that finish one after another in
//! a batch children hear together, before anything else is done in it; so one that comes after very many is looked at once.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Result};

use super::after::{SET, standing};
use super::batch::Batch;
use super::codes;
use super::conn::Row;
use crate::model::after::{AfterFailed, Standing};
use crate::model::{BatchId, JobId, JobState};

/// `waits_by_parent`, onward by the id of the child, then the key of `waits`.
const CHILDREN: &str = "SELECT job, open, after_failed FROM waits INDEXED BY waits_by_parent \
     WHERE parent = ?1 AND job > ?2 ORDER BY job LIMIT ?3";
/// One step into the key of `settling`; once per transaction in which children are told something.
const SETTLING_ANY: &str = "SELECT 1 FROM settling LIMIT 1";
/// The first row by `settling.parent`.
const SETTLING_FIRST: &str = "SELECT parent, child FROM settling ORDER BY parent LIMIT 1";
/// `settling.parent`.
const SETTLING_PUT: &str = "INSERT INTO settling (parent, child) VALUES (?1, ?2) \
     ON CONFLICT (parent) DO UPDATE SET child = excluded.child";
/// `settling.parent`; where any has very many children.
const SETTLING_DELETE: &str = "DELETE FROM settling WHERE parent = ?1";

/// A job of which children are to be told what became of it.
pub(in crate::store) struct Fate {
    parent: i64,
    /// The child after which to go on.
    after: i64,
    /// What became of it, where that is known.
    state: Option<JobState>,
}

impl Fate {
    /// A job, or what stands for a batch, of which the records say more.
    pub(in crate::store) const fn of(parent: i64) -> Self {
        Self { parent, after: 0, state: None }
    }
}

/// A row of `waits`.
struct Wait {
    job: i64,
    open: Standing,
    failed: AfterFailed,
}

impl Wait {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(Self { job: row.get(0)?, open: standing(row, 1)?, failed: codes::word(&AfterFailed::ALL, row.get(2)?)? })
    }
}

impl Batch<'_> {
    /// What becomes of a job has changed: those that come after it are to hear of it.
    pub(in crate::store) fn changes_fate(&mut self, id: i64) -> Result<()> {
        if self.has_links()? {
            self.fates.push_back(Fate::of(id));
        }
        Ok(())
    }

    /// The same of a job that has succeeded.
    pub(in crate::store) fn succeeds(&mut self, id: i64) -> Result<()> {
        if self.has_links()? {
            self.fates.push_back(Fate { state: Some(JobState::Succeeded), ..Fate::of(id) });
        }
        Ok(())
    }

    /// Tells children, as far as this transaction may; the others later.
    pub(in crate::store) fn settle(&mut self) -> Result<()> {
        let mut told = BTreeMap::new();
        loop {
            while let Some(fate) = self.fates.pop_front() {
                self.tell_children(&fate, &mut told)?;
            }
            let Some((child, failed)) = told.pop_first() else { return Ok(()) };
            if let Some(place) = self.place(child)? {
                self.put_where_it_belongs(&place, failed)?;
            }
        }
    }

    /// Writes how a parent stands to its children now; `told`: those of which the place may be another.
    fn tell_children(&mut self, fate: &Fate, told: &mut BTreeMap<i64, AfterFailed>) -> Result<()> {
        let &Fate { parent, after, state } = fate;
        if parent > 0 && after == 0 {
            self.look_on(parent)?;
            if !self.may_have_children(parent)? {
                return Ok(());
            }
        }
        let rows = self.children(parent, after)?;
        if rows.len() >= self.settles as usize {
            // What was to be told before is out of date by now, and so is how far that had come.
            (self.settled.moved, self.settling) = (true, Some(true));
            self.run(SETTLING_PUT, (parent, rows.last().map_or(after, |row| row.job)))?;
        } else if self.is_settling()? {
            self.run(SETTLING_DELETE, [parent])?;
        }
        self.settles -= rows.len() as u32;
        if rows.is_empty() {
            return Ok(());
        }
        let is_batch = BatchId::of_parent(JobId(parent)).is_some();
        let state = match state {
            None if !is_batch => self.place(parent)?.map(|place| place.state),
            known => known,
        };
        for row in rows.iter().filter(|row| row.open != Standing::Done) {
            self.tell_child(parent, state, row)?;
            told.insert(row.job, row.failed);
        }
        Ok(())
    }

    fn is_settling(&mut self) -> Result<bool> {
        if let Some(known) = self.settling {
            return Ok(known);
        }
        let any = self.conn.prepare_cached(SETTLING_ANY)?.exists([])?;
        self.settling = Some(any);
        Ok(any)
    }

    /// Goes on telling the children of those that have very many.
    pub(in crate::store) fn settle_on(&mut self, limit: u32) -> Result<()> {
        self.settles = limit;
        while self.settles > 0 {
            let read = |row: &Row<'_>| Ok(Fate { parent: row.get(0)?, after: row.get(1)?, state: None });
            let Some(next) = self.conn.prepare_cached(SETTLING_FIRST)?.query_row([], read).optional()? else { break };
            self.fates.push_back(next);
            self.settle()?;
        }
        self.search_on()
    }

    fn children(&self, parent: i64, after: i64) -> Result<Vec<Wait>> {
        self.conn.prepare_cached(CHILDREN)?.query_map((parent, after, self.settles), Wait::read)?.collect()
    }

    fn tell_child(&mut self, parent: i64, state: Option<JobState>, row: &Wait) -> Result<()> {
        let open = match BatchId::of_parent(JobId(parent)) {
            Some(batch) => self.standing_of_batch(batch, row.job)?,
            None => Standing::of(state, row.failed),
        };
        if open != row.open && row.open != Standing::Gone {
            self.run(SET, (row.job, parent, open as i64))?;
        }
        Ok(())
    }
}
