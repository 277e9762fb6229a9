//! One turn of the supervisor, and the loop of turns.

use std::time::Duration;

use mio::Events;

use super::{Clock, Inbox, Master, Source, sampler};
use crate::core::{Event, Phase};
use crate::model::{Mono, WorkerId};
use crate::report::words;

/// When a control connection could not be accepted, for want of descriptors.
const KNOCK_AGAIN: Duration = Duration::from_millis(100);
/// A master whose turn comes so much later than it was to was held up: stopped, or left without processor time.
const HELD_UP: Duration = Duration::from_secs(2);
/// For so long after that it hears what was said meanwhile: a turn or two, and what it had begun before.
const CATCHES_UP: Duration = Duration::from_secs(1);
/// Time after the last worker has left, after which a master gives up waiting for a store that cannot be written.
const STUCK_AFTER: Duration = Duration::from_secs(5);

impl Master {
    /// Turns until everybody has left and everything is written. True: in order; false: the store failed.
    pub(super) fn turns(&mut self) -> bool {
        let mut events = Events::with_capacity(1024);
        let mut left_at: Option<Mono> = None;
        let mut begun = self.clock.now().mono;
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                self.problem("poll", format!("waiting for events failed: {error}"));
            } else {
                self.problem_over("poll");
            }
            let before = std::mem::replace(&mut begun, self.clock.now().mono);
            if begun.since(before) > timeout.unwrap_or_default() + HELD_UP {
                self.late_until = begun + CATCHES_UP;
            }
            self.take_in(&events);
            self.settle();
            if self.lost.is_some() {
                return false;
            }
            // A claim that cannot be written keeps nobody here who has been told to leave, nor does what a worker left and
            // may not be killed: then the end is not in order, and the next start sees to it that it has ended.
            let stops = self.core.phase() != Phase::Running;
            let nobody = stops && self.core.workers().all(|(id, _)| self.leftovers.holds(id));
            if nobody && self.to_sweep.is_empty() {
                let now = self.clock.now().mono;
                if self.core.stopped() && self.batches.is_empty() && self.tasks.is_empty() {
                    return true;
                }
                if now.since(*left_at.get_or_insert(now)) > STUCK_AFTER {
                    return false;
                }
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.reading.fresh.is_empty() || self.clients.has_again() || self.has_task() || self.core.has_spawns_left()
        {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let sweep = (!self.to_sweep.is_empty()).then(|| now.mono + Duration::from_millis(10));
        let knocked = self.clients.knocked().map(|_| now.mono + KNOCK_AGAIN);
        let backlog = (!self.reading.backlog.is_empty()).then_some(self.reading.backlog_at);
        let stops = self.core.phase() != Phase::Running;
        let stopping = stops.then(|| now.mono + Duration::from_millis(200));
        let guard = self.guardian.is_none().then_some(self.guard_at);
        let bar = self.fixed.config.drain.then(|| now.mono + Duration::from_millis(200));
        let deadlines = [
            self.core.next_deadline(now),
            self.batches.next_deadline(),
            Some(self.looks.at),
            sweep,
            knocked,
            stopping,
            self.requests.next_deadline(),
            guard,
            bar,
            backlog,
            self.leftovers.next_look(),
        ];
        // Rounded up: a timer that rings early would turn for nothing.
        deadlines.into_iter().flatten().min().map(|at| Clock::until(now, at) + Duration::from_micros(50))
    }

    fn take_in(&mut self, events: &Events) {
        let mut listener = false;
        for event in events {
            match Source::of(event.token()) {
                Source::Worker(id, super::Pipe::Stdin) => {
                    self.to_flush.insert(id);
                }
                Source::Worker(id, pipe) if self.reading.backlog.has((id, pipe)) => {}
                Source::Worker(id, pipe) => self.reading.fresh.join((id, pipe)),
                Source::Client(id) => {
                    if event.is_write_closed() {
                        self.clients.hung_up(id);
                    } else if event.is_writable() {
                        self.clients.writable(id);
                    }
                    if event.is_readable() {
                        self.read_client(id);
                    }
                }
                Source::Listener => listener = true,
                Source::Waker => {}
                Source::Signals => self.signals.drain(),
                Source::Database => self.looks.hear(),
            }
        }
        self.read_workers();
        for id in self.clients.take_again() {
            self.read_client(id);
        }
        if listener || self.clients.knocked().is_some() {
            self.accept();
        }
        while let Ok(mail) = self.inbox.try_recv() {
            self.receive(mail);
        }
        if self.signals.told_to_stop() {
            self.stop(None, None);
        }
        if self.signals.children_exited() {
            self.reap();
        }
    }

    pub(super) fn accept(&mut self) {
        let late = self.is_late();
        self.clients.accept(self.poll.registry(), late, |id| Source::Client(id).token());
        match self.clients.knocked() {
            Some(why) => {
                let text = format!("control connections cannot be accepted: {why}; it is tried again");
                self.problem("clients", text);
            }
            None => self.problem_over("clients"),
        }
    }

    /// Whether what comes now may have waited while the master was held up.
    pub(super) fn is_late(&self) -> bool {
        self.clock.now().mono < self.late_until
    }

    /// Settles, carries out, hands over, writes.
    fn settle(&mut self) {
        self.heed_clock();
        let now = self.clock.now();
        self.expire_waiters(now);
        self.go_on_with_tasks(now);
        let looked = self.look(now);
        self.look_at_held(now);
        self.core.settle(now, &mut self.actions);
        self.carry_out();
        // After the spawns: a slot that is empty waits for nothing but its process.
        self.sweep();
        if !self.core.is_scarce() {
            self.problem_over("spawn");
        }
        if !self.core.has_not_begun() {
            self.problem_over("commands");
        }
        if !self.core.gives_back_again() {
            self.problem_over("released");
        }
        self.end_if_drained();
        self.core.claim(&mut self.actions);
        self.carry_out();
        self.send_replies();
        if let Some(writer) = &self.writer {
            self.batches.send(writer, now);
        }
        self.flush_workers();
        self.clients.flush();
        self.forget_the_gone();
        self.read_on();
        self.guard(now);
        self.sampler_pace(looked);
    }

    /// Writes to workers what they take now.
    fn flush_workers(&mut self) {
        for worker in std::mem::take(&mut self.to_flush) {
            if let Some(pipes) = self.workers.get_mut(&worker)
                && !pipes.flush()
            {
                let read = pipes.read_up_to();
                self.feed(Event::InputClosed { worker, read });
            }
        }
        self.carry_out();
    }

    fn receive(&mut self, mail: Inbox) {
        match mail {
            Inbox::Written(written) => self.written(written),
            Inbox::Samples(samples, families) => {
                for family in families {
                    self.know_family(family);
                }
                for sample in samples {
                    let (memory, cpu) = (sample.memory_bytes, sample.cpu_percent);
                    self.feed(Event::Sampled { worker: sample.worker, memory, cpu });
                }
            }
            Inbox::Swept(done) => self.swept(done),
            Inbox::Read(read) => {
                let (ticket, found) = *read;
                self.found(ticket, found);
            }
            Inbox::Line(read) => {
                let (client, bytes, message) = *read;
                self.line_was_read(client, bytes, message);
            }
            Inbox::Interrupt => self.interrupted(),
        }
    }

    fn interrupted(&mut self) {
        self.interrupts += 1;
        if self.interrupts == 1 {
            self.stop(None, None);
        } else {
            self.force();
        }
    }

    /// Tells the core if the wall clock was set.
    fn heed_clock(&mut self) {
        let Some(by) = self.looks.steps.step() else { return };
        let how = words::duration(Duration::from_micros(by.unsigned_abs()));
        let to = if by > 0 { "forward" } else { "back" };
        let text = format!("the clock was set {how} {to}; what waits for a length of time waits as long as it was to");
        self.say(crate::report::Event::Problem { text });
        self.feed(Event::ClockSet { by });
    }

    /// Tells the sampler whether anybody works: that somebody does at once, that nobody does with the next look, so that
    /// a job now and then costs no wake-ups.
    fn sampler_pace(&mut self, looked: bool) {
        let busy = !self.core.is_quiet();
        if (busy || looked) && busy != self.sampling_busy && self.sampler.tell(sampler::Command::Busy(busy)) {
            self.sampling_busy = busy;
        }
    }

    pub(super) fn stop(&mut self, grace: Option<Duration>, caller: Option<WorkerId>) {
        self.announce_stop(grace);
        failpoint!("stop.begun");
        self.feed(Event::Stop { grace, caller });
    }

    pub(super) fn force(&mut self) {
        self.announce_force();
        self.feed(Event::Force);
    }
}
