//! The page in the browser, where the configuration has this master show it: a child like the others, in the guardian's care.
//!
//! Invariants: nothing waits for it; one that died is replaced, one of other settings too, and it is killed when the last
//! worker is gone.

use std::sync::Arc;
use std::time::Duration;

use super::logs::{Line, Stream};
use super::pipes::Pipes;
use super::timers::Timer;
use super::{Master, sampler, wall};
use crate::config;
use crate::core::{Phase, PoolId};
use crate::model::problem::Topic;
use crate::model::worker::Exit;
use crate::model::{JobId, Mono, WorkerId};
use crate::process::spawn::SpawnError;
use crate::report::events;
use crate::report::status::WebStatus;

/// The name of its log.
const LOG: &str = "web";
/// Pages have ids as workers have: above all of theirs, and below those of gateways.
const LAST_ID: i64 = 1 << 41 | ((1 << 24) - 1);
/// Numbers of pages that have ids of their own.
const IDS: i64 = 1 << 20;
/// A page that lived for so long was of use: the next is started at once.
const OF_USE_AFTER: Duration = Duration::from_secs(5);

/// A page that runs.
#[derive(Debug)]
struct Running {
    id: WorkerId,
    pid: u32,
    since: Mono,
    settings: config::Web,
    is_killed: bool,
}

/// The page, whether it runs or not.
#[derive(Debug, Default)]
pub(super) struct Web {
    running: Option<Running>,
    /// How many there were.
    count: u32,
    /// Pages that died at once, in a row, and when the next is started.
    fast_deaths: u32,
    start_at: Mono,
}

impl Web {
    /// Whether this is its process.
    pub(super) fn is(&self, id: WorkerId) -> bool {
        self.running.as_ref().is_some_and(|running| running.id == id)
    }

    /// The name of its output, which is of no pool and no job.
    pub(super) fn source(&self, id: WorkerId) -> Option<(Arc<str>, PoolId, Option<JobId>)> {
        self.is(id).then(|| (LOG.into(), PoolId(0), None))
    }

    /// Nothing of it is left.
    pub(super) const fn is_over(&self) -> bool {
        self.running.is_none()
    }

    /// What `status` says of it; `None`: there is to be none.
    pub(super) fn status(&self, settings: &config::Web) -> Option<WebStatus> {
        let listen = settings.shown_listen()?;
        let pid = self.running.as_ref().map(|running| running.pid);
        let state = if pid.is_some() { "running" } else { "backoff" };
        let memory_bytes = pid.and_then(sampler::memory_of);
        Some(WebStatus { pid, listen, state: state.to_owned(), memory_bytes })
    }
}

impl Master {
    /// Starts and ends the page. Once a turn.
    pub(super) fn tend_web(&mut self, now: Mono) {
        let settings = &self.in_force.config.web;
        if settings.listen.is_none() && self.web.is_over() {
            return;
        }
        let is_stopping = self.core.phase() != Phase::Running;
        let is_needed = settings.listen.is_some() && !(is_stopping && self.core.workers().next().is_none());
        match &mut self.web.running {
            Some(running) if !running.is_killed && (!is_needed || running.settings != *settings) => {
                running.is_killed = true;
                if let Some(Err(error)) = self.children.get(running.id).map(Pipes::kill) {
                    log::debug!("the page cannot be killed: {error}");
                }
            }
            Some(running) if self.web.fast_deaths > 0 && now.since(running.since) >= OF_USE_AFTER => {
                self.web.fast_deaths = 0;
                self.problem_over(Topic::Web);
            }
            None if is_needed && !is_stopping && self.web.start_at <= now => self.start_web(now),
            Some(_) | None => {}
        }
        let at = match &self.web.running {
            Some(running) => Some(running.since + OF_USE_AFTER).filter(|_| self.web.fast_deaths > 0),
            None => Some(self.web.start_at).filter(|at| is_needed && *at > now),
        };
        self.time.ring_at(Timer::Web, at);
    }

    fn start_web(&mut self, now: Mono) {
        if let Err(error) = self.try_start_web(now) {
            self.web.fast_deaths += 1;
            self.web.start_at = now + self.core.wait_after_deaths(self.web.fast_deaths);
            self.problem(Topic::Web, format!("the page cannot be started: {error}; it is tried again"));
        }
    }

    fn try_start_web(&mut self, now: Mono) -> Result<(), SpawnError> {
        self.web.count += 1;
        let id = WorkerId(LAST_ID - i64::from(self.web.count) % IDS);
        let settings = self.in_force.config.web.clone();
        let file = self.in_force.config.file.as_ref().map(|read| read.file.as_path());
        let registry = self.sources.registry();
        let pipes = self.spawner.start_web((id, LOG.into()), file, &mut self.containment, registry)?;
        let pid = pipes.pid();
        self.containment.found_family(id, pid);
        self.children.add(id, pipes);
        self.web.running = Some(Running { id, pid, since: now, settings, is_killed: false });
        Ok(())
    }

    /// The process has ended.
    pub(super) fn web_ended(&mut self, exit: Option<Exit>) {
        let Some(running) = self.web.running.take() else { return };
        if running.is_killed {
            return;
        }
        let now = self.time.mono();
        let is_fast = now.since(running.since) < OF_USE_AFTER;
        self.web.fast_deaths = if is_fast { self.web.fast_deaths + 1 } else { 1 };
        self.web.start_at = now + self.core.wait_after_deaths(self.web.fast_deaths);
        let how = exit.map_or_else(|| "exit code unknown".to_owned(), events::exit);
        let text = format!("the page has ended ({how}); it is started again");
        // Behind what it has printed itself.
        let line = text.clone().into_bytes();
        self.logs.send(Line { worker: LOG.into(), stream: Stream::Stderr, job: None, text: line, at: wall() });
        self.problem(Topic::Web, format!("{text}; see `queue-work logs {LOG}`"));
    }
}
