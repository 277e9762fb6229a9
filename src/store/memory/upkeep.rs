//! Upkeep of the store in memory: workers on record, recovery, retention.
//!
//! Invariant: the same rows go in the same step as in SQLite.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Place, Run, State};
use crate::model::change::{Keep, Reply, WorkerEnded, WorkerStarted};
use crate::model::shift::{FIXED_US, LONGEST_RETRY_US, Shift, Waits};
use crate::model::trace::SpanIds;
use crate::model::worker::signal_name;
use crate::model::worker::{EndReason, Exit, WorkerRecord};
use crate::model::{Cause, Detail, Generation, JobId, JobState, Outcome, ProcessorName, QueueName, UnixMicros};
use crate::store::lost;

impl State {
    pub(super) fn worker_started(&mut self, w: &WorkerStarted, generation: Generation) -> Reply {
        self.worker_high = self.worker_high.max(w.worker.0);
        let record = WorkerRecord {
            incarnation: w.worker,
            id: format!("{}-{}", w.pool, w.slot),
            pool: w.pool.as_str().to_owned(),
            slot: w.slot,
            pid: w.pid,
            generation,
            started_at: w.at,
            ended_at: None,
            reason: None,
            exit_code: None,
            signal: None,
            jobs_done: 0,
            peak_memory_bytes: None,
            note: None,
        };
        self.workers.insert(w.worker.0, record);
        Reply::Done
    }

    pub(super) fn worker_ended(&mut self, w: &WorkerEnded) -> Reply {
        if let Some(record) = self.workers.get_mut(&w.worker.0) {
            record.ended_at = Some(w.at);
            record.reason = Some(w.reason);
            record.exit_code = if let Some(Exit::Code(code)) = w.exit { Some(code) } else { None };
            record.signal = if let Some(Exit::Signal(n)) = w.exit { Some(signal_name(n)) } else { None };
            record.jobs_done = w.jobs_done;
            record.peak_memory_bytes = w.peak_memory;
        }
        Reply::Done
    }

    /// Takes over from one member, or where there is one at a time, from all up to it.
    pub(super) fn recover(&mut self, dead: Generation, at: UnixMicros) -> u64 {
        let first = if self.lease.is_some() { dead } else { Generation::default() };
        let all = first..=dead;
        let mut released = 0;
        for id in self.running.keys().copied().collect::<Vec<_>>() {
            let Some(Place::Running(running)) = self.jobs.get(&id).map(|job| job.place.clone()) else { continue };
            if !all.contains(&Generation(running.generation)) {
                continue;
            }
            self.key_ends(id, Some(0), at);
            let Some(mut job) = self.take(id) else { continue };
            let run = Run {
                job: id,
                kind: job.new.kind.to_string(),
                queue: job.new.queue.clone(),
                worker: running.worker,
                generation: running.generation,
                attempt: running.attempt,
                outcome: Outcome::Released,
                cause: Some(Cause::MasterLost),
                detail: Detail { error: Some(lost(running.worker).to_owned()), ..Detail::default() },
                span: SpanIds::default(),
                started_at: running.started_at,
                ended_at: at,
                waited_us: running.started_at.since(job.due_at).as_micros() as i64,
            };
            self.runs.insert(running.run.0, run);
            let past = job.past.unwrap_or_default().released();
            job.past = Some(past);
            if past.goes_behind() {
                job.due_at = at;
            }
            job.place = Place::Ready;
            self.queue(&job.new.queue).runs += 1;
            self.put(id, job);
            released += 1;
        }
        for worker in self.workers.values_mut().filter(|w| w.ended_at.is_none() && all.contains(&w.generation)) {
            worker.ended_at = Some(at);
            worker.reason = Some(EndReason::MasterLost);
        }
        for (_, life) in self.lives.range_mut(first.0..=dead.0).filter(|(_, life)| life.ended_at.is_none()) {
            life.ended_at = Some(at);
        }
        self.count_left(&all);
        released
    }

