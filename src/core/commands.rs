//! What operators ask for, and who waits for what.

use std::collections::BTreeSet;

use super::event::{Command, JobChange};
use super::pool::{Pool, PoolId};
use super::worker::State;
use super::{Action, Core, Done, Phase, Refusal, Tag, Ticket};
use crate::model::change::Change;
use crate::model::done::{Restarted, Stopped};
use crate::model::worker::EndReason;
use crate::model::{CancelReason, JobId, JobState, Now, Slot, WorkerId};

/// How often the store is asked again to cancel a job that it says runs, of which the core knows no run. In between the
/// job was given back or has ended, and may have been claimed and given back once more: more than a few times is a mistake.
const MOST_LOOKS: u32 = 8;

/// What has to come true before a ticket is answered.
#[derive(Clone, Debug)]
pub(super) enum Wait {
    /// These pools have what they want. With what they wanted before.
    Scaled { pools: Vec<(PoolId, u32)> },
    /// These workers are gone, and there are others in their slots.
    Restarted { workers: BTreeSet<WorkerId>, slots: BTreeSet<(PoolId, Slot)>, names: Vec<String>, released: u64 },
    /// These workers are gone.
    Stopped { workers: BTreeSet<WorkerId>, count: u64, released: u64 },
}

/// Somebody who waits.
#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    wait: Wait,
    /// The worker whose job asks.
    caller: Option<WorkerId>,
}

/// Whether an answer is waited for, and by the job of which worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) waits: bool,
    pub(super) caller: Option<WorkerId>,
}

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Waiter>);

impl Tickets {
    /// A run of this worker was given back.
    pub(super) fn count_released(&mut self, id: WorkerId) {
        for waiter in &mut self.0 {
            match &mut waiter.wait {
                Wait::Restarted { workers, released, .. } | Wait::Stopped { workers, released, .. }
                    if workers.contains(&id) =>
                {
                    *released += 1;
                }
                Wait::Scaled { .. } | Wait::Restarted { .. } | Wait::Stopped { .. } => {}
            }
        }
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
        let asker = |waits| Asker { waits, caller };
        let result = match command {
            Command::Cancel { job, wait } => {
                self.cancel(ticket, job, asker(wait), now, out);
                Ok(())
            }
            _ if self.phase != Phase::Running => Err(Refusal::Stopping),
            Command::Scale { target, workers, wait } => self.scale(ticket, &target, workers, asker(wait), out),
            Command::AddPool { settings, wait } => self.new_pool(ticket, *settings, asker(wait), out),
            Command::Restart { target, at_once, wait } => self.restart(ticket, &target, at_once, asker(wait), out),
            Command::StopSome { target, grace, wait } => self.stop_some(ticket, &target, grace, asker(wait), now, out),
        };
        if let Err(refusal) = result {
            out.push(Action::Reply(ticket, Err(refusal)));
        }
    }

    /// Ends a job wherever it is: at a worker, claimed ahead, or in the store.
    fn cancel(&mut self, ticket: Ticket, job: JobId, asker: Asker, now: Now, out: &mut Vec<Action>) {
        let Some(&holder) = self.holders.get(&job) else {
            for id in self.pools.keys().copied().collect::<Vec<_>>() {
                self.hold_back(id, |claimed| claimed.id == job, out);
            }
            out.push(Action::Write(Change::Cancel(job), Tag::Cancel { job, ticket }));
            return;
        };
        let waits = asker.waits && asker.caller != Some(holder);
        self.change(holder, |worker, pool| {
            let alive = worker.is_alive();
            let Some(flight) = worker.flights.iter_mut().find(|f| f.job.id == job) else { return };
            let reason = CancelReason::Cancelled;
            if flight.tell(reason, now.mono + pool.settings.limits.kill_after) && alive {
                out.push(Action::CancelRequest { worker: holder, request: flight.request, reason });
            }
            if let Some(told) = flight.told_mut() {
                told.why = reason;
                told.tickets.extend(waits.then_some(ticket));
            }
        });
        if !asker.waits {
            out.push(Action::Reply(ticket, Ok(Done::Cancelled)));
        } else if !waits {
            out.push(Action::Reply(ticket, Ok(Done::AtOnce(Box::new(Done::Cancelled)))));
        }
    }

