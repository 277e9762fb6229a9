//! The decision: how many workers a pool is to have. Pure; a few hundred operations.
//!
//! Little's law says how many are busy with what comes (`arrivals × service time`), and what waits is to be begun within
//! `target_wait`. Up at once; down only to what was needed within `hold`, in steps, and by idle workers alone. The time that a
//! worker takes to start counts: who starts slowly must pay off. Invariants: never more than there is work for; a cap keeps
//! a pool from growing, never below its least number, and a full machine never from its first worker, so that every job is
//! done some day; a worker that is starting counts as one that is there.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Mono;
use crate::model::autoscale::{Autoscale, Basis, Bounds, Budget, Cap, Machine, Measured, Why};

/// Arrivals are counted over so long.
const WINDOW: Duration = Duration::from_secs(30);
/// How busy workers are to be with what comes.
const UTILISATION: f64 = 0.8;
/// Weight of the past in the service time, per second: as old as the arrivals that count.
const FADE: f64 = 0.975;
/// The service time before any job has run, and that before any call was answered.
const UNKNOWN_SERVICE: f64 = 1.0;
const UNKNOWN_CALL: f64 = 0.1;
/// Waiting jobs are begun within this at the shortest.
const SHORTEST_DRAIN: f64 = 1.0;
/// With so many workers per busy CPU there are too many.
const MOST_PER_CPU: f64 = 2.0;
/// Shares of time in which some processes, or all, wait for memory, above which memory is short.
const SOME_WAIT: f64 = 0.10;
const ALL_WAIT: f64 = 0.05;
/// Processes that a worker may need: its own, and the command of its job.
const PROCESSES: u64 = 2;

/// Everything about a pool that a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    /// Jobs that became ready since the decision before.
    pub arrived: u64,
    /// Jobs that ended since then, and how long they took in all.
    pub ended: u64,
    pub took: Duration,
    /// Jobs that run, and for how long they have, in all.
    pub running: u32,
    pub running_for: Duration,
    pub ready: u64,
    pub oldest_ready: Option<Duration>,
    /// Workers that are wanted, those that are starting included.
    pub workers: u32,
    /// Workers that can go without a job being waited for.
    pub idle: u32,
    /// Jobs that a worker does at a time.
    pub concurrency: f64,
    /// From the spawn of a worker until it is ready.
    pub start: Option<Duration>,
    /// Workers cannot be started.
    pub spawns_fail: bool,
    pub bounds: Bounds,
    pub machine: Machine,
    /// Memory of the workers in all, and the peak that one in twenty exceeds, in bytes.
    pub memory: Option<(u64, u64)>,
}

/// The memory from one decision to the next.
#[derive(Clone, Debug, Default)]
pub struct Past {
    decided: Option<Mono>,
    arrivals: VecDeque<(Mono, u64)>,
    running_for: f64,
    /// Busy seconds, ended jobs and what these took, fading.
    busy: f64,
    ended: f64,
    took: f64,
    service: Option<f64>,
    of_calls: bool,
    /// Each need that no later one exceeds, with the last moment at which it was so.
    needs: VecDeque<(Mono, u32)>,
    steady: f64,
    drain: f64,
}

impl Past {
    /// The past of a service.
    #[must_use]
    pub fn of_calls() -> Self {
        Self { of_calls: true, ..Self::default() }
    }

    fn service_s(&self) -> f64 {
        self.service.unwrap_or(if self.of_calls { UNKNOWN_CALL } else { UNKNOWN_SERVICE })
    }

    /// To how many workers the pool goes down, and in how long at the earliest; `None`: there is nothing to wait for.
    #[must_use]
    pub fn outlook(&self, bounds: Bounds, hold: Duration, now: Mono) -> Option<(u32, Duration)> {
        let &(at, need) = self.needs.front()?;
        let next = self.needs.get(1).map_or(0, |&(_, need)| need).max(bounds.least);
        (next < need.min(bounds.most)).then(|| (next, (at + hold).since(now)))
    }

    /// Nothing has come for a while and no need is remembered above this number of workers.
    #[must_use]
    pub fn is_at_rest(&self, workers: u32) -> bool {
        self.arrivals.is_empty() && self.needs.iter().all(|&(_, need)| need <= workers)
    }

