//! One running command: its process group, its three pipes, its end.
//!
//! Knows nothing of the protocol. Invariants: the end of the process is the truth, never the end of a pipe (a
//! grandchild may hold it); only a child that is not yet reaped is signalled, so no signal reaches a stranger; nothing
//! of its group is left when it has finished, and if it failed or was told to end nothing at all that descends from it:
//! what a command put into a session of its own comes to us when its parent ends, as we are a subreaper.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use wait4::Wait4;

use super::answer::Finished;
use super::others::Others;
use super::pipes::{CHUNK_BYTES, Outbox, TURN_BYTES};
use super::plan::Plan;
use super::resolve::{check_cwd, resolve, spawn_failure};
use super::tail::Tail;
use super::verdict::{Ending, Failure, Reason};
use super::{KILL_AFTER_VARIABLE, clock};
use crate::process::group::kill_process;
use crate::process::identity;
use crate::process::oom::OomWatch;
use crate::process::{begin, exits};

/// Bytes kept of stdout.
const STDOUT_BYTES: usize = 64 * 1024;
/// Bytes kept of stderr, and of the stdout of a run that does not succeed.
const TAIL_BYTES: usize = 4 * 1024;
/// How many lines of it.
const TAIL_LINES: usize = 20;
/// How often a command's new output is told to the master, which may not hear its end.
const TELL_EVERY: Duration = Duration::from_millis(500);
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
    stdin: Option<Feed>,
    stdout: Stream,
    stderr: Stream,
    /// There is output on stdout that the master does not know of.
    untold: bool,
    /// When the master was told last, or when it began.
    told_at: Instant,
    told: Option<Reason>,
    kill_at: Option<Instant>,
    /// Processes that earlier commands have left in sessions of their own, and may keep; `None` where children may be
    /// anybody's.
    others: Option<Others>,
    /// Until when the end of what it leaves behind is waited for; set when it has ended.
    alone_by: Option<Instant>,
    /// The log names those that cannot be killed, and that the job waits for.
    named: bool,
    reaped: bool,
}

/// Input that is still to be written to the command.
struct Feed {
    pipe: Sender,
    bytes: Vec<u8>,
    written: usize,
}

/// The pool's `kill_after`, as the master passes it on.
fn term_grace() -> Duration {
    let said = std::env::var(KILL_AFTER_VARIABLE).ok().and_then(|ms| ms.parse().ok());
    said.map_or(TERM_GRACE, Duration::from_millis)
}

/// One pipe from the command; `None` when its end was seen.
struct Stream {
    pipe: Option<Receiver>,
    ready: bool,
    tail: Tail,
}

