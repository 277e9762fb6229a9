//! The operations of a batch, each to the file of its topic.
//!
//! Invariant: a batch leaves the marks that make ids and batch numbers good after a crash.

use super::batch::Batch;
use super::conn::Conn;
use super::sql;
use crate::model::JobAction;
use crate::model::change::{Change, Op, Reply, Request};
use crate::store::Applied;
use crate::store::postgres::members;

/// The job whose run an operation is about, if it is about one.
fn run_of(op: &Op) -> Option<i64> {
    match op {
        Op::Change(Change::Finish(finish)) => Some(finish.job.id.0),
        Op::Change(Change::Unclaim { job, .. } | Change::Assign { job, .. } | Change::Progress { job, .. }) => {
            Some(job.0)
        }
        Op::Change(_) | Op::Request(_) => None,
    }
}

impl Batch<'_> {
    fn apply(&mut self, op: &Op) -> rusqlite::Result<Reply> {
        let is_finish = matches!(op, Op::Change(Change::Finish(_)));
        if !is_finish {
            // May claim what is free now. Of jobs that finish one after another children hear together.
            self.settle()?;
        }
        let reply = match op {
            Op::Change(change) => self.apply_change(change),
            Op::Request(request) => self.apply_request(request),
        }?;
        if !is_finish {
            self.settle()?;
        }
        Ok(reply)
    }

    fn apply_change(&mut self, change: &Change) -> rusqlite::Result<Reply> {
        match change {
            Change::Claim(claim) => self.claim(claim),
            Change::Finish(finish) => self.finish(finish),
            Change::Unclaim { job, run } => self.unclaim(*job, *run),
            Change::Assign { job, run, worker } => self.assign(*job, *run, *worker),
            Change::Promote { limit } => self.promote(*limit),
            Change::Shift(shift) => self.shift(shift),
            Change::NameTypes(types) => self.name_types(types),
            Change::Sort { limit } => self.sort(*limit),
            Change::FirstOther(queue) => self.first_other(queue),
            Change::Progress { job, run, progress } => self.progress(*job, *run, progress),
            Change::Cancel { job, only } => self.act(*job, *only, &JobAction::Cancel),
            Change::WorkerStarted(worker) => self.worker_started(worker),
            Change::WorkerEnded(worker) => self.worker_ended(worker),
            Change::Prune { keep, served, keep_runs } => self.prune(keep, served, keep_runs),
            Change::RollUp(rollup) => self.roll_up(rollup),
            Change::LogAutoscale(change) => self.log_autoscale(change),
            Change::KeepRows(rows) => self.keep_rows(rows),
            Change::LogCalls(calls) => self.log_calls(calls),
            Change::PutOperation(operation) => self.put_operation(operation),
            Change::LogDeed(deed) => self.log_deed(deed),
            Change::EndDeed(deed) => self.end_deed(deed),
            Change::ArmProcessors(armed) => self.arm(armed),
            Change::Tick(tick) => self.tick(tick),
            Change::SetNextTick { processor, expected, next_at } => self.set_next_tick(processor, *expected, *next_at),
            Change::LoseRun(run) => self.lose_run(*run),
        }
    }

    fn apply_request(&mut self, request: &Request) -> rusqlite::Result<Reply> {
        match request {
            Request::Push(jobs) => self.push(jobs),
            Request::PushInto { jobs, batch } => self.push_into(jobs, batch),
            Request::Bulk(step) => self.bulk(step),
            Request::Act { job, only, action } => self.act(*job, *only, action),
            Request::Pause { queue, paused } => self.pause(queue, *paused),
            Request::PauseKey { queue, key, pause } => self.pause_key(queue, key, pause.as_ref()),
            Request::ConfigureQueues(limits) => self.configure_queues(limits),
            Request::SetLimits { queue, set } => self.set_limits(queue, set.as_deref()),
            Request::SwitchProcessors { processors, switch } => self.switch(processors, switch),
            Request::NoteFailure { fingerprint, said } => self.note_failure(*fingerprint, said),
            Request::BeginRun(begin) => self.begin_run(begin),
            Request::EndRun { run, state, note } => self.end_foreign(*run, *state, note.as_deref()),
            Request::Tell(tell) => self.tell_hosts(tell),
        }
    }

    /// Applies all, in order.
    pub(in crate::store) fn apply_all(&mut self, number: u64, ops: &[Op]) -> rusqlite::Result<Applied> {
        let before = *self.high;
        if let Conn::Postgres(conn) = self.conn {
            self.current = Some(conn.current(ops.iter().filter_map(run_of))?);
        }
        let replies = ops.iter().map(|op| self.apply(op)).collect::<rusqlite::Result<Vec<_>>>()?;
        self.settle()?;
        let changed = self.write_changes()?;
        if self.conn.is_remote() {
            if number != 0 {
                self.conn.later(&mut None, members::APPLIED, (self.generation, number as i64))?;
            }
        } else if number != 0 || *self.high != before {
            let (run, worker) = (self.high.run, self.high.worker);
            self.run(sql::GENERATION_MARK, (self.generation, number as i64, run, worker))?;
        }
        let (forgotten, ended_runs) = (std::mem::take(&mut self.forgotten), std::mem::take(&mut self.ended_runs));
        let settled = std::mem::take(&mut self.settled);
        Ok(Applied { replies, forgotten, changed, ended_runs, settled })
    }
}
