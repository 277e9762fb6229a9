//! Batches: which jobs are in one, and the end of one that something comes after.
//!
//! Invariants: while something comes after a batch that has not ended, `watched` is a job of it that has not ended, or 0 and all
//! of its jobs up to `seen` have ended; where nothing does, no end of a job writes or asks for anything.

use rusqlite::{OptionalExtension, Result};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::fates::Fate;
use super::names;
use crate::model::after::{AfterFailed, Standing};
use crate::model::batch::{BatchEnd, BatchError, IntoBatch, REF};
use crate::model::change::{Keep, Reply};
use crate::model::{BatchId, BulkId, IdRange, JobId, NewJob};

/// Jobs that are looked up at once in a search.
const STEP: u32 = 100;

/// Appends.
const ADD: &str = "INSERT INTO batches (name, pushed_at) VALUES (?1, ?2) RETURNING id";
/// `batches.id`.
const FOLLOW: &str = "UPDATE batches SET then_job = ?2, then_failed = ?3, watched = 0 WHERE id = ?1";
/// `batches.id`.
const GET: &str = "SELECT ended_at IS NOT NULL FROM batches WHERE id = ?1";
/// `batch_ranges_by_batch`.
const RANGES: &str = "SELECT first_id, last_id FROM batch_ranges WHERE batch = ?1 ORDER BY first_id";
/// `batch_ranges.first_id`.
const RANGE_ADD: &str = "INSERT INTO batch_ranges (first_id, last_id, batch) VALUES (?1, ?2, ?3)";
/// One step into `batch_ranges.first_id`.
const RANGE_GROW: &str = "UPDATE batch_ranges SET last_id = ?2 WHERE first_id = \
     (SELECT max(first_id) FROM batch_ranges WHERE first_id <= ?1) AND batch = ?3 AND last_id = ?1";
/// The few rows of `bulk_ranges`.
const RANGES_OF_BULK: &str = "INSERT INTO batch_ranges (first_id, last_id, batch) \
     SELECT first_id, last_id, ?2 FROM bulk_ranges WHERE bulk = ?1";
/// The few rows of `bulk_ranges`.
const BULK_BEGINS: &str = "SELECT min(first_id) FROM bulk_ranges WHERE bulk = ?1";
/// `batches.id`; where another job has come to be open, before those that were looked at.
const LOWER: &str = "UPDATE batches SET seen = min(seen, ?2) WHERE id = ?1";
/// One step into `batch_ranges.first_id`.
const OF_JOB: &str = "SELECT batch, last_id FROM batch_ranges WHERE first_id <= ?1 ORDER BY first_id DESC LIMIT 1";
/// One step into `batches_watching`; once per transaction in which any job comes after another.
const ANY_WATCHED: &str = "SELECT 1 FROM batches WHERE watched IS NOT NULL LIMIT 1";
/// `batches_watching`; once per end of a job, where anything is watched.
const WATCHING: &str = "SELECT id, seen FROM batches WHERE watched = ?1";
/// The first of those that are searched, by `batches_watching`.
const SEARCHED: &str = "SELECT id, seen FROM batches WHERE watched = 0 LIMIT 1";
/// `batches.id`.
const WATCH: &str = "UPDATE batches SET watched = ?2, seen = ?3 WHERE id = ?1";
/// `batches.id`.
const END: &str =
    "UPDATE batches SET watched = NULL, ended_at = ?2, jobs = ?3, dead = ?4, cancelled = ?5, gone = ?6 WHERE id = ?1";
/// The few rows of `bulk_ranges`, each with a step into `batch_ranges.first_id`: the last job of a batch that is not opened.
const UNOPENED: &str = "SELECT max(u.last_id) FROM bulk_ranges u CROSS JOIN bulks b ON b.id = u.bulk AND b.committed = 1 \
     WHERE (SELECT batch FROM batch_ranges WHERE first_id <= u.first_id ORDER BY first_id DESC LIMIT 1) = ?1";
/// The last row by `batch_ranges_by_batch`.
const LAST: &str = "SELECT last_id FROM batch_ranges WHERE batch = ?1 ORDER BY first_id DESC LIMIT 1";
/// The rest of `batch_ranges_by_batch`, each with a range of `jobs.id`.
const ONWARD: &str = "SELECT j.id FROM batch_ranges g CROSS JOIN jobs j ON j.id BETWEEN max(g.first_id, CAST(?2 AS BIGINT) + 1) AND g.last_id \
     WHERE g.batch = ?1 AND g.last_id > ?2 ORDER BY g.first_id, j.id LIMIT ?3";
