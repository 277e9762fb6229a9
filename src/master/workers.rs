//! Worker processes: starting them, hearing them out, reaping them.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use super::heard::Heard;
use super::pipes::{Pipe, Pipes};
use super::reading::Reading;
use super::sources::Source;
use super::timers::Timer;
use super::{Master, open_files, sampler};
use crate::config::{PoolConfig, SOCKET_DATABASE};
use crate::core::{End, Event, PoolId};
use crate::model::problem::Topic;
use crate::model::worker::Exit;
use crate::model::{Detail, LastLines, PoolKind, PoolLimits, PoolName, Slot, WorkerId};
use crate::process::guardian::Words;
use crate::process::mark::Mark;
use crate::process::spawn::{Program, SpawnError, Spec, StdinKind, resolve, spawn};
use crate::process::start_step::Step;
use crate::process::{exits, oom, sweep};
use crate::worker;

/// Time between two measurements of a worker at its answers, times the number of workers: a measurement takes 20 to 30
/// microseconds, so all of them take half a per cent of a CPU at most.
const MEASURE_EVERY: Duration = Duration::from_millis(5);
/// When a guardian that could not be started is tried again.
const GUARD_AGAIN: Duration = Duration::from_secs(1);

impl Master {
    /// Starts a worker the core asked for, and tells the core what came of it.
    pub(super) fn start_worker(&mut self, id: WorkerId, pool: PoolId, slot: Slot) {
        let event = match self.try_start(id, pool, slot) {
            Ok(pid) => Event::Spawned { worker: id, pid },
            Err(error) => Event::SpawnFailed { worker: id, error: error.to_string(), temporary: error.is_temporary() },
        };
        self.feed(event);
    }

    fn try_start(&mut self, id: WorkerId, pool: PoolId, slot: Slot) -> Result<u32, SpawnError> {
        let source = &self.pools[&pool];
        let spec = self.spec(source, id, slot)?;
        open_files::for_a_worker(|| spec.shown())?;
        let kind = source.settings.kind;
        let name: Arc<str> = format!("{}-{slot}", source.settings.name).into();
        let program = spec.shown();
        failpoint!("spawn.before", SpawnError::Io { program, source: nix::errno::Errno::EAGAIN.into() });
        let spawned = spawn(&spec)?;
        failpoint!("spawn.after");
        let pid = spawned.child.pid();
        oom::prefer(pid);
        self.guard.add(pid);
        failpoint!("spawn.guarded");
        // A worker whose pipes cannot be watched is killed with what is dropped, and reaped as a stranger.
        let token = |pipe| Source::Worker(id, pipe).token();
        match Pipes::new(name, spawned, kind, self.sources.registry(), token) {
            Ok(pipes) => {
                self.found_family(id, pid);
                self.children.add(id, pipes);
                self.meters.tell_sampler(sampler::Command::Watch { worker: id, pid });
                Ok(pid)
            }
            Err(source) => Err(SpawnError::Io { program, source }),
        }
    }

