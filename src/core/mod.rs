//! The core: decides everything about pools, workers and runs, and does nothing.
//!
//! The shell feeds it what happened ([`Core::handle`]), lets it settle once per turn ([`Core::settle`]), asks it for
//! claims when a batch is about to be written ([`Core::claim`]), and carries out the [`Action`]s. Time is an
//! argument; jitter comes from a seed; so the whole life of a pool can be simulated.
//!
//! A turn settles in a fixed order: exits and answers were handled as events; then deadlines, wanted against
//! actual (retire, spawn), rolling replacements, dispatch, tickets. Scaling, restarting, recycling and stopping all
//! change what is wanted.
//!
//! Invariants:
//! - A job is in one flight at most; a flight ends in exactly one `Finish` or `Unclaim`.
//! - A job is ready again only after the worker that held it has exited and its leftovers are swept, or while it is
//!   certain that none of them has read it or ever will.
//! - Workers of a pool: never more than wanted, plus those leaving, plus at most one in four (at least one) being
//!   replaced.
//! - A machine that has no process left to give is nobody's fault: it is asked again, one process at a time.
//! - Every state that can last has a deadline in `next_deadline`, except waiting for work and for an exit after KILL.

mod action;
pub mod autoscale;
mod backoff;
pub mod calls;
mod cancel;
mod clock_set;
mod commands;
mod deadlines;
mod dispatch;
mod drain;
mod ears;
mod escalation;
mod event;
mod exits;
mod flight;
mod hooks;
mod leaks;
mod limited;
mod not_begun;
mod order;
mod pool;
mod problems;
mod processors;
pub(crate) mod random;
mod rates;
mod recycle;
mod released;
mod reload;
mod replace;
mod rollups;
mod roster;
mod runs;
mod scale;
mod served;
mod services;
#[cfg(test)]
mod sim;
mod single;
mod slot;
mod spawn_budget;
#[cfg(test)]
mod tests;
mod totals;
mod upkeep;
mod verdict;
mod worker;
mod workers;

use std::collections::BTreeMap;

pub use action::{Action, Done, Refusal, Signal, Tag, Ticket};
pub use drain::Undrained;
pub use ears::Ears;
pub use event::{Command, End, Event, JobChange, Target};
pub use flight::{Flight, Stage};
pub use order::Gate;
pub use pool::{Pool, PoolId, ShareId};
pub use processors::{ProcessorId, Ticked};
pub use reload::PoolChanges;
pub use single::Worked;
pub use slot::{SlotHistory, SlotState, SlotView};
pub use worker::{Handle, State};

use crate::model::leak::TypeMemory;
use crate::model::oom::OomKills;
use crate::model::supervision::RestartPolicy;
use crate::model::worker::EndReason;
use crate::model::{JobId, Mono, Now, QueueName, UnixMicros, WorkerId};
use autoscale::Autoscaling;
use clock_set::Shifts;
use commands::Tickets;
use deadlines::Timers;
use hooks::Idleness;
use not_begun::NotBegun;
use problems::Problems;
use processors::Processors;
use random::Random;
use released::GivenBack;
use rollups::Rollups;
use served::Served;
use spawn_budget::Spawns;
use totals::Totals;
use upkeep::{Promotion, Upkeep};
use workers::Workers;

/// Phase of the master as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// On its way out: no new jobs, workers finish.
    Stopping,
    /// On its way out without grace (second Ctrl-C).
    Forced,
}

/// All state of the master that decisions rest on.
#[derive(Debug)]
pub struct Core {
    pools: BTreeMap<PoolId, Pool>,
    workers: Workers,
    /// Where each job that is at a worker is.
    holders: BTreeMap<JobId, WorkerId>,
    phase: Phase,
    /// The store has not heard from this master for so long that others may soon take over what it runs: it begins nothing.
    is_cut_off: bool,
    lookahead: pool::Lookahead,
    next_worker: i64,
    next_pool: u32,
    timers: Timers,
    tickets: Tickets,
    random: Random,
    spawns: Spawns,
    not_begun: NotBegun,
    given_back: GivenBack,
    shifts: Shifts,
    upkeep: Upkeep,
    promotion: Promotion,
    processors: Processors,
    problems: Problems,
    totals: Totals,
    rollups: Rollups,
    served: Served,
    /// Queues that limits keep closed, and until when; `None`: until a job of it has ended.
    closed: BTreeMap<QueueName, Option<UnixMicros>>,
    oom: OomKills,
    drain: drain::Drain,
    idleness: Idleness,
    leaks: leaks::Ledger,
    autoscaling: Autoscaling,
    /// How often the store was asked again for a cancellation.
    asked_again: BTreeMap<(Ticket, JobId), u32>,
    /// The grace that was given to the stop, and the worker from whose job it came.
    stopping: Option<(Option<std::time::Duration>, Option<WorkerId>)>,
    /// Runs given back since the stop began, for its summary.
    released: u64,
    ended: u64,
    /// Somebody follows all runs.
    tells_runs: bool,
}

