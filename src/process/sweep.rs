//! Finds and kills what carries the cookie of an instance or of one worker, wherever it went: a process that left its
//! group and session still has its environment, and one that cleared that, or became another user's, still has its mark.
//!
//! Does not know groups, pipes or jobs. Blocking: for a thread, the start and the guardian.
//!
//! Invariants: the cookie is compared as a whole entry of the environment; neither we nor the exempt are killed; who
//! was killed, or may not be killed by us, counts as left until it is seen dead, also when its environment can no longer
//! be read.

mod sweeper;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use super::cgroup::Group;
use super::mark::Mark;
use super::system::scan::scan;
pub use super::system::scan::variable_of;
use super::{group, identity, tree};
pub use sweeper::{Request, SweepDone, Sweeper};

/// The variable of the environment that holds `<cookie>` or `<cookie>:<worker id>`.
pub const COOKIE_VARIABLE: &str = "QUEUE_WORK_INSTANCE";

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Passes that count as clean although a process exited before its turn: on a machine where programs come and go all the
/// time, every pass is like that.
const UNCLEAR_LOOKS: u32 = 3;

/// The signs to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everything of these instances: the value is one of the cookies, or begins with one and a colon.
    Instances(Vec<String>),
    /// Leftovers of one worker: exactly this value.
    Worker(String),
}

/// By what a process can be recognised.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sign<'a> {
    /// The value of the variable in its environment.
    Value(&'a [u8]),
    /// The mark, where the environment says nothing.
    Mark(Mark),
}

impl Wanted {
    fn matches(&self, sign: Sign<'_>) -> bool {
        match (self, sign) {
            (wanted, Sign::Value(value)) => wanted.matches_value(value),
            (Self::Instances(cookies), Sign::Mark(mark)) => cookies.iter().any(|cookie| mark.is_of(cookie)),
            (Self::Worker(exact), Sign::Mark(mark)) => Mark::of(exact) == Some(mark),
        }
    }

    /// Whether a value of the variable is wanted. An empty cookie matches no process.
    fn matches_value(&self, value: &[u8]) -> bool {
        match self {
            Self::Instances(cookies) => cookies.iter().any(|cookie| {
                let rest = value.strip_prefix(cookie.as_bytes());
                !cookie.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest[0] == b':')
            }),
            Self::Worker(exact) => !exact.is_empty() && value == exact.as_bytes(),
        }
    }

    /// Clean passes in a row that prove it dead. A process that forks and exits all the time may slip through one pass,
    /// and the jobs of a whole instance are released on this proof.
    const fn clean_passes(&self) -> u32 {
        match self {
            Self::Instances(_) => 2,
            Self::Worker(_) => 1,
        }
    }
}

/// Processes to look for, and those to spare besides ourselves.
#[derive(Clone, Debug)]
pub struct Selector {
    /// The signs to look for.
    pub wanted: Wanted,
    /// By the kernel's word: these groups and trees, whatever signs their processes have.
    pub kin: Kin,
    /// Process ids to spare: the guardian.
    pub exempt: Vec<u32>,
}

/// Processes that are known to be meant whatever signs they have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kin {
    /// Everybody in these control groups.
    pub groups: Vec<Group>,
    /// Processes by pid and start time, with all that descends from them.
    pub roots: Vec<(u32, u64)>,
}

/// The outcome of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Processes that were sent SIGKILL, those in a control group not counted.
    pub killed: usize,
    /// Processes not seen dead by the deadline.
    pub left: Vec<u32>,
    /// Processes among `left` that we may not kill, by pid and start time.
    pub foreign: Vec<(u32, u64)>,
}

/// Living processes that match.
#[must_use]
pub fn find(selector: &Selector) -> Vec<u32> {
    let mut found = Vec::new();
    scan(&selector.exempt, |pid, _, sign, lives| {
        if lives && selector.wanted.matches(sign) {
            found.push(pid);
        }
    });
    found
}

/// Kills all processes that match, until none is left or the deadline has passed.
#[must_use]
pub fn kill_all(selector: &Selector, deadline: Duration) -> Swept {
    let mut pursuits = [Pursuit::new(selector.wanted.clone(), selector.kin.clone(), deadline, ())];
    let mut pause = Duration::ZERO;
    loop {
        pass(&mut pursuits, &selector.exempt);
        if pursuits[0].is_over() {
            return pursuits[0].outcome();
        }
        pause = next_pause(&pursuits, pause);
        crate::clock::pause(pause);
    }
}

/// Pause before the next pass: longer each time while killed processes are still dying, short if none is.
fn next_pause<T>(pursuits: &[Pursuit<T>], pause: Duration) -> Duration {
    let nobody_dies = pursuits.iter().all(|pursuit| pursuit.dying.is_empty() && pursuit.groups_are_empty());
    if nobody_dies { FIRST_PAUSE } else { (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE) }
}

