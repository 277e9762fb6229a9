//! Limits of a worker: jobs, memory, age. Reaching one marks the worker; `replace` gives it its turn.

use std::time::Duration;

use super::worker::State;
use super::{Action, Core, Note};
use crate::model::worker::EndReason;
use crate::model::{MemoryLimit, Now, WorkerId};

/// How long a worker at a limit is given no job while it waits for its turn to be replaced.
const HELD_FOR: Duration = Duration::from_secs(1);

impl Core {
    /// A job was answered: the worker may be free, at a limit, or done with leaving.
    pub(super) fn after_job(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get(&id) else { return };
        let full = worker.max_jobs.is_some_and(|max| worker.jobs_done >= max);
        let healthy = worker.jobs_done == 1;
        let (pool, slot) = (worker.pool, worker.slot);
        if full {
            self.recycle(id, EndReason::MaxJobs, now);
        }
        if healthy
            && let Some(entry) = self.entry(pool, slot)
            && entry.current == Some(id)
        {
            entry.deaths = 0;
        }
        self.reload(id);
        self.close_if_idle(id, out);
        self.arm(id);
    }

    /// Marks a worker for replacement.
    /// Until its turn comes it is held back, so that it does not run past its limit; but not for long, if others
    /// are slow to leave.
    pub(super) fn recycle(&mut self, id: WorkerId, why: EndReason, now: Now) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.state == State::Ready && worker.recycle.is_none() {
            worker.recycle = Some(why);
            worker.held_until = Some(now.mono + HELD_FOR);
            if let Some(pool) = self.pools.get_mut(&worker.pool) {
                pool.recycles.push_back(id);
            }
        }
    }

    pub(super) fn sampled(&mut self, id: WorkerId, memory: u64, cpu: f64, now: Now, out: &mut Vec<Action>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(pool) = self.pools.get_mut(&worker.pool) else { return };
        worker.memory = Some(memory);
        worker.cpu = Some(cpu);
        worker.peak = worker.peak.max(Some(memory));
        for flight in worker.flights.iter_mut().filter(|f| f.started.is_some()) {
            flight.peak = flight.peak.max(Some(memory));
        }
        if pool.settings.memory_max.is_some_and(|max| memory > max) {
            self.kill(id, EndReason::MemoryMax, now, out);
            return;
        }
        if worker.baseline.is_none() && (worker.jobs_done > 0 || pool.settings.opaque) {
            worker.baseline = Some(memory);
            if let Some(MemoryLimit::Absolute(limit)) = pool.settings.memory
                && memory > limit
            {
                worker.limit_void = true;
                if !std::mem::replace(&mut pool.baseline_told, true) {
                    let worker = worker.name.to_string();
                    out.push(Action::Note(Note::LimitBelowBaseline { worker, limit, baseline: memory }));
                }
            }
        }
        let over = match (pool.settings.memory, worker.baseline) {
            (Some(MemoryLimit::Growth(by)), Some(baseline)) => memory > baseline.saturating_add(by),
            (Some(MemoryLimit::Absolute(limit)), Some(_)) => memory > limit && !worker.limit_void,
            (Some(_), None) | (None, _) => false,
        };
        if over {
            self.recycle(id, EndReason::Memory, now);
        }
    }
}
