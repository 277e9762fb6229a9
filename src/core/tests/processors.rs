//! Processors: a core beside the store in memory, which answers what it asks, as masters come and go and time passes.

mod overlap;
mod ticks;

use super::*;
use crate::model::change::{Claim, Finish, Op, Reply, Request};
use crate::model::processor::{
    BeginRun, EndedRun, ForeignProcess, Missed, Overlap, ProcessorRun, ProcessorRunState, ProcessorSettings, Schedule,
    Switch, Timing,
};
use crate::model::{NewJob, Outcome, ProcessorName};
use crate::store::memory::MemoryStore;
use crate::store::{Master, ProcessorRunFilter, Records as _, Store as _};

/// A calendar of every so many seconds.
#[derive(Debug)]
pub(in crate::core) struct Seconds(pub(in crate::core) i64);

impl Schedule for Seconds {
    fn after(&self, at: UnixMicros) -> Option<UnixMicros> {
        let step = self.0 * 1_000_000;
        Some(UnixMicros((at.0.div_euclid(step) + 1) * step))
    }

    fn until(&self, at: UnixMicros) -> Option<UnixMicros> {
        let step = self.0 * 1_000_000;
        Some(UnixMicros(at.0.div_euclid(step) * step))
    }
}

pub(in crate::core) fn settings(name: &str, timing: Timing) -> ProcessorSettings {
    ProcessorSettings {
        name: ProcessorName::new(name).unwrap(),
        description: String::new(),
        enabled: true,
        schedule: format!("{timing:?}"),
        timing,
        timezone: None,
        sleep: Duration::ZERO,
        overlap: Overlap::Skip,
        missed: Missed::Once,
        missed_within: Duration::from_hours(24),
        missed_max: 100,
        jitter: Duration::ZERO,
        run_at_start: false,
        keep_runs: None,
        timeout: Duration::from_hours(1),
        job: Some(NewJob::new("x", "null")),
    }
}

/// Every ten seconds of the clock.
fn tens() -> Timing {
    Timing::Calendar(std::sync::Arc::new(Seconds(10)))
}

fn every(seconds: u64) -> Timing {
    Timing::Every(Duration::from_secs(seconds))
}

/// A master on a store, its clocks, and what it has told.
struct Host {
    core: Core,
    store: MemoryStore,
    batch: u64,
    now: Now,
    settings: Vec<ProcessorSettings>,
    out: Vec<Action>,
    told: Vec<String>,
    ended: Vec<EndedRun>,
}

