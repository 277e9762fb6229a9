//! Bulk pushes: staged in `jobs` alone, committed by one row, opened and dropped by ranges of ids.
//!
//! Invariant: a job lies in at most one range, and while it does it is in no other table than `jobs`; the totals count it
//! from the commit on.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, Result};

use super::batch::{Batch, Waiting};
use super::conn::{Conn, Row};
use super::{lanes, sql};
use crate::model::batch::IntoBatch;
use crate::model::bulk::{BulkOwner, BulkStep, OpenBulk, Opened};
use crate::model::change::Reply;
use crate::model::{BulkId, JobId, NewJob};

/// Reads the bulk pushes that are not over.
pub(in crate::store) fn all(conn: Conn<'_>) -> Result<Vec<OpenBulk>> {
    let read = |row: &Row<'_>| {
        let owner = BulkOwner { pid: row.get(1)?, pid_start: row.get::<_, i64>(2)? as u64, boot_id: row.get(3)? };
        Ok(OpenBulk { id: BulkId(row.get(0)?), owner, committed: row.get(4)? })
    };
    conn.prepare_cached(sql::BULKS)?.query_map([], read)?.collect()
}

/// A bulk push on record.
#[expect(clippy::struct_excessive_bools, reason = "they are independent, as in the table")]
struct Bulk {
    committed: bool,
    dropped: bool,
    keyed: bool,
    expiring: bool,
    scheduled: bool,
    linked: bool,
}

/// What a bulk push adds to the totals of a queue.
#[derive(Default)]
struct Counts {
    ready: i64,
    scheduled: i64,
    /// Of `ready`, what is a command.
    commands: i64,
    blocked: i64,
}

/// Ids from the first to the last.
#[derive(Clone, Copy)]
struct Ids {
    first: i64,
    last: i64,
}

