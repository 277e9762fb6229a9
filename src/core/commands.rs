//! What operators ask for, and who waits for what.

use std::collections::BTreeSet;
use std::time::Duration;

use super::event::Command;
use super::order::Gate;
use super::pool::PoolId;
use super::{Action, Core, Done, Handle, Phase, Refusal, Ticket};
use crate::model::done::{Awaited, LeftWorker, Reloaded, Restarted, Scaled, Stopped, StoppedPool};
use crate::model::processor::RunSource;
use crate::model::{Mono, Now, ReadyWhen, Slot, WorkerId};

/// A worker that did not come up before has if it is there for so long, where it need not say that it is ready.
const PROVEN_AFTER: Duration = Duration::from_secs(1);

/// Condition that has to come true before a ticket is answered.
#[derive(Clone, Debug)]
pub(super) enum Wait {
    /// The pools have as many workers as they want. With the number before, and the workers that are too many.
    Scaled { pools: Vec<(PoolId, u32)>, workers: BTreeSet<WorkerId>, released: u64 },
    /// The workers are gone, and there are others in their slots.
    Restarted {
        workers: BTreeSet<WorkerId>,
        slots: BTreeSet<(PoolId, Slot)>,
        names: Vec<String>,
        tried: Tried,
        released: u64,
    },
    /// The workers are gone.
    Stopped { workers: BTreeSet<WorkerId>, pools: Vec<StoppedPool>, released: u64 },
    /// All of these, for a file that was read again.
    Reloaded { parts: Vec<Self>, done: Box<Reloaded> },
}

impl Wait {
    /// A run of this worker was given back.
    fn count_released(&mut self, id: WorkerId) {
        match self {
            Self::Scaled { workers, released, .. }
            | Self::Restarted { workers, released, .. }
            | Self::Stopped { workers, released, .. } => *released += u64::from(workers.contains(&id)),
            Self::Reloaded { parts, .. } => parts.iter_mut().for_each(|part| part.count_released(id)),
        }
    }

    /// Slots of which it is to be seen whether their workers come up now.
    fn tried(&self) -> Vec<(PoolId, Slot)> {
        match self {
            Self::Restarted { tried, .. } => tried.slots.iter().copied().collect(),
            Self::Reloaded { parts, .. } => parts.iter().flat_map(Self::tried).collect(),
            Self::Scaled { .. } | Self::Stopped { .. } => Vec::new(),
        }
    }
}

/// Slots whose workers did not come up before.
#[derive(Clone, Debug, Default)]
pub(super) struct Tried {
    pub(super) slots: BTreeSet<(PoolId, Slot)>,
    /// Slots that had no worker.
    pub(super) count: u64,
}

/// Somebody who waits.
#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    wait: Wait,
    asker: Asker,
    /// The asker was told what is waited for.
    told: bool,
}

/// Whether an answer is waited for, by the job of which worker, and how long the jobs of others may go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) waits: bool,
    /// The worker whose job asks.
    pub(super) caller: Option<WorkerId>,
    /// `None`: until they are done.
    pub(super) grace: Option<Duration>,
}

/// The core itself, which waits for nothing.
pub(super) const NOBODY: Asker = Asker { waits: false, caller: None, grace: None };

impl Asker {
    /// How long the jobs of this worker may go on. One whose job asked is waited for, or that job would be ended by its own
    /// request, and ask again when it is tried again.
    pub(super) fn grace_of(self, worker: WorkerId) -> Option<Duration> {
        self.grace.filter(|_| self.caller != Some(worker))
    }
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Waiter>);

impl Tickets {
    /// A run of this worker was given back.
    pub(super) fn count_released(&mut self, id: WorkerId) {
        self.0.iter_mut().for_each(|waiter| waiter.wait.count_released(id));
    }
}

