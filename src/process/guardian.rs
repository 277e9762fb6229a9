//! The guardian: a small process that outlives the master by a moment, to end what the master leaves behind when it
//! dies in any way, `kill -9` included.
//!
//! Protocol, one line each on its stdin: first the cookie (so that it shows in no list of processes), `^PID:START` (the
//! master), `@FOLDER` (the control group of all workers, where there is one), then `+PID` (a worker's group was made), `=PID PID:START …` (what
//! is known to be below this worker, or to be left of it: known here also when worker and master die together), `-PID`
//! (it ended and was reaped), `~DEADLINE` (a lease holds until then, in microseconds of the clock that also runs while the
//! machine sleeps; each replaces the last), at last `bye`. End of input without `bye` means that the master is dead. A fragment without its
//! newline is never acted upon: half of `+123` is another process.
//!
//! Where there is a lease, another host may give the jobs of this master to its own workers once it is over. So at the deadline
//! the workers are killed whatever the master does: it may be frozen, or cut off from the store. It lives on.
//!
//! The pipe closes a moment before the master is dead, and at its death the kernel sends SIGHUP to whichever worker stands
//! still by then, so that it would end before its children are listed: nobody is touched before the master is dead.
//!
//! Invariants: the guardian does not carry the cookie itself, nor a mark; it kills a group only if its leader is the process that
//! was announced, or is gone (then the id cannot have passed to another as long as the group exists); a process below a
//! leader is killed only if it is still the one that was seen there.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::Pid;

use super::cgroup::Group;
use super::group::{Signal, kill_process, signal_group};
use super::pipes::set_nonblocking;
use super::sweep::{COOKIE_VARIABLE, Kin, Selector, Swept, Wanted, kill_all};
use super::system::handle::Handle;
use super::{exits, identity, image, mark, service_manager, tree};
use crate::clock;

/// The hidden verb that the master starts itself with.
pub const VERB: &str = "__guardian";

/// How long the death of a master is waited for that has closed its pipe; a file that it has open may take its time.
const DEATH_DEADLINE: Duration = Duration::from_secs(3);
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);
/// More than the lines of every process that a machine can hold: the guardian does not read.
const LONGEST_BACKLOG_BYTES: usize = 1024 * 1024;

/// Larger families are cut to the first so many: their descendants are found by parentage.
const MOST_OF_A_FAMILY: usize = 256;

/// How the watch ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The master said goodbye; nothing was killed.
    Bye,
    /// The master died. So many groups were listed, and this was found by the cookie after they had been killed.
    MasterDied {
        /// Groups that were killed.
        groups: usize,
        /// Processes that had left their group.
        swept: Swept,
    },
}

/// The body of the hidden verb: watches stdin until it ends. True if nothing is left behind.
pub fn run() -> io::Result<bool> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    // Caught and forgotten: a Ctrl-C or a stop of the whole service must not end the guardian before the master.
    let heard = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::clone(&heard))?;
    }
    image::take_name();
    // Keeps no file system busy.
    std::env::set_current_dir("/")?;
    Ok(match watch(Unbuffered) {
        Ended::Bye => true,
        Ended::MasterDied { swept, .. } => swept.left.is_empty(),
    })
}

/// Reads what the master says until it ends, then does what is due.
pub fn watch(input: impl Heard) -> Ended {
    let mut lines = Lines { input, read: Vec::new() };
    let mut deadline = None;
    let cookie = match lines.next(None) {
        Some(Next::Line(cookie)) => cookie,
        Some(Next::Over) | None => String::new(),
    };
    let mut groups: HashMap<u32, Option<u64>> = HashMap::new();
    let mut families: HashMap<u32, Vec<(u32, u64)>> = HashMap::new();
    let mut kin = Kin::default();
    let mut master = None;
    let mut bye = false;
    while let Some(next) = lines.next(deadline) {
        let Next::Line(line) = next else {
            deadline = None;
            // The master lives, and for a moment has the mark of each worker that it starts.
            let exempt = master.map(|(pid, _)| pid).into_iter().collect();
            end_all(&cookie, &groups, &families, kin.clone(), exempt);
            continue;
        };
        bye = line == "bye";
        if let Some(pid) = line.strip_prefix('+').and_then(|id| id.parse().ok()) {
            groups.insert(pid, identity::start_time(pid));
        } else if let Some(pid) = line.strip_prefix('-').and_then(|id| id.parse::<u32>().ok()) {
            groups.remove(&pid);
        } else if let Some((pid, family)) = line.strip_prefix('=').and_then(parse_family) {
            families.insert(pid, family);
            families.retain(|_, family| !family.is_empty());
        } else if let Some(until) = line.strip_prefix('~').and_then(|until| until.parse().ok()) {
            deadline = Some(until);
        } else if let Some(folder) = line.strip_prefix('@') {
            kin.groups.push(Group::at(folder));
        } else if let Some(process) = line.strip_prefix('^') {
            master = parse_process(process);
        }
    }
    if bye {
        return Ended::Bye;
    }
    if let Some(process) = master.and_then(open_process) {
        process.wait(DEATH_DEADLINE);
    }
    failpoint!("guardian.alone");
    let made = kin.groups.clone();
    let swept = end_all(&cookie, &groups, &families, kin, Vec::new());
    made.iter().for_each(Group::remove);
    Ended::MasterDied { groups: groups.len(), swept }
}