    fn spec(&self, pool: &PoolConfig, id: WorkerId, slot: Slot) -> Result<Spec, SpawnError> {
        let path = std::env::var_os("PATH");
        let (program, args) = match (pool.settings.kind, pool.command.split_first()) {
            (PoolKind::Exec, _) => {
                let verb = OsString::from(worker::VERB);
                let args = std::iter::once(verb).chain(pool.command.iter().cloned()).collect();
                (Program::Own, args)
            }
            (PoolKind::Protocol | PoolKind::Opaque, Some((program, args))) => {
                (Program::Other(resolve(program, pool.cwd.as_deref(), path.as_deref())?), args.to_vec())
            }
            (PoolKind::Protocol | PoolKind::Opaque, None) => {
                return Err(SpawnError::NotFound { program: String::new(), why: "the pool has no command".into() });
            }
        };
        let cgroup = self.fixed.group.as_ref().map(|group| group.of_worker(id));
        let step = Step { cgroup, ..self.fixed.step.clone() };
        let own: [(&str, OsString); 8] = [
            ("QUEUE_WORK_POOL", pool.settings.name.as_str().into()),
            ("QUEUE_WORK_WORKER", format!("{}-{slot}", pool.settings.name).into()),
            ("QUEUE_WORK_SLOT", slot.to_string().into()),
            ("QUEUE_WORK_SOCKET", self.fixed.config.socket.clone().into()),
            ("QUEUE_WORK_DATABASE", self.fixed.config.database.file().into()),
            (SOCKET_DATABASE, self.fixed.config.database.file().into()),
            ("QUEUE_WORK_PROTOCOL", "1".into()),
            (sweep::COOKIE_VARIABLE, self.mark(id).into()),
        ];
        let kill_after = (pool.settings.kind == PoolKind::Exec).then(|| {
            (worker::KILL_AFTER_VARIABLE.into(), pool.settings.limits.kill_after.as_millis().to_string().into())
        });
        let env =
            pool.env.iter().cloned().chain(kill_after).chain(own.into_iter().map(|(name, value)| (name.into(), value)));
        Ok(Spec {
            program,
            args,
            cwd: pool.cwd.clone(),
            env: env.collect(),
            env_remove: self.fixed.inherited.clone(),
            stdin: if pool.settings.is_opaque() { StdinKind::Null } else { StdinKind::Pipe },
            protocol_fd: pool.protocol_fd,
            step,
            mark: Mark::of(&self.mark(id)),
        })
    }

    /// Value by which everything that this worker starts is recognised.
    pub(super) fn mark(&self, id: WorkerId) -> String {
        format!("{}:{id}", self.fixed.cookie)
    }

    /// Reads what workers say.
    pub(super) fn read_workers(&mut self) {
        let mut session = Reading::session(self.time.now().mono);
        while let Some((id, pipe)) = self.reading.next(&mut session, self.time.now().mono) {
            self.read_worker(id, pipe);
        }
    }

    /// Reads one pipe of a worker and passes on what it said.
    fn read_worker(&mut self, id: WorkerId, pipe: Pipe) {
        let mut heard = Heard::default();
        let Some(pipes) = self.children.get_mut(id) else { return };
        if pipe != Pipe::Stderr && pipes.is_behind() {
            self.reading.hold((id, pipe));
            return;
        }
        if pipes.read(id, pipe, &mut self.scratch, &mut heard) {
            self.reading.has_more((id, pipe));
        }
        // Output on stderr before an answer belongs to the job that is answered.
        let answers = heard.events.iter().any(|e| matches!(e, Event::Answered { .. }));
        if answers && pipe != Pipe::Stderr && pipes.read_stderr(id, &mut self.scratch, &mut heard) {
            self.reading.has_more((id, Pipe::Stderr));
        }
        self.pass_on(id, heard);
        self.bound_unfinished_of_worker(id);
    }

    fn pass_on(&mut self, id: WorkerId, heard: Heard) {
        self.measure_before_answers(id, &heard.events);
        let now = self.time.now();
        let mut output = heard.output;
        // Mostly in order already: what stands on stderr goes before the answers.
        output.sort_by_key(|line| line.after);
        let mut output = VecDeque::from(output);
        for (n, mut event) in heard.events.into_iter().enumerate() {
            self.log_output(id, &mut output, n);
            if let Event::Answered { request, answer, .. } = &mut event
                && let Some(pipes) = self.children.get_mut(id)
            {
                failpoint!("answer.parsed");
                if answer.verdict.is_err() {
                    complete(&mut answer.detail, pipes.last_lines());
                }
                pipes.end_request(*request);
                pipes.forget_tails();
            }
            self.core.feed(event, now);
        }
        self.log_output(id, &mut output, usize::MAX);
        for (under, asking) in heard.requests {
            self.worker_asks(id, under, &asking);
        }
    }

