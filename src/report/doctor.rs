//! Judgement on a configuration, its store and this machine: what `doctor` finds, each with a sentence and the next step.
//!
//! Pure: decided from facts that were gathered before. Invariants: each check is in the list once, under a name that stays;
//! a command in backticks can be typed as it is printed.

mod files;
mod machine;
mod setup;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::health::{Check, Facts as HealthFacts, Health};
use super::processors::ProcessorStatus;
use super::status::Status;
use crate::config::Config;
use crate::model::UnixMicros;
use crate::store::exam::{Dangers, Exam};

/// Everything that is judged.
#[derive(Debug)]
pub struct Facts {
    pub now: UnixMicros,
    pub version: &'static str,
    /// The problems in words, where it is not valid.
    pub configuration: Result<Setup, String>,
    /// `None`: where it would be is not known.
    pub store: Option<Stored>,
    /// Of the master, else of the store.
    pub status: Status,
    /// Whether it is the master's own word.
    pub has_answered: bool,
    pub processors: Vec<ProcessorStatus>,
    /// The command that starts a master.
    pub start: String,
    pub pools: Vec<PoolHistory>,
    pub units: Vec<Unit>,
    pub machine: Machine,
}

/// A configuration that is valid.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    pub warnings: Vec<String>,
    /// The file of the master says something else by now.
    pub changed: Option<String>,
}

/// The store, as files.
#[derive(Debug, Default)]
pub struct Stored {
    pub path: String,
    /// `None`: there is none yet. An error: why it cannot be read.
    pub exam: Option<Result<Exam, String>>,
    pub dangers: Dangers,
    /// The readers of the log, by pid, with their names.
    pub readers: Vec<(u32, String)>,
    pub room: Option<Room>,
}

/// Free and all of a file system, for those who are not root.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub free_bytes: u64,
    pub bytes: u64,
    pub free_files: u64,
    /// 0: not limited.
    pub files: u64,
}

/// The last workers and runs of a pool.
#[derive(Debug, Default)]
pub struct PoolHistory {
    pub name: String,
    /// Workers that were looked at, and of these those replaced for their memory after so few jobs that it did not pay.
    pub workers: u64,
    pub replaced_soon: u64,
    /// Runs that were looked at, and how long they took on average.
    pub runs: u64,
    pub mean_s: f64,
}

/// A unit of systemd that starts a master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub name: String,
    pub is_users: bool,
    /// `None`: for ever.
    pub stop_timeout: Option<Duration>,
}

/// The machine, for this user.
#[derive(Debug, Default)]
pub struct Machine {
    /// Files that one process can open at most.
    pub files: u64,
    /// Files that a master with the workers of the configuration needs.
    pub files_needed: u64,
    /// Processes that may be started, if that is limited.
    pub processes: Option<u64>,
    /// Memory in bytes, of the control group where that has less.
    pub memory: Option<u64>,
    /// Why no control group can be made.
    pub no_groups: Option<String>,
    pub hides_processes: bool,
    pub oom_kills: u64,
}

/// Looks at everything.
#[must_use]
pub fn examine(facts: &Facts) -> Health {
    let mut checks = vec![
        setup::configuration(facts),
        setup::master(facts),
        setup::version(facts),
        setup::reload(facts),
        setup::paused(facts),
        setup::idle(facts),
        setup::durability(facts),
        setup::stop_timeout(facts),
        setup::prefetch(facts),
        setup::recycling(facts),
        files::database(facts),
        files::schema(facts),
        files::integrity(facts),
        files::log(facts),
        files::file_system(facts),
        files::owner(facts),
        files::space(facts),
        files::inodes(facts),
        files::leftovers(facts),
        machine::files(facts),
        machine::processes(facts),
        machine::memory(facts),
        machine::containment(facts),
        machine::clock(facts),
        machine::proc(facts),
        machine::oom(facts),
    ];
    checks.extend(of_health(facts));
    Health::with(checks)
}

/// What a master says of itself; without one, whether its pools would take every job.
fn of_health(facts: &Facts) -> impl Iterator<Item = Check> {
    let max_wait = facts.configuration.as_ref().ok().and_then(|setup| setup.config.max_wait);
    let (status, processors, now) = (&facts.status, facts.processors.as_slice(), facts.now);
    let checks = Health::of(HealthFacts { status, processors, max_wait, now }).checks.into_iter();
    let has_answered = facts.has_answered;
    checks.filter(move |check| check.name == "queues" || has_answered && check.name != "master")
}