/// Kills these groups, what is known to be below them, and what has the cookie; what is left.
fn end_all(
    cookie: &str,
    groups: &HashMap<u32, Option<u64>>,
    families: &HashMap<u32, Vec<(u32, u64)>>,
    kin: Kin,
    exempt: Vec<u32>,
) -> Swept {
    // Before the first kill: a dead parent breaks the tree. The tree also covers processes that left their group and
    // dropped the cookie from their environment.
    let leaders = groups.iter().filter_map(|(&pid, &start)| Some((pid, start?)));
    let roots: Vec<(u32, u64)> = leaders.chain(families.values().flatten().copied()).collect();
    let family = tree::stop(&roots, &[]);
    for (&pid, &start) in groups {
        let now = identity::start_time(pid);
        if now.is_none() || now == start {
            // The sweep below reports processes that may not be signalled.
            let _ = signal_group(pid, Signal::Kill);
        }
    }
    for &(pid, start) in &family {
        let _ = kill_process(pid, start);
    }
    failpoint!("guardian.groups_killed");
    // The master has no cookie, and is the parent of the guardian, which has none either.
    let selector = Selector { wanted: Wanted::Instances(vec![cookie.to_owned()]), kin, exempt };
    kill_all(&selector, SWEEP_DEADLINE)
}

/// The process that started then.
fn open_process((pid, start): (u32, u64)) -> Option<Handle> {
    let process = Handle::open(Pid::from_raw(pid.cast_signed())?).ok()?;
    (identity::start_time(pid) == Some(start)).then_some(process)
}

/// `PID:START`.
fn parse_process(word: &str) -> Option<(u32, u64)> {
    let (pid, start) = word.split_once(':')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// `PID PID:START …`.
fn parse_family(words: &str) -> Option<(u32, Vec<(u32, u64)>)> {
    let mut words = words.split(' ');
    let leader = words.next()?.parse().ok()?;
    Some((leader, words.filter_map(parse_process).collect()))
}

/// An input from the master.
pub trait Heard: Read {
    /// Waits until there is something to read, or its end; false: not before this moment, in microseconds since the machine started.
    fn wait(&self, until: Option<u64>) -> bool;
}

/// The standard input as it is: what a buffer has taken in is not seen by who waits for more.
struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(io::stdin(), bytes)?)
    }
}

impl Heard for Unbuffered {
    fn wait(&self, until: Option<u64>) -> bool {
        loop {
            let left = until.map(|until| Duration::from_micros(until.saturating_sub(clock::boot_micros())));
            // Some systems stand still for longer than they were told.
            let left = left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
            match poll(&mut [PollFd::new(io::stdin().as_fd(), PollFlags::POLLIN)], left) {
                Ok(0) if until.is_some_and(|until| clock::boot_micros() >= until) => return false,
                Ok(0) | Err(Errno::EINTR) => {}
                // A read says what is wrong.
                Ok(_) | Err(_) => return true,
            }
        }
    }
}

enum Next {
    Line(String),
    /// The deadline has come, and no line.
    Over,
}

/// The lines of an input.
struct Lines<R> {
    input: R,
    /// Read, and not given yet.
    read: Vec<u8>,
}