/// The few rows of `running`, each with a step into `batch_ranges.first_id`.
const RUNS: &str = "SELECT 1 FROM running r WHERE (SELECT CASE WHEN last_id >= r.job_id THEN batch END FROM batch_ranges \
     WHERE first_id <= r.job_id ORDER BY first_id DESC LIMIT 1) = ?1 LIMIT 1";
/// `batches.id`.
const FOLLOWERS: &str = "SELECT then_failed, dead FROM batches WHERE id = ?1";
/// `batches.id`.
const ENDED: &str = "SELECT name, jobs, dead, cancelled, gone FROM batches WHERE id = ?1 AND ended_at IS NOT NULL";
/// Onward by `batches.id`, with the ranges of each by `batch_ranges_by_batch` and a step into `jobs.id`: those without jobs.
const EMPTY: &str = "SELECT id FROM (SELECT id, then_job, then_failed FROM batches WHERE id > ?1 ORDER BY id LIMIT ?2) b WHERE NOT EXISTS \
     (SELECT 1 FROM batch_ranges g CROSS JOIN jobs j ON j.id BETWEEN g.first_id AND g.last_id WHERE g.batch = b.id) \
     AND NOT EXISTS (SELECT 1 FROM jobs WHERE id IN (b.then_job, b.then_failed))";
/// The last row by `batches.id`.
const HIGH: &str = "SELECT max(id) FROM batches";
/// `batches.id`.
const DELETE: &str = "DELETE FROM batches WHERE id = ?1";
/// `batch_ranges_by_batch`.
const RANGES_DELETE: &str = "DELETE FROM batch_ranges WHERE batch = ?1";

/// Ranges of `jobs.id`, `running.job_id`, `blocked.job_id` and `ended.job_id`.
const ON_RECORD: &str = "SELECT (SELECT count(*) FROM jobs WHERE id BETWEEN ?1 AND ?2), \
     (SELECT count(*) FROM running WHERE job_id BETWEEN ?1 AND ?2), \
     (SELECT count(*) FROM blocked WHERE job_id BETWEEN ?1 AND ?2), \
     (SELECT count(*) FROM ended WHERE job_id BETWEEN ?1 AND ?2 AND state = 4), \
     (SELECT count(*) FROM ended WHERE job_id BETWEEN ?1 AND ?2 AND state = 5)";

/// A search among the jobs of a batch.
enum Found {
    /// A job that has not ended; all before `seen` have.
    Open { job: i64, seen: i64 },
    /// All have ended.
    None,
    /// All up to this one have, as far as was looked.
    UpTo(i64),
}