impl Core {
    /// A core without pools; the first worker it spawns gets the id `next_worker`.
    #[must_use]
    pub fn new(next_worker: WorkerId, seed: u64) -> Self {
        Self {
            pools: BTreeMap::new(),
            workers: Workers::default(),
            holders: BTreeMap::new(),
            phase: Phase::Running,
            is_cut_off: false,
            lookahead: pool::Lookahead::default(),
            next_worker: next_worker.0.max(1),
            next_pool: 1,
            timers: Timers::default(),
            tickets: Tickets::default(),
            random: Random::new(seed),
            spawns: Spawns::default(),
            not_begun: NotBegun::default(),
            given_back: GivenBack::default(),
            shifts: Shifts::default(),
            upkeep: Upkeep::default(),
            promotion: Promotion::default(),
            processors: Processors::default(),
            problems: Problems::default(),
            totals: Totals::default(),
            rollups: Rollups::default(),
            served: Served::default(),
            closed: BTreeMap::new(),
            oom: OomKills::default(),
            drain: drain::Drain::default(),
            idleness: Idleness::default(),
            leaks: leaks::Ledger::default(),
            autoscaling: Autoscaling::default(),
            asked_again: BTreeMap::new(),
            stopping: None,
            released: 0,
            ended: 0,
            tells_runs: false,
        }
    }

