//! Hooks: commands of the user that are called when a job is dead or a pool has become idle.
//!
//! A hook is told what has happened and changes nothing: whatever becomes of it, its job stays as it is. The core decides
//! what is told ([`crate::core::Tag::Died`], [`crate::core::Action::TellIdle`]); here it is done:
//! - At most [`AT_ONCE`] run side by side, [`MOST_WAITING`] wait. Those beyond are left out, counted and named.
//! - The record of a dead job is read when its turn comes, by the reader. A job that was deleted by then is not told of.
//! - A hook is started as a worker is, with the same containment, so that none outlives the master; what it leaves is swept.
//! - One that takes longer than `hook_timeout` gets TERM, and `kill_after` later KILL.
//! - One that cannot be started, fails or takes too long is a problem until it succeeds, and is said when that changes.
//! - A master that is stopped lets hooks have the rest of its grace, then ends them. A drain waits for all of them.
//! - What dies with the master is not told again: a hook is called once at most.
//!
//! Invariant: nothing waits for a hook but other hooks and the end of the master, and that not for ever.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::logs::{Line, Stream};
use super::reader::Found;
use super::requests::Refused;
use super::{Master, wall};
use crate::core::PoolId;
use crate::model::problem::Topic;
use crate::model::supervision::StopSignal;
use crate::model::worker::Exit;
use crate::model::{JobId, Mono, Now, Occasion, QueueName, WorkerId};
use crate::process::group::Signal;
use crate::report::{events, words};

/// Hooks that run at a time.
const AT_ONCE: usize = 4;
/// Calls that may wait for one of these places.
const MOST_WAITING: usize = 1000;
/// Hooks have ids as workers have, above all of theirs. In the mark of a process, which has room for 26 bits, they are above
/// those of the first 33 million workers.
const FIRST_ID: i64 = 1 << 40 | 1 << 25;
/// The reader had no room: when it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How long after KILL the end of a hook is waited for.
const DIES_IN: Duration = Duration::from_secs(5);
/// The name of the log of all hooks.
const LOG: &str = "hook";

/// A hook that is to be called, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pool: PoolId,
    occasion: Occasion,
}

/// Why a hook is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    TooLong,
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The reader is asked for the job.
    Asked,
    Running {
        until: Mono,
        kill_after: Duration,
    },
    /// TERM was sent.
    Ending {
        why: Why,
        kill_at: Mono,
    },
    /// KILL was sent.
    Killed {
        why: Why,
        dead_by: Mono,
    },
    /// The hook has ended, and what it left is being ended.
    Ended,
}

/// The calls that are not over.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    waiting: VecDeque<Call>,
    calls: BTreeMap<WorkerId, (Call, Stage)>,
    /// How many have got an id.
    count: i64,
    /// Calls that were left out since some wait.
    left_out: u64,
    failing: BTreeMap<(PoolId, &'static str), String>,
    ask_at: Option<Mono>,
    /// When those that run are ended, as the master stops.
    end_at: Option<Mono>,
}

impl Hooks {
    /// False: too many wait, and it is left out.
    fn add(&mut self, call: Call) -> bool {
        let has_room = self.waiting.len() < MOST_WAITING;
        if has_room {
            self.waiting.push_back(call);
        } else {
            self.left_out += 1;
        }
        has_room
    }

    /// Whether this is the process of a hook, not of a worker.
    pub(super) fn knows(&self, id: WorkerId) -> bool {
        self.calls.contains_key(&id)
    }

    /// What the output of a hook is called, with its pool and its job.
    pub(super) fn source(&self, id: WorkerId) -> Option<(Arc<str>, PoolId, Option<JobId>)> {
        self.calls.get(&id).map(|(call, _)| (LOG.into(), call.pool, call.occasion.job()))
    }

    fn is_ending(&self, now: Mono) -> bool {
        self.end_at.is_some_and(|at| at <= now)
    }

