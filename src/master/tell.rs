//! Telling people: the core's notes become events, worker output goes to the log, problems are kept for `status`.

use super::codec::control;
use super::logs::{Line, Stream, escape};
use super::{Master, wall};
use crate::core::Note;
use crate::model::change::Next;
use crate::model::{MemoryLimit, Outcome, PoolSettings, WorkerId};
use crate::report::Event;
use crate::report::events::Level;
use crate::report::words;
use crate::wire::control::{Follow, LogLine};

impl Master {
    /// Prints an event.
    pub(super) fn say(&mut self, event: Event) {
        self.console.say(event, wall());
    }

    /// Something is wrong.
    pub(super) fn problem(&mut self, kind: &'static str, text: String) {
        if self.problems.begin(kind, &text, self.clock.now().mono) {
            self.say(Event::Problem { text });
        }
    }

    /// The problem is over.
    pub(super) fn problem_over(&mut self, kind: &'static str) {
        self.problems.end(kind);
    }

    /// A pool begins.
    pub(super) fn tell_pool(&mut self, pool: &PoolSettings) {
        let queues = pool.queues.names().cloned().collect();
        self.say(Event::PoolStarted {
            pool: pool.name.to_string(),
            kind: pool.kind.as_str().to_owned(),
            queues,
            workers: pool.limits.workers,
            limits: pool.limits.in_force(pool.kind),
        });
    }

    /// Words a note of the core.
    pub(super) fn tell(&mut self, note: Note) {
        let event = match note {
            Note::WorkerReady { worker, pid } => Event::WorkerStarted { worker, pid },
            Note::WorkerEnded { worker, pid, reason, exit, jobs_done } => {
                Event::WorkerEnded { worker, pid: Some(pid), reason, exit: Some(exit), jobs_done }
            }
            Note::SpawnFailed { worker, error, next_in } => {
                Event::Backoff { worker, why: error, next_in_s: next_in.as_secs_f64() }
            }
            Note::Scarce { error } => {
                let text = format!("no more workers can be started: {error}; it is tried again until it works");
                self.problem("spawn", text);
                return;
            }
            Note::NotBegun { error, given_back } => {
                let jobs = words::count(given_back, "job");
                let text = format!("{error}; {jobs} given back, none charged; it is tried again until it works");
                self.problem("commands", text);
                return;
            }
            Note::GivenBackAgain { job, times } => {
                let text = format!(
                    "job {job} was given back {times} times in a row, with nothing charged: it goes behind the others; \
                     see `queue-work jobs show {job}`, or end it with `queue-work jobs cancel {job}`"
                );
                self.problem("released", text);
                return;
            }
            Note::Backoff { worker, problem, deaths, next_in } => {
                let why = format!("{problem} ({deaths} times in a row)");
                Event::Backoff { worker, why, next_in_s: next_in.as_secs_f64() }
            }
            Note::RunFailed { job, kind, worker, outcome, cause, error, next } => {
                let kind = kind.to_string();
                let retry_in_s = match next {
                    Next::Dead(cause) => {
                        self.say(Event::JobDead { job, kind, cause, error });
                        return;
                    }
                    Next::RetryAt(at) => at.since(wall()).as_secs_f64(),
                    Next::Ready | Next::Behind => 0.0,
                    Next::Succeeded | Next::Cancelled(_) => return,
                };
                Event::JobFailed { job, kind, worker, outcome, cause: Some(cause), error, retry_in_s }
            }
            Note::StrayAnswer { worker, request } => Event::StrayAnswer { worker, request },
            Note::LimitBelowBaseline { worker, limit, baseline } => Event::MemoryBaseline {
                pool: worker.rsplit_once('-').map_or(worker.clone(), |(pool, _)| pool.to_owned()),
                limit: MemoryLimit::Absolute(limit),
                baseline_bytes: baseline,
            },
            Note::Scaled(count) => Event::Scaled { pool: count.pool.to_string(), was: count.was, wanted: count.wanted },
            Note::Unkillable { worker, pid, .. } => {
                Event::Problem { text: format!("worker `{worker}` (pid {pid}) does not end, even by KILL") }
            }
        };
        self.say(event);
    }

    /// Counts a run for the summary and the rate.
    pub(super) fn count_run(&mut self, outcome: Outcome, next: Next) {
        self.summary.count_run(outcome);
        match next {
            Next::Succeeded => self.summary.succeeded += 1,
            Next::Dead(_) => self.summary.dead += 1,
            Next::Cancelled(_) => self.summary.cancelled += 1,
            Next::Ready | Next::Behind | Next::RetryAt(_) => {}
        }
        let second = self.clock.now().mono.0 / 1_000_000;
        match self.rate.back_mut() {
            Some((last, runs)) if *last == second => *runs += 1,
            Some(_) | None => self.rate.push_back((second, 1)),
        }
        while self.rate.len() > 11 {
            self.rate.pop_front();
        }
    }

    /// Passes on what a worker wrote that is no message.
    pub(super) fn log_output(&mut self, id: WorkerId, output: Vec<(Stream, Vec<u8>)>) {
        let Some(worker) = self.core.worker(id) else { return };
        let (name, pool) = (worker.name.clone(), worker.pool);
        let job = (worker.concurrency == 1).then(|| worker.flights.front().map(|f| f.job.id)).flatten();
        let shown = self.console.shows(Level::Detail);
        let followed = self.clients.has_followers();
        let at = wall();
        for (stream, text) in output {
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
                    self.console.say(Event::Output(line), at);
                }
            }
            self.logs.send(Line { worker: name.clone(), stream, job, text, at });
        }
    }
}

fn wanted(follow: &Follow, line: &LogLine, serves: impl Fn(&str) -> bool) -> bool {
    follow.worker.as_ref().is_none_or(|w| *w == line.worker)
        && follow.job.is_none_or(|job| line.job == Some(job))
        && follow.queue.as_ref().is_none_or(|q| serves(q))
}