    pub(super) fn job_changed(
        &mut self,
        ticket: Ticket,
        job: JobId,
        change: JobChange,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let reply = match change {
            // Its claim was on the way when we asked: now it is at a worker, or claimed ahead.
            JobChange::Was(JobState::Running) if self.knows(job) => {
                self.asked_again.remove(&(ticket, job));
                self.cancel(ticket, job, Asker { waits: true, caller: None }, now, out);
                return;
            }
            // It was running when the store looked, and has been given back or has ended since: look again.
            JobChange::Was(JobState::Running) if self.asks_again(ticket, job) => {
                out.push(Action::Write(Change::Cancel(job), Tag::Cancel { job, ticket }));
                return;
            }
            JobChange::Was(JobState::Running) => Err(Refusal::JobEnded(job, JobState::Running)),
            JobChange::Was(JobState::Ready | JobState::Scheduled) => Ok(Done::Cancelled),
            JobChange::Was(state @ (JobState::Succeeded | JobState::Dead | JobState::Cancelled)) => {
                Err(Refusal::JobEnded(job, state))
            }
            JobChange::Elsewhere(host) => Err(Refusal::Elsewhere(job, host)),
            JobChange::Missing => Err(Refusal::NoSuchJob(job)),
        };
        self.asked_again.remove(&(ticket, job));
        out.push(Action::Reply(ticket, reply));
    }

    fn asks_again(&mut self, ticket: Ticket, job: JobId) -> bool {
        let asked = self.asked_again.entry((ticket, job)).or_default();
        *asked += 1;
        *asked <= MOST_LOOKS
    }

    fn knows(&self, job: JobId) -> bool {
        self.holders.contains_key(&job) || self.pools.values().any(|p| p.ahead().any(|j| j.id == job))
    }

    pub(super) fn wait_or_answer(&mut self, ticket: Ticket, wait: Wait, asker: Asker, out: &mut Vec<Action>) {
        if asker.waits {
            self.tickets.0.push(Waiter { ticket, wait, caller: asker.caller });
        } else {
            let done = self.outcome(wait);
            out.push(Action::Reply(ticket, Ok(done)));
        }
    }

    /// Answers who waited for something that is now so, or that will not be.
    pub(super) fn answer_tickets(&mut self, out: &mut Vec<Action>) {
        if self.tickets.0.is_empty() {
            return;
        }
        let circles = self.circles();
        for waiter in std::mem::take(&mut self.tickets.0) {
            let Waiter { ticket, wait, caller } = waiter;
            match self.come_true(&wait) {
                None if circles.contains(&ticket) => {
                    let done = Done::AtOnce(Box::new(self.outcome(wait)));
                    out.push(Action::Reply(ticket, Ok(done)));
                }
                Some(Ok(())) => {
                    let done = self.outcome(wait);
                    out.push(Action::Reply(ticket, Ok(done)));
                }
                Some(Err(refusal)) => out.push(Action::Reply(ticket, Err(refusal))),
                None => self.tickets.0.push(Waiter { ticket, wait, caller }),
            }
        }
    }

    /// Who would wait for itself, through the jobs of others if need be: such waits would end with the grace, and the
    /// jobs that asked would be given back and ask again. Of a circle the last one is not kept waiting.
    fn circles(&self) -> Vec<Ticket> {
        let mut open: Vec<&Waiter> = self.tickets.0.iter().filter(|waiter| waiter.caller.is_some()).collect();
        let mut found = Vec::new();
        for at in (0..open.len()).rev() {
            let (mut unseen, mut seen) = (self.awaited(&open[at].wait), BTreeSet::new());
            while let Some(worker) = unseen.pop() {
                if seen.insert(worker) {
                    let asks = open.iter().filter(|waiter| waiter.caller == Some(worker));
                    unseen.extend(asks.flat_map(|waiter| self.awaited(&waiter.wait)));
                }
            }
            if open[at].caller.is_some_and(|caller| seen.contains(&caller)) {
                found.push(open.remove(at).ticket);
            }
        }
        found
    }

