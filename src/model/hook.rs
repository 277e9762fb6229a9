//! Hooks: commands of the user that a master starts when something has happened in a pool.

use std::ffi::OsString;
use std::time::Duration;

use super::JobId;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A job that ran in the pool is dead.
    Dead(JobId),
    /// The pool has nothing left to do.
    Idle,
}

impl Occasion {
    /// The key of the configuration, which is also the name of the hook.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Dead(_) => "on_dead",
            Self::Idle => "on_idle",
        }
    }

    /// The job that it is about.
    #[must_use]
    pub const fn job(self) -> Option<JobId> {
        match self {
            Self::Dead(job) => Some(job),
            Self::Idle => None,
        }
    }
}

/// The hooks of a pool: each a program and its arguments, empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hooks {
    pub on_dead: Vec<OsString>,
    pub on_idle: Vec<OsString>,
    /// For one call; then it is ended.
    pub timeout: Duration,
}

impl Hooks {
    /// Whether there is a hook of this name.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let hooks = [(Occasion::Dead(JobId(0)), &self.on_dead), (Occasion::Idle, &self.on_idle)];
        hooks.iter().any(|(occasion, command)| occasion.key() == key && !command.is_empty())
    }

    /// The command for an occasion.
    #[must_use]
    pub fn command(&self, occasion: Occasion) -> &[OsString] {
        match occasion {
            Occasion::Dead(_) => &self.on_dead,
            Occasion::Idle => &self.on_idle,
        }
    }
}