impl Core {
    pub(super) fn command(
        &mut self,
        ticket: Ticket,
        caller: Option<WorkerId>,
        command: Command,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let (waits, grace) = match command {
            Command::Scale { grace, wait, .. }
            | Command::Restart { grace, wait, .. }
            | Command::StopSome { grace, wait, .. } => (wait, grace),
            Command::AddPool { wait, .. }
            | Command::ScaleAuto { wait, .. }
            | Command::Reload { wait, .. }
            | Command::Cancel { wait, .. } => (wait, None),
            Command::RunProcessor { .. } | Command::Lend { .. } => (true, None),
        };
        let asker = Asker { waits, caller, grace };
        let result = match command {
            Command::Cancel { job, only, .. } => return self.cancel(ticket, (job, only), asker, now, out),
            _ if self.phase != Phase::Running => Err(Refusal::Stopping),
            Command::RunProcessor { processor, args, force } => {
                let run = self.run_processor(Some(ticket), &processor, (args, force), RunSource::Now, out);
                return out.extend(run.err().map(|refusal| Action::Reply(ticket, Err(refusal))));
            }
            Command::Scale { target, workers, hold, .. } => self.scale(&target, workers, hold, asker, now, out),
            Command::ScaleAuto { target, .. } => {
                self.pools_to_scale(&target).and_then(|pools| self.scale_auto(pools, now))
            }
            Command::AddPool { settings, .. } => self.new_pool(*settings),
            Command::Lend { settings, until } => {
                let lent = self.add_single(*settings, until, Some(ticket), now.mono);
                return out.extend(lent.err().map(|refusal| Action::Reply(ticket, Err(refusal))));
            }
            Command::Restart { target, .. } => self.restart(&target, asker, now, out),
            Command::StopSome { target, .. } => self.stop_some(&target, asker, now, out),
            Command::Reload { changes, done, .. } => self.reload(changes, done, asker, now, out),
        };
        match result {
            Ok(wait) => self.wait_or_answer(ticket, wait, asker, out),
            Err(refusal) => out.push(Action::Reply(ticket, Err(refusal))),
        }
    }

    fn wait_or_answer(&mut self, ticket: Ticket, wait: Wait, asker: Asker, out: &mut Vec<Action>) {
        if asker.waits {
            self.tickets.0.push(Waiter { ticket, wait, asker, told: false });
        } else {
            let done = self.outcome(wait);
            out.push(Action::Reply(ticket, Ok(done)));
        }
    }

    /// Answers who waited for something that is now so, or that will not be.
    pub(super) fn answer_tickets(&mut self, now: Mono, out: &mut Vec<Action>) {
        if self.tickets.0.is_empty() {
            return;
        }
        let circles = self.circles();
        for waiter in std::mem::take(&mut self.tickets.0) {
            let Waiter { ticket, wait, asker, told } = waiter;
            match self.come_true(&wait, now) {
                None if circles.contains(&ticket) => {
                    let done = Done::AtOnce(Box::new(self.outcome(wait)));
                    out.push(Action::Reply(ticket, Ok(done)));
                }
                Some(Ok(())) => {
                    let done = self.outcome(wait);
                    out.push(Action::Reply(ticket, Ok(done)));
                }
                Some(Err(refusal)) => out.push(Action::Reply(ticket, Err(refusal))),
                None => {
                    let jobs = if told { 0 } else { self.jobs_at(&wait) };
                    if jobs > 0 && asker.grace != Some(Duration::ZERO) {
                        let grace_s = asker.grace.map(|grace| grace.as_secs_f64());
                        out.push(Action::Waits(ticket, Awaited { jobs, grace_s }));
                    }
                    self.tickets.0.push(Waiter { ticket, wait, asker, told: true });
                }
            }
        }
    }

    /// Jobs that run now and must end before this comes true.
    fn jobs_at(&self, wait: &Wait) -> u64 {
        self.awaited(wait).into_iter().filter_map(|w| self.workers.get(w)).map(Handle::running).sum()
    }

