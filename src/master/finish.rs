//! The end of a master: when a drain is complete, and what is said and written last.

use std::time::Duration;

use mio::Events;

use super::sources::{Inbox, Source};
use super::{Master, wall};
use crate::core::{Done, Phase, Undrained};
use crate::model::done::Stopped;
use crate::report::{Event, words};

/// How long the last answers may take to be written.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

impl Master {
    /// With `--drain`: shows what is left, and stops when that is nothing.
    pub(super) fn end_if_drained(&mut self) {
        if !self.in_force.config.drain || self.is_stopping() {
            return;
        }
        let (done, now) = (self.meters.jobs(), self.time.now());
        self.console.progress(done, done + self.core.left(), self.meters.dead());
        self.core.end_drain(self.batches.is_empty(), now);
    }

    /// The words for what a drain has not done: jobs that died, and jobs that are left.
    pub(super) fn undrained(&self) -> Option<String> {
        self.in_force.config.drain.then(|| undrained(self.meters.dead(), self.core.undrained())).flatten()
    }

    /// Tells people that the end has begun, once. `ctrl_c`: it was asked for by one.
    pub(super) fn announce_stop(&mut self, grace: Option<Duration>, ctrl_c: bool) {
        if !self.is_stopping() {
            let (running, grace_s) = self.waits_to_stop(grace);
            self.say(Event::Stopping { running, grace_s, ctrl_c });
        }
    }

    pub(super) fn announce_force(&mut self) {
        if self.core.phase() != Phase::Forced {
            self.say(Event::Forced { running: self.jobs_at_workers() });
        }
    }

    /// The jobs that a stop waits for, and for how many seconds at most.
    pub(super) fn waits_to_stop(&self, grace: Option<Duration>) -> (u64, f64) {
        let own = self.core.pools().map(|(_, p)| p.settings.limits.grace).max().unwrap_or_default();
        (self.jobs_at_workers(), grace.unwrap_or(own).as_secs_f64())
    }

    fn jobs_at_workers(&self) -> u64 {
        self.core.workers().map(|(_, w)| w.flights.len() as u64).sum()
    }

    /// Everybody has left: ends the generation, answers who waits for that, says the summary. False: the store did
    /// not take the end.
    pub(super) fn finish(&mut self, in_order: bool) -> bool {
        failpoint!("stop.everybody_left");
        self.traces.end();
        let (released, workers) = self.core.stop_summary();
        let stopped = Stopped { workers, released, ..Stopped::default() };
        self.answer_last_orders(&stopped);
        let ended = self.batches.stop(in_order.then(wall));
        if let Err(error) = &ended {
            self.complain(error.to_string());
        }
        failpoint!("stop.written");
        // The threads are gone; what they said last is the fate of what was still on its way.
        while let Some(message) = self.sources.next() {
            if let Inbox::Written(written) = message {
                self.on_store_event(written);
            }
        }
        self.answer_last(&Done::Stopped(stopped));
        self.write_last_answers();
        failpoint!("stop.answered");
        // Where workers are left, the guardian is not told to go: it ends them when we are gone.
        if self.children.is_empty() {
            self.containment.end();
        }
        let lost = self.traces.wait();
        if lost > 0 {
            self.complain(format!("{} never arrived at the collector", words::count(lost, "span")));
        }
        let summary = self.meters.summary(self.time.mono());
        self.say(if self.core.has_drained() { Event::Drained { summary } } else { Event::Stopped { summary } });
        self.console.finish();
        in_order && ended.is_ok()
    }

    fn write_last_answers(&mut self) {
        let mut events = Events::with_capacity(64);
        let until = self.time.mono() + LAST_ANSWERS;
        self.clients.flush();
        while self.clients.has_unsent() && self.time.mono() < until {
            let _ = self.sources.wait(&mut events, Some(Duration::from_millis(20)));
            for event in &events {
                if let Source::Client(id) = Source::of(event.token()) {
                    self.clients.writable(id);
                }
            }
            self.clients.flush();
        }
    }
}

/// The words for jobs that died, and those that are left; `None`: there are none.
pub(super) fn undrained(dead: u64, Undrained { vain, left, unserved, paused }: Undrained) -> Option<String> {
    let jobs = |count: u64| words::count(count, "job");
    let died = (dead > 0).then(|| format!("{} died; see `queue-work jobs --state dead`", jobs(dead)));
    let cut = (left > 0 && vain.is_none()).then(|| format!("stopped before the end; {} left", jobs(left)));
    let vain = vain
        .map(|(pool, problem)| format!("no worker of pool `{pool}` can be started: {problem}; {} left", jobs(left)));
    let unserved =
        (unserved > 0).then(|| format!("{} left that no pool takes; see `queue-work status`", jobs(unserved)));
    let paused = paused.map(|(queue, key, count)| match key {
        None => format!("{} left in paused queues; go on with `queue-work resume {queue}`", jobs(count)),
        Some(key) => {
            let key = words::command([key.as_str()]);
            format!("{} left of paused keys; go on with `queue-work resume {queue} --key {key}`", jobs(count))
        }
    });
    let all: Vec<String> = [died, vain, cut, unserved, paused].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}
