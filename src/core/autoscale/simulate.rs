//! A pool, its queue and its jobs on paper: what a rule of scaling would have made of them.
//!
//! Used to replay what is on record, to hold the decision to its figures, and to compare it with other rules. Jobs begin in
//! the order in which they become ready; a worker that is to leave finishes its job. The machine is as large as need be.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use super::want::{Inputs, Past, want};
use crate::model::autoscale::{Autoscale, Bounds, Machine};
use crate::model::{Mono, UnixMicros};

/// Between two decisions.
const TICK: u64 = 1_000_000;

/// A job: when it becomes ready and how long it takes, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    pub ready_at: u64,
    pub takes: u64,
}

/// A rule of scaling: how many workers there are to be.
pub trait Rule {
    fn workers(&mut self, inputs: &Inputs, now: Mono) -> u32;
}

/// Our rule. `from`: the wall time at which the simulation begins.
#[derive(Debug)]
pub struct Ours<'a> {
    pub settings: &'a Autoscale,
    pub past: Past,
    pub from: UnixMicros,
}

impl<'a> Ours<'a> {
    #[must_use]
    pub fn new(settings: &'a Autoscale, from: UnixMicros) -> Self {
        Self { settings, past: Past::default(), from }
    }
}

impl Rule for Ours<'_> {
    fn workers(&mut self, inputs: &Inputs, now: Mono) -> u32 {
        let bounds = self.settings.bounds(self.from.plus(Duration::from_micros(now.0)));
        want(&Inputs { bounds, ..*inputs }, self.settings, &mut self.past, now).0
    }
}

/// The outcome.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// How long each job waited, in microseconds, the shortest first.
    pub waits: Vec<u64>,
    pub worker_s: f64,
    pub changes: u64,
    /// Changes up after changes down, and the other way round.
    pub turns: u64,
    pub most: u32,
}

impl Simulated {
    /// The wait that so large a share of the jobs does not exceed, in seconds.
    #[must_use]
    pub fn wait_s(&self, share: f64) -> f64 {
        let at = ((self.waits.len() as f64 * share).ceil() as usize).clamp(1, self.waits.len().max(1)) - 1;
        self.waits.get(at).map_or(0.0, |&wait| wait as f64 / 1e6)
    }
}

/// Runs the jobs, which are in order, on as many workers as the rule says; a new one is ready after `start`. Ends with the
/// last job, or later if `until` is.
pub fn simulate(tasks: &[Task], rule: &mut impl Rule, first: u32, start: Duration, until: u64) -> Simulated {
    let mut pool = Pool::new(first, u64::try_from(start.as_micros()).unwrap_or(u64::MAX));
    let mut coming = tasks.iter().copied().peekable();
    let mut next_tick = tasks.first().map_or(0, |task| task.ready_at.min(TICK));
    loop {
        let next_task = coming.peek().map(|task| task.ready_at);
        let next = [next_task, pool.next_end(), pool.next_start(), Some(next_tick)].into_iter().flatten().min();
        let Some(at) = next else { break };
        let is_over = next_task.is_none() && pool.waiting.is_empty() && pool.ends.is_empty();
        if is_over && at >= until {
            pool.go_to(until.max(pool.now));
            break;
        }
        pool.go_to(at);
        while let Some(task) = coming.next_if(|task| task.ready_at <= at) {
            pool.arrived += 1;
            pool.waiting.push_back(task);
        }
        pool.end_jobs();
        pool.begin_workers();
        if at >= next_tick || (pool.wanted == 0 && !pool.waiting.is_empty()) {
            let workers = rule.workers(&pool.inputs(), Mono(at));
            pool.scale(workers);
            next_tick = at + TICK;
        }
        pool.begin_jobs();
    }
    pool.found.waits.sort_unstable();
    pool.found
}

#[derive(Debug, Default)]
struct Pool {
    now: u64,
    start: u64,
    wanted: u32,
    idle: u32,
    /// Busy workers that leave after their job.
    leaving: u32,
    starting: VecDeque<u64>,
    /// When each job that runs ends, and how long it takes.
    ends: BinaryHeap<Reverse<(u64, u64)>>,
    began: u64,
    waiting: VecDeque<Task>,
    arrived: u64,
    ended: u64,
    took: u64,
    goes_up: Option<bool>,
    found: Simulated,
}

impl Pool {
    fn new(first: u32, start: u64) -> Self {
        let found = Simulated { most: first, ..Simulated::default() };
        Self { start, wanted: first, idle: first, found, ..Self::default() }
    }

    fn next_end(&self) -> Option<u64> {
        self.ends.peek().map(|&Reverse((at, _))| at)
    }

    fn next_start(&self) -> Option<u64> {
        self.starting.front().copied()
    }

    fn live(&self) -> u32 {
        self.idle + self.ends.len() as u32 + self.starting.len() as u32
    }

    fn go_to(&mut self, at: u64) {
        self.found.worker_s += f64::from(self.live()) * (at - self.now) as f64 / 1e6;
        self.now = at;
    }

    fn end_jobs(&mut self) {
        while self.next_end().is_some_and(|at| at <= self.now) {
            let Some(Reverse((at, takes))) = self.ends.pop() else { break };
            self.ended += 1;
            self.took += takes;
            self.began = self.began.wrapping_sub(at - takes);
            if self.leaving > 0 {
                self.leaving -= 1;
            } else {
                self.idle += 1;
            }
        }
    }

    fn begin_workers(&mut self) {
        while self.starting.pop_front_if(|at| *at <= self.now).is_some() {
            self.idle += 1;
        }
    }

    fn begin_jobs(&mut self) {
        while self.idle > 0
            && let Some(task) = self.waiting.pop_front()
        {
            self.idle -= 1;
            self.began = self.began.wrapping_add(self.now);
            self.ends.push(Reverse((self.now + task.takes, task.takes)));
            self.found.waits.push(self.now - task.ready_at);
        }
    }

    fn inputs(&mut self) -> Inputs {
        let running = self.ends.len() as u32;
        let running_for = u64::from(running).wrapping_mul(self.now).wrapping_sub(self.began);
        Inputs {
            arrived: std::mem::take(&mut self.arrived),
            ended: std::mem::take(&mut self.ended),
            took: Duration::from_micros(std::mem::take(&mut self.took)),
            running,
            running_for: Duration::from_micros(running_for),
            ready: self.waiting.len() as u64,
            oldest_ready: self.waiting.front().map(|task| Duration::from_micros(self.now - task.ready_at)),
            workers: self.wanted,
            idle: self.idle + self.starting.len() as u32,
            concurrency: 1.0,
            start: Some(Duration::from_micros(self.start)),
            spawns_fail: false,
            bounds: Bounds::default(),
            machine: Machine::default(),
            memory: None,
        }
    }

    fn scale(&mut self, wanted: u32) {
        let was = std::mem::replace(&mut self.wanted, wanted);
        if was == wanted {
            return;
        }
        self.found.changes += 1;
        self.found.turns += u64::from(self.goes_up.replace(wanted > was).is_some_and(|up| up != (wanted > was)));
        self.found.most = self.found.most.max(wanted);
        for _ in was..wanted {
            if self.leaving > 0 {
                self.leaving -= 1;
            } else {
                self.starting.push_back(self.now + self.start);
            }
        }
        for _ in wanted..was {
            if self.starting.pop_back().is_none() {
                let is_idle = self.idle > 0;
                self.idle -= u32::from(is_idle);
                self.leaving += u32::from(!is_idle);
            }
        }
    }
}