    /// The next call that has a place.
    fn next(&mut self, now: Mono) -> Option<(WorkerId, Call)> {
        let takes_place = |stage: &Stage| match stage {
            Stage::Asked | Stage::Running { .. } | Stage::Ending { .. } => true,
            Stage::Killed { dead_by, .. } => *dead_by > now,
            Stage::Ended => false,
        };
        let places = self.calls.values().filter(|(_, stage)| takes_place(stage)).count();
        self.ask_at = self.ask_at.filter(|at| *at > now);
        if places >= AT_ONCE || self.is_ending(now) || self.ask_at.is_some() {
            return None;
        }
        let call = self.waiting.pop_front()?;
        let id = WorkerId(FIRST_ID + self.count % (1 << 25));
        self.count += 1;
        self.calls.insert(id, (call, Stage::Asked));
        Some((id, call))
    }

    /// The reader has no room for the question about it.
    fn put_back(&mut self, id: WorkerId, now: Mono) {
        if let Some((call, _)) = self.calls.remove(&id) {
            self.waiting.push_front(call);
            self.ask_at = Some(now + ASK_AGAIN);
        }
    }

    /// Hooks to be signalled now.
    fn due(&mut self, now: Mono) -> Vec<(WorkerId, Signal)> {
        let is_ending = self.is_ending(now);
        let mut due = Vec::new();
        for (&id, (_, stage)) in &mut self.calls {
            match *stage {
                Stage::Running { until, kill_after } if is_ending || until <= now => {
                    let why = if until <= now { Why::TooLong } else { Why::Stop };
                    *stage = Stage::Ending { why, kill_at: now + kill_after };
                    due.push((id, Signal::Term));
                }
                Stage::Ending { why, kill_at } if kill_at <= now => {
                    *stage = Stage::Killed { why, dead_by: now + DIES_IN };
                    due.push((id, Signal::Kill));
                }
                Stage::Asked | Stage::Running { .. } | Stage::Ending { .. } | Stage::Killed { .. } | Stage::Ended => {}
            }
        }
        due
    }

    /// Takes out the calls that have not begun and never will, as the master ends; how many.
    fn give_up(&mut self, now: Mono) -> usize {
        if !self.is_ending(now) {
            return 0;
        }
        let asked = self.calls.extract_if(.., |_, (_, stage)| *stage == Stage::Asked).count();
        asked + std::mem::take(&mut self.waiting).len()
    }

    pub(super) fn next_deadline(&self, now: Mono) -> Option<Mono> {
        let of_call = |(_, stage): &(Call, Stage)| match *stage {
            Stage::Running { until, .. } => Some(self.end_at.map_or(until, |at| at.min(until))),
            Stage::Ending { kill_at, .. } => Some(kill_at),
            Stage::Killed { dead_by, .. } => Some(dead_by).filter(|at| *at > now),
            Stage::Asked => self.end_at,
            Stage::Ended => None,
        };
        let waiting = [self.ask_at, self.end_at].into_iter().flatten().filter(|_| !self.waiting.is_empty());
        self.calls.values().filter_map(of_call).chain(waiting).min()
    }

    /// The master is to end by then.
    fn end_by(&mut self, at: Mono) {
        self.end_at = Some(self.end_at.map_or(at, |known| known.min(at)));
    }

    /// The master is to end now.
    pub(super) fn force(&mut self) {
        self.end_by(Mono(0));
        for (_, stage) in self.calls.values_mut() {
            if let Stage::Running { .. } | Stage::Ending { .. } = stage {
                *stage = Stage::Ending { why: Why::Stop, kill_at: Mono(0) };
            }
        }
    }

    /// Nothing is left of a hook; false if it is none.
    pub(super) fn swept(&mut self, id: WorkerId) -> bool {
        self.calls.remove(&id).is_some()
    }

