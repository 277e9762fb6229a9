//! Telling people: events go to the console, worker output goes to the log.

use std::collections::VecDeque;

use super::codec::control;
use super::heard::Output;
use super::logs::{Line, Stream, escape};
use super::{Master, wall};
use crate::model::problem::Topic;
use crate::model::worker::pool_of;
use crate::model::{Notice, PoolSettings, WorkerId};
use crate::report::Event;
use crate::report::events::Level;
use crate::wire::control::{Follow, LogLine};

impl Master {
    /// Prints an event.
    pub(super) fn say(&mut self, event: impl Into<Event>) {
        let (event, at) = (event.into(), wall());
        self.happens(event.clone(), at);
        self.console.say(event, at);
    }

    /// Something is wrong: kept until it is over, and said if the core says so.
    pub(super) fn problem(&mut self, topic: Topic, text: String) {
        if let Some(notice) = self.core.problem(topic, text, self.time.now()) {
            self.say(notice);
        }
    }

    /// Something is wrong, or was and is no more.
    pub(super) fn problem_if(&mut self, topic: Topic, text: Option<String>) {
        match text {
            Some(text) => self.problem(topic, text),
            None => self.problem_over(topic),
        }
    }

    /// Something is wrong with one act, not for a while.
    pub(super) fn complain(&mut self, text: String) {
        self.say(Notice::Problem { text });
    }

    /// The problem is over.
    pub(super) fn problem_over(&mut self, topic: Topic) {
        self.core.problem_over(topic);
    }

    /// A pool begins.
    pub(super) fn tell_pool(&mut self, pool: &PoolSettings) {
        self.say(Self::pool_started(pool));
    }

    pub(super) fn pool_started(pool: &PoolSettings) -> Event {
        Event::PoolStarted {
            pool: pool.name.to_string(),
            kind: pool.kind.as_str().to_owned(),
            queues: pool.queues.names().cloned().collect(),
            workers: pool.first_workers(wall()),
            limits: pool.in_force(),
        }
    }

    /// Passes on what a worker wrote that is no message, up to its n-th event of the turn.
    pub(super) fn log_output(&mut self, id: WorkerId, output: &mut VecDeque<Output>, n: usize) {
        if output.front().is_none_or(|line| line.after > n) {
            return;
        }
        let of_worker = self.core.worker(id).map(|worker| {
            let job = (worker.concurrency == 1).then(|| worker.flights.front().map(|f| f.job.id)).flatten();
            (worker.name.clone(), worker.pool, job)
        });
        let of_ours = || self.hooks.source(id).or_else(|| self.gateway.source(id)).or_else(|| self.web.source(id));
        let Some((name, pool, job)) = of_worker.or_else(of_ours) else { return };
        let is_single = self.in_force.config.single.is_some();
        let shown = is_single || self.console.shows(Level::Detail);
        let followed = self.clients.has_followers();
        let at = wall();
        while let Some(Output { stream, text, .. }) = output.pop_front_if(|line| line.after <= n) {
            if let Some(pipes) = self.children.get_mut(id) {
                pipes.keep(stream, &text);
            }
            if shown || followed {
                let stream = match stream {
                    Stream::Stdout => "out",
                    Stream::Stderr => "err",
                };
                let line =
                    LogLine { at, worker: name.to_string(), stream: stream.to_owned(), job, text: escape(&text) };
                if followed {
                    let serves = |queue: &str| {
                        self.core.pool(pool).is_some_and(|p| p.settings.queues.names().any(|q| q.as_str() == queue))
                    };
                    self.clients.publish(|follow| wanted(follow, &line, serves), &control::log_line(&line));
                }
                if shown {
                    self.console.say(if is_single { Event::Printed(line) } else { Event::Output(line) }, at);
                }
            }
            self.logs.send(Line { worker: name.clone(), stream, job, text, at });
        }
    }
}

fn wanted(follow: &Follow, line: &LogLine, serves: impl Fn(&str) -> bool) -> bool {
    follow.worker.as_ref().is_none_or(|name| *name == line.worker || pool_of(&line.worker) == Some(name))
        && follow.job.is_none_or(|job| line.job == Some(job))
        && follow.queue.as_ref().is_none_or(|q| serves(q))
}