    #[must_use]
    pub fn measured(&self, inputs: &Inputs) -> Measured {
        Measured {
            arrivals_per_s: self.arrivals_per_s(),
            service_s: self.service,
            ready: inputs.ready,
            oldest_ready_s: inputs.oldest_ready.map(|d| d.as_secs_f64()),
            busy: inputs.running,
            start_s: inputs.start.map(|d| d.as_secs_f64()),
            cpu: inputs.machine.cpu,
            memory_bytes: inputs.memory.map(|(all, _)| all),
        }
    }

    fn arrivals_per_s(&self) -> f64 {
        self.arrivals.iter().map(|&(_, jobs)| jobs).sum::<u64>() as f64 / WINDOW.as_secs_f64()
    }

    fn learn(&mut self, inputs: &Inputs, now: Mono) {
        if inputs.arrived > 0 {
            self.arrivals.push_back((now, inputs.arrived));
        }
        while self.arrivals.front().is_some_and(|&(at, _)| now.since(at) >= WINDOW) {
            self.arrivals.pop_front();
        }
        let elapsed = self.decided.map_or(0.0, |at| now.since(at).as_secs_f64());
        self.decided = Some(now);
        let (running_for, took) = (inputs.running_for.as_secs_f64(), inputs.took.as_secs_f64());
        let busy = (took + running_for - self.running_for).max(0.0);
        self.running_for = running_for;
        if busy == 0.0 && inputs.ended == 0 {
            return;
        }
        let fade = FADE.powf(elapsed.min(60.0));
        self.busy = self.busy * fade + busy;
        self.ended = self.ended * fade + inputs.ended as f64;
        self.took = self.took * fade + took;
        // Unfinished jobs count before they end; but they are no longer than they have run, as far as is known.
        let age = if inputs.running == 0 { 0.0 } else { running_for / f64::from(inputs.running) };
        let mean = if self.ended < 1e-9 { 0.0 } else { self.took / self.ended };
        let most = mean.max(age);
        self.service = Some(if self.ended < 1e-9 { most } else { (self.busy / self.ended).min(most) });
    }

    /// Workers that the jobs need, those that come and those that wait.
    fn need(&mut self, inputs: &Inputs, settings: &Autoscale) -> u32 {
        let service = self.service_s() / inputs.concurrency.max(1.0);
        let start = inputs.start.map_or(0.0, |d| d.as_secs_f64());
        let within = (settings.target_wait.as_secs_f64() - start).max(start).max(SHORTEST_DRAIN);
        self.steady = self.arrivals_per_s() * service / UTILISATION;
        self.drain = inputs.ready as f64 * service / within;
        let jobs = inputs.ready as f64 + f64::from(inputs.running);
        // Of long jobs as many may come as came of late, whatever Little's law makes of one of them.
        let soon = self.steady.min(self.arrivals_per_s() * WINDOW.as_secs_f64()) / 4.0;
        let work = (jobs / inputs.concurrency.max(1.0)).ceil() + soon.ceil();
        (self.steady + self.drain).ceil().min(work) as u32
    }

    fn remember(&mut self, need: u32, hold: Duration, now: Mono) {
        while self.needs.back().is_some_and(|&(_, before)| before <= need) {
            self.needs.pop_back();
        }
        self.needs.push_back((now, need));
        while self.needs.len() > 1 && self.needs.front().is_some_and(|&(at, _)| now.since(at) >= hold) {
            self.needs.pop_front();
        }
    }

    /// Workers that are needed now.
    #[must_use]
    pub fn needed(&self) -> u32 {
        self.needs.back().map_or(0, |&(_, need)| need)
    }

    /// The most that was needed of late.
    fn held(&self) -> u32 {
        self.needs.front().map_or(0, |&(_, need)| need)
    }
}

