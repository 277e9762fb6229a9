//! Every order in which things can happen to two runs of one job: answers and failures (also late and repeated), deaths,
//! the deadline, a cancellation, a restart, the death of the master, and the writes in between.
//!
//! A world is played anew for each order, over the store in memory with all its guards. Invariants: never two processes
//! that may work on the job; one end of each run; one final state, which its runs explain.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::change::{Op, Reply, Request};
use crate::model::{JobState, NewJob, Outcome};
use crate::store::memory::MemoryStore;
use crate::store::{Master, Records, RunFilter, Store, StoreError};

/// Steps of an order, unless `ORDERS_DEPTH` says another number; what is left after them goes its calmest way.
const DEPTH: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// What is to be written is committed, and the answers to it are heard.
    Write,
    /// The last request of this worker is answered; possibly again.
    Succeed(i64),
    Fail(i64),
    Die(i64),
    Sweep(i64),
    /// Time passes, up to the next deadline.
    Pass,
    Cancel,
    Restart,
    /// The master dies; the next one recovers.
    Crash,
}

#[derive(Debug, Default)]
struct Process {
    killed: bool,
    exited: bool,
    /// The last request, and whether it was answered.
    request: Option<(u64, bool)>,
}

struct World {
    core: Core,
    store: MemoryStore,
    records: MemoryStore,
    now: Now,
    batch: u64,
    masters: u32,
    pending: Vec<(Op, Tag)>,
    processes: BTreeMap<i64, Process>,
    begun: BTreeSet<RunId>,
    cancelled: bool,
    restarted: bool,
    repeated: bool,
    failed: u32,
}

const JOB: JobId = JobId(1);

