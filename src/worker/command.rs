//! One running command: its process group, its three pipes, its end.
//!
//! Knows nothing of the protocol. Invariants: the end of the process is the truth, never the end of a pipe (a
//! grandchild may hold it); only a child that is not yet reaped is signalled, so no signal reaches a stranger; nothing
//! of its group is left when it has finished, and if it failed or was told to end nothing at all that descends from it:
//! what a command put into a session of its own comes to us when its parent ends, as we are a subreaper.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::KILL_AFTER_VARIABLE;
use super::answer::Finished;
use super::others::Others;
use super::pipes::{CHUNK_BYTES, Outbox, TURN_BYTES};
use super::plan::Plan;
use super::printed::Printed;
use super::verdict::{Ending, Failure, Reason};
use crate::clock;
use crate::model::oom::OomKills;
use crate::model::supervision::StopSignal;
use crate::model::worker::Exit;
use crate::process::child::Child;
use crate::process::exits;
use crate::process::group::kill_process;
use crate::process::identity;
use crate::process::memory_file;
use crate::process::oom;
use crate::process::pipes::{self, FromChild, ToChild};
use crate::process::spawn::{self, Program, Spawned, Spec, StdinKind};
use crate::process::start_step::Step;
use crate::process::tail::{self, Tail};
use crate::process::tree;

/// The variable that names a file with the results of the jobs that a command comes after.
const PARENTS_VARIABLE: &str = "QUEUE_WORK_PARENTS";
/// Bytes kept of stdout.
const STDOUT_BYTES: usize = 64 * 1024;
/// Between SIGTERM and SIGKILL, where the master says nothing.
const TERM_GRACE: Duration = Duration::from_secs(5);
/// How long the end of what a command leaves behind is waited for, after it was killed.
const LEFTOVERS_DEADLINE: Duration = Duration::from_secs(5);
/// How often those are looked for that may not be killed.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Most bytes taken from a pipe after the command has ended: what it can hold, not what a grandchild goes on writing.
const DRAIN_BYTES: usize = 1 << 20;
/// While this many bytes wait for the log, the command's stderr is not read.
const LOG_BACKLOG_BYTES: usize = 64 * 1024;

/// The names under which news of the pipes arrive.
#[derive(Clone, Copy)]
pub(super) struct Tokens {
    pub(super) stdin: Token,
    pub(super) stdout: Token,
    pub(super) stderr: Token,
}

/// A command that was started and is not yet reaped.
pub(super) struct Running {
    child: Child,
    /// The ends of the pipes that the command has, kept open here, so that its end wakes the poll once, not three times.
    _ends: Command,
    stdin: ToChild,
    stdout: Stream,
    stderr: Stream,
    /// How far its stdout has been passed on.
    printed: Printed,
    told: Option<Reason>,
    kill_at: Option<Instant>,
    /// Processes that earlier commands have left in sessions of their own, and may keep; `None` where children may be
    /// anybody's.
    others: Option<Others>,
    /// Until when the end of what it leaves behind is waited for; set when it has ended.
    alone_by: Option<Instant>,
    /// The log names those that cannot be killed, and that the job waits for.
    named: bool,
    /// The file that [`PARENTS_VARIABLE`] names, which is there for as long as it is open here.
    _parents: Option<memory_file::Named>,
}

/// The pool's `kill_after`, as the master passes it on.
fn term_grace() -> Duration {
    let said = std::env::var(KILL_AFTER_VARIABLE).ok().and_then(|ms| ms.parse().ok());
    said.map_or(TERM_GRACE, Duration::from_millis)
}

/// A pipe from the command.
struct Stream {
    pipe: FromChild,
    ready: bool,
    tail: Tail,
}

