//! Changes of a running job: it ends, is given back, is assigned, reports progress.
//!
//! Invariant: every change begins with a compare on the run id; no row of that run means [`Reply::Stale`] and
//! nothing else. A success writes one row and deletes one.

use rusqlite::{OptionalExtension, Result, params};

use super::batch::{Batch, Waiting};
use super::ended::End;
use super::run_row::RunRow;
use super::sql;
use crate::model::change::{Finish, Next, Reply};
use crate::model::failure::Failure;
use crate::model::job::Progress;
use crate::model::run_end::RunEnd;
use crate::model::{JobId, Outcome, RunId, WorkerId};

/// One row: the run is the current one. None is normal: the run is over.
fn reply(changed: usize) -> Reply {
    if changed == 1 { Reply::Done } else { Reply::Stale }
}

impl Batch<'_> {
    pub(in crate::store) fn finish(&mut self, finish: &Finish) -> Result<Reply> {
        let job = &finish.job;
        if !self.leave_running(job.id.0, job.run.0)? {
            return Ok(Reply::Stale);
        }
        let queue = self.names.queue_or_new(self.conn, &job.queue, self.at)?;
        let kind = self.names.kind_or_new(self.conn, &job.kind)?;
        self.record(queue, kind.id, finish)?;
        let took = finish.ended_at.since(finish.started_at);
        self.key_ends(queue, job.id.0, Some(i64::try_from(took.as_micros()).unwrap_or(i64::MAX)))?;
        let change = self.change(queue);
        change.running -= 1;
        change.freed = true;
        change.used = true;
        let failed = matches!(finish.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed);
        change.failed += i64::from(failed);
        if finish.next == Next::Succeeded {
            change.succeeded += 1;
        } else {
            let failure = Failure::of(finish);
            let error = failure.map(|failure| self.count_failure((queue, kind.id), &failure)).transpose()?;
            self.go_on(queue, kind.lane, finish, error)?;
        }
        if finish.next == Next::Succeeded {
            self.succeeds(job.id.0)?;
        }
        let over = matches!(finish.next, Next::Succeeded | Next::Dead(_) | Next::Cancelled(_));
        if over {
            self.let_go(job.id.0, job.holds, || RunEnd::of(finish))?;
        } else if let Some(run) = job.holds.run {
            self.run_started(run, finish.started_at)?;
        }
        Ok(Reply::Done)
    }

    /// Whether this was the current run of the job, which it is no more.
    fn leave_running(&mut self, job: i64, run: i64) -> Result<bool> {
        let Some(current) = &mut self.current else {
            let statement = self.conn.kept(&mut self.hot.running_delete, sql::RUNNING_DELETE)?;
            return Ok(statement.execute((job, run))? == 1);
        };
        let is_current = current.remove(&(job, run));
        if is_current {
            self.conn.later(&mut self.hot.running_delete, sql::RUNNING_DELETE, (job, run))?;
        }
        Ok(is_current)
    }

    fn record(&mut self, queue: i64, kind: i64, finish: &Finish) -> Result<()> {
        let job = &finish.job;
        self.add_run(&RunRow {
            id: job.run.0,
            job: job.id.0,
            queue,
            kind,
            worker: Some(finish.worker.0),
            generation: self.generation,
            attempt: job.attempt(),
            outcome: finish.outcome,
            due_at: job.due_at,
            started_at: finish.started_at,
            ended_at: finish.ended_at,
            cause: finish.cause,
            detail: &finish.detail,
            span: job.span(),
        })
    }

    /// The job has a past from now on; it waits again or is over. `died_of`: the fingerprint of what it failed of.
    fn go_on(&mut self, queue: i64, lane: i64, finish: &Finish, died_of: Option<i64>) -> Result<()> {
        let (id, due_at) = (finish.job.id.0, finish.job.due_at);
        let (error, at) = (finish.detail.error.as_deref(), finish.ended_at);
        let due_at = match finish.next {
            Next::RetryAt(at) => at,
            Next::Behind => finish.ended_at,
            Next::Ready | Next::Succeeded | Next::Dead(_) | Next::Cancelled(_) => due_at,
        };
        self.put_tries(id, due_at.0, finish.counters, Some(finish.max_attempts))?;
        match finish.next {
            Next::Ready | Next::Behind | Next::RetryAt(_) => {
                let nprio = self.conn.prepare_cached(sql::JOB_PRIO)?.query_row([id], |row| row.get(0))?;
                let w = Waiting { queue, lane, nprio, due_at: due_at.0, id, tried: true };
                match finish.next {
                    Next::RetryAt(at) => self.enter_scheduled(w, Some(at.0.saturating_sub(finish.ended_at.0))),
                    _ => self.enter_ready(w),
                }
            }
            Next::Dead(cause) => self.enter_ended((queue, id), End { cause, error, at, died_of }),
            Next::Cancelled(cause) => self.enter_ended((queue, id), End { cause, error, at, died_of: None }),
            Next::Succeeded => Ok(()),
        }
    }

    /// Back to its old place; a job that has never started can expire again.
    pub(in crate::store) fn unclaim(&mut self, job: JobId, run: RunId) -> Result<Reply> {
        let taken = self
            .conn
            .prepare_cached(sql::RUNNING_TAKE)?
            .query_row((job.0, run.0), |row| {
                let lane = self.names.lane_of(self.conn, row.get(5)?)?;
                let (due_at, tried) = (row.get(0)?, row.get(1)?);
                let at = Waiting { queue: row.get(2)?, lane, nprio: row.get(3)?, due_at, id: job.0, tried };
                Ok((at, row.get::<_, Option<i64>>(4)?))
            })
            .optional()?;
        let Some((at, expires_at)) = taken else { return Ok(Reply::Stale) };
        self.leave_running(job.0, run.0)?;
        if let (Some(expires_at), false) = (expires_at, at.tried) {
            self.run(sql::EXPIRING_ADD, (expires_at, at.id))?;
        }
        self.change(at.queue).running -= 1;
        self.give_token_back(at.queue)?;
        self.key_ends(at.queue, at.id, None)?;
        self.enter_ready(at)?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn assign(&mut self, job: JobId, run: RunId, worker: WorkerId) -> Result<Reply> {
        let row = (job.0, run.0, worker.0);
        let Some(current) = &self.current else {
            return self.run(sql::RUNNING_ASSIGN, row).map(reply);
        };
        if !current.contains(&(job.0, run.0)) {
            return Ok(Reply::Stale);
        }
        self.conn.later(&mut None, sql::RUNNING_ASSIGN, row)?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn progress(&self, job: JobId, run: RunId, progress: &Progress) -> Result<Reply> {
        if !self.conn.prepare_cached(sql::RUNNING_IS)?.exists((job.0, run.0))? {
            return Ok(Reply::Stale);
        }
        let Progress { percent, message, state } = progress;
        self.run(sql::PROGRESS_PUT, params![job.0, percent, message, state.as_deref()]).map(reply)
    }
}
