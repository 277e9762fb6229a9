//! A simulated worker process: what it reads, does, answers, and how it dies.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chance::Chance;
use super::world::{Doing, Happening, World};
use crate::core::{End, Event, Signal};
use crate::model::Detail;
use crate::model::answer::{NOT_BEGUN, PROGRAM_BUSY};
use crate::model::job::Progress;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Answer, LastLines, Retry, RunError};
use crate::model::{Claimed, PoolKind, Takes, WorkerId};

/// A process and its nature.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(super) struct Process {
    pub(super) alive: bool,
    /// The core knows that it has exited.
    pub(super) reaped: bool,
    stdin: VecDeque<(u64, Arc<Claimed>)>,
    buffer: VecDeque<(u64, Arc<Claimed>)>,
    busy: Vec<(u64, Arc<Claimed>)>,
    closed: bool,
    read: u64,
    pub(super) last_request: u64,
    concurrency: u64,
    /// Reads on while it works.
    greedy: bool,
    deaf: bool,
    ignores_term: bool,
    ignores_end: bool,
    ignores_cancel: bool,
    /// Its input is closed at its own end: nothing more is read, whatever is written.
    hung_up: bool,
    /// Of a thousand jobs, it dies under this many.
    crashes: u64,
    slowest: u64,
    /// When the last thing it wrote arrives.
    last_line: u64,
}

impl Process {
    fn new(chance: &mut Chance, faults: bool) -> Self {
        let mut fault = |often: u64| faults && chance.often(often);
        Self {
            alive: true,
            deaf: fault(30),
            ignores_term: fault(100),
            ignores_end: fault(50),
            ignores_cancel: fault(400),
            greedy: fault(300),
            crashes: if fault(300) { 100 } else { 0 },
            slowest: if fault(200) { 20_000_000 } else { *chance.pick(&[200, 5_000, 1_000_000]) },
            concurrency: *chance.pick(&[1, 1, 1, 2, 5]),
            ..Self::default()
        }
    }
}

impl World {
    /// The built-in worker does not.
    fn names_types(&self, id: WorkerId) -> bool {
        let pool = self.core.worker(id).and_then(|worker| self.core.pool(worker.pool));
        pool.is_some_and(|pool| pool.settings.kind == PoolKind::Protocol)
    }

    pub(super) fn start_process(&mut self, id: WorkerId) {
        if self.broken || (self.faults && self.chance.often(20)) {
            if self.chance.often(300) {
                let error = String::from("no such file");
                let temporary = self.chance.often(500);
                self.later(10, Happening::Deliver(Box::new(Event::SpawnFailed { worker: id, error, temporary })));
                return;
            }
            self.processes.insert(id, Process { alive: true, deaf: true, ..Process::default() });
            self.say(id, 10, Event::Spawned { worker: id, pid: 1 });
            let wait = self.chance.micros(100, 100_000);
            self.later(wait, Happening::Process(id, Doing::Die(Exit::Code(1))));
            return;
        }
        let process = Process::new(&mut self.chance, self.faults);
        let concurrency = process.concurrency as u32;
        self.processes.insert(id, process);
        self.say(id, 10, Event::Spawned { worker: id, pid: id.0 as u32 });
        if !(self.faults && self.chance.often(30)) {
            let wait = self.chance.micros(1000, 2_000_000);
            let names = self.faults && self.names_types(id) && self.chance.often(200);
            let types = names.then(|| Takes::named([*self.chance.pick(&["x", "y"])]));
            self.say(id, wait, Event::Ready { worker: id, concurrency, types });
        }
        self.call(id);
        if self.faults && self.chance.often(30) {
            let wait = self.chance.micros(10, 2_000_000);
            self.say(id, wait, Event::Retire { worker: id });
        }
        if self.faults && self.chance.often(50) {
            let wait = self.chance.micros(1000, 60_000_000);
            self.later(wait, Happening::Process(id, Doing::Die(Exit::Code(0))));
        }
    }