    /// Takes in what happened. Call [`Core::settle`] when the turn's events are in.
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Action>) {
        match event {
            Event::Spawned { worker, pid } => self.spawned(worker, pid, now, out),
            Event::SpawnFailed { worker, error, temporary: false } => self.spawn_failed(worker, error, now, out),
            Event::SpawnFailed { worker, error, temporary: true } => self.spawn_put_off(worker, &error, now, out),
            Event::Ready { worker, concurrency, types } => self.says_ready(worker, concurrency, types, now, out),
            Event::Answered { worker, request, answer } => self.answered(worker, request, answer, now, out),
            Event::Progress { worker, request, progress } => self.progress(worker, request, progress, out),
            Event::RunNote { worker, request, text } => self.note(worker, request, text),
            Event::Extend { worker, request, by } => self.extend(worker, request, by, now),
            Event::Refused { worker, why } => self.refused(worker, why, now, out),
            Event::Called { worker, calls } => self.called(worker, calls, now),
            Event::Load { pool, load } => self.take_load(&pool, *load),
            Event::Drained { worker } => self.drained(worker, now, out),
            Event::GivenUp { worker, reason, why } => self.give_up_worker(worker, reason, why, now, out),
            Event::Retire { worker } => self.retire(worker, EndReason::Retired, now, out),
            Event::InputClosed { worker, read } => self.input_closed(worker, read, now, out),
            Event::Exited { worker, end } => self.exited(worker, *end, now, out),
            Event::OomKills(kills) => self.oom.roll(kills),
            Event::Machine(machine) => self.measured_machine(machine),
            Event::Swept { worker } => self.swept(worker, now, out),
            Event::Sampled { worker, memory, cpu } => self.sampled(worker, memory, cpu, now, out),
            Event::SampledAlone { worker, memory } => self.sampled_alone(worker, memory, now),
            Event::Claimed { pool, share, asked, news, jobs, more, held } => {
                self.claimed((pool, share), asked, news, jobs, (more, held), now, out);
            }
            Event::Sorted { queues, more } => self.sorted(&queues, more),
            Event::FirstOther { queue, kind } => self.first_other(&queue, kind),
            Event::CutOff(is_cut_off) => self.is_cut_off = is_cut_off,
            Event::News { queues } => self.news(&queues),
            Event::Promoted { queues } => self.promoted(&queues),
            Event::ClockSet { by } => self.clock_set(by, now, out),
            Event::Shifted { next } => self.shifted(next),
            Event::Pruned { found } => self.pruned(found, now),
            Event::RolledUp => self.rolled_up(now.mono),
            Event::Armed(records) => self.armed(records, now, out),
            Event::Ticked { processor, answer } => self.ticked(processor, answer, now, out),
            Event::Ran { processor, ticket, answer } => self.ran(processor, ticket, answer, out),
            Event::RunBegun { processor, run } => self.run_begun(&processor, run),
            Event::RunLost(run) => self.lose_run(run, out),
            Event::RunsEnded(runs) => self.runs_ended(&runs, now, out),
            Event::Committed { forgotten, changed, freed, next_due, took } => {
                self.lookahead.observe(took);
                self.committed(&forgotten, changed, next_due, now, out);
                // What was freed and claimed in one batch is nothing new.
                let has_ready = |queue: &QueueName| self.totals.of(queue).is_none_or(|totals| totals.ready > 0);
                let freed: Vec<QueueName> = freed.into_iter().filter(has_ready).collect();
                if !freed.is_empty() {
                    self.news(&freed);
                }
            }
            Event::Reread { totals, next_due, may_run } => self.reread(totals, next_due, may_run, now, out),
            Event::ServedElsewhere(serves) => self.served_elsewhere(&serves),
            Event::Stop { grace, caller } => self.stop_all(grace, caller, now, out),
            Event::Force => self.force(now, out),
            Event::Command { ticket, caller, command } => self.command(ticket, caller, command, now, out),
            Event::JobChanged { ticket, job, only, change } => self.job_changed(ticket, (job, only), change, now, out),
        }
    }

    /// Brings what is nearer to what is wanted. Once per turn.
    pub fn settle(&mut self, now: Now, out: &mut Vec<Action>) {
        self.expire(now, out);
        self.shift(out);
        self.promote(now, out);
        self.open_queues(now);
        self.tick(now, out);
        self.prune(now, out);
        self.end_singles(now, out);
        self.autoscale(now, out);
        self.tend_gates(now, out);
        self.part_in_turn(now, out);
        self.stop_in_turn(now, out);
        self.spawns.begin_turn(now.mono);
        let pools: Vec<PoolId> = self.pools.keys().copied().collect();
        for pool in pools {
            self.reconcile(pool, now, out);
            self.replace(pool, now, out);
            self.dispatch(pool, now, out);
            self.give_back_idle_claims(pool, out);
        }
        self.answer_lent(out);
        let workers = &self.workers;
        self.pools.retain(|id, p| !p.removed || !p.is_quiet() || workers.iter().any(|(_, w)| w.pool == *id));
        self.sort(out);
        self.look_for_unserved(now, out);
        self.tell_cap(now, out);
        self.end_scarcity();
        self.end_not_begun(now.mono);
        self.end_problems();
        self.answer_tickets(now.mono, out);
        self.tell_idle(out);
        self.roll_up(now, out);
    }

    /// Whether jobs are not begun, as others may soon take them over.
    #[must_use]
    pub const fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// When to call [`Core::settle`] next, if nothing happens before.
    #[must_use]
    pub fn next_deadline(&self, now: Now) -> Option<Mono> {
        let while_running = [self.next_telling(), self.next_end(), self.next_scaling(), self.next_opening(now)];
        let served = while_running.into_iter().flatten().min().filter(|_| self.phase == Phase::Running);
        let tickets = self.next_proof(now.mono);
        let times = [self.next_promotion(now), self.next_tick(now), self.next_spawns(now.mono), self.next_prune()];
        [self.timers.next(), served, tickets, self.next_roll_up()].into_iter().chain(times).flatten().min()
    }

    /// True when a stop is complete: nobody is left.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.phase != Phase::Running && self.workers.iter().next().is_none() && self.pools.values().all(Pool::is_quiet)
    }

    /// True when no job is at a worker or on its way to one.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.holders.is_empty() && self.pools.values().all(Pool::is_quiet) && !self.promotion.asked
    }

    /// How long to wait before the next process of a kind that died at once so often in a row; as for workers.
    pub fn wait_after_deaths(&mut self, deaths: u32) -> std::time::Duration {
        backoff::respawn(deaths, &RestartPolicy::default(), &mut self.random)
    }

    /// Phase of the master.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The pools, oldest first.
    pub fn pools(&self) -> impl Iterator<Item = (PoolId, &Pool)> {
        self.pools.iter().map(|(&id, pool)| (id, pool))
    }

    /// One pool.
    #[must_use]
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(&id)
    }

    /// The workers, oldest first.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, &Handle)> {
        self.workers.iter()
    }

    /// One worker.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<&Handle> {
        self.workers.get(id)
    }

    /// The memory that each job type keeps, those that leak first.
    #[must_use]
    pub fn kept_memory(&self) -> Vec<TypeMemory> {
        self.leaks.by_kept()
    }

    /// Runs given back and workers ended since the stop began.
    #[must_use]
    pub fn stop_summary(&self) -> (u64, u64) {
        (self.released, self.ended)
    }
}
