//! Finds and kills what carries the cookie of an instance or of one worker, wherever it went: a process that left its
//! group and session still has its environment.
//!
//! Does not know groups, pipes or jobs. Blocking: for a thread, the start and the guardian. Reads
//! `/proc/PID/environ`, which the kernel shows for processes of the same user; one that cannot be read is not ours.
//!
//! Invariants: the cookie is compared as a whole entry of the environment; neither we nor the exempt are killed; who
//! was killed counts as left until it is seen dead, also when its environment can no longer be read.

mod sweeper;
#[cfg(test)]
mod tests;

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::identity;
pub use sweeper::{Request, SweepDone, Sweeper};

/// The variable of the environment that holds `<cookie>` or `<cookie>:<worker id>`.
pub const COOKIE_VARIABLE: &str = "QUEUE_WORK_INSTANCE";

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything of these instances: the value is one of the cookies, or begins with one and a colon.
    Instances(Vec<String>),
    /// What one worker left: exactly this value.
    Worker(String),
}

impl Wanted {
    /// Whether a value of the variable is meant. An empty cookie means nobody.
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Instances(cookies) => cookies.iter().any(|cookie| {
                let rest = value.strip_prefix(cookie.as_bytes());
                !cookie.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest[0] == b':')
            }),
            Self::Worker(exact) => !exact.is_empty() && value == exact.as_bytes(),
        }
    }

    /// Passes in a row that must find nobody. One process that forks and ends all the time may slip through one pass,
    /// and on the death of an instance the jobs of all its workers depend.
    const fn clean_passes(&self) -> u32 {
        match self {
            Self::Instances(_) => 2,
            Self::Worker(_) => 1,
        }
    }
}

/// What to look for, and whom to spare besides ourselves.
#[derive(Clone, Debug)]
pub struct Selector {
    /// What to look for.
    pub wanted: Wanted,
    /// Process ids to spare: the guardian.
    pub exempt: Vec<u32>,
}

/// The outcome of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were sent SIGKILL.
    pub killed: usize,
    /// Of those, the ones that were not seen dead by the deadline.
    pub left: Vec<u32>,
}

/// Those that live now and are meant.
#[must_use]
pub fn find(selector: &Selector) -> Vec<u32> {
    let mut found = Vec::new();
    scan(&selector.exempt, |pid, _, value| {
        if selector.wanted.matches(value) {
            found.push(pid);
        }
    });
    found
}

/// Kills what is meant, until nobody of it is left or the deadline has passed.
#[must_use]
pub fn kill_all(selector: &Selector, deadline: Duration) -> Swept {
    let mut pursuits = [Pursuit::new(selector.wanted.clone(), deadline, ())];
    let mut pause = FIRST_PAUSE;
    loop {
        pass(&mut pursuits, &selector.exempt);
        if pursuits[0].is_over() {
            return pursuits[0].outcome();
        }
        crate::process::clock::pause(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Calls `each` with pid, start time and the value of the variable, for every process that has it.
fn scan(exempt: &[u32], mut each: impl FnMut(u32, u64, &[u8])) {
    let us = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if pid == us || exempt.contains(&pid) {
            continue;
        }
        let Ok(environ) = fs::read(entry.path().join("environ")) else { continue };
        let Some(value) = cookie_of(&environ) else { continue };
        // The id may pass to another process between two reads: an environment belongs to a start time only if that
        // is the same before and after it was read. The read above just sorts out the many others.
        let Some(start) = identity::start_time(pid) else { continue };
        let again = fs::read(entry.path().join("environ")).unwrap_or_default();
        if cookie_of(&again) == Some(value) && identity::is_alive(pid, start) {
            each(pid, start, value);
        }
    }
}

fn cookie_of(environ: &[u8]) -> Option<&[u8]> {
    environ.split(|&b| b == 0).find_map(|entry| entry.strip_prefix(COOKIE_VARIABLE.as_bytes())?.strip_prefix(b"="))
}

/// One search under way, for `owner`.
struct Pursuit<T> {
    owner: T,
    wanted: Wanted,
    deadline: Instant,
    killed: Vec<(u32, u64)>,
    dying: Vec<(u32, u64)>,
    clean: u32,
}

impl<T> Pursuit<T> {
    fn new(wanted: Wanted, deadline: Duration, owner: T) -> Self {
        let deadline = crate::process::clock::instant() + deadline;
        Self { owner, wanted, deadline, killed: Vec::new(), dying: Vec::new(), clean: 0 }
    }

    fn strike(&mut self, pid: u32, start: u64) {
        if identity::is_alive(pid, start) && kill(Pid::from_raw(pid as i32), Signal::SIGKILL).is_ok() {
            if !self.killed.contains(&(pid, start)) {
                self.killed.push((pid, start));
            }
            self.dying.push((pid, start));
        }
    }

    fn is_over(&self) -> bool {
        self.clean >= self.wanted.clean_passes() || crate::process::clock::instant() >= self.deadline
    }

    fn outcome(&self) -> Swept {
        Swept { killed: self.killed.len(), left: self.dying.iter().map(|&(pid, _)| pid).collect() }
    }
}

/// Looks once at every process, for all searches together.
fn pass<T>(pursuits: &mut [Pursuit<T>], exempt: &[u32]) {
    failpoint!("sweep.pass");
    for pursuit in pursuits.iter_mut() {
        // Still dying, though without an environment: a process on its way out has neither memory nor variables.
        pursuit.dying.retain(|&(pid, start)| identity::is_alive(pid, start));
        pursuit.clean += 1;
    }
    scan(exempt, |pid, start, value| {
        for pursuit in pursuits.iter_mut().filter(|pursuit| pursuit.wanted.matches(value)) {
            if !pursuit.dying.contains(&(pid, start)) {
                pursuit.strike(pid, start);
            }
        }
    });
    for pursuit in pursuits.iter_mut().filter(|pursuit| !pursuit.dying.is_empty()) {
        pursuit.clean = 0;
    }
}