impl Batch<'_> {
    pub(in crate::store) fn push_into(&mut self, jobs: &[NewJob], into: &IntoBatch) -> Result<Reply> {
        let joined = match self.can_join(into)? {
            Ok(joined) => joined,
            Err(refused) => return Ok(Reply::BadBatch(refused)),
        };
        let mut pushed = match self.push(jobs)? {
            Reply::Pushed(pushed) => pushed,
            refused => return Ok(refused),
        };
        let batch = self.joined_or_new(joined, into)?;
        let mut new = pushed.iter().filter(|pushed| !pushed.deduplicated).map(|pushed| pushed.id.0);
        // Ids of one transaction follow one another.
        if let Some(first) = new.next() {
            let last = new.next_back().unwrap_or(first);
            if self.run(RANGE_GROW, (first - 1, last, batch.0))? == 0 {
                self.run(RANGE_ADD, (first, last, batch.0))?;
            }
            self.run(LOWER, (batch.0, first - 1))?;
        }
        self.follow(batch, into)?;
        for pushed in &mut pushed {
            pushed.batch = Some(batch);
        }
        Ok(Reply::Pushed(pushed))
    }

    /// The batch that is joined, if it is open; `None`: a new one is to be made.
    pub(in crate::store) fn can_join(
        &mut self,
        into: &IntoBatch,
    ) -> Result<std::result::Result<Option<BatchId>, BatchError>> {
        let batch = match into {
            IntoBatch::New(_) => return Ok(Ok(None)),
            IntoBatch::Join(batch) => *batch,
            IntoBatch::JoinThatOf(job) => match batch_of(self.conn, job.0)? {
                Some(batch) => batch,
                None if self.place(job.0)?.is_some() => return Ok(Err(BatchError::Alone(*job))),
                None => return Ok(Err(BatchError::UnknownJob(*job))),
            },
        };
        let has_ended: Option<bool> =
            self.conn.prepare_cached(GET)?.query_row([batch.0], |row| row.get(0)).optional()?;
        Ok(match has_ended {
            None => Err(BatchError::Unknown(batch)),
            Some(false) if self.conn.prepare_cached(RUNS)?.exists([batch.0])? => Ok(Some(batch)),
            Some(false) if matches!(self.find_open(batch.0, 0, &mut u32::MAX.clone())?, Found::Open { .. }) => {
                Ok(Some(batch))
            }
            Some(_) => Err(BatchError::Ended(batch)),
        })
    }

    fn joined_or_new(&self, joined: Option<BatchId>, into: &IntoBatch) -> Result<BatchId> {
        let (None, IntoBatch::New(new)) = (joined, into) else { return Ok(joined.unwrap_or_default()) };
        self.added(ADD, (new.name.as_deref(), self.at.0)).map(BatchId)
    }

    /// The jobs of a bulk push that is committed are in this batch.
    pub(in crate::store) fn put_bulk(
        &mut self,
        bulk: BulkId,
        joined: Option<BatchId>,
        into: &IntoBatch,
    ) -> Result<BatchId> {
        let batch = self.joined_or_new(joined, into)?;
        let first: Option<i64> = self.conn.prepare_cached(BULK_BEGINS)?.query_row([bulk.0], |row| row.get(0))?;
        self.run(RANGES_OF_BULK, (bulk.0, batch.0))?;
        if let Some(first) = first {
            self.run(LOWER, (batch.0, first - 1))?;
        }
        self.follow(batch, into)?;
        Ok(batch)
    }

    /// Pushes the jobs that come after a new batch.
    fn follow(&mut self, batch: BatchId, into: &IntoBatch) -> Result<()> {
        let IntoBatch::New(new) = into else { return Ok(()) };
        let mut push = |job: Option<&NewJob>, failed: AfterFailed| -> Result<Option<i64>> {
            let Some(job) = job else { return Ok(None) };
            let w = self.add_unplaced(job, None)?;
            self.link_one(w.id, batch.as_parent().0, REF, failed as i64)?;
            self.enter_blocked(w)?;
            Ok(Some(w.id))
        };
        let then = push(new.then.as_deref(), AfterFailed::Continue)?;
        let then_failed = push(new.then_failed.as_deref(), AfterFailed::Cancel)?;
        if then.is_none() && then_failed.is_none() {
            return Ok(());
        }
        self.run(FOLLOW, (batch.0, then, then_failed))?;
        self.watched = Some(true);
        self.search(batch.0, 0)
    }

    fn is_watching(&mut self) -> Result<bool> {
        if let Some(known) = self.watched {
            return Ok(known);
        }
        let any = self.conn.prepare_cached(ANY_WATCHED)?.exists([])?;
        self.watched = Some(any);
        Ok(any)
    }

    /// What becomes of a job has changed: if a batch watches it, that may watch another.
    pub(in crate::store) fn look_on(&mut self, job: i64) -> Result<()> {
        if !self.is_watching()? {
            return Ok(());
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        match self.conn.prepare_cached(WATCHING)?.query_row([job], read).optional()? {
            Some((batch, seen)) => self.search(batch, seen),
            None => Ok(()),
        }
    }

    /// A job that had ended is to run again.
    pub(in crate::store) fn reopens(&mut self, job: i64) -> Result<()> {
        if self.is_watching()?
            && let Some(batch) = batch_of(self.conn, job)?
        {
            self.run(LOWER, (batch.0, job - 1))?;
        }
        Ok(())
    }

    /// Goes on with searches that were not over, as far as this transaction may.
    pub(in crate::store) fn search_on(&mut self) -> Result<()> {
        while self.settles > 0 {
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let next = self.conn.prepare_cached(SEARCHED)?.query_row([], read).optional()?;
            let Some((batch, seen)) = next else { break };
            self.search(batch, seen)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Looks for a job that has not ended, which is watched from then on. `seen`: up to which all have.
    fn search(&mut self, batch: i64, seen: i64) -> Result<()> {
        let mut left = self.settles;
        let found = self.find_open(batch, seen, &mut left)?;
        self.settles = left;
        match found {
            Found::Open { job, seen } => self.run(WATCH, (batch, job, seen)).map(drop),
            Found::UpTo(seen) => {
                self.settled.moved = true;
                self.run(WATCH, (batch, 0, seen)).map(drop)
            }
            Found::None => self.end_batch(batch),
        }
    }

    fn find_open(&mut self, batch: i64, mut seen: i64, left: &mut u32) -> Result<Found> {
        let unopened: Option<i64> = self.conn.prepare_cached(UNOPENED)?.query_row([batch], |row| row.get(0))?;
        if let Some(job) = unopened {
            return Ok(Found::Open { job, seen });
        }
        let last: Option<i64> = self.conn.prepare_cached(LAST)?.query_row([batch], |row| row.get(0)).optional()?;
        if let Some(job) = last
            && self.is_open(job)?
        {
            return Ok(Found::Open { job, seen });
        }
        loop {
            let limit = STEP.min(*left);
            let ids = self.ids(ONWARD, (batch, seen, limit))?;
            for &job in &ids {
                if self.is_open(job)? {
                    return Ok(Found::Open { job, seen });
                }
                seen = job;
                *left -= 1;
            }
            if limit == 0 {
                return Ok(Found::UpTo(seen));
            }
            if ids.len() < limit as usize {
                return Ok(Found::None);
            }
        }
    }

    fn is_open(&mut self, job: i64) -> Result<bool> {
        Ok(self.place(job)?.is_some_and(|place| !place.state.is_final()))
    }

    fn end_batch(&mut self, batch: i64) -> Result<()> {
        let (mut all, mut on_record, mut dead, mut cancelled) = (0, 0, 0, 0);
        for range in ranges(self.conn, batch)? {
            let found = OnRecord::read(self.conn, range)?;
            all += size(range);
            on_record += found.jobs;
            dead += found.dead;
            cancelled += found.cancelled;
        }
        self.run(END, (batch, self.at.0, all, dead, cancelled, all - on_record))?;
        self.fates.push_back(Fate::of(BatchId(batch).as_parent().0));
        Ok(())
    }

    /// How a batch that has ended stands to a job that comes after it.
    pub(in crate::store) fn standing_of_batch(&self, batch: BatchId, job: i64) -> Result<Standing> {
        let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
        let found = self.conn.prepare_cached(FOLLOWERS)?.query_row([batch.0], read).optional()?;
        let is_in_vain = found.is_some_and(|(then_failed, dead)| then_failed == Some(job) && dead == Some(0));
        Ok(if is_in_vain { Standing::Gone } else { Standing::Done })
    }

    /// What a job that comes after a batch is told of it, as JSON.
    pub(in crate::store) fn batch_end(&self, batch: BatchId) -> Result<Option<String>> {
        let read = |row: &Row<'_>| {
            let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let (jobs, dead, cancelled, gone) = (count(1)?, count(2)?, count(3)?, count(4)?);
            let succeeded = jobs - dead - cancelled - gone;
            Ok(BatchEnd { id: batch, name: names::maybe_text(row, 0)?, jobs, succeeded, dead, cancelled })
        };
        let end = self.conn.prepare_cached(ENDED)?.query_row([batch.0], read).optional()?;
        Ok(end.and_then(|end| serde_json::to_string(&end).ok()))
    }

    /// Batches of which no job is on record any more, a bounded number from another place each time.
    pub(in crate::store) fn prune_batches(&self, keep: &Keep) -> Result<usize> {
        let high: Option<i64> = self.conn.prepare_cached(HIGH)?.query_row([], |row| row.get(0))?;
        let Some(high) = high else { return Ok(0) };
        let after = if high <= i64::from(keep.limit) { 0 } else { self.at.0 % high };
        let empty = self.ids(EMPTY, (after, keep.limit))?;
        for batch in &empty {
            self.run(RANGES_DELETE, [batch])?;
            self.run(DELETE, [batch])?;
        }
        Ok(empty.len())
    }
}

/// The batch that a job is in.
fn batch_of(conn: Conn<'_>, job: i64) -> Result<Option<BatchId>> {
    let read = |row: &Row<'_>| Ok((BatchId(row.get(0)?), row.get::<_, i64>(1)?));
    let found = conn.prepare_cached(OF_JOB)?.query_row([job], read).optional()?;
    Ok(found.filter(|(_, last)| *last >= job).map(|(batch, _)| batch))
}

pub(in crate::store) fn ranges(conn: Conn<'_>, batch: i64) -> Result<Vec<IdRange>> {
    let read = |row: &Row<'_>| Ok(IdRange { first: JobId(row.get(0)?), last: JobId(row.get(1)?) });
    conn.prepare_cached(RANGES)?.query_map([batch], read)?.collect()
}

pub(in crate::store) const fn size(range: IdRange) -> i64 {
    range.last.0 - range.first.0 + 1
}

/// What tables have of a range of ids without looking at each job.
pub(in crate::store) struct OnRecord {
    pub(in crate::store) jobs: i64,
    pub(in crate::store) running: i64,
    pub(in crate::store) blocked: i64,
    pub(in crate::store) dead: i64,
    pub(in crate::store) cancelled: i64,
}

impl OnRecord {
    pub(in crate::store) fn read(conn: Conn<'_>, range: IdRange) -> Result<Self> {
        conn.prepare_cached(ON_RECORD)?.query_row((range.first.0, range.last.0), |row| {
            let (jobs, running, blocked) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Self { jobs, running, blocked, dead: row.get(3)?, cancelled: row.get(4)? })
        })
    }
}
