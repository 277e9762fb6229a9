//! Sidecars are told the processes of the pools that they belong to, whenever these change.
//!
//! Invariant: what a sidecar does not read is not piled up: it is told the latest when it has read what came before.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Master;
use crate::core::{Handle, PoolId};
use crate::model::{PoolKind, PoolName, WorkerId};

/// Bytes that may wait for a sidecar when it is told more.
const MOST_WAITING: usize = 64 * 1024;

/// The words that each sidecar was told last, by the pool that it was told of.
#[derive(Debug, Default)]
pub(super) struct Sidecars(BTreeMap<(WorkerId, PoolName), Vec<u32>>);

/// The message; each line is one.
#[derive(Serialize)]
struct Message<'m> {
    method: &'static str,
    params: Params<'m>,
}

#[derive(Serialize)]
struct Params<'m> {
    pool: &'m PoolName,
    pids: &'m [u32],
}

impl Master {
    /// Tells sidecars what has changed. Once a turn.
    pub(super) fn tell_sidecars(&mut self) {
        let mains = self.core.pools().filter(|(_, pool)| !pool.settings.supervision.sidecars.is_empty());
        let mains: Vec<(PoolName, Vec<u32>, Vec<WorkerId>)> = mains
            .map(|(id, pool)| {
                let sidecars = pool.settings.supervision.sidecars.iter().flat_map(|name| self.readers_of(name));
                (pool.settings.name.clone(), self.pids_of(id), sidecars.collect())
            })
            .collect();
        if mains.is_empty() && self.sidecars.0.is_empty() {
            return;
        }
        let core = &self.core;
        self.sidecars.0.retain(|(sidecar, _), _| core.worker(*sidecar).is_some());
        for (pool, pids, sidecars) in &mains {
            for &sidecar in sidecars {
                let told = self.sidecars.0.get(&(sidecar, pool.clone()));
                if told.is_none_or(|told| told != pids) && self.tell_sidecar(sidecar, pool, pids) {
                    self.sidecars.0.insert((sidecar, pool.clone()), pids.clone());
                }
            }
        }
    }

    fn tell_sidecar(&mut self, sidecar: WorkerId, pool: &PoolName, pids: &[u32]) -> bool {
        let Some(pipes) = self.children.write_to(sidecar) else { return false };
        let out = pipes.outgoing();
        let has_room = out.len() < MOST_WAITING;
        if has_room {
            let message = Message { method: "main", params: Params { pool, pids } };
            out.extend(serde_json::to_vec(&message).unwrap_or_default());
            out.push(b'\n');
        }
        has_room
    }

    /// Processes of the workers of a pool, in order.
    fn pids_of(&self, id: PoolId) -> Vec<u32> {
        let of_pool = |(_, worker): (WorkerId, &Handle)| worker.state.pid().filter(|_| worker.pool == id);
        let mut pids: Vec<u32> = self.core.workers().filter_map(of_pool).collect();
        pids.sort_unstable();
        pids
    }

    /// The workers of a sidecar whose stdin is ours.
    fn readers_of(&self, name: &PoolName) -> Vec<WorkerId> {
        let reads = |kind| matches!(kind, PoolKind::Protocol | PoolKind::Opaque);
        let Some(id) = self.core.pool_named(name) else { return Vec::new() };
        let has_stdin = self.core.pool(id).is_some_and(|pool| reads(pool.settings.kind));
        let of_pool = |(worker, handle): (WorkerId, &Handle)| {
            let hears = handle.state.pid().is_some() && handle.state.leaves().is_none();
            (handle.pool == id && hears).then_some(worker)
        };
        self.core.workers().filter_map(of_pool).filter(|_| has_stdin).collect()
    }
}
