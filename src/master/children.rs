//! The worker processes of this master, by id and by process.
//!
//! Invariant: both maps name the same workers, but for one that has exited and is being heard out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::pipes::Pipes;
use crate::model::WorkerId;

/// Workers that are not buried.
#[derive(Debug, Default)]
pub(super) struct Children {
    workers: BTreeMap<WorkerId, Pipes>,
    pids: HashMap<u32, WorkerId>,
    /// Workers with bytes to write.
    to_flush: BTreeSet<WorkerId>,
}

impl Children {
    pub(super) fn add(&mut self, id: WorkerId, pipes: Pipes) {
        self.pids.insert(pipes.child.pid(), id);
        self.workers.insert(id, pipes);
    }

    /// The worker that has exited, by its process, which is nobody's from now on.
    pub(super) fn take_exited(&mut self, pid: u32) -> Option<WorkerId> {
        self.pids.remove(&pid)
    }

    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Pipes> {
        self.workers.remove(&id)
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Pipes> {
        self.workers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Pipes> {
        self.workers.get_mut(&id)
    }

    /// A worker that is written to: its bytes go at the end of the turn.
    pub(super) fn write_to(&mut self, id: WorkerId) -> Option<&mut Pipes> {
        let pipes = self.workers.get_mut(&id)?;
        self.to_flush.insert(id);
        Some(pipes)
    }

    /// A worker takes more.
    pub(super) fn is_writable(&mut self, id: WorkerId) {
        self.to_flush.insert(id);
    }

    /// Writes what workers take now; those that have closed their input, with the last request they have read.
    pub(super) fn flush(&mut self) -> Vec<(WorkerId, u64)> {
        let written = std::mem::take(&mut self.to_flush).into_iter().filter_map(|id| {
            let pipes = self.workers.get_mut(&id)?;
            (!pipes.flush()).then(|| (id, pipes.read_up_to()))
        });
        written.collect()
    }

    /// The worker with this process.
    pub(super) fn of_process(&self, pid: u32) -> Option<WorkerId> {
        self.pids.get(&pid).copied()
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.pids.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Pipes)> {
        self.workers.iter().map(|(&id, pipes)| (id, pipes))
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }
}