    /// Tickets that would wait for themselves, through the jobs of others if need be: such waits would end with the timeout,
    /// and the jobs that asked would be given back and ask again. Of a circle the last one is not kept waiting.
    fn circles(&self) -> Vec<Ticket> {
        let mut open: Vec<&Waiter> = self.tickets.0.iter().filter(|waiter| waiter.asker.caller.is_some()).collect();
        let mut found = Vec::new();
        for at in (0..open.len()).rev() {
            let (mut unseen, mut seen) = (self.awaited(&open[at].wait), BTreeSet::new());
            while let Some(worker) = unseen.pop() {
                if seen.insert(worker) {
                    let asks = open.iter().filter(|waiter| waiter.asker.caller == Some(worker));
                    unseen.extend(asks.flat_map(|waiter| self.awaited(&waiter.wait)));
                }
            }
            if open[at].asker.caller.is_some_and(|caller| seen.contains(&caller)) {
                found.push(open.remove(at).ticket);
            }
        }
        found
    }

    /// Workers whose jobs must end before this comes true.
    fn awaited(&self, wait: &Wait) -> Vec<WorkerId> {
        match wait {
            Wait::Scaled { workers, .. } => workers.iter().copied().filter(|&w| self.still_leaves(w)).collect(),
            Wait::Restarted { workers, .. } | Wait::Stopped { workers, .. } => workers.iter().copied().collect(),
            Wait::Reloaded { parts, .. } => {
                let all: BTreeSet<WorkerId> = parts.iter().flat_map(|part| self.awaited(part)).collect();
                all.into_iter().collect()
            }
        }
    }