impl<R: Heard> Lines<R> {
    /// A whole line, or that none came until the deadline; `None` at the end, after an error, and for a fragment.
    fn next(&mut self, deadline: Option<u64>) -> Option<Next> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.read) {
                let line = self.read.drain(..=end).take(end).collect();
                return String::from_utf8(line).ok().map(Next::Line);
            }
            if !self.input.wait(deadline) {
                return Some(Next::Over);
            }
            let mut bytes = [0; 4096];
            match self.input.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// Lines for a guardian, from the first on.
#[derive(Debug)]
pub struct Words(Vec<u8>);

impl Words {
    /// Whose processes it watches: those of this process, with this cookie, and those in this control group.
    #[must_use]
    pub fn new(cookie: &str, group: Option<&Group>) -> Self {
        let mut words = Self(Vec::new());
        words.say(format_args!("{cookie}"));
        let us = std::process::id();
        if let Some(start) = identity::start_time(us) {
            words.say(format_args!("^{us}:{start}"));
        }
        if let Some(folder) = group.and_then(|group| group.folder().to_str()) {
            words.say(format_args!("@{folder}"));
        }
        words
    }

    /// A worker was started and leads this group.
    pub fn add(&mut self, pid: u32) {
        self.say(format_args!("+{pid}"));
    }

    /// All that is known below the worker, or left of it; nothing any more where it is empty.
    pub fn family(&mut self, pid: u32, members: &[(u32, u64)]) {
        let mut words = pid.to_string();
        for (pid, start) in members.iter().take(MOST_OF_A_FAMILY) {
            let _ = write!(words, " {pid}:{start}");
        }
        self.say(format_args!("={words}"));
    }

    /// A lease holds until then.
    pub fn lease(&mut self, until: u64) {
        self.say(format_args!("~{until}"));
    }

    /// The worker was reaped, its group killed.
    pub fn remove(&mut self, pid: u32) {
        self.say(format_args!("-{pid}"));
    }

    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        let line = format!("{line}\n");
        self.0.extend_from_slice(line.as_bytes());
    }

    /// Writes what the pipe takes now.
    fn write_to(&mut self, pipe: &mut PipeWriter) -> io::Result<()> {
        while !self.0.is_empty() {
            match faulty!("guardian.tell", Err(ErrorKind::BrokenPipe.into()), pipe.write(&self.0)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.0.drain(..n)),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock && self.0.len() <= LONGEST_BACKLOG_BYTES => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}

/// The master's end. Dropped without [`Guardian::bye`] it looks like the death of the master.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    pipe: PipeWriter,
    backlog: Words,
}

impl Guardian {
    /// Starts the guardian. Before any thread and any worker, so that none of them is ever without one. The words are in
    /// its pipe before it is born: a master that dies at any moment has a guardian that knows what it was to be told.
    pub fn start(words: Words) -> io::Result<Self> {
        let mut command = image::command();
        command.arg(VERB);
        Self::start_with(command, words)
    }

    fn start_with(mut command: Command, mut words: Words) -> io::Result<Self> {
        failpoint!("guardian.spawn", nix::errno::Errno::EAGAIN.into());
        let (input, mut pipe) = io::pipe()?;
        set_nonblocking(&pipe)?;
        match words.write_to(&mut pipe) {
            // The rest of very many goes when it reads.
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Ok(()) | Err(_) => {}
        }
        for name in [COOKIE_VARIABLE].into_iter().chain(service_manager::VARIABLES) {
            command.env_remove(name);
        }
        command.process_group(0);
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
        // Not even that of another instance, one job of which we may be.
        let child = mark::marking(None, || command.spawn())?;
        exits::announce(child.id());
        failpoint!("guardian.spawned");
        Ok(Self { child, pipe, backlog: words })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says more, and never waits. An error means that the guardian is gone: once its exit was seen, start another with
    /// all living groups.
    pub fn tell(&mut self, say: impl FnOnce(&mut Words)) -> io::Result<()> {
        say(&mut self.backlog);
        self.flush()
    }

    /// Writes what it takes now; see [`Guardian::tell`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.backlog.write_to(&mut self.pipe)
    }

    /// Whether something is not yet written: call [`Guardian::flush`] when the pipe takes more.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        !self.backlog.0.is_empty()
    }

    /// How it ended, if it did; reaps it.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Everything has ended in order: lets the guardian go. The child is to be reaped.
    pub fn bye(mut self) -> (Child, io::Result<()>) {
        let said = self.tell(|words| words.say(format_args!("bye")));
        (self.child, said)
    }
}

/// The pipe to the guardian, for a poll.
impl AsFd for Guardian {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests;
