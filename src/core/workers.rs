//! The workers of all pools.
//!
//! Invariant: a worker changes in [`Core::change`] only, so that its place in its pool's order of load and its timer are
//! always those of its state.

use std::collections::BTreeMap;
use std::ops::Index;

use super::Core;
use super::deadlines::{Timer, Timers};
use super::pool::Pool;
use super::worker::{Handle, State};
use crate::model::WorkerId;

/// All workers, oldest first.
#[derive(Debug, Default)]
pub(super) struct Workers(BTreeMap<WorkerId, Handle>);

impl Workers {
    pub(super) fn get(&self, id: WorkerId) -> Option<&Handle> {
        self.0.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Handle)> {
        self.0.iter().map(|(&id, worker)| (id, worker))
    }

    /// The ids of those that are meant.
    pub(super) fn ids(&self, mut which: impl FnMut(&Handle) -> bool) -> Vec<WorkerId> {
        self.iter().filter(|(_, worker)| which(worker)).map(|(id, _)| id).collect()
    }
}

impl Index<WorkerId> for Workers {
    type Output = Handle;

    fn index(&self, id: WorkerId) -> &Handle {
        &self.0[&id]
    }
}

impl Core {
    /// Changes a worker; `None` if there is none of this id.
    pub(super) fn change<T>(&mut self, id: WorkerId, change: impl FnOnce(&mut Handle, &mut Pool) -> T) -> Option<T> {
        let worker = self.workers.0.get_mut(&id)?;
        let pool = self.pools.get_mut(&worker.pool)?;
        let result = change(worker, pool);
        place_by_load(id, worker, pool);
        arm(id, worker, &mut self.timers);
        Some(result)
    }

    pub(super) fn set_state(&mut self, id: WorkerId, state: State) {
        self.change(id, |worker, _| worker.state = state);
    }

    pub(super) fn add_worker(&mut self, id: WorkerId, worker: Handle) {
        self.workers.0.insert(id, worker);
        self.change(id, |_, _| ());
    }

    /// Forgets a worker, wherever it is; what it held is the caller's business.
    pub(super) fn remove_worker(&mut self, id: WorkerId) -> Option<Handle> {
        let worker = self.workers.0.remove(&id)?;
        self.timers.replace(worker.armed, None, Timer::Worker(id));
        if let Some(pool) = self.pools.get_mut(&worker.pool) {
            pool.leaving.remove(&id);
            if let Some(load) = worker.load {
                pool.load.remove(&(load, worker.slot, id));
            }
        }
        Some(worker)
    }

    /// Its timer has rung.
    pub(super) fn disarm_worker(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.0.get_mut(&id) {
            worker.armed = None;
        }
    }
}

fn place_by_load(id: WorkerId, worker: &mut Handle, pool: &mut Pool) {
    let load = (worker.takes_jobs() && pool.settings.kind.serves_queues())
        .then(|| worker.flights.len() as u32 * 100 / worker.concurrency.max(1));
    if load != worker.load {
        if let Some(old) = worker.load {
            pool.load.remove(&(old, worker.slot, id));
        }
        if let Some(new) = load {
            pool.load.insert((new, worker.slot, id));
        }
        worker.load = load;
    }
}

/// Arms the worker's timer for its next deadline, if that is earlier than what is armed.
fn arm(id: WorkerId, worker: &mut Handle, timers: &mut Timers) {
    let Some(at) = worker.next_deadline() else { return };
    if worker.armed.is_none_or(|armed| at < armed) {
        timers.replace(worker.armed, Some(at), Timer::Worker(id));
        worker.armed = Some(at);
    }
}
