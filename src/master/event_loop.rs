//! The loop of the master: one turn after the other, each in the same phases.
//!
//! Invariant: the loop waits in one place, `poll`, and there only until the next timer; without work nothing wakes it.

use std::time::Duration;

use mio::Events;

use super::Master;
use super::reader::Origin;
use super::requests::Answer;
use super::sources::{Inbox, Source};
use super::timers::Timer;
use crate::core::{Event, Phase};
use crate::model::WorkerId;
use crate::model::problem::Topic;
use crate::report::words;

#[cfg(test)]
mod tests;

/// When a control connection that could not be accepted, for want of descriptors, is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Master {
    /// Turns until everybody has left and everything is written. True: in order; false: the store failed.
    pub(super) fn event_loop(&mut self) -> bool {
        let mut events = Events::with_capacity(1024);
        self.time.begin();
        loop {
            if let Some(in_order) = self.turn(&mut events) {
                return in_order;
            }
        }
    }

    fn turn(&mut self, events: &mut Events) -> Option<bool> {
        self.wait(events);
        self.begin_debug_turn();
        self.hear(events);
        self.ring();
        self.decide();
        self.write();
        let took = self.time.turned_for();
        self.meters.times.turn.add(took);
        self.end_debug_turn(took);
        self.is_over()
    }

    /// Waits for news of a descriptor or a thread, or for the next timer.
    fn wait(&mut self, events: &mut Events) {
        let timeout = self.timeout();
        match self.sources.wait(events, timeout) {
            Err(error) => self.problem(Topic::Poll, format!("waiting for events failed: {error}")),
            Ok(()) => self.problem_over(Topic::Poll),
        }
        self.time.begin_turn(timeout.unwrap_or_default());
    }

    fn timeout(&mut self) -> Option<Duration> {
        if self.children.has_unread()
            || self.gateway.has_more()
            || self.clients.has_again()
            || self.has_task()
            || self.core.has_spawns_left()
        {
            return Some(Duration::ZERO);
        }
        let now = self.time.now();
        self.time.ring_at(Timer::Core, self.core.next_deadline(now));
        self.time.ring_at(Timer::Commit, self.batches.next_deadline());
        self.time.ring_at(Timer::Requests, self.requests.next_deadline());
        self.time.ring_at(Timer::Backlog, self.children.next_deadline());
        self.time.ring_at(Timer::Hooks, self.hooks.next_deadline(now.mono));
        self.set_notify_timer();
        self.time.until_next()
    }

    /// Takes in what has come: from workers, clients, threads, signals, and who has exited.
    fn hear(&mut self, events: &Events) {
        // First: whatever comes now may lead to a job.
        self.heed_lease();
        let (mut listener, mut gateway) = (false, self.gateway.has_more());
        for event in events {
            match Source::of(event.token()) {
                Source::Worker(id, pipe) => self.children.edge(id, pipe),
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
                Source::Signals => self.sources.drain_signals(),
                Source::Database => self.hear_of_store(),
                Source::Gateway => gateway = true,
            }
        }
        self.read_workers();
        if gateway {
            self.hear_gateway();
        }
        for id in self.clients.take_again() {
            self.read_client(id);
        }
        if listener {
            self.accept();
        }
        while let Some(message) = self.sources.next() {
            self.receive(message);
        }
    }

    /// Does what is due.
    fn ring(&mut self) {
        self.heed_clock();
        let now = self.time.now();
        for timer in self.time.due(now.mono) {
            match timer {
                // Every turn sees to these.
                Timer::Core
                | Timer::Commit
                | Timer::Backlog
                | Timer::Sweep
                | Timer::Stuck
                | Timer::Hooks
                | Timer::Gateway
                | Timer::Web
                | Timer::Notify => {}
                Timer::Requests => self.expire_waiters(now),
                Timer::Checks => self.check(now),
                Timer::Held => self.look_at_held(),
                Timer::Accept => self.accept(),
                Timer::Guardian => self.restart_guardian(),
                Timer::Debug => self.end_debug(),
            }
        }
    }

    /// Lets the core settle, and carries out what it decides.
    fn decide(&mut self) {
        let now = self.time.now();
        self.go_on_with_tasks(now);
        self.end_pools_of_the_gone();
        self.core.settle(now);
        self.carry_out();
        // After the spawns: a slot that is empty waits for nothing but its process.
        self.sweep();
        self.end_if_drained();
        self.core.claim();
        self.carry_out();
        self.tend_hooks(now);
        self.tend_gateway(now);
        self.tend_web(now.mono);
        self.tell_sidecars();
    }

    /// Hands changes to the writer, and writes what workers, clients and the guardian take.
    fn write(&mut self) {
        self.send_replies();
        self.tell_what_is_served();
        self.hear_ends(self.time.mono());
        self.batches.send(self.time.now());
        self.tell_sent();
        self.flush_workers();
        self.clients.flush();
        self.forget_the_gone();
        self.containment.flush();
        self.notify();
        // Work is told at once, the end of it with the next look: so a job now and then costs no wake-ups.
        if !self.core.is_quiet() {
            self.meters.pace(true);
        }
    }

    /// Whether this was the last turn: true where it ends in order.
    fn is_over(&mut self) -> Option<bool> {
        if self.hold.is_lost() {
            return Some(false);
        }
        // A claim that cannot be written keeps nobody here who has been told to leave, nor does what a worker left and may
        // not be killed: then the end is not in order, and the next start sees to it that it has ended.
        let stops = self.core.phase() != Phase::Running;
        let nobody = stops && self.core.workers().all(|(id, _)| self.containment.holds(id));
        if !nobody || self.containment.has_unswept() {
            return None;
        }
        if self.core.stopped() && self.batches.is_empty() && !self.requests.have_work() {
            return (self.hooks_are_over() && self.gateway.is_over() && self.web.is_over()).then_some(true);
        }
        let now = self.time.mono();
        let give_up_at = self.hold.give_up_at(now);
        self.time.ring_at(Timer::Stuck, Some(give_up_at));
        (now >= give_up_at).then_some(false)
    }

    pub(super) fn accept(&mut self) {
        let late = self.time.is_late();
        self.clients.accept(self.sources.registry(), late, |id| Source::Client(id).token());
        match self.clients.knocked() {
            Some(why) => {
                self.time.ring_in(Timer::Accept, ACCEPT_AGAIN);
                let text = format!("control connections cannot be accepted: {why}; it is tried again");
                self.problem(Topic::Clients, text);
            }
            None => self.problem_over(Topic::Clients),
        }
    }

    /// Writes to workers what they take now.
    fn flush_workers(&mut self) {
        for (worker, read) in self.children.flush() {
            self.feed(Event::InputClosed { worker, read });
        }
        self.carry_out();
    }

    fn receive(&mut self, message: Inbox) {
        match message {
            Inbox::Written(written) => self.on_store_event(written),
            Inbox::Samples(samples, families) => {
                for family in families {
                    self.containment.know_family(family, &self.children);
                }
                for sample in samples {
                    let (memory, cpu) = (sample.memory_bytes, sample.cpu_percent);
                    self.feed(Event::Sampled { worker: sample.worker, memory, cpu });
                }
            }
            Inbox::Swept(done) => self.swept(done),
            Inbox::LogWritten(ticket) => self.answer(ticket, Ok(Answer::Yes)),
            Inbox::Collector(trouble) => self.problem_if(Topic::Traces, trouble),
            Inbox::Read(read) => {
                let (origin, found) = *read;
                self.requests.taken(&found);
                match origin {
                    Origin::Request(ticket) => self.found(ticket, found),
                    Origin::Hook(id) => self.hook_was_read(id, found),
                    Origin::Reload(reload) => self.configuration_was_read(reload, found),
                }
            }
            Inbox::Line(read) => {
                let (client, bytes, message) = *read;
                self.line_was_read(client, bytes, message);
            }
            Inbox::Interrupt if self.sources.interrupts() > 1 => self.force(),
            Inbox::Hangup if self.in_force.config.hup_reloads => self.reload_on_hangup(),
            Inbox::Interrupt | Inbox::Terminate | Inbox::Hangup => self.stop(None, None),
            Inbox::ChildExited => self.reap(),
        }
    }

    /// Tells the core if the wall clock was set.
    fn heed_clock(&mut self) {
        let Some(by) = self.time.step() else { return };
        let how = words::duration(Duration::from_micros(by.unsigned_abs()));
        let to = if by > 0 { "forward" } else { "back" };
        let text = format!("the clock was set {how} {to}; what waits for a length of time waits as long as it was to");
        self.complain(text);
        self.feed(Event::ClockSet { by });
    }

    pub(super) fn stop(&mut self, grace: Option<Duration>, caller: Option<WorkerId>) {
        self.announce_stop(grace, self.sources.interrupts() > 0);
        self.stop_hooks(grace);
        failpoint!("stop.begun");
        self.feed(Event::Stop { grace, caller });
    }

    pub(super) fn force(&mut self) {
        self.announce_force();
        self.hooks.force();
        self.feed(Event::Force);
    }
}