/// How many workers the pool is to have, and why.
pub fn want(inputs: &Inputs, settings: &Autoscale, past: &mut Past, now: Mono) -> (u32, Why) {
    past.learn(inputs, now);
    let Bounds { least, most, .. } = inputs.bounds;
    let by_jobs = past.need(inputs, settings);
    let by_cpu = need_by_cpu(inputs, settings).filter(|need| *need > by_jobs);
    let need = by_cpu.unwrap_or(by_jobs);
    past.remember(need, settings.hold, now);
    let basis = match by_cpu {
        Some(_) => Basis::Cpu { busy: inputs.machine.cpu.unwrap_or(0.0), target: settings.target_cpu.unwrap_or(0.0) },
        None => Basis::Load {
            arrivals_per_s: past.arrivals_per_s(),
            service_s: past.service_s(),
            steady: past.steady,
            ready: inputs.ready,
            drain: past.drain,
        },
    };
    let now_there = inputs.workers;
    let held = past.held();
    let (mut wanted, mut basis) = if need >= now_there {
        (need, basis)
    } else if held >= now_there {
        // Of a need that a cap did not let it have, it holds what it got.
        (now_there, Basis::Held { needed: now_there })
    } else {
        let step = settings.step_down.map_or(u32::MAX, |step| step.of(now_there)).min(inputs.idle);
        let down = held.max(now_there.saturating_sub(step));
        let why = if step == 0 {
            Basis::Busy
        } else if held > need {
            Basis::Held { needed: held }
        } else {
            basis
        };
        (down, why)
    };
    let mut cap = None;
    let limits = [
        (most, if inputs.bounds.most_is_scheduled { Cap::Schedule } else { Cap::Max }),
        growth(inputs, settings),
        settings.step_up.map_or((u32::MAX, Cap::StepUp), |step| (now_there + step.of(now_there), Cap::StepUp)),
    ];
    for (limit, by) in limits {
        if wanted > limit {
            (wanted, cap) = (limit, Some(by));
        }
    }
    let first = u32::from(need > 0);
    if let Some(why) = excess(inputs, settings).filter(|_| wanted >= now_there && now_there > first) {
        (wanted, basis) = (now_there - 1, why);
    }
    if wanted < least {
        wanted = least;
        basis = if inputs.bounds.least_is_scheduled { Basis::Schedule } else { Basis::Min };
        cap = None;
    }
    (wanted.min(most.max(least)), Why { basis, cap })
}

/// The workers with which as much of the CPUs is busy as is to be.
fn need_by_cpu(inputs: &Inputs, settings: &Autoscale) -> Option<u32> {
    let (target, busy) = (settings.target_cpu?, inputs.machine.cpu?);
    let jobs = inputs.ready > 0 || inputs.running > 0;
    jobs.then(|| (f64::from(inputs.workers) * busy / target).ceil() as u32)
}

/// How many workers there may be as far as the machine goes.
fn growth(inputs: &Inputs, settings: &Autoscale) -> (u32, Cap) {
    let (machine, now_there) = (&inputs.machine, inputs.workers);
    if inputs.spawns_fail {
        return (now_there, Cap::Spawn);
    }
    let at_least = now_there.max(1);
    if is_cpu_full(machine, settings) {
        return (at_least, Cap::Cpu);
    }
    if machine.pressure.is_some_and(|(some, all)| some > SOME_WAIT || all > ALL_WAIT) {
        return (at_least, Cap::MemoryPressure);
    }
    let by_memory = fitting(inputs, settings).map(|workers| (workers.max(at_least), Cap::Memory));
    let more = machine.processes_left.map(|left| u32::try_from(left / PROCESSES).unwrap_or(u32::MAX));
    let by_processes = more.map(|more| (now_there.saturating_add(more), Cap::Processes));
    by_memory.into_iter().chain(by_processes).min_by_key(|(workers, _)| *workers).unwrap_or((u32::MAX, Cap::Memory))
}

/// Workers whose memory fits into the budget.
fn fitting(inputs: &Inputs, settings: &Autoscale) -> Option<u32> {
    let (total, used) = inputs.machine.memory?;
    let (ours, each) = inputs.memory?;
    let budget = match settings.memory_budget? {
        Budget::Share(share) => (total as f64 * share) as u64,
        Budget::Bytes(bytes) => bytes.min(total),
    };
    let left = budget.saturating_sub(used.saturating_sub(ours));
    Some(u32::try_from(left / each.max(1)).unwrap_or(u32::MAX))
}

fn is_cpu_full(machine: &Machine, settings: &Autoscale) -> bool {
    matches!((machine.cpu, settings.cpu_max), (Some(busy), Some(most)) if busy >= most)
}

/// Why there are more workers than the machine bears.
fn excess(inputs: &Inputs, settings: &Autoscale) -> Option<Basis> {
    let machine = &inputs.machine;
    if machine.pressure.is_some_and(|(_, all)| all > ALL_WAIT) {
        return Some(Basis::MemoryIsShort);
    }
    let many = f64::from(inputs.workers) > MOST_PER_CPU * machine.cpus;
    (many && is_cpu_full(machine, settings)).then_some(Basis::TooManyForCpus)
}