impl Running {
    /// Starts the command in a process group of its own. `alone`: all our children are commands, and what
    /// comes from them.
    pub(super) fn start(mut plan: Plan, alone: bool, registry: &Registry, tokens: Tokens) -> Result<Self, Failure> {
        let parents = plan.parents.take().map(|text| memory_file::Named::new(&text)).transpose();
        let parents = parents.map_err(|e| {
            Failure::new("refused", None, format!("cannot keep the results of the jobs before it for the command: {e}"))
        })?;
        plan.env.extend(parents.as_ref().map(|file| (PARENTS_VARIABLE.into(), file.path().into())));
        let (spec, stdin) = spec(plan)?;
        let mut others = alone.then(|| Others::before(&spec.env));
        let (spawned, ends) = spawn::spawn_with_ends(&spec)?;
        if let Some(others) = &mut others {
            others.began(spawned.child.pid());
        }
        // The command has begun, so what fails now is an attempt; it ends with what is dropped.
        let failed = |e: io::Error| Failure::new("refused", None, format!("cannot watch the command: {e}"));
        let Spawned { child, stdin: pipe, stdout, stderr, .. } = spawned;
        let stream = |pipe, token, keep| -> Result<Stream, Failure> {
            let pipe = FromChild::new(Some(pipe), registry, token).map_err(failed)?;
            Ok(Stream { pipe, ready: false, tail: Tail::new(keep) })
        };
        let mut running = Self {
            child,
            _ends: ends,
            stdin: ToChild::new(pipe, registry, tokens.stdin).map_err(failed)?,
            stdout: stream(stdout, tokens.stdout, STDOUT_BYTES)?,
            stderr: stream(stderr, tokens.stderr, tail::BYTES)?,
            printed: Printed::default(),
            told: None,
            kill_at: None,
            others,
            alone_by: None,
            named: false,
            _parents: parents,
        };
        running.stdin.outgoing().extend(stdin);
        running.stdin.close();
        running.feed();
        Ok(running)
    }

    /// There may be something to read on stdout.
    pub(super) fn stdout_ready(&mut self) {
        self.stdout.ready = true;
    }

    /// There may be something to read on stderr.
    pub(super) fn stderr_ready(&mut self) {
        self.stderr.ready = true;
    }

    /// Writes what the command takes of its standard input; one that does not read it misses nothing else.
    pub(super) fn feed(&mut self) {
        self.stdin.flush(pipes::write);
    }

    /// Reads what is there, for one turn; stdout goes on to `output`, stderr to `log`.
    pub(super) fn read(&mut self, output: &mut Outbox, log: &mut Outbox) {
        if self.stdout.ready {
            self.stdout.read(TURN_BYTES, |bytes| self.printed.pass(bytes, output));
        }
        if self.stderr.ready && log.waiting() < LOG_BACKLOG_BYTES {
            self.stderr.read(TURN_BYTES, |bytes| log.push(bytes));
        }
    }

    /// Whether [`Self::read`] has more to do.
    pub(super) fn has_more(&self, log: &Outbox) -> bool {
        self.stdout.ready || (self.stderr.ready && log.waiting() < LOG_BACKLOG_BYTES)
    }

    /// Tells the command to end; the first reason stays.
    pub(super) fn tell(&mut self, reason: Reason, now: Instant) {
        if self.told.is_none() {
            self.told = Some(reason);
            self.kill_at = Some(now + term_grace());
            // Fails only where no process is left to signal, or the one left is another user's.
            let _ = self.child.terminate(StopSignal::Term);
        }
    }

