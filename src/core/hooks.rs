//! Hooks: which deaths of jobs a pool wants to be told of, and when it has become idle.
//!
//! Invariants: a job is told of after its death is on record; a pool is idle when what its workers take is neither ready,
//! in a paused queue or not, nor waiting for a retry, nor running, by the totals that are committed; this is told once
//! for each time that there was something to do.

use std::collections::{BTreeMap, BTreeSet};

use super::drain::unfinished;
use super::{Action, Core, PoolId, Tag};
use crate::model::change::Next;
use crate::model::{QueueName, Takes};

/// The pools that want to be told when they become idle, and whether each has something to do.
#[derive(Debug, Default)]
pub(super) struct Idleness {
    pools: BTreeMap<PoolId, bool>,
    /// Their queues may have other totals than when they were looked at last.
    touched: bool,
}

impl Core {
    /// A pool begins, or has other hooks.
    pub(super) fn watch_idleness(&mut self, id: PoolId) {
        if self.pools.get(&id).is_some_and(|pool| !pool.settings.hooks.on_idle.is_empty()) {
            let has_work = self.has_work(id);
            self.idleness.pools.entry(id).or_insert(has_work);
        } else {
            self.idleness.pools.remove(&id);
        }
    }

    /// A queue has other totals.
    pub(super) fn note_work(&mut self, queue: &QueueName) {
        let serves = |id: &PoolId| self.pools.get(id).is_some_and(|pool| pool.serves(queue));
        let touched: Vec<PoolId> = self.idleness.pools.keys().copied().filter(serves).collect();
        for id in touched {
            self.idleness.touched = true;
            if self.has_work(id) {
                self.idleness.pools.insert(id, true);
            }
        }
    }

    /// Tells which pools have become idle.
    pub(super) fn tell_idle(&mut self, out: &mut Vec<Action>) {
        if !std::mem::take(&mut self.idleness.touched) {
            return;
        }
        let mut watched = std::mem::take(&mut self.idleness.pools);
        watched.retain(|id, _| self.pools.contains_key(id));
        for (&id, had_work) in &mut watched {
            if *had_work && !self.has_work(id) {
                *had_work = false;
                out.push(Action::TellIdle(id));
            }
        }
        self.idleness.pools = watched;
    }

    fn has_work(&self, id: PoolId) -> bool {
        self.pools.get(&id).is_some_and(|pool| {
            let takes: BTreeSet<Takes> = pool.takes().cloned().collect();
            let mut totals = pool.settings.queues.names().filter_map(|name| self.totals.of(name));
            totals.any(|totals| unfinished(totals, &takes) > 0)
        })
    }

    /// Use of the reply to the end of a run.
    pub(super) fn tag_of_end(&self, pool: Option<PoolId>, next: Next) -> Tag {
        let wants = |id: &PoolId| self.pools.get(id).is_some_and(|pool| !pool.settings.hooks.on_dead.is_empty());
        match pool.filter(wants) {
            Some(pool) if matches!(next, Next::Dead(_)) => Tag::Died(pool),
            _ => Tag::None,
        }
    }
}