    /// What is wrong, in words.
    fn problem(&self) -> Option<String> {
        let left_out = (self.left_out > 0).then(|| {
            let calls = words::count(self.left_out, "call");
            format!("{calls} of hooks left out, as {MOST_WAITING} wait: the hooks take too long")
        });
        let all: Vec<String> = self.failing.values().cloned().chain(left_out).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

impl Master {
    /// Something has happened of which a pool wants to be told.
    pub(super) fn call_hook(&mut self, pool: PoolId, occasion: Occasion) {
        if !self.hooks.add(Call { pool, occasion }) {
            self.name_hooks(self.hooks.left_out == 1);
        }
    }

    /// Ends hooks that take too long, and calls those that have a place.
    pub(super) fn tend_hooks(&mut self, now: Now) {
        for (id, signal) in self.hooks.due(now.mono) {
            if let Some(pipes) = self.children.get(id) {
                let signalled = if signal == Signal::Term { pipes.terminate(StopSignal::Term) } else { pipes.kill() };
                signalled.unwrap_or_else(|error| log::debug!("cannot signal the hook {}: {error}", pipes.pid()));
            }
        }
        let given_up = self.hooks.give_up(now.mono);
        if given_up > 0 {
            self.complain(format!("{} of hooks left out: the master ends", words::count(given_up as u64, "call")));
        }
        while let Some((id, call)) = self.hooks.next(now.mono) {
            match call.occasion {
                Occasion::Dead(job) if self.requests.ask_for_hook(id, job) => {}
                Occasion::Dead(_) => self.hooks.put_back(id, now.mono),
                Occasion::Idle => self.start_hook(id, None),
            }
        }
        if self.hooks.waiting.is_empty() && self.hooks.left_out > 0 {
            let calls = words::count(std::mem::take(&mut self.hooks.left_out), "call");
            self.complain(format!("{calls} of hooks left out in all, as too many waited"));
            self.name_hooks(false);
        }
    }

    /// The reader has looked for the job of a hook.
    pub(super) fn hook_was_read(&mut self, id: WorkerId, found: Found) {
        let Some(&(call, Stage::Asked)) = self.hooks.calls.get(&id) else { return };
        match (found.text, found.job) {
            (Ok(text), Some(job)) => self.start_hook(id, Some((text, job.queue.to_string()))),
            (Err(Refused::Failed(1, why)), _) => {
                self.hooks.calls.remove(&id);
                self.hook_came_to(call, Some(format!("was not called: {why}")));
            }
            // The job was deleted meanwhile.
            _ => {
                self.hooks.calls.remove(&id);
            }
        }
    }

    /// `job`: its record, and its queue.
    fn start_hook(&mut self, id: WorkerId, job: Option<(String, String)>) {
        let Some(&(call, _)) = self.hooks.calls.get(&id) else { return };
        let Some(pool) = self.spawner.pool(call.pool) else { return };
        let settings = &pool.settings;
        let (mut line, queues) = job.unwrap_or_else(|| {
            let queues: Vec<&str> = settings.queues.names().map(QueueName::as_str).collect();
            (serde_json::json!({"pool": settings.name, "queues": queues}).to_string(), queues.join(","))
        });
        line.push('\n');
        let mut about = vec![("QUEUE_WORK_HOOK", call.occasion.key().into()), ("QUEUE_WORK_QUEUE", queues.into())];
        about.extend(call.occasion.job().map(|job| ("QUEUE_WORK_JOB_ID", job.to_string().into())));
        let (timeout, kill_after) = (settings.hooks.timeout, settings.limits.kill_after);
        let command = settings.hooks.command(call.occasion);
        let (containment, registry) = (&mut self.containment, self.sources.registry());
        match self.spawner.start_hook((id, LOG.into()), pool, command, about, containment, registry) {
            Ok(mut pipes) => {
                self.containment.found_family(id, pipes.pid());
                pipes.outgoing().extend_from_slice(line.as_bytes());
                pipes.close_stdin();
                self.children.add(id, pipes);
                self.children.write_to(id);
                let until = self.time.mono() + timeout;
                self.hooks.calls.insert(id, (call, Stage::Running { until, kill_after }));
            }
            Err(error) => {
                self.hooks.calls.remove(&id);
                self.hook_came_to(call, Some(format!("cannot be started: {error}")));
            }
        }
    }

    /// The process of a hook has ended.
    pub(super) fn hook_ended(&mut self, id: WorkerId, exit: Option<Exit>) {
        let Some((call, stage)) = self.hooks.calls.get_mut(&id) else { return };
        let (call, stage) = (*call, std::mem::replace(stage, Stage::Ended));
        let result = match (stage, exit) {
            (Stage::Ending { why: Why::Stop, .. } | Stage::Killed { why: Why::Stop, .. }, _) => {
                let text = format!("{} was ended: the master ends", self.hook_named(call));
                self.log_hook(call, text.clone());
                return self.complain(text);
            }
            (Stage::Ending { .. } | Stage::Killed { .. }, _) => {
                let most = self.spawner.pool(call.pool).map_or(Duration::ZERO, |pool| pool.settings.hooks.timeout);
                Some(format!("took longer than {} (`hook_timeout`), and was ended", words::duration(most)))
            }
            (_, Some(Exit::Code(0))) => None,
            (_, exit) => {
                Some(format!("failed ({})", exit.map_or_else(|| "exit code unknown".to_owned(), events::exit)))
            }
        };
        self.hook_came_to(call, result);
    }

    /// Keeps what is wrong with a hook, until it succeeds.
    fn hook_came_to(&mut self, call: Call, failure: Option<String>) {
        let hook = (call.pool, call.occasion.key());
        let is_new = match failure {
            None if self.hooks.failing.remove(&hook).is_none() => return,
            None => false,
            Some(failure) => {
                let text = format!("{} {failure}", self.hook_named(call));
                self.log_hook(call, text.clone());
                let text = format!("{text}; see `queue-work logs {LOG}`");
                self.hooks.failing.insert(hook, text.clone()) != Some(text)
            }
        };
        self.name_hooks(is_new);
    }

    /// Each failure is in the log, behind what the hook has printed itself.
    fn log_hook(&self, call: Call, text: String) {
        let (worker, job, text) = (LOG.into(), call.occasion.job(), text.into_bytes());
        self.logs.send(Line { worker, stream: Stream::Stderr, job, text, at: wall() });
    }

    fn hook_named(&self, call: Call) -> String {
        let pool = self.spawner.pool(call.pool).map_or("?", |pool| pool.settings.name.as_str());
        format!("`{}` of pool `{pool}`", call.occasion.key())
    }

    /// Pools may have other hooks: what was wrong with one that is no more is over.
    pub(super) fn hooks_changed(&mut self) {
        let spawner = &self.spawner;
        let is_on = |id, key| spawner.pool(id).is_some_and(|pool| pool.settings.hooks.has(key));
        self.hooks.failing.retain(|&(id, key), _| is_on(id, key));
        self.name_hooks(false);
    }

    /// One problem names all that is wrong. `say`: also to who reads what the master prints.
    fn name_hooks(&mut self, say: bool) {
        match self.hooks.problem() {
            None => self.problem_over(Topic::Hooks),
            Some(text) => {
                let notice = self.core.problem(Topic::Hooks, text, self.time.now());
                notice.filter(|_| say).into_iter().for_each(|notice| self.say(notice));
            }
        }
    }

    /// The master is to stop: hooks have as long as jobs.
    pub(super) fn stop_hooks(&mut self, grace: Option<Duration>) {
        let (_, grace_s) = self.waits_to_stop(grace);
        let now = self.time.mono();
        self.hooks.end_by(now + Duration::try_from_secs_f64(grace_s).unwrap_or(Duration::MAX));
    }

    /// Whether the master may end, as far as hooks go.
    pub(super) fn hooks_are_over(&self) -> bool {
        let now = self.time.mono();
        let is_over = |(id, (_, stage)): (&WorkerId, &(Call, Stage))| match stage {
            Stage::Asked | Stage::Running { .. } | Stage::Ending { .. } => false,
            Stage::Killed { dead_by, .. } => *dead_by <= now,
            Stage::Ended => self.containment.holds(*id),
        };
        self.hooks.waiting.is_empty() && self.hooks.calls.iter().all(is_over)
    }
}
