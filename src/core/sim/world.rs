//! The world: time, what is going to happen, and one turn of it.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::Chance;
use super::master::queue;
use super::process::Process;
use super::store::Store;
use crate::core::{Core, Event, Tag};
use crate::model::change::{Op, Reply, Settled};
use crate::model::queue_limits::SaidLimits;
use crate::model::worker::Exit;
use crate::model::{JobId, Mono, Now, QueueName, UnixMicros, WorkerId};

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Happening {
    /// The core hears of something.
    Deliver(Box<Event>),
    /// A process does something.
    Process(WorkerId, Doing),
    /// The batch is committed, or fails.
    Commit,
    /// The replies of the batch arrive.
    Replies,
    /// An operator, or fate.
    Operator,
}

/// Behaviour of a process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing {
    Work,
    Done(u64),
    Chatter(u64),
    Die(Exit),
    Sweep,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each switches something else")]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) step: u64,
    pub(super) core: Core,
    pub(super) chance: Chance,
    pub(super) mono: u64,
    /// How far the wall clock is off.
    pub(super) skew: i64,
    /// How far it ever was.
    pub(super) most_skew: i64,
    pub(super) coming: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    pub(super) store: Store,
    pub(super) processes: BTreeMap<WorkerId, Process>,
    /// Jobs that some process, or what it left behind, may be working on.
    pub(super) live: BTreeMap<JobId, WorkerId>,
    pub(super) pending: Vec<(Op, Tag)>,
    pub(super) batch: Vec<(Op, Tag)>,
    pub(super) replies: Vec<Reply>,
    pub(super) settled: Settled,
    pub(super) committing: bool,
    pub(super) open: BTreeSet<u64>,
    pub(super) next_ticket: u64,
    pub(super) next_pool: u64,
    pub(super) faults: bool,
    /// New workers do not come up.
    pub(super) broken: bool,
    /// By when a stop must be complete.
    pub(super) stopped_by: Option<u64>,
    pub(super) trace: bool,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("simulation failed in turn {}; replay it with SIM_SEED={}", self.step, self.seed);
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            step: 0,
            core: Core::new(WorkerId(1), seed),
            chance: Chance::new(seed),
            mono: 0,
            skew: 1_700_000_000_000_000,
            most_skew: 1_700_000_000_000_000,
            coming: BTreeMap::new(),
            sequence: 0,
            store: Store::default(),
            processes: BTreeMap::new(),
            live: BTreeMap::new(),
            pending: Vec::new(),
            batch: Vec::new(),
            replies: Vec::new(),
            settled: Settled::default(),
            committing: false,
            open: BTreeSet::new(),
            next_ticket: 1,
            next_pool: 1,
            faults: true,
            broken: false,
            stopped_by: None,
            trace: std::env::var_os("SIM_TRACE").is_some(),
        };
        world.limit();
        world.begin_generation();
        world
    }

    /// One queue may have limits, and another limits of its keys.
    fn limit(&mut self) {
        let c = &mut self.chance;
        let mut limits: BTreeMap<QueueName, SaidLimits> = BTreeMap::new();
        if c.often(400) {
            let (concurrency, rate) = (c.range(1, 5), *c.pick(&["off", "20/m", "5/s"]));
            limits.insert(queue(0), said(&[("concurrency", &concurrency.to_string()), ("rate", rate)]));
        }
        if c.often(150) {
            let (concurrency, rate) = (*c.pick(&["off", "1", "2"]), *c.pick(&["off", "10/m", "2/s"]));
            let fair = *c.pick(&["off", "jobs", "time"]);
            limits.insert(
                queue(1),
                said(&[("concurrency_per_key", concurrency), ("rate_per_key", rate), ("fair", fair)]),
            );
        }
        let at = self.now().wall;
        self.store.limit(limits, at);
    }

    pub(super) fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: UnixMicros(self.skew + self.mono as i64) }
    }

    pub(super) fn at(&mut self, at: u64, what: Happening) {
        self.sequence += 1;
        self.coming.insert((at, self.sequence), what);
    }

    pub(super) fn later(&mut self, wait: u64, what: Happening) {
        self.at(self.mono + wait, what);
    }

    pub(super) fn tell(&self, what: &dyn std::fmt::Debug) {
        if self.trace {
            eprintln!("{:>6} {:>12} {what:?}", self.step, self.mono);
        }
    }

    /// Sleeps until something is due, lets it happen, and settles.
    pub(super) fn turn(&mut self) {
        self.step += 1;
        let next = self.coming.first_key_value().map(|(&(at, _), _)| at);
        let deadline = self.core.next_deadline(self.now()).map(|at| at.0);
        let Some(wake) = [next, deadline].into_iter().flatten().min() else { return };
        self.mono = self.mono.max(wake);
        if self.faults && self.chance.often(5) {
            // The master, or the machine, was held up; what should have happened meanwhile is late.
            let late = self.chance.micros(1000, 60_000_000);
            self.mono += late;
            self.stopped_by = self.stopped_by.map(|at| at + late);
        }
        let most = self.chance.range(1, 8);
        for _ in 0..most {
            match self.coming.first_key_value() {
                Some((&key, _)) if key.0 <= self.mono => {
                    if let Some(what) = self.coming.remove(&key) {
                        self.happen(what);
                    }
                }
                Some(_) | None => break,
            }
        }
        self.settle();
        if self.core.next_deadline(self.now()).is_some_and(|at| at.0 <= self.mono) {
            // Where `kill_after` is zero, KILL follows in a turn of its own.
            self.settle();
        }
        self.write_batch();
        self.check();
        self.end_if_stopped();
    }

    fn settle(&mut self) {
        let (now, mut out) = (self.now(), Vec::new());
        self.core.settle(now, &mut out);
        self.carry_out(out);
    }

    fn happen(&mut self, what: Happening) {
        self.tell(&what);
        match what {
            Happening::Deliver(event) => self.hear(*event),
            Happening::Process(id, doing) => self.process_does(id, doing),
            Happening::Commit => self.commit(),
            Happening::Replies => self.hear_replies(),
            Happening::Operator => self.operate(),
        }
    }
}

fn said(limits: &[(&str, &str)]) -> SaidLimits {
    limits.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}