impl Host {
    fn new(settings: Vec<ProcessorSettings>) -> Self {
        let now = Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) };
        let store = MemoryStore::new();
        let mut host = Self {
            core: Core::new(WorkerId(1), 7),
            store,
            batch: 0,
            now,
            settings,
            out: Vec::new(),
            told: Vec::new(),
            ended: Vec::new(),
        };
        host.start();
        host
    }

    fn one(change: impl FnOnce(&mut ProcessorSettings), timing: Timing) -> Self {
        let mut settings = settings("p", timing);
        change(&mut settings);
        Self::new(vec![settings])
    }

    /// A master starts, on what the last one has left.
    fn start(&mut self) {
        let master = Master {
            host: String::new(),
            pid: 1,
            pid_start: 1,
            boot_id: String::new(),
            cookie: String::new(),
            version: String::new(),
        };
        self.store.join(&master, self.now.wall).unwrap();
        for dead in self.store.dead(self.now.mono).unwrap() {
            self.store.recover(dead.generation, self.now.wall).unwrap();
        }
        (self.core, self.batch) = (Core::new(WorkerId(1), 7), 0);
        self.out.clear();
        self.core.set_processors(self.settings.iter().map(|one| (one.clone(), Duration::ZERO)).collect());
        self.settle();
    }

    /// The master is dead for so long, then another starts.
    fn dead_for(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, wall: self.now.wall.plus(time) };
        self.start();
    }

    /// The machine sleeps for so long.
    fn asleep_for(&mut self, time: Duration) {
        self.now = Now { mono: self.now.mono + time, wall: self.now.wall.plus(time) };
        self.settle();
    }

    fn apply(&mut self, op: Op) -> Reply {
        self.batch += 1;
        let mut applied = self.store.apply(self.batch, &[op], self.now.wall).unwrap();
        self.event(committed(Vec::new()));
        self.ended.append(&mut applied.ended_runs);
        applied.replies.remove(0)
    }

    /// Runs that a batch has ended are told after the answers.
    fn tell_ended(&mut self) {
        let ended = std::mem::take(&mut self.ended);
        self.event(Event::RunsEnded(ended));
    }

    fn event(&mut self, event: Event) {
        self.core.handle(event, self.now, &mut self.out);
    }

    fn settle(&mut self) {
        self.core.settle(self.now, &mut self.out);
        while !self.out.is_empty() {
            for action in std::mem::take(&mut self.out) {
                self.carry_out(action);
            }
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Write(change, tag) => {
                let reply = self.apply(Op::Change(change));
                match Event::of_processor(tag, reply) {
                    Ok(event) => self.event(event),
                    Err((_, Reply::Shifted { next })) => self.event(Event::Shifted { next }),
                    Err(_) => {}
                }
                self.tell_ended();
            }
            Action::Reply(ticket, reply) => self.told.push(format!("ticket {}: {reply:?}", ticket.0)),
            Action::Tell(notice) => self.told.push(format!("{notice:?}")),
            _ => {}
        }
    }

    /// Time goes by; every deadline on the way is kept.
    fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        while self.now.mono < end {
            let next = self.core.next_deadline(self.now).filter(|&at| at < end).unwrap_or(end);
            let step = next.since(self.now.mono);
            self.now = Now { mono: next, wall: self.now.wall.plus(step) };
            self.settle();
        }
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The clock is set, which is noticed.
    fn set_clock(&mut self, by: i64) {
        self.now.wall.0 += by * 1_000_000;
        self.event(Event::ClockSet { by: by * 1_000_000 });
        self.settle();
    }

    /// Runs all jobs that are ready to their end.
    fn work(&mut self) -> usize {
        let takes = vec![(queue("default"), 1000)];
        let claim = Claim {
            takes,
            lanes: Takes::Others,
            workers: Vec::new(),
            total: 1000,
            at_once: u32::MAX,
            max_bytes: 1 << 20,
        };
        let Reply::Claimed { jobs, .. } = self.apply(Op::Change(Change::Claim(claim))) else { panic!("no claim") };
        let count = jobs.len();
        for job in jobs {
            let counters = job.counters;
            let finish = Finish {
                job: std::sync::Arc::new(job),
                worker: WorkerId(1),
                outcome: Outcome::Succeeded,
                cause: None,
                detail: Detail::default(),
                started_at: self.now.wall,
                ended_at: self.now.wall,
                next: Next::Succeeded,
                counters,
                max_attempts: 1,
            };
            self.apply(Op::Change(Change::Finish(Box::new(finish))));
        }
        self.tell_ended();
        self.settle();
        count
    }

    /// Time goes by, with workers that are done at once.
    fn work_for(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.seconds(1);
            self.work();
        }
    }

    fn records(&mut self) -> Vec<ProcessorRun> {
        let mut runs = self.store.processor_runs(&ProcessorRunFilter::default()).unwrap();
        runs.reverse();
        runs
    }

    /// Ticks of the runs in seconds since the start of the test, with their sources, oldest first.
    fn runs(&mut self) -> Vec<String> {
        let second = |at: UnixMicros| (at.0 - 1_000_000_000_000) / 1_000_000;
        let line = |run: &ProcessorRun| {
            run.tick.map_or(run.source.as_str().to_owned(), |at| format!("{} {}", second(at), run.source.as_str()))
        };
        self.records().iter().map(line).collect()
    }

    fn ticks(&mut self) -> Vec<i64> {
        self.records().iter().filter_map(|run| Some((run.tick?.0 - 1_000_000_000_000) / 1_000_000)).collect()
    }

    fn skipped(&mut self) -> (u64, Option<&'static str>) {
        let record = self.store.processor(&ProcessorName::new("p").unwrap()).unwrap().unwrap();
        (record.skipped, record.last_skip.map(|(cause, _)| cause.as_str()))
    }

    fn switch(&mut self, enabled: Option<bool>) {
        let switch = Switch { enabled, ..Switch::default() };
        self.apply(Op::Request(Request::SwitchProcessors {
            processors: vec![(ProcessorName::new("p").unwrap(), true)],
            switch,
        }));
    }

    fn run_now(&mut self, ticket: u64, force: bool) {
        let command = Command::RunProcessor { processor: "p".into(), args: None, force };
        self.event(Event::Command { ticket: Ticket(ticket), caller: None, command });
        self.settle();
    }
}