    /// When it is killed, or what it left behind is no longer waited for, if that does not end before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.alone_by.or(self.kill_at)
    }

    /// Kills it if its time is over. True if it may be over otherwise: [`Self::try_finish`].
    pub(super) fn check_deadline(&mut self, now: Instant) -> bool {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            let _ = self.child.kill();
        }
        self.alone_by.is_some_and(|at| at <= now)
    }

    /// Its process id; it is a child of ours.
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The end of the command, if it has ended: reads what is left in its pipes, ends what is left of its group, or of
    /// all that descends from it, reaps.
    pub(super) fn try_finish(
        &mut self,
        output: &mut Outbox,
        log: &mut Outbox,
        oom: &mut OomKills,
    ) -> io::Result<Option<Finished>> {
        if !exits::has_ended(self.child.pid()) {
            return Ok(None);
        }
        self.stdout.read(DRAIN_BYTES, |bytes| self.printed.pass(bytes, output));
        self.printed.end(output);
        self.stderr.read(DRAIN_BYTES, |bytes| log.push(bytes));
        log.end_line();
        // Before the reaping: until then the process id, and so the group's, is not given to anybody else.
        let _ = self.child.kill();
        if (self.told.is_some() || exits::has_failed(self.child.pid())) && !self.is_alone(log) {
            return Ok(None);
        }
        let Some(ended) = self.child.reap()? else { return Ok(None) };
        let ending = match ended.exit {
            Exit::Signal(9) if self.told.is_none() && oom.explain(oom::kills()) => Ending::OutOfMemory,
            exit => Ending::Exit(exit),
        };
        Ok(Some(Finished {
            ending,
            told: self.told,
            stdout: self.stdout.tail.text(),
            stdout_tail: self.stdout.tail.last_lines(),
            stderr_tail: self.stderr.tail.last_lines(),
            peak_memory_bytes: Some(ended.peak_memory_bytes),
        }))
    }

    /// Whether nothing is left of what the command has started; kills it. A job that failed or was told to end may be
    /// tried again, and what it put aside would run beside that.
    fn is_alone(&mut self, log: &mut Outbox) -> bool {
        let Some(others) = &self.others else { return true };
        let now = clock::instant();
        let by = *self.alone_by.get_or_insert(now + LEFTOVERS_DEADLINE);
        // The command has ended, which `/proc` does not show where it became another user and is hidden.
        let command = self.child.pid();
        let left = tree::descendants_of([std::process::id()], |process| process.pid == command || others.has(process));
        let is_foreign = |process: &&identity::Identity| kill_process(process.pid, process.start).is_err();
        let foreign: Vec<u32> = left.iter().filter(is_foreign).map(|process| process.pid).collect();
        if !foreign.is_empty() && by <= now {
            if !std::mem::replace(&mut self.named, true) {
                let text = format!(
                    "processes {foreign:?} of the job cannot be killed: they are another user's; it waits for them"
                );
                log.note(&text);
            }
            // Another user's, which nothing of ours will end: it is waited for, or the master loses its patience.
            self.alone_by = Some(now + LOOK_AGAIN);
            return false;
        }
        left.is_empty() || by <= now
    }
}

/// Ends everything that descends from us, whichever command has started it. Waits for what does not die at once.
pub(super) fn end_all() {
    let by = clock::instant() + LEFTOVERS_DEADLINE;
    loop {
        let left = tree::descendants_of([std::process::id()], |_| false);
        let killed = left.iter().filter(|process| kill_process(process.pid, process.start).is_ok()).count();
        if killed == 0 || clock::instant() >= by {
            return;
        }
        clock::pause(Duration::from_millis(2));
    }
}

impl Stream {
    fn read(&mut self, most: usize, mut each: impl FnMut(&[u8])) {
        let tail = &mut self.tail;
        // A command may make its pipe one of packets (`O_DIRECT`), of which each read returns one.
        self.ready = self.pipe.read(most, true, &mut [0; CHUNK_BYTES], |bytes| {
            tail.push(bytes);
            each(bytes);
        });
    }
}

/// The program to start, and its standard input.
fn spec(plan: Plan) -> Result<(Spec, Vec<u8>), Failure> {
    let mut argv = plan.argv.into_iter();
    let program = argv.next().unwrap_or_default();
    if let Some(cwd) = &plan.cwd {
        spawn::check_cwd(&program.to_string_lossy(), cwd)?;
    }
    let path = plan.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
    let path = path.or_else(|| std::env::var_os("PATH"));
    let found = spawn::resolve(&program, plan.cwd.as_deref(), path.as_deref())?;
    let spec = Spec {
        program: Program::Named(found, program),
        args: argv.collect(),
        cwd: plan.cwd,
        env: plan.env,
        env_remove: vec![KILL_AFTER_VARIABLE.into()],
        stdin: if plan.stdin.is_some() { StdinKind::Pipe } else { StdinKind::Null },
        protocol_fd: None,
        sockets: Vec::new(),
        step: Step::default(),
        mark: None,
    };
    Ok((spec, plan.stdin.unwrap_or_default()))
}
