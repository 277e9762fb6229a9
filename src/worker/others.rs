//! Processes that earlier commands of this worker have left in sessions of their own, and may keep when a later one fails.
//!
//! Their daemons start others, and these come to us when a daemon ends, as what the command starts does. So each is asked
//! for its job: the environment says it. One that has none, and began after the command, counts as the command's.

use std::ffi::OsString;

use super::plan::JOB_VARIABLE;
use crate::process::exits;
use crate::process::identity::{self, Identity};
use crate::process::sweep::{COOKIE_VARIABLE, variable_of};

/// Processes that a command is not charged with.
pub(super) struct Others {
    /// Children of this process before the command began.
    before: Vec<Identity>,
    /// The job of the command.
    job: Option<String>,
    /// When the command began, as the kernel counts; nothing is older while that is not known.
    began: u64,
}

impl Others {
    /// To be called before the command is started.
    pub(super) fn before(env: &[(OsString, OsString)]) -> Self {
        // Usually there are none, and asking is cheap.
        let pids = if exits::has_children() { identity::children_of(std::process::id()) } else { Vec::new() };
        let job = env.iter().find(|(name, _)| name == JOB_VARIABLE).and_then(|(_, id)| id.to_str().map(str::to_owned));
        Self { before: pids.into_iter().filter_map(Identity::of).collect(), job, began: 0 }
    }

    /// The command was started.
    pub(super) fn began(&mut self, command: u32) {
        self.began = identity::start_time(command).unwrap_or(0);
    }

    /// Whether the process is one of them.
    pub(super) fn has(&self, process: &Identity) -> bool {
        process.start < self.began || self.before.contains(process) || self.is_of_another_job(process.pid)
    }

    /// A process of this worker, but of another job. A master that the command started runs jobs of its own.
    fn is_of_another_job(&self, pid: u32) -> bool {
        let worker =
            variable_of(pid, COOKIE_VARIABLE).filter(|worker| std::env::var(COOKIE_VARIABLE).as_ref() == Ok(worker));
        worker.is_some() && variable_of(pid, JOB_VARIABLE).is_some_and(|job| self.job.as_ref() != Some(&job))
    }
}