impl World {
    fn new() -> Self {
        let store = MemoryStore::new();
        let records = store.connect();
        let mut world = Self {
            core: Core::new(WorkerId(1), 7),
            store,
            records,
            now: Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) },
            batch: 0,
            masters: 0,
            pending: Vec::new(),
            processes: BTreeMap::new(),
            begun: BTreeSet::new(),
            cancelled: false,
            restarted: false,
            repeated: false,
            failed: 0,
        };
        world.begin();
        let new = NewJob::new("x", "null");
        world.pending.push((Request::Push([new].into()).into(), Tag::None));
        world.write();
        assert_eq!(world.holders(), 1, "the job is at a worker");
        world
    }

    fn begin(&mut self) {
        self.masters += 1;
        let master = Master {
            host: String::new(),
            pid: self.masters,
            pid_start: 1,
            boot_id: "boot".into(),
            cookie: String::new(),
            version: String::new(),
        };
        let membership = self.store.join(&master, self.now.wall).unwrap();
        for dead in self.store.dead(self.now.mono).unwrap() {
            self.store.recover(dead.generation, self.now.wall).unwrap();
        }
        self.batch = 0;
        self.core = Core::new(membership.first_worker, 7);
        let mut settings = settings("default");
        settings.limits = PoolLimits {
            workers: 2,
            timeout: 10 * SECOND,
            kill_after: SECOND,
            backoff: SECOND,
            max_attempts: 4,
            max_crashes: 4,
            ..settings.limits
        };
        self.core.add_pool(settings).unwrap();
        self.settle();
    }

    /// Processes that may be at work on the job: those that got it and are not both dead and swept.
    fn holders(&self) -> usize {
        self.processes.values().filter(|p| p.request.is_some_and(|(_, answered)| !answered)).count()
    }

    fn settle(&mut self) {
        let mut out = Vec::new();
        self.core.settle(self.now, &mut out);
        self.carry_out(out);
    }

    fn hear(&mut self, event: Event) {
        let mut out = Vec::new();
        self.core.handle(event, self.now, &mut out);
        self.carry_out(out);
        self.settle();
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Spawn { worker, .. } => {
                    self.processes.insert(worker.0, Process::default());
                    self.hear(Event::Spawned { worker, pid: 1 });
                }
                Action::Send { worker, request, job, .. } => {
                    assert_eq!(self.holders(), 0, "a second process gets the job");
                    assert!(self.begun.insert(job.run), "a run begins twice");
                    self.processes.get_mut(&worker.0).unwrap().request = Some((request, false));
                }
                Action::Signal { worker, signal: Signal::Kill } => {
                    self.processes.get_mut(&worker.0).unwrap().killed = true;
                }
                Action::Write(change, tag) => self.pending.push((change.into(), tag)),
                Action::CloseStdin { .. }
                | Action::CancelRequest { .. }
                | Action::Signal { .. }
                | Action::Measure { .. }
                | Action::Reply(..)
                | Action::Waits(..)
                | Action::Tell(_)
                | Action::TellClient(..)
                | Action::TellFollowers(_)
                | Action::TellIdle(_)
                | Action::Drain { .. } => {}
            }
        }
    }

    /// Commits, and tells the core; then whatever the core wants to claim, too.
    fn write(&mut self) {
        loop {
            let mut out = Vec::new();
            self.core.claim(&mut out);
            self.carry_out(out);
            let batch = std::mem::take(&mut self.pending);
            if batch.is_empty() {
                return;
            }
            self.batch += 1;
            let ops: Vec<Op> = batch.iter().map(|(op, _)| op.clone()).collect();
            let replies = self.store.apply(self.batch, &ops, self.now.wall).unwrap().replies;
            for ((op, tag), reply) in batch.into_iter().zip(replies) {
                assert!(!matches!(reply, Reply::Stale), "a stale write by the only master: {op:?}");
                match (tag, reply) {
                    (Tag::Claim { pool, share, asked, news }, Reply::Claimed { jobs, more, held, .. }) => {
                        self.hear(Event::Claimed { pool, share, asked, news, jobs, more, held });
                    }
                    (Tag::Promote, Reply::Promoted { queues, .. }) => self.hear(Event::Promoted { queues }),
                    (Tag::Cancel { job, only, ticket, .. }, Reply::Changed { was, .. }) => {
                        self.hear(Event::JobChanged { ticket, job, only, change: JobChange::Was(was) });
                    }
                    (Tag::None | Tag::Died(_), _) => {}
                    (tag, reply) => panic!("{reply:?} is no answer to {tag:?}"),
                }
            }
            let (changed, next_due) = (self.store.totals().unwrap(), self.store.next_due().unwrap());
            self.hear(Event::Committed {
                forgotten: Vec::new(),
                changed,
                freed: Vec::new(),
                next_due,
                took: Duration::ZERO,
            });
        }
    }

    fn state(&mut self) -> JobState {
        self.records.job(JOB).unwrap().unwrap().state
    }

    fn enabled(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut claims = Vec::new();
        if !self.pending.is_empty() {
            steps.push(Step::Write);
        }
        for (&id, process) in &self.processes {
            match process.request {
                _ if process.exited => steps.push(Step::Sweep(id)),
                Some((_, answered)) if !answered || !self.repeated => {
                    steps.push(Step::Succeed(id));
                    if self.failed < 2 {
                        steps.push(Step::Fail(id));
                    }
                    claims.push(id);
                }
                _ => {}
            }
            if !process.exited && (process.killed || process.request.is_some()) {
                steps.push(Step::Die(id));
            }
        }
        if self.core.next_deadline(self.now).is_some() {
            steps.push(Step::Pass);
        }
        if !self.cancelled {
            steps.push(Step::Cancel);
        }
        if !self.restarted {
            steps.push(Step::Restart);
        }
        if self.masters < 2 {
            steps.push(Step::Crash);
        }
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write => self.write(),
            Step::Succeed(id) => self.answer(id, well()),
            Step::Fail(id) => {
                self.failed += 1;
                self.answer(id, badly(Retry::Policy));
            }
            Step::Die(id) => {
                let process = self.processes.get_mut(&id).unwrap();
                process.exited = true;
                let read = process.request.map_or(0, |(request, _)| request);
                let exit = Exit::Signal(if process.killed { 9 } else { 11 });
                let end = End { exit: Some(exit), oom_kills: None, last: LastLines::default(), read };
                self.hear(Event::Exited { worker: WorkerId(id), end: Box::new(end) });
            }
            Step::Sweep(id) => {
                self.processes.remove(&id);
                self.hear(Event::Swept { worker: WorkerId(id) });
            }
            Step::Pass => {
                let at = self.core.next_deadline(self.now).unwrap();
                let step = at.since(self.now.mono);
                self.now = Now { mono: self.now.mono.max(at), wall: self.now.wall.plus(step) };
                self.settle();
            }
            Step::Cancel => {
                self.cancelled = true;
                self.hear(Event::Command {
                    ticket: Ticket(1),
                    caller: None,
                    command: Command::Cancel { job: JOB, only: crate::model::States::ALL, wait: false },
                });
            }
            Step::Restart => {
                self.restarted = true;
                let command = Command::Restart { target: Target::All, grace: Some(Duration::ZERO), wait: false };
                self.hear(Event::Command { ticket: Ticket(2), caller: None, command });
            }
            Step::Crash => self.crash(),
        }
    }

    fn answer(&mut self, id: i64, answer: Answer) {
        let process = self.processes.get_mut(&id).unwrap();
        let (request, answered) = process.request.unwrap();
        process.request = Some((request, true));
        self.repeated |= answered;
        self.hear(Event::Answered { worker: WorkerId(id), request, answer });
    }

    /// Everything of the old master is proven dead before the next one recovers; what the old one had yet to write is
    /// refused, whenever it comes.
    fn crash(&mut self) {
        self.processes.clear();
        let late = std::mem::take(&mut self.pending);
        let next = self.store.connect();
        let mut old = std::mem::replace(&mut self.store, next);
        let number = self.batch + 1;
        self.begin();
        let ops: Vec<Op> = late.into_iter().map(|(op, _)| op).collect();
        assert!(matches!(old.apply(number, &ops, self.now.wall), Err(StoreError::Superseded(_))));
    }

    /// Nothing unexpected happens any more: the job must come to its end.
    fn calm_down(&mut self) {
        for _ in 0..100 {
            self.write();
            let is_final = self.state().is_final();
            let dead = self.processes.iter().find(|(_, p)| p.killed || p.exited).map(|(&id, p)| (id, p.exited));
            let asked =
                self.processes.iter().find(|(_, p)| p.request.is_some_and(|(_, done)| !done)).map(|(&id, _)| id);
            match (dead, asked) {
                (Some((id, true)), _) => self.take(Step::Sweep(id)),
                (Some((id, false)), _) => self.take(Step::Die(id)),
                (None, Some(id)) => self.take(Step::Succeed(id)),
                (None, None) if is_final && self.core.is_quiet() => return,
                (None, None) => self.take(Step::Pass),
            }
        }
        panic!("the job does not end: {:?}", self.state());
    }

    fn check(&mut self) {
        let job = self.records.job(JOB).unwrap().unwrap();
        let runs = self.records.runs(&RunFilter::default()).unwrap();
        let count = |outcomes: &[Outcome]| runs.iter().filter(|run| outcomes.contains(&run.outcome)).count() as u32;
        let counted = Counters {
            attempts: count(&[Outcome::Failed, Outcome::TimedOut]),
            crashes: count(&[Outcome::Crashed]),
            releases: count(&[Outcome::Released]),
            ..Counters::default()
        };
        assert_eq!(job.counters, counted, "{runs:#?}");
        let succeeded = count(&[Outcome::Succeeded]);
        assert_eq!(succeeded, u32::from(job.state == JobState::Succeeded), "{:?} {runs:#?}", job.state);
        // Newest first: nothing runs after the end.
        let last = runs.first().map(|run| run.outcome);
        assert!(succeeded == 0 || last == Some(Outcome::Succeeded), "{runs:#?}");
        assert!(count(&[Outcome::Cancelled]) <= u32::from(job.state == JobState::Cancelled), "{runs:#?}");
        let recorded: BTreeSet<RunId> = runs.iter().map(|run| run.id).collect();
        assert_eq!(recorded.len(), runs.len());
        assert!(self.begun.is_subset(&recorded), "{:?} began, {recorded:?} are on record", self.begun);
    }
}

/// Plays an order, and all that go on from it; how many there are.
fn explore(path: &mut Vec<Step>, depth: usize) -> u64 {
    let mut world = World::new();
    for &step in path.iter() {
        world.take(step);
    }
    let next = if path.len() < depth { world.enabled() } else { Vec::new() };
    world.calm_down();
    world.check();
    let mut played = 1;
    for step in next {
        path.push(step);
        played += explore(path, depth);
        path.pop();
    }
    played
}

#[test]
fn a_job_ends_once_in_every_order_of_what_can_happen_to_two_runs_of_it() {
    let depth = std::env::var("ORDERS_DEPTH").ok().and_then(|text| text.parse().ok()).unwrap_or(DEPTH);
    let mut path = Vec::new();
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| explore(&mut path, depth)));
    match played {
        Ok(played) => {
            println!("{played} orders");
            assert!(played > 1000, "only {played} orders were played");
        }
        Err(panic) => {
            eprintln!("after {path:?}");
            std::panic::resume_unwind(panic);
        }
    }
}
