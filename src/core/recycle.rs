//! Limits of a worker: jobs, memory, CPU, age. Reaching one marks the worker; `replace` gives it its turn.

use std::time::Duration;

use super::worker::{Handle, Hold, Recycle, State};
use super::{Action, Core};
use crate::model::worker::EndReason;
use crate::model::{Bytes, MemoryLimit, Mono, Notice, Now, PoolLimits, WorkerId};

/// How long a worker at a limit is given no job while it waits for its turn to be replaced.
const HELD_FOR: Duration = Duration::from_secs(1);
/// How long a worker is over its limit of CPU before it is replaced: a start or one long job is not what the limit is for.
const OVER_CPU_FOR: Duration = Duration::from_mins(1);

impl Core {
    /// A job was answered: the worker may be free, at a limit, or done with leaving.
    pub(super) fn after_job(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(id) else { return };
        let healthy = worker.jobs_done == 1;
        if worker.max_jobs.is_some_and(|max| worker.jobs_done >= max) {
            self.recycle(id, EndReason::MaxJobs, now);
        }
        if healthy && let Some(entry) = self.slot_of(id).filter(|entry| entry.state.current() == Some(id)) {
            entry.backoff.deaths = 0;
            self.change(id, |_, pool| pool.said = None);
        }
        self.job_over(id, now, out);
    }

    /// A worker that has no other job leaves, if it is to; or its turn to be replaced comes now.
    pub(super) fn job_over(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        self.change(id, |worker, pool| {
            worker.close_if_idle(id, now.mono, &pool.settings.limits, out);
            if !worker.finishes_first()
                && let State::Ready { recycle: Some(Recycle { hold: hold @ Hold::Busy, .. }), .. } = &mut worker.state
            {
                *hold = Hold::Until(now.mono + HELD_FOR);
            }
        });
    }

    /// Marks a worker for replacement, after its job.
    /// Until its turn comes it is held back, so that it does not run past its limit; but without a job not for long, if
    /// others are slow to leave.
    pub(super) fn recycle(&mut self, id: WorkerId, why: EndReason, now: Now) {
        self.change(id, |worker, pool| {
            let hold = if worker.finishes_first() { Hold::Busy } else { Hold::Until(now.mono + HELD_FOR) };
            if let State::Ready { recycle: recycle @ None, .. } = &mut worker.state {
                *recycle = Some(Recycle { why, hold });
                pool.recycles.push_back(id);
            }
        });
    }

    pub(super) fn sampled(&mut self, id: WorkerId, memory: u64, cpu: f64, now: Now, out: &mut Vec<Action>) {
        let limit_reached = self.change(id, |worker, pool| {
            let since = worker.sampled.replace(now.mono).unwrap_or(worker.since);
            pool.counts.cpu_us += (now.mono.since(since).as_micros() as f64 * cpu / 100.0) as u64;
            (worker.memory, worker.cpu) = (Some(memory), Some(cpu));
            worker.note_peak(memory);
            if pool.settings.limits.memory_max.is_some_and(|Bytes(max)| memory > max) {
                return Some(EndReason::MemoryMax);
            }
            if worker.baseline.is_none() && (worker.jobs_done > 0 || pool.settings.is_told_by_signals()) {
                // Memory that jobs after the first have left behind is growth.
                let grown = worker.alone.map_or(0, |(first, last)| last.saturating_sub(first));
                let baseline = memory.saturating_sub(grown);
                worker.baseline = Some(baseline);
                if let Some(MemoryLimit::Absolute(limit)) = pool.settings.limits.memory
                    && baseline > limit
                    && !std::mem::replace(&mut pool.baseline_told, true)
                {
                    let (pool, limit) = (pool.settings.name.clone(), MemoryLimit::Absolute(limit));
                    out.push(Action::Tell(Notice::MemoryBaseline { pool, limit, baseline_bytes: baseline }));
                }
            }
            let is_busy = worker.is_over_cpu(pool.settings.limits.cpu, cpu, since, now.mono);
            let is_large = over(&pool.settings.limits, worker, worker.baseline, memory);
            is_large.then_some(EndReason::Memory).or(is_busy.then_some(EndReason::Cpu))
        });
        match limit_reached.flatten() {
            Some(EndReason::MemoryMax) => self.kill(id, EndReason::MemoryMax, now, out),
            Some(why) => self.recycle(id, why, now),
            None => {}
        }
    }

    /// Between two samples a worker may do many jobs, each of which leaves something behind. Its own memory is a lower bound
    /// of what a sample would show.
    pub(super) fn sampled_alone(&mut self, id: WorkerId, memory: u64, now: Now) {
        let is_over = self.change(id, |worker, pool| {
            worker.memory.get_or_insert(memory);
            worker.note_peak(memory);
            worker.mark.measured(memory);
            let after_first_job = worker.alone.map_or(memory, |(first, _)| first);
            worker.alone = Some((after_first_job, memory));
            // Over the hard limit too it is replaced and not killed: the job that took so much is over.
            let far_over = pool.settings.limits.memory_max.is_some_and(|Bytes(max)| memory > max);
            far_over || over(&pool.settings.limits, worker, Some(after_first_job), memory)
        });
        if is_over.unwrap_or_default() {
            self.recycle(id, EndReason::Memory, now);
        }
    }
}

impl PoolLimits {
    /// Jobs of one worker before it is recycled.
    pub(super) fn own_max_jobs(&self, jitter: f64) -> Option<u64> {
        self.max_jobs.map(|jobs| ((jobs as f64 * jitter).round() as u64).max(1))
    }
}

impl Handle {
    /// Whether it has used more than this many CPUs for long, after it used so many per cent of one since the last sample.
    fn is_over_cpu(&mut self, limit: Option<f64>, cpu: f64, sampled: Mono, now: Mono) -> bool {
        if limit.is_none_or(|limit| cpu <= limit * 100.0) {
            self.cpu_over = None;
            return false;
        }
        now.since(*self.cpu_over.get_or_insert(sampled)) >= OVER_CPU_FOR
    }
}

/// Whether a worker is over its soft limit. Before its first job is done there is nothing to compare with, and a limit below
/// what it needs then is not applied.
fn over(limits: &PoolLimits, worker: &Handle, after_first_job: Option<u64>, memory: u64) -> bool {
    match (limits.memory, after_first_job) {
        (Some(MemoryLimit::Growth(by)), Some(before)) => memory > before.saturating_add(by),
        (Some(MemoryLimit::Absolute(limit)), Some(before)) => {
            memory > limit && worker.baseline.max(Some(before)) <= Some(limit)
        }
        (Some(_), None) | (None, _) => false,
    }
}
