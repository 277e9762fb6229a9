//! Invariants after every turn.

use std::collections::BTreeMap;

use super::world::World;
use crate::core::{Gate, Handle, Phase, Stage, State};
use crate::model::JobId;
use crate::model::worker::EndReason;

/// Most workers that a pool of the simulation ever wants.
const MOST_WANTED: usize = 12;

impl World {
    pub(super) fn check(&self) {
        self.store.check();
        self.check_deadlines();
        self.check_numbers();
        self.check_holders();
    }

    /// No state outlives its deadline, and the core wants to be called again later, not now.
    fn check_deadlines(&self) {
        let now = self.now();
        if let Some(at) = self.core.next_deadline(now) {
            assert!(at > now.mono, "the core wants to be called again at once, for ever");
        }
        for (id, worker) in self.core.workers() {
            let state = match worker.state {
                State::Starting { ready_by, .. } => Some(ready_by),
                State::Draining { deadline, .. } => {
                    assert!(
                        deadline.is_some() || !worker.flights.is_empty() || worker.has_calls,
                        "worker {id} leaves when it likes: {worker:?}"
                    );
                    deadline
                }
                State::Ending { kill_at, .. } => Some(kill_at),
                State::Spawning { .. } | State::Ready { .. } | State::Killed { .. } | State::Gone { .. } => None,
            };
            let watched = matches!(worker.state, State::Ready { .. } | State::Draining { .. });
            let jobs = worker.flights.iter().filter(|_| watched).filter_map(|flight| match flight.stage {
                Stage::Sent { .. } => None,
                Stage::Running { deadline, .. } => Some(deadline),
                Stage::Ending { term_at, .. } => Some(term_at),
            });
            for at in state.into_iter().chain(jobs) {
                assert!(at > now.mono, "worker {id} is past a deadline: {worker:?}");
            }
        }
    }

    /// As many workers as are wanted, those who leave, and one in four being replaced.
    fn check_numbers(&self) {
        for (id, pool) in self.core.pools() {
            let workers: Vec<(_, &Handle)> = self.core.workers().filter(|(_, w)| w.pool == id).collect();
            if self.core.phase() != Phase::Running {
                continue;
            }
            for (worker, handle) in &workers {
                let in_slot = pool.slots().any(|s| s.state.workers().any(|w| w == *worker));
                let leaving = pool.leaving().any(|l| l == *worker);
                // One that retired before it did anything keeps its slot.
                let retired = matches!(
                    handle.state,
                    State::Draining { why: EndReason::Retired | EndReason::Protocol | EndReason::JobTimeout, .. }
                );
                let both = retired || matches!(handle.state, State::Ending { .. } | State::Killed { .. });
                let placed = in_slot != leaving || (in_slot && both);
                assert!(placed || !handle.is_alive(), "worker {worker} has no place: {handle:?}");
            }
            let wanted = if pool.parting.is_some() {
                pool.slots().count()
            } else if pool.removed || pool.gate != Gate::Open {
                0
            } else {
                pool.wanted as usize
            };
            assert_eq!(pool.slots().count(), wanted, "slots of {}", pool.settings.name);
            assert!(pool.leaving().count() <= 3 * MOST_WANTED, "workers that leave pile up");
            let successors = pool.slots().filter(|s| s.state.successor().is_some()).count();
            assert!(successors <= (MOST_WANTED / 4).max(1), "{successors} are being replaced at a time");
            for slot in pool.slots() {
                let waits = slot.not_before.is_some() || self.core.is_scarce() || pool.dirty;
                let is_over = slot.state.over().is_some();
                assert!(slot.state.current().is_some() || is_over || waits, "slot {} is forgotten", slot.slot);
            }
            let idle = workers
                .iter()
                .filter(|(_, w)| w.takes_jobs() && !w.is_held() && w.flights.is_empty())
                .find(|(_, w)| pool.settings.kind.serves_queues() && !pool.shares[&w.share].ahead.is_empty());
            assert!(idle.is_none(), "{idle:?} is idle although there are jobs for it");
            for (id, share) in pool.shares.iter().filter(|(_, share)| !share.ahead.is_empty()) {
                let hope = workers.iter().any(|(_, w)| w.share == *id && w.state.leaves().is_none());
                assert!(hope, "jobs are claimed that nobody will do");
                assert!(
                    share.ahead.iter().all(|job| share.takes.may_run(&job.kind)),
                    "jobs are claimed that nobody can do"
                );
            }
            for (_, worker) in &workers {
                let runs = worker.flights.iter().all(|f| pool.settings.takes.may_run(&f.job.kind));
                assert!(runs, "it was sent what it cannot run: {worker:?}");
            }
        }
    }

    /// Every job is in one place of the core at most, and is running for the store.
    fn check_holders(&self) {
        let mut held: BTreeMap<JobId, usize> = BTreeMap::new();
        let flights = self.core.workers().flat_map(|(_, w)| w.flights.iter().map(|f| &f.job));
        let ahead = self.core.pools().flat_map(|(_, p)| p.ahead());
        for job in flights.chain(ahead) {
            *held.entry(job.id).or_default() += 1;
            assert_eq!(held[&job.id], 1, "job {} is in two places of the core", job.id);
            assert_eq!(self.store.run_of(job.id), Some(job.run), "job {} is not running for the store", job.id);
        }
        for (job, worker) in &self.live {
            let process = &self.processes[worker];
            assert!(held.contains_key(job) || process.reaped || !process.alive, "nobody knows that job {job} runs");
        }
        // A claim that is on its way back, or an end that is not yet written.
        let on_the_way = self.committing || !self.pending.is_empty();
        assert!(on_the_way || held.len() == self.store.running(), "the store and the core disagree on what runs");
    }
}