impl Running {
    /// Starts the command in a process group of its own. `alone`: all our children are commands, and what
    /// comes from them.
    pub(super) fn start(plan: Plan, alone: bool, registry: &Registry, tokens: Tokens) -> Result<Self, Failure> {
        if let Some(cwd) = &plan.cwd {
            check_cwd(cwd)?;
        }
        let path = plan.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let path = path.or_else(|| std::env::var_os("PATH"));
        let program = resolve(&plan.argv[0], plan.cwd.as_deref(), path.as_deref())?;
        let mut others = alone.then(|| Others::before(&plan.env));
        let mut command = Command::new(program);
        command.arg0(&plan.argv[0]).args(&plan.argv[1..]).env_remove(KILL_AFTER_VARIABLE).envs(plan.env);
        for name in begin::VARIABLES {
            command.env_remove(name);
        }
        command.process_group(0);
        command.stdin(if plan.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let failure = |e: io::Error| spawn_failure(&plan.argv[0], &e);
        let (stdout, its_stdout) = io::pipe().map_err(failure)?;
        let (stderr, its_stderr) = io::pipe().map_err(failure)?;
        command.stdout(its_stdout).stderr(its_stderr);
        if let Some(cwd) = &plan.cwd {
            command.current_dir(cwd);
        }
        let child = command.spawn().map_err(failure)?;
        if let Some(others) = &mut others {
            others.began(child.id());
        }
        let stream = |pipe: PipeReader, keep| Stream {
            pipe: Some(Receiver::from(OwnedFd::from(pipe))),
            ready: false,
            tail: Tail::new(keep),
        };
        let (stdout, stderr) = (stream(stdout, STDOUT_BYTES), stream(stderr, TAIL_BYTES));
        let (told, kill_at, alone_by) = (None, None, None);
        let mut running = Self {
            child,
            _ends: command,
            stdin: None,
            stdout,
            stderr,
            untold: false,
            told_at: clock::now(),
            told,
            kill_at,
            others,
            alone_by,
            named: false,
            reaped: false,
        };
        // From here on dropping `running` ends the command.
        let connected = running.connect(plan.stdin, registry, tokens);
        // The command has begun, so this is an attempt.
        connected.map_err(|e| Failure::new("refused", None, format!("cannot watch the command: {e}")))?;
        Ok(running)
    }

    fn connect(&mut self, stdin: Option<Vec<u8>>, registry: &Registry, tokens: Tokens) -> io::Result<()> {
        if let Some((pipe, bytes)) = self.child.stdin.take().zip(stdin) {
            let mut pipe = Sender::from(pipe);
            pipe.set_nonblocking(true)?;
            registry.register(&mut pipe, tokens.stdin, Interest::WRITABLE)?;
            self.stdin = Some(Feed { pipe, bytes, written: 0 });
        }
        for (stream, token) in [(&mut self.stdout, tokens.stdout), (&mut self.stderr, tokens.stderr)] {
            if let Some(pipe) = &mut stream.pipe {
                pipe.set_nonblocking(true)?;
                registry.register(pipe, token, Interest::READABLE)?;
            }
        }
        self.feed();
        Ok(())
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
        let Some(feed) = &mut self.stdin else { return };
        while feed.written < feed.bytes.len() {
            match feed.pipe.write(&feed.bytes[feed.written..]) {
                Ok(n) if n > 0 => feed.written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => break,
            }
        }
        self.stdin = None;
    }

    /// Reads what is there, for one turn; stderr goes on to `log`.
    pub(super) fn read(&mut self, log: &mut Outbox) {
        if self.stdout.ready {
            let untold = &mut self.untold;
            self.stdout.read(TURN_BYTES, |_| *untold = true);
        }
        if self.stderr.ready && log.waiting() < LOG_BACKLOG_BYTES {
            self.stderr.read(TURN_BYTES, |bytes| log.push(bytes));
        }
    }

    /// Whether [`Self::read`] has more to do.
    pub(super) fn has_more(&self, log: &Outbox) -> bool {
        self.stdout.ready || (self.stderr.ready && log.waiting() < LOG_BACKLOG_BYTES)
    }

    /// The last lines on stdout, if the master is to be told of them now: some time after the first that it does not
    /// know, and at once when the command is to end.
    pub(super) fn news(&mut self, now: Instant) -> Option<String> {
        if !self.untold || (self.told.is_none() && now < self.told_at + TELL_EVERY) {
            return None;
        }
        (self.untold, self.told_at) = (false, now);
        Some(self.stdout.tail.last_lines(TAIL_LINES, TAIL_BYTES))
    }

    /// Tells the command to end; the first reason stays.
    pub(super) fn tell(&mut self, reason: Reason, now: Instant) {
        if self.told.is_none() {
            self.told = Some(reason);
            self.kill_at = Some(now + term_grace());
            self.signal(Signal::SIGTERM);
            // A stopped process takes no TERM before it goes on.
            self.signal(Signal::SIGCONT);
        }
    }

    /// When it is killed, or what it left behind is no longer waited for, if that does not end before; or when the master
    /// is told of its output.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let tell_at = self.untold.then(|| self.told_at + TELL_EVERY);
        [self.alone_by.or(self.kill_at), tell_at].into_iter().flatten().min()
    }