    /// Measures a worker that answers, as the sampler comes by once a second only: each for its first answer, and those that
    /// have a limit then so often that tiny jobs do not pay for it.
    fn measure_before_answers(&mut self, id: WorkerId, events: &[Event]) {
        if !events.iter().any(|e| matches!(e, Event::Answered { .. })) {
            return;
        }
        let Some(known) = self.core.worker(id) else { return };
        let (now, many) = (self.time.now().mono, self.children.len() as u32);
        let Some(pipes) = self.children.get_mut(id) else { return };
        let is_due = pipes.measured_at.is_none_or(|at| now.since(at) >= MEASURE_EVERY * many);
        let has_limit = |limits: &PoolLimits| limits.memory.is_some() || limits.memory_max.is_some();
        let limited = self.core.pool(known.pool).is_some_and(|pool| has_limit(&pool.settings.limits));
        if !is_due || !(limited || known.memory.is_none()) {
            return;
        }
        pipes.measured_at = Some(now);
        if let Some(memory) = sampler::memory_of(pipes.child.pid()) {
            self.feed(Event::SampledAlone { worker: id, memory });
        }
    }

    /// Reaps everybody who has exited: peek, end what is left of the group, hear the last words, reap.
    pub(super) fn reap(&mut self) {
        while let Some(pid) = exits::peek() {
            if let Some(id) = self.children.take_exited(pid) {
                self.bury(id, pid);
            } else if self.guard.pid() == Some(pid) {
                // Another takes its place at once.
                self.guard.bury();
                self.time.ring_in(Timer::Guardian, Duration::ZERO);
            } else {
                let _ = exits::reap_stranger(pid);
            }
        }
    }

    fn bury(&mut self, id: WorkerId, pid: u32) {
        failpoint!("exit.seen");
        let mut heard = Heard::default();
        if let Some(pipes) = self.children.get_mut(id) {
            // While it is not reaped, its number cannot belong to anybody else.
            let _ = pipes.child.kill();
            failpoint!("exit.group_killed");
            pipes.read_last_words(id, &mut self.scratch, &mut heard);
        }
        self.pass_on(id, heard);
        let Some(mut pipes) = self.children.remove(id) else { return };
        self.guard.remove(pid);
        let read = pipes.read_up_to();
        let exit = pipes.child.reap().ok().flatten().map(|ended| ended.exit);
        failpoint!("exit.reaped");
        let oom_kills = if exit == Some(Exit::Signal(9)) { oom::kills() } else { None };
        let end = Box::new(End { exit, oom_kills, last: pipes.last_lines(), read });
        self.forget_ungrouped(id);
        self.feed(Event::Exited { worker: id, end });
        self.leftovers.add(id);
    }

    /// Starts the guardian that is missing, with word of everybody.
    pub(super) fn restart_guardian(&mut self) {
        let mut words = Words::new(&self.fixed.cookie, self.fixed.group.as_ref());
        self.children.pids().for_each(|pid| words.add(pid));
        self.tell_families(&mut words);
        if self.guard.restart(words) {
            self.problem_over(Topic::Guardian);
        } else {
            self.time.ring_in(Timer::Guardian, GUARD_AGAIN);
            let text = "the guardian cannot be started: workers may outlive a killed master; it is tried again";
            self.problem(Topic::Guardian, text.to_owned());
        }
    }
}

/// Adds the output that the answer of a failed run does not say.
fn complete(detail: &mut Detail, last: LastLines) {
    if detail.stderr_tail.is_empty() {
        detail.stderr_tail = last.stderr;
    }
    if detail.stdout_tail.is_empty() {
        detail.stdout_tail = last.stdout;
    }
}

/// A name for a pool that is not taken: that of its first queue, with `-2`, `-3` … where needed.
pub(super) fn free_name(wish: &str, taken: impl Fn(&str) -> bool) -> Option<PoolName> {
    let numbered = (2..10_000).map(|n| format!("{wish}-{n}"));
    std::iter::once(wish.to_owned()).chain(numbered).find(|name| !taken(name)).and_then(|n| PoolName::new(&n).ok())
}