    pub(super) fn shift(&mut self, shift: &Shift, now: UnixMicros) -> Reply {
        if shift.after.is_none() {
            self.doubt_openings(now);
        }
        let (at, id) = shift.cursor();
        let (all, limit) = (self.waiting_until(shift.waits), shift.limit as usize);
        let rows: Vec<(i64, i64)> = if shift.by > 0 {
            all.range(..(at.0, id.0)).rev().take(limit).copied().collect()
        } else {
            all.iter().filter(|&&key| key > (at.0, id.0)).take(limit).copied().collect()
        };
        for &(at, id) in &rows {
            let Some(mut job) = self.take(id) else { continue };
            let (tried, wait) = (job.past.is_some(), job.wait);
            match shift.waits {
                Waits::Due => {
                    let length = wait.or_else(|| tried.then_some(LONGEST_RETRY_US));
                    if let Some(length) = length.filter(|&length| length != FIXED_US) {
                        job.due_at = shift.moved(UnixMicros(at), length, now);
                    }
                }
                Waits::Expiry => {
                    job.new.expires_at = Some(shift.moved(UnixMicros(at), at - job.pushed_at.0, now));
                }
            }
            self.put(id, job);
        }
        let last = rows.last().map(|&(at, id)| (UnixMicros(at), JobId(id)));
        Reply::Shifted { next: last.filter(|_| rows.len() == limit) }
    }

    pub(super) fn prune(
        &mut self,
        keep: &Keep,
        served: &BTreeSet<QueueName>,
        keep_runs: &BTreeMap<ProcessorName, UnixMicros>,
        at: UnixMicros,
    ) -> Reply {
        let (mut removed, more) = self.prune_succeeded(keep, at);
        for (state, since) in [(JobState::Cancelled, keep.succeeded_since), (JobState::Dead, keep.dead_since)] {
            for id in self.ended(state, since).into_iter().take(keep.limit as usize) {
                self.forget(id, at);
                removed += 1;
            }
        }
        let more = self.prune_failures(keep) || more;
        let (limit, since) = (keep.limit as usize, keep.runs_since);
        let seen = self.runs.range(..=self.runs_seen).take(limit);
        let runs: Vec<i64> = seen.filter(|(_, run)| run.ended_at < since).map(|(id, _)| *id).collect();
        let old = |w: &WorkerRecord| w.ended_at.is_some_and(|at| at < since);
        let workers: Vec<i64> = self.workers.iter().take(limit).filter(|(_, w)| old(w)).map(|(id, _)| *id).collect();
        let last = self.lives.keys().next_back().copied();
        let lives = self.lives.iter().take(limit).filter(|(n, _)| Some(**n) != last);
        let lives: Vec<i64> =
            lives.filter(|(_, l)| l.ended_at.unwrap_or(l.started_at) < since).map(|(n, _)| *n).collect();
        removed += runs.len() + workers.len() + lives.len();
        self.runs.retain(|id, _| !runs.contains(id));
        self.workers.retain(|id, _| !workers.contains(id));
        self.lives.retain(|n, _| !lives.contains(n));
        removed += self.prune_queues(keep, served);
        removed += self.prune_processor_runs(keep, keep_runs) + self.prune_history(at);
        removed += self.prune_autoscale_log(keep, at) + self.prune_call_log(keep, at) + self.prune_operations(keep);
        removed += self.prune_audit(keep) + self.prune_batches(keep, at);
        Reply::Count(removed.max(usize::from(more)) as u64)
    }

    /// How many were removed, and whether it came as far as it may in one step.
    fn prune_succeeded(&mut self, keep: &Keep, at: UnixMicros) -> (usize, bool) {
        let before = self.running.values().min().copied().unwrap_or(i64::MAX);
        let onward: Vec<(i64, i64, Outcome, UnixMicros)> = self
            .runs
            .range(self.runs_seen + 1..before.max(self.runs_seen + 1))
            .take(keep.limit as usize)
            .map(|(id, run)| (*id, run.job, run.outcome, run.ended_at))
            .collect();
        let (mut removed, mut more) = (0, onward.len() == keep.limit as usize);
        for (id, job, outcome, ended_at) in onward {
            if outcome == Outcome::Succeeded {
                if ended_at >= keep.succeeded_since {
                    more = false;
                    break;
                }
                if self.jobs.get(&job).is_some_and(|job| matches!(job.place, Place::Succeeded)) {
                    self.forget(job, at);
                    removed += 1;
                }
            }
            self.runs_seen = id;
        }
        (removed, more)
    }
}