    /// Kills it if its time is over. True if it may be over otherwise: [`Self::try_finish`].
    pub(super) fn check_deadline(&mut self, now: Instant) -> bool {
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            self.signal(Signal::SIGKILL);
        }
        self.alone_by.is_some_and(|at| at <= now)
    }

    /// Its process id; it is a child of ours.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The end of the command, if it has ended: reads what is left in its pipes, ends what is left of its group, or of
    /// all that descends from it, reaps.
    pub(super) fn try_finish(&mut self, log: &mut Outbox, oom: &mut OomWatch) -> io::Result<Option<Finished>> {
        if !exits::has_ended(self.child.id()) {
            return Ok(None);
        }
        self.stdout.read(DRAIN_BYTES, |_| {});
        self.stderr.read(DRAIN_BYTES, |bytes| log.push(bytes));
        log.end_line();
        // Before the reaping: until then the process id, and so the group's, is not given to anybody else.
        self.signal(Signal::SIGKILL);
        if (self.told.is_some() || exits::has_failed(self.child.id())) && !self.is_alone(log) {
            return Ok(None);
        }
        let used = loop {
            match self.child.try_wait4() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                used => break used?,
            }
        };
        let Some(used) = used else { return Ok(None) };
        self.reaped = true;
        let ending = match (used.status.code(), used.status.signal()) {
            (Some(code), _) => Ending::Exit(code),
            (None, Some(9)) if self.told.is_none() && oom.killed() => Ending::OutOfMemory,
            (None, signal) => Ending::Signal(signal.unwrap_or(0)),
        };
        Ok(Some(Finished {
            ending,
            told: self.told,
            stdout: self.stdout.tail.text(),
            stdout_tail: self.stdout.tail.last_lines(TAIL_LINES, TAIL_BYTES),
            stderr_tail: self.stderr.tail.last_lines(TAIL_LINES, TAIL_BYTES),
            peak_memory_bytes: Some(used.rusage.maxrss),
        }))
    }

    /// Whether nothing is left of what the command has started; kills it. A job that failed or was told to end may be
    /// tried again, and what it put aside would run beside that.
    fn is_alone(&mut self, log: &mut Outbox) -> bool {
        let Some(others) = &self.others else { return true };
        let now = clock::now();
        let by = *self.alone_by.get_or_insert(now + LEFTOVERS_DEADLINE);
        let left = identity::descendants_of([std::process::id()], |process| others.has(process));
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

    fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    fn signal(&self, signal: Signal) {
        if !self.reaped {
            // Fails only where no process is left to signal, or the one left is another user's.
            let _ = killpg(self.group(), signal);
        }
    }
}

/// Ends everything that descends from us, whichever command has started it: nobody is there any more to do it later. Waits
/// for what does not die at once.
pub(super) fn end_all() {
    let by = clock::now() + LEFTOVERS_DEADLINE;
    loop {
        let left = identity::descendants_of([std::process::id()], |_| false);
        let killed = left.iter().filter(|process| kill_process(process.pid, process.start).is_ok()).count();
        if killed == 0 || clock::now() >= by {
            return;
        }
        crate::process::clock::pause(Duration::from_millis(2));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

impl Stream {
    fn read(&mut self, most: usize, mut each: impl FnMut(&[u8])) {
        let Some(pipe) = &mut self.pipe else {
            self.ready = false;
            return;
        };
        let mut chunk = [0; CHUNK_BYTES];
        let mut taken = 0;
        while taken < most {
            match pipe.read(&mut chunk) {
                Ok(n) if n > 0 => {
                    taken += n;
                    self.tail.push(&chunk[..n]);
                    each(&chunk[..n]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.ready = false;
                    return;
                }
                Ok(_) | Err(_) => {
                    (self.ready, self.pipe) = (false, None);
                    return;
                }
            }
        }
    }
}