impl Batch<'_> {
    pub(in crate::store) fn bulk(&mut self, step: &BulkStep) -> Result<Reply> {
        match step {
            BulkStep::Begin(owner) => self.begin_bulk(owner),
            BulkStep::Stage { bulk, jobs } => self.stage(*bulk, jobs),
            BulkStep::Commit { bulk, batch } => self.commit_bulk(*bulk, batch),
            BulkStep::Open { bulk, limit } => self.open_bulk(*bulk, *limit),
            BulkStep::Drop { bulk, limit } => self.drop_bulk(*bulk, *limit),
        }
    }

    fn begin_bulk(&self, owner: &BulkOwner) -> Result<Reply> {
        let id = self.added(sql::BULK_ADD, (owner.pid, owner.pid_start as i64, &owner.boot_id))?;
        Ok(Reply::Begun(BulkId(id)))
    }

    fn look_up(&self, bulk: BulkId) -> Result<Option<Bulk>> {
        let read = |row: &Row<'_>| {
            Ok(Bulk {
                committed: row.get(0)?,
                dropped: row.get(1)?,
                keyed: row.get(2)?,
                expiring: row.get(3)?,
                scheduled: row.get(4)?,
                linked: row.get(5)?,
            })
        };
        self.conn.prepare_cached(sql::BULK_GET)?.query_row([bulk.0], read).optional()
    }

    fn stage(&mut self, bulk: BulkId, jobs: &[NewJob]) -> Result<Reply> {
        match self.look_up(bulk)? {
            None => return Ok(Reply::Missing),
            Some(bulk) if bulk.committed || bulk.dropped => return Ok(Reply::Stale),
            Some(_) => {}
        }
        if let Some(full) = self.full_of(jobs)? {
            return Ok(full);
        }
        let linked = jobs.iter().any(|job| job.after.is_some());
        let standings = if linked { self.check_staged(bulk, jobs)? } else { Ok(Vec::new()) };
        let standings = match standings {
            Ok(standings) => standings,
            Err(bad) => return Ok(Reply::BadLink(bad)),
        };
        let mut counts: BTreeMap<i64, Counts> = BTreeMap::new();
        let mut ids: Option<Ids> = None;
        for job in jobs {
            let Waiting { queue, lane, due_at, id, .. } = self.add_job(job, None)?;
            let counts = counts.entry(queue).or_default();
            if job.has_parents() {
                counts.blocked += 1;
            } else if due_at > self.at.0 {
                counts.scheduled += 1;
            } else {
                counts.ready += 1;
                counts.commands += i64::from(lane == lanes::COMMANDS);
            }
            ids = Some(Ids { first: ids.map_or(id, |ids| ids.first), last: id });
        }
        let Some(ids) = ids else { return Ok(Reply::Count(0)) };
        self.keep_range(bulk, ids)?;
        let mut later = false;
        for (queue, Counts { ready, scheduled, commands, blocked }) in counts {
            later |= scheduled > 0;
            self.run(sql::BULK_COUNT, (bulk.0, queue, ready, scheduled, commands, blocked))?;
        }
        let (keyed, expiring) = (jobs.iter().any(|j| j.unique.is_some()), jobs.iter().any(|j| j.expires_at.is_some()));
        if keyed || expiring || later || linked {
            self.run(sql::BULK_MARK, (bulk.0, keyed, expiring, later, linked))?;
        }
        if linked {
            self.link_staged(bulk, ids.first, jobs, &standings)?;
        }
        Ok(Reply::Staged { first: JobId(ids.first) })
    }

    /// The last range grows if its ids and these are adjacent.
    fn keep_range(&self, bulk: BulkId, ids: Ids) -> Result<()> {
        if self.run(sql::RANGE_GROW, (bulk.0, ids.first - 1, ids.last))? == 0 {
            self.run(sql::RANGE_ADD, (ids.first, ids.last, bulk.0))?;
        }
        Ok(())
    }

    fn commit_bulk(&mut self, bulk: BulkId, into: &IntoBatch) -> Result<Reply> {
        let counts = self.staged_counts(bulk)?;
        for (queue, counts) in &counts {
            let name = self.queue_name(*queue)?;
            if let Some(full) = self.full(&name, counts.ready.unsigned_abs())? {
                return Ok(full);
            }
        }
        if self.look_up(bulk)?.is_some_and(|found| found.linked && !found.committed && !found.dropped)
            && let Err(bad) = self.resolve_staged(bulk)?
        {
            return Ok(Reply::BadLink(bad));
        }
        let joined = match self.can_join(into)? {
            Ok(joined) => joined,
            Err(refused) => return Ok(Reply::BadBatch(refused)),
        };
        if self.run(sql::BULK_COMMIT, [bulk.0])? == 0 {
            return Ok(if self.look_up(bulk)?.is_some() { Reply::Stale } else { Reply::Missing });
        }
        for (queue, Counts { ready, scheduled, commands, blocked }) in counts {
            let change = self.change(queue);
            change.ready += ready;
            change.pushed += ready + scheduled + blocked;
            change.commands += commands;
            change.scheduled += scheduled;
            change.blocked += blocked;
        }
        self.run(sql::BULK_COUNTS_DELETE, [bulk.0])?;
        self.put_bulk(bulk, joined, into).map(Reply::Committed)
    }

    /// Of each queue how many are ready, scheduled and commands.
    fn staged_counts(&self, bulk: BulkId) -> Result<Vec<(i64, Counts)>> {
        let read = |row: &Row<'_>| {
            let counts =
                Counts { ready: row.get(1)?, scheduled: row.get(2)?, commands: row.get(3)?, blocked: row.get(4)? };
            Ok((row.get(0)?, counts))
        };
        self.conn.prepare_cached(sql::BULK_COUNTS)?.query_map([bulk.0], read)?.collect()
    }

    fn open_bulk(&mut self, id: BulkId, limit: u32) -> Result<Reply> {
        let Some(bulk) = self.look_up(id)? else { return Ok(Reply::Missing) };
        if !bulk.committed {
            return Ok(Reply::Stale);
        }
        let (mut opened, mut left) = (Opened::default(), i64::from(limit));
        while let Some(range) = self.first_range(id)? {
            if left == 0 {
                opened.more = true;
                break;
            }
            let ids = Ids { first: range.first, last: range.last.min(range.first + left - 1) };
            self.shorten(range, ids.last)?;
            self.open_ids(&bulk, ids, &mut opened)?;
            left -= ids.last - ids.first + 1;
        }
        if !opened.more {
            self.run(sql::BULK_DELETE, [id.0])?;
        }
        Ok(Reply::Opened(opened))
    }

    fn first_range(&self, bulk: BulkId) -> Result<Option<Ids>> {
        let read = |row: &Row<'_>| Ok(Ids { first: row.get(0)?, last: row.get(1)? });
        self.conn.prepare_cached(sql::RANGE_FIRST)?.query_row([bulk.0], read).optional()
    }

    /// Takes the beginning of a range out of it.
    fn shorten(&self, range: Ids, up_to: i64) -> Result<()> {
        if up_to == range.last {
            self.run(sql::RANGE_DELETE, [range.first]).map(drop)
        } else {
            self.run(sql::RANGE_BEGIN, (range.first, up_to + 1)).map(drop)
        }
    }

    fn open_ids(&mut self, bulk: &Bulk, ids: Ids, opened: &mut Opened) -> Result<()> {
        if bulk.keyed {
            self.take_keys(ids, bulk.linked, opened)?;
        } else {
            opened.note(JobId(ids.first));
            opened.note(JobId(ids.last));
        }
        if bulk.expiring {
            self.run(sql::EXPIRING_OPEN, (ids.first, ids.last))?;
        }
        // Those that come after others are passed over, and opened one by one.
        let linked = if bulk.linked { self.linked_within(ids.first, ids.last)? } else { Vec::new() };
        let mut next = ids.first;
        for &(id, _) in &linked {
            self.open_free(bulk, Ids { first: next, last: id - 1 })?;
            next = id + 1;
        }
        self.open_free(bulk, Ids { first: next, last: ids.last })?;
        linked.into_iter().try_for_each(|(id, failed)| self.open_linked(id, failed))
    }

    fn open_free(&mut self, bulk: &Bulk, ids: Ids) -> Result<()> {
        if ids.first > ids.last {
            return Ok(());
        }
        self.open_ready(ids)?;
        if bulk.scheduled {
            self.run(sql::SCHEDULED_OPEN, (ids.first, ids.last))?;
        }
        Ok(())
    }

    /// The counts stay but for those of lanes of types, and another job may be the first of a lane.
    fn open_ready(&mut self, ids: Ids) -> Result<()> {
        let conn = self.conn;
        // Rows cost nothing here and a way from there.
        let text = sql::KINDS_OF_RANGE;
        let once = conn.is_remote().then(|| text.replacen("SELECT", "SELECT DISTINCT", 1));
        let mut statement = conn.prepare_cached(once.as_deref().unwrap_or(text))?;
        let mut rows = statement.query((ids.first, ids.last))?;
        let (mut last, mut lanes, mut is_keyed) = (None, BTreeSet::new(), false);
        while let Some(row) = &rows.next()? {
            let kind: (i64, i64) = (row.get(0)?, row.get(1)?);
            if last.replace(kind) != Some(kind) {
                self.change(kind.0);
                is_keyed |= self.has_keys(kind.0)?;
                lanes.insert(self.names.lane_of(conn, kind.1)?);
            }
        }
        if lanes.last().is_some_and(|lane| *lane > lanes::OTHERS) {
            self.count_typed(ids)?;
        }
        if is_keyed {
            return self.open_by_key(ids);
        }
        match (lanes.pop_first(), lanes.is_empty()) {
            (None, _) => Ok(()),
            (Some(lane), true) => self.run(sql::READY_OPEN, (ids.first, ids.last, lane)).map(drop),
            (Some(_), false) => self.run(sql::READY_OPEN_MIXED, (ids.first, ids.last)).map(drop),
        }
    }

    /// One job after the other, as each has a lane of its own; they are counted already.
    fn open_by_key(&mut self, ids: Ids) -> Result<()> {
        let conn = self.conn;
        let mut statement = conn.prepare_cached(sql::WAITING_OF_RANGE)?;
        let mut rows = statement.query((ids.first, ids.last))?;
        while let Some(row) = &rows.next()? {
            let lane = self.names.lane_of(conn, row.get(1)?)?;
            let (queue, nprio, due_at, id) = (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
            let w = Waiting { queue, lane, nprio, due_at, id, tried: false };
            let lane = self.lane_to_enter(w)?;
            self.run(sql::READY_ADD, (w.queue, lane, w.nprio, w.due_at, w.id, false))?;
        }
        Ok(())
    }

    /// Counts the jobs that are opened in lanes of types.
    fn count_typed(&mut self, ids: Ids) -> Result<()> {
        let conn = self.conn;
        let mut statement = conn.prepare_cached(sql::READY_OF_RANGE)?;
        let mut rows = statement.query((ids.first, ids.last))?;
        while let Some(row) = &rows.next()? {
            let (queue, lane) = (row.get(0)?, self.names.lane_of(conn, row.get(1)?)?);
            if lane > lanes::OTHERS {
                *self.typed.entry((queue, lane)).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Gives each unique key to the first that asks for it; the others were pushed for nothing.
    fn take_keys(&mut self, ids: Ids, linked: bool, opened: &mut Opened) -> Result<()> {
        let jobs: Vec<(i64, Option<String>, i64, bool, i64)> = self
            .conn
            .prepare_cached(sql::KEYS_OF_RANGE)?
            .query_map((ids.first, ids.last), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            })?
            .collect::<Result<_>>()?;
        for (id, key, queue, scheduled, kind) in jobs {
            let holder = match &key {
                Some(key) => self
                    .conn
                    .prepare_cached(sql::UNIQUE_GET)?
                    .query_row([key], |row| row.get::<_, i64>(0))
                    .optional()?,
                None => None,
            };
            opened.note(JobId(holder.unwrap_or(id)));
            if let Some(holder) = holder {
                opened.duplicates.push((JobId(id), JobId(holder)));
                let is_linked = linked && !self.linked_within(id, id)?.is_empty();
                self.delete_job(id)?;
                self.adopt(id, holder)?;
                let is_command = self.names.lane_of(self.conn, kind)? == lanes::COMMANDS;
                let change = self.change(queue);
                if is_linked {
                    change.blocked -= 1;
                } else if scheduled {
                    change.scheduled -= 1;
                } else {
                    change.ready -= 1;
                    change.commands -= i64::from(is_command);
                }
            } else if let Some(key) = key {
                self.run(sql::UNIQUE_ADD, (key, id))?;
            }
        }
        Ok(())
    }

    fn drop_bulk(&mut self, id: BulkId, limit: u32) -> Result<Reply> {
        match self.look_up(id)? {
            None => return Ok(Reply::Missing),
            Some(Bulk { committed: true, .. }) => return Ok(Reply::Stale),
            Some(_) => {}
        }
        let mut left = i64::from(limit);
        while let Some(range) = self.first_range(id)? {
            if left == 0 {
                self.run(sql::BULK_DROP, [id.0])?;
                return Ok(Reply::Count(u64::from(limit)));
            }
            let last = range.last.min(range.first + left - 1);
            self.shorten(range, last)?;
            self.delete_jobs(range.first, last)?;
            left -= last - range.first + 1;
        }
        self.run(sql::BULK_COUNTS_DELETE, [id.0])?;
        self.forget_refs(id)?;
        self.run(sql::BULK_DELETE, [id.0])?;
        // One less than the limit, or the caller would ask again.
        Ok(Reply::Count((i64::from(limit) - left).clamp(0, i64::from(limit) - 1) as u64))
    }

    /// Whether a job is there as far as bulk pushes go; one that is not opened yet is opened by itself.
    pub(in crate::store) fn is_there(&mut self, id: i64) -> Result<bool> {
        let found = self
            .conn
            .prepare_cached(sql::RANGE_OF)?
            .query_row([id], |row| Ok((Ids { first: row.get(0)?, last: row.get(1)? }, BulkId(row.get(2)?))))
            .optional()?;
        let Some((range, bulk_id)) = found.filter(|(range, _)| range.last >= id) else { return Ok(true) };
        let Some(bulk) = self.look_up(bulk_id)?.filter(|bulk| bulk.committed) else { return Ok(false) };
        self.shorten(range, range.last)?;
        for (first, last) in [(range.first, id - 1), (id + 1, range.last)] {
            if first <= last {
                self.run(sql::RANGE_ADD, (first, last, bulk_id.0))?;
            }
        }
        let mut opened = Opened::default();
        self.open_ids(&bulk, Ids { first: id, last: id }, &mut opened)?;
        Ok(opened.duplicates.is_empty())
    }
}