/// Value of the variable in the environment that a process was started with.
#[must_use]
pub fn value_of(pid: u32) -> Option<String> {
    variable_of(pid, COOKIE_VARIABLE)
}

/// One search under way, for `owner`.
struct Pursuit<T> {
    owner: T,
    wanted: Wanted,
    kin: Kin,
    deadline: Instant,
    killed: Vec<(u32, u64)>,
    dying: Vec<(u32, u64)>,
    /// Processes among `dying` that we may not kill.
    foreign: Vec<(u32, u64)>,
    clean: u32,
    unclear: u32,
    /// Processes that had ended by themselves, and whether this pass has found another one.
    dead: Vec<(u32, u64)>,
    met_dead: bool,
}

impl<T> Pursuit<T> {
    fn new(wanted: Wanted, kin: Kin, deadline: Duration, owner: T) -> Self {
        let deadline = crate::clock::instant() + deadline;
        let (killed, dying, dead, foreign) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { owner, wanted, kin, deadline, killed, dying, foreign, clean: 0, unclear: 0, dead, met_dead: false }
    }

    /// With all that descends from it: a process that has lost every sign is known by its parents, as long as they live.
    fn strike(&mut self, pid: u32, start: u64, exempt: &[u32]) {
        for process in tree::stop(&[(pid, start)], exempt) {
            // A process that we may not kill counts as left until it ends by itself.
            if group::kill_process(process.0, process.1).is_err() {
                add(&mut self.foreign, process);
            } else {
                add(&mut self.killed, process);
            }
            add(&mut self.dying, process);
        }
    }

    /// Kills the members of groups and trees, again in each pass until none is left.
    fn strike_kin(&mut self, exempt: &[u32]) {
        for (pid, start) in std::mem::take(&mut self.kin.roots) {
            self.strike(pid, start, exempt);
        }
        for group in self.kin.groups.iter().filter(|group| group.is_populated()) {
            // If that fails, its members are killed one by one.
            let members = if group.kill().is_ok() { Vec::new() } else { group.members() };
            for pid in members {
                if let Some(start) = identity::start_time(pid).filter(|_| !exempt.contains(&pid)) {
                    let _ = group::kill_process(pid, start);
                }
            }
        }
    }

    fn groups_are_empty(&self) -> bool {
        !self.kin.groups.iter().any(Group::is_populated)
    }

    /// A zombie may have left a child that was not there when the list was made; the next list has it.
    fn meet_dead(&mut self, pid: u32, start: u64) {
        if !self.dead.contains(&(pid, start)) && !self.killed.contains(&(pid, start)) {
            self.dead.push((pid, start));
            self.met_dead = true;
        }
    }

    fn is_over(&self) -> bool {
        self.clean >= self.wanted.clean_passes() || crate::clock::instant() >= self.deadline
    }

    fn outcome(&self) -> Swept {
        let in_groups = self.kin.groups.iter().filter(|group| group.is_populated()).flat_map(Group::members);
        let mut left: Vec<u32> = self.dying.iter().map(|&(pid, _)| pid).chain(in_groups).collect();
        left.sort_unstable();
        left.dedup();
        Swept { killed: self.killed.len(), left, foreign: self.foreign.clone() }
    }
}

fn add(all: &mut Vec<(u32, u64)>, process: (u32, u64)) {
    if !all.contains(&process) {
        all.push(process);
    }
}

/// Looks once at every process, for all searches together.
fn pass<T>(pursuits: &mut [Pursuit<T>], exempt: &[u32]) {
    failpoint!("sweep.pass");
    for pursuit in pursuits.iter_mut() {
        // Still dying, though without an environment: a process on its way out has neither memory nor variables.
        pursuit.dying.retain(|&(pid, start)| identity::is_alive(pid, start));
        pursuit.foreign.retain(|&(pid, start)| identity::is_alive(pid, start));
        pursuit.strike_kin(exempt);
    }
    let all_seen = scan(exempt, |pid, start, sign, lives| {
        for pursuit in pursuits.iter_mut().filter(|pursuit| pursuit.wanted.matches(sign)) {
            if !lives {
                pursuit.meet_dead(pid, start);
            } else if !pursuit.dying.contains(&(pid, start)) {
                pursuit.strike(pid, start, exempt);
                if !pursuit.dying.contains(&(pid, start)) {
                    // The process has ended between the look and the signal.
                    pursuit.meet_dead(pid, start);
                }
            }
        }
    });
    for pursuit in pursuits {
        if !pursuit.dying.is_empty() || !pursuit.groups_are_empty() {
            pursuit.clean = 0;
        } else if (all_seen && !pursuit.met_dead) || pursuit.unclear >= UNCLEAR_LOOKS {
            pursuit.clean += 1;
        } else {
            pursuit.unclear += 1;
        }
        pursuit.met_dead = false;
    }
}
