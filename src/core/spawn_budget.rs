//! How many processes are asked for at a time: a few per turn, so that a thousand workers do not hold up everything
//! else while they are started, and one now and then while the machine has nothing left to start them with.
//!
//! There may be a cap on the processes of all pools, those that leave included. What is beyond it waits for others to end,
//! and so does the successor in a restart, whose worker leaves first then.
//!
//! Being out of processes, memory or descriptors is no death of a worker: no slot backs off for it and no restart is
//! given up. It is over when a process could be started, or when nobody waits for one any more.

use std::time::Duration;

use super::pool::PoolId;
use super::slot::{SlotEntry, SlotState};
use super::{Action, Core, Phase, Refusal};
use crate::model::death::SlotProblem;
use crate::model::problem::{self, Topic};
use crate::model::{Mono, Now, WorkerId};

/// Processes asked for in one turn.
const PER_TURN: u32 = 8;
/// While the machine has nothing left, one is tried this often.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Processes that may be asked for now.
#[derive(Debug, Default)]
pub(super) struct Spawns {
    left: u32,
    /// The machine had nothing left; not asked before this.
    scarce_until: Option<Mono>,
    /// A slot waits, as there are as many processes as there may be.
    capped: bool,
}

impl Spawns {
    /// A turn begins.
    pub(super) fn begin_turn(&mut self, now: Mono) {
        self.left = match self.scarce_until {
            None => PER_TURN,
            Some(at) if at <= now => 1,
            Some(_) => 0,
        };
    }

    /// How many processes may still be asked for in this turn.
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    /// One is asked for.
    pub(super) fn ask(&mut self, now: Mono) {
        self.left = self.left.saturating_sub(1);
        if self.scarce_until.is_some() {
            self.scarce_until = Some(now + TRY_EVERY);
        }
    }

    /// One was started.
    pub(super) const fn worked(&mut self) {
        self.scarce_until = None;
    }

    /// None could be started.
    fn failed(&mut self, now: Mono) {
        self.left = 0;
        self.scarce_until = Some(now + TRY_EVERY);
    }
}

impl Core {
    /// The machine had nothing left for this one: its slot stays as it was and waits with all others.
    pub(super) fn spawn_put_off(&mut self, id: WorkerId, error: &str, now: Now, out: &mut Vec<Action>) {
        self.spawns.failed(now.mono);
        self.note_scarcity(now.mono);
        let Some(worker) = self.remove_worker(id) else { return };
        let Some(entry) = self.entry(worker.pool, worker.slot) else { return };
        let Some(state) = entry.state.without(id) else { return };
        entry.backoff.problem = Some(SlotProblem::NotStarted(error.to_owned()));
        self.set_slot(worker.pool, worker.slot, state);
        self.raise(Topic::Spawn, problem::no_more_workers(error), now, out);
    }

    /// Processes that may be added.
    pub(super) fn room(&self) -> u32 {
        let Some(cap) = self.autoscaling.together.cap else { return u32::MAX };
        cap.saturating_sub(self.workers.iter().filter(|(_, worker)| worker.is_alive()).count() as u32)
    }

    /// A slot waits for a process to end.
    pub(super) const fn wait_for_room(&mut self) {
        self.spawns.capped = true;
    }

    /// A process has ended, or there may be more: the slots that wait have their turn.
    pub(super) fn make_way(&mut self) {
        if std::mem::take(&mut self.spawns.capped) {
            self.pools.values_mut().for_each(|pool| pool.dirty = true);
        }
    }

    /// Says how many slots wait because of the cap, as long as some do.
    pub(super) fn tell_cap(&mut self, now: Now, out: &mut Vec<Action>) {
        if !self.spawns.capped {
            return self.problem_over(Topic::Processes);
        }
        let waits = |e: &&SlotEntry| e.state == SlotState::Empty && e.may_spawn(now.mono);
        let waiting = self.pools.values().map(|pool| pool.slots.values().filter(waits).count()).sum::<usize>();
        let wanted: u64 = self.pools.values().filter(|pool| !pool.removed).map(|pool| u64::from(pool.wanted)).sum();
        self.spawns.capped = waiting > 0;
        match self.autoscaling.together.cap {
            Some(cap) if waiting > 0 && wanted > u64::from(cap) => {
                self.raise(Topic::Processes, problem::too_many_processes(cap, waiting as u64), now, out);
            }
            // The place of one that is being replaced.
            _ => self.problem_over(Topic::Processes),
        }
    }

    /// Refuses so many workers of a pool where all pools together would have more than there may be, and more than now.
    pub(super) fn refuse_beyond_cap(&self, wished: &[(PoolId, u32)], more: u32) -> Result<(), Refusal> {
        let Some(cap) = self.autoscaling.together.cap else { return Ok(()) };
        let (mut before, mut after) = (0_u64, u64::from(more));
        for (id, pool) in self.pools.iter().filter(|(_, pool)| !pool.removed) {
            let wanted = wished.iter().find(|(of, _)| of == id).map_or(pool.wanted, |(_, wanted)| *wanted);
            before += u64::from(pool.wanted);
            after += u64::from(wanted);
        }
        if after > before && after > u64::from(cap) { Err(Refusal::BeyondCap { cap, after }) } else { Ok(()) }
    }

    /// Whether the machine has nothing left to start a worker with.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.spawns.scarce_until.is_some()
    }

    /// No slot waits for a process any more.
    pub(super) fn end_scarcity(&mut self) {
        if self.is_scarce() && (self.phase != Phase::Running || !self.pools.keys().any(|&id| self.waits_for_spawn(id)))
        {
            self.spawns.worked();
        }
    }

    /// When processes may be asked for again, if anybody waits for one.
    pub(super) fn next_spawns(&self, now: Mono) -> Option<Mono> {
        let later = self.spawns.scarce_until.filter(|&at| at > now);
        // Slots that had to wait in this turn are tried in the next moment.
        let dirty = self.pools.values().any(|p| p.dirty).then(|| later.unwrap_or(now + Duration::from_micros(1)));
        dirty.or(later)
    }

    /// Whether there are more processes to ask for than this turn had room for: the next has nothing to wait for.
    #[must_use]
    pub fn has_spawns_left(&self) -> bool {
        self.phase == Phase::Running && !self.is_scarce() && self.pools.values().any(|p| p.dirty)
    }

    fn waits_for_spawn(&self, id: PoolId) -> bool {
        let pool = &self.pools[&id];
        pool.dirty || !pool.rolling.is_empty() || pool.slots.values().any(|e| e.state == SlotState::Empty)
    }
}