    fn come_true(&mut self, wait: &Wait, now: Mono) -> Option<Result<(), Refusal>> {
        match wait {
            Wait::Scaled { pools, workers, .. } => {
                let settled = |&(id, _): &(PoolId, u32)| {
                    let Some(pool) = self.pools.get(&id) else { return true };
                    let is_settled = !pool.dirty && self.settled_count(id) == pool.wanted;
                    pool.gate != Gate::Open || is_settled
                };
                if pools.iter().all(settled) && !workers.iter().any(|&w| self.still_leaves(w)) {
                    return Some(Ok(()));
                }
                let slots = |id| self.pools.get(&id).into_iter().flat_map(|p| p.slots.keys().copied());
                pools
                    .iter()
                    .flat_map(|&(id, _)| slots(id).map(move |s| (id, s)))
                    .find_map(|s| self.failing(s, 0))
                    .map(Err)
            }
            Wait::Restarted { workers, slots, tried, .. } => {
                let gone = self.are_gone(workers);
                // Gone is not enough: one that died by itself was not replaced before its successor is there.
                let proven = |&slot: &(PoolId, Slot)| self.proven_at(slot).is_none_or(|at| at <= now);
                if gone && slots.iter().all(|&slot| self.is_filled(slot)) && tried.slots.iter().all(proven) {
                    return Some(Ok(()));
                }
                if let Some(given_up) = workers.iter().find(|w| self.is_given_up(**w)) {
                    return Some(Err(self.why_given_up(*given_up)));
                }
                // Only there: who waits for a restart of another pool goes on waiting for it.
                let (pool, refusal) =
                    slots.iter().find_map(|&slot| Some((slot.0, self.failing(slot, tried.count)?)))?;
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.rolling.retain(|r| !workers.contains(&r.worker));
                }
                Some(Err(refusal))
            }
            Wait::Stopped { workers, .. } => self.are_gone(workers).then_some(Ok(())),
            Wait::Reloaded { parts, .. } => {
                let parts: Vec<_> = parts.iter().map(|part| self.come_true(part, now)).collect();
                let refused = parts.iter().find_map(|part| part.clone().filter(Result::is_err));
                refused.or_else(|| parts.iter().all(Option::is_some).then_some(Ok(())))
            }
        }
    }

    /// A worker that was to be renewed stays, as successors did not come up: of its own, or of another in its pool.
    fn is_given_up(&self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(id) else { return false };
        worker.state.leaves().is_none() && !self.pools[&worker.pool].rolling.iter().any(|r| r.worker == id)
    }

    fn why_given_up(&self, id: WorkerId) -> Refusal {
        let Handle { name, pool, .. } = &self.workers[id];
        let failing = self.pools[pool].slots.keys().find_map(|&slot| self.failing((*pool, slot), 0));
        let (worker, spawned) = (name.to_string(), self.pools[pool].if_spawned());
        failing.unwrap_or(Refusal::ReplacementFailed { worker, why: None, tried: 0, spawned })
    }

    /// Whether these workers are gone, or nothing is left that would end them.
    fn are_gone(&self, workers: &BTreeSet<WorkerId>) -> bool {
        workers.iter().all(|&worker| self.workers.get(worker).is_none_or(|worker| worker.state.is_unkillable()))
    }

    /// The workers among them that not even KILL has ended.
    fn left_of(&self, workers: &BTreeSet<WorkerId>) -> Vec<LeftWorker> {
        let left = workers.iter().filter_map(|&worker| self.workers.get(worker)).filter(|w| w.state.is_unkillable());
        left.filter_map(|w| Some(LeftWorker { worker: w.name.to_string(), pid: w.state.pid()? })).collect()
    }

    /// The slot has a worker that takes jobs, or had its last, or is gone.
    fn is_filled(&self, (pool, slot): (PoolId, Slot)) -> bool {
        let entry = self.pools.get(&pool).and_then(|p| p.slots.get(&slot));
        entry.is_none_or(|e| e.state.is_finished() || e.state.current().is_some_and(|w| self.workers[w].is_ready()))
    }

    /// When a worker that counts as ready from its start is taken for one that has come up.
    fn proven_at(&self, (pool, slot): (PoolId, Slot)) -> Option<Mono> {
        let pool = self.pools.get(&pool).filter(|pool| pool.settings.ready == ReadyWhen::Spawned)?;
        let worker = &self.workers[pool.slots.get(&slot)?.state.current()?];
        (worker.jobs_done == 0).then(|| worker.since + PROVEN_AFTER)
    }

    /// When a worker of which somebody waits to know whether it comes up is taken for one that has.
    pub(super) fn next_proof(&self, now: Mono) -> Option<Mono> {
        let tried = self.tickets.0.iter().flat_map(|waiter| waiter.wait.tried());
        tried.filter_map(|slot| self.proven_at(slot)).filter(|at| *at > now).min()
    }

    /// A worker that is too many is still on its way out: was not taken back. One that not even KILL ends is not waited for.
    fn still_leaves(&self, id: WorkerId) -> bool {
        let leaves = |w: &Handle| w.state.leaves().is_some() && !w.state.is_unkillable();
        self.workers.get(id).is_some_and(leaves)
    }

    /// New workers of this slot do not come up.
    fn failing(&self, (pool, slot): (PoolId, Slot), tried: u64) -> Option<Refusal> {
        let pool = self.pools.get(&pool)?;
        let entry = pool.slots.get(&slot).filter(|e| e.is_failing())?;
        let (worker, why) = (format!("{}-{slot}", pool.settings.name), entry.backoff.problem.clone());
        Some(Refusal::ReplacementFailed { worker, why, tried, spawned: pool.if_spawned() })
    }

    fn outcome(&self, wait: Wait) -> Done {
        match wait {
            Wait::Scaled { pools, workers, released } => {
                Done::Scaled(Scaled { left: self.left_of(&workers), ..self.counts(&pools, released) })
            }
            Wait::Restarted { workers, names, tried, released, .. } => {
                let left = self.left_of(&workers);
                Done::Restarted(Restarted { workers: names, tried: tried.count, released, left })
            }
            Wait::Stopped { workers, pools, released } => {
                let left = self.left_of(&workers);
                Done::Stopped(Stopped { workers: (workers.len() - left.len()) as u64, released, pools, left })
            }
            Wait::Reloaded { parts, mut done } => {
                for part in parts {
                    done.add(self.outcome(part));
                }
                Done::Reloaded(done)
            }
        }
    }

    /// The master stops: who waits for anything else is told.
    pub(super) fn refuse_tickets(&mut self, out: &mut Vec<Action>) {
        for waiter in std::mem::take(&mut self.tickets.0) {
            out.push(Action::Reply(waiter.ticket, Err(Refusal::Stopping)));
        }
    }
}