    /// Workers whose jobs must end before this comes true.
    fn awaited(&self, wait: &Wait) -> Vec<WorkerId> {
        match wait {
            Wait::Scaled { pools } => {
                let leaving = |&(id, _): &(PoolId, u32)| self.pools.get(&id).map(|p| p.leaving.iter().copied());
                pools.iter().filter_map(leaving).flatten().collect()
            }
            Wait::Restarted { workers, .. } | Wait::Stopped { workers, .. } => workers.iter().copied().collect(),
        }
    }

    fn come_true(&mut self, wait: &Wait) -> Option<Result<(), Refusal>> {
        match wait {
            Wait::Scaled { pools } => {
                let settled = |&(id, _): &(PoolId, u32)| {
                    let Some(pool) = self.pools.get(&id) else { return true };
                    !pool.dirty && !self.scales_down(pool) && self.ready_count(id) == pool.wanted
                };
                if pools.iter().all(settled) {
                    return Some(Ok(()));
                }
                let slots = |id| self.pools.get(&id).into_iter().flat_map(|p| p.slots.keys().copied());
                pools.iter().flat_map(|&(id, _)| slots(id).map(move |s| (id, s))).find_map(|s| self.failing(s)).map(Err)
            }
            Wait::Restarted { workers, slots, .. } => {
                let gone = self.are_gone(workers);
                // Gone is not enough: one that died by itself was not replaced before its successor is there.
                if gone && slots.iter().all(|&slot| self.is_filled(slot)) {
                    return Some(Ok(()));
                }
                // Only there: who waits for a restart of another pool goes on waiting for it.
                let (pool, refusal) = slots.iter().find_map(|&slot| Some((slot.0, self.failing(slot)?)))?;
                if let Some(pool) = self.pools.get_mut(&pool) {
                    pool.rolling.retain(|r| !workers.contains(&r.worker));
                }
                Some(Err(refusal))
            }
            Wait::Stopped { workers, .. } => self.are_gone(workers).then_some(Ok(())),
        }
    }

    fn are_gone(&self, workers: &BTreeSet<WorkerId>) -> bool {
        workers.iter().all(|&worker| self.workers.get(worker).is_none())
    }

    /// The slot has a worker that takes jobs, or is given up.
    fn is_filled(&self, (pool, slot): (PoolId, Slot)) -> bool {
        let entry = self.pools.get(&pool).and_then(|p| p.slots.get(&slot));
        entry.is_none_or(|e| e.state.current().is_some_and(|w| self.workers[w].is_ready()))
    }

    /// Workers that are too many are still on their way out. One that not even KILL ends is not waited for.
    fn scales_down(&self, pool: &Pool) -> bool {
        pool.leaving.iter().map(|&w| &self.workers[w].state).any(|state| {
            state.leaves() == Some(EndReason::Scaled) && !matches!(state, State::Killed { told: true, .. })
        })
    }

    /// New workers of this slot do not come up.
    fn failing(&self, (pool, slot): (PoolId, Slot)) -> Option<Refusal> {
        let pool = self.pools.get(&pool)?;
        let entry = pool.slots.get(&slot).filter(|e| e.is_failing())?;
        let (worker, why) = (format!("{}-{slot}", pool.settings.name), entry.backoff.problem.clone());
        Some(Refusal::ReplacementFailed { worker, why })
    }

    fn outcome(&self, wait: Wait) -> Done {
        match wait {
            Wait::Scaled { pools } => self.counts(&pools),
            Wait::Restarted { names, released, .. } => Done::Restarted(Restarted { workers: names, released }),
            Wait::Stopped { count, released, .. } => Done::Stopped(Stopped { workers: count, released }),
        }
    }

    /// The master stops: who waits for anything else is told.
    pub(super) fn refuse_tickets(&mut self, out: &mut Vec<Action>) {
        for waiter in std::mem::take(&mut self.tickets.0) {
            out.push(Action::Reply(waiter.ticket, Err(Refusal::Stopping)));
        }
    }
}