    /// Something a process writes; what it writes arrives in order.
    fn say(&mut self, id: WorkerId, wait: u64, event: Event) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.last_line = process.last_line.max(self.mono + wait);
        let at = process.last_line;
        self.at(at, Happening::Deliver(Box::new(event)));
    }

    pub(super) fn process_does(&mut self, id: WorkerId, doing: Doing) {
        match doing {
            Doing::Work => self.work(id),
            Doing::Done(request) => self.done(id, request),
            Doing::Chatter(request) => self.chatter(id, request),
            Doing::Die(exit) => self.die(id, exit),
            Doing::Sweep => {
                self.live.retain(|_, holder| *holder != id);
                self.later(0, Happening::Deliver(Box::new(Event::Swept { worker: id })));
            }
        }
    }

    pub(super) fn write_job(&mut self, id: WorkerId, request: u64, job: Arc<Claimed>) {
        let Some(process) = self.processes.get_mut(&id) else { panic!("a job is sent to no process: {id}") };
        assert!(!process.reaped, "a job is sent to a process that is gone: {id}");
        assert!(!process.closed, "a job is sent after the end of stdin: {id}");
        assert_eq!(request, process.last_request + 1, "request ids do not increase");
        process.last_request = request;
        if self.faults && self.chance.often(10) {
            process.hung_up = true;
        }
        if process.hung_up {
            let read = process.read;
            self.later(0, Happening::Deliver(Box::new(Event::InputClosed { worker: id, read })));
            return;
        }
        process.stdin.push_back((request, job));
        self.later(20, Happening::Process(id, Doing::Work));
    }

    /// The gateway says so when the last call is over, unless the worker dies before.
    pub(super) fn drain_calls(&mut self, id: WorkerId) {
        let wait = self.chance.micros(10, 20_000_000);
        self.later(wait, Happening::Deliver(Box::new(Event::Drained { worker: id })));
    }

    /// The gateway has calls answered by the worker, or finds that it is of no use.
    fn call(&mut self, id: WorkerId) {
        let serves = self.core.worker(id).and_then(|worker| self.core.pool(worker.pool));
        if !serves.is_some_and(|pool| pool.settings.is_service()) {
            return;
        }
        for _ in 0..self.chance.range(0, 5) {
            let (wait, calls) = (self.chance.micros(1000, 60_000_000), self.chance.range(0, 5));
            self.later(wait, Happening::Deliver(Box::new(Event::Called { worker: id, calls })));
        }
        if self.faults && self.chance.often(100) {
            let wait = self.chance.micros(1000, 60_000_000);
            let event = if self.chance.often(500) {
                Event::Refused { worker: id, why: String::from("another version") }
            } else {
                Event::GivenUp { worker: id, reason: EndReason::Unhealthy, why: String::from("no answer") }
            };
            self.later(wait, Happening::Deliver(Box::new(event)));
        }
    }

    pub(super) fn close_stdin(&mut self, id: WorkerId) {
        if let Some(process) = self.processes.get_mut(&id) {
            assert!(!process.reaped && !process.closed, "stdin of {id} cannot be closed");
            process.closed = true;
            self.later(20, Happening::Process(id, Doing::Work));
        }
    }

    pub(super) fn write_cancel(&mut self, id: WorkerId, request: u64) {
        let Some(process) = self.processes.get(&id) else { panic!("a cancellation is sent to no process") };
        assert!(!process.reaped, "a cancellation is sent to a process that is gone: {id}");
        if !process.ignores_cancel && process.busy.iter().any(|(r, _)| *r == request) {
            let wait = self.chance.micros(20, 1_000_000);
            self.later(wait, Happening::Process(id, Doing::Done(request)));
        }
    }

    pub(super) fn signal(&mut self, id: WorkerId, signal: Signal) {
        let Some(process) = self.processes.get(&id) else { return };
        assert!(!process.reaped, "a process that is gone is signalled: {id}");
        let (number, wait) = match signal {
            Signal::Term if process.ignores_term => return,
            Signal::Term => (15, self.chance.micros(100, 100_000)),
            Signal::Kill if self.faults && self.chance.often(20) => (9, 8_000_000),
            Signal::Kill => (9, self.chance.micros(100, 10_000)),
        };
        self.later(wait, Happening::Process(id, Doing::Die(Exit::Signal(number))));
    }

    /// Reads and begins what it can.
    fn work(&mut self, id: WorkerId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if !process.alive || process.deaf {
            return;
        }
        let mut begun = Vec::new();
        loop {
            let free = (process.busy.len() as u64) < process.concurrency;
            if process.hung_up {
                process.stdin.clear();
            }
            if process.greedy || (free && process.buffer.is_empty()) {
                while let Some((request, job)) = process.stdin.pop_front() {
                    process.read = request;
                    let other = self.live.insert(job.id, id);
                    assert!(other.is_none(), "job {} runs at {id} and still at {other:?}", job.id);
                    process.buffer.push_back((request, job));
                    if !process.greedy {
                        break;
                    }
                }
            }
            let Some(next) = (if free { process.buffer.pop_front() } else { None }) else { break };
            begun.push(next.0);
            process.busy.push(next);
        }
        let idle = process.busy.is_empty() && process.stdin.is_empty();
        let leaves = process.closed && idle && !process.ignores_end;
        let (crashes, slowest) = (process.crashes, process.slowest);
        for request in begun {
            let wait = self.chance.micros(50, slowest);
            self.later(wait, Happening::Process(id, Doing::Done(request)));
            if self.chance.often(crashes) {
                let wait = self.chance.range(0, wait);
                self.later(wait, Happening::Process(id, Doing::Die(Exit::Signal(11))));
            }
            if self.faults && self.chance.often(50) {
                let wait = self.chance.range(0, wait);
                self.later(wait, Happening::Process(id, Doing::Chatter(request)));
            }
        }
        if leaves {
            let wait = self.chance.micros(100, 500_000);
            self.later(wait, Happening::Process(id, Doing::Die(Exit::Code(0))));
        }
    }

    fn done(&mut self, id: WorkerId, request: u64) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        let Some(at) = process.busy.iter().position(|(r, _)| *r == request) else { return };
        if !process.alive {
            return;
        }
        let (_, job) = process.busy.remove(at);
        self.live.remove(&job.id);
        let answer = self.answer();
        if self.faults && self.chance.often(10) {
            self.say(id, 20, Event::Answered { worker: id, request, answer: answer.clone() });
        }
        self.say(id, 20, Event::Answered { worker: id, request, answer });
        self.work(id);
    }

    fn answer(&mut self) -> Answer {
        let retry = if self.faults { self.chance.range(0, 20) } else { 20 };
        let retry = match retry {
            0 => Retry::Never,
            1 => Retry::After(std::time::Duration::from_micros(self.chance.micros(1, 60_000_000))),
            2..5 => Retry::Policy,
            _ => return Answer { verdict: Ok(None), detail: Detail::default() },
        };
        let kind = if self.chance.often(500) { NOT_BEGUN } else { PROGRAM_BUSY };
        let kind = self.chance.often(400).then(|| kind.to_owned());
        let error = RunError { message: String::from("no"), code: None, backtrace: None, kind, retry };
        Answer { verdict: Err(Box::new(error)), detail: Detail::default() }
    }

    fn chatter(&mut self, id: WorkerId, request: u64) {
        if !self.processes.get(&id).is_some_and(|p| p.alive) {
            return;
        }
        let by = std::time::Duration::from_micros(self.chance.micros(1, 10_000_000));
        let progress = Progress::default();
        let event = match self.chance.range(0, 6) {
            0 | 1 => Event::Progress { worker: id, request, progress },
            2 => Event::RunNote { worker: id, request, text: "so far".into() },
            3 | 4 => Event::Extend { worker: id, request, by },
            _ => Event::Retire { worker: id },
        };
        self.say(id, 20, event);
    }

    fn die(&mut self, id: WorkerId, exit: Exit) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if !std::mem::take(&mut process.alive) {
            return;
        }
        let read = process.read;
        self.say(
            id,
            100,
            Event::Exited {
                worker: id,
                end: Box::new(End { exit: Some(exit), oom_kills: None, last: LastLines::default(), read }),
            },
        );
        let slow = self.faults && self.chance.often(50);
        let wait = self.processes[&id].last_line - self.mono + if slow { 2_000_000 } else { 50 };
        self.later(wait, Happening::Process(id, Doing::Sweep));
    }
}
