//! Errors of stores.

use crate::model::{Generation, UnixMicros};

/// How the reason begins where a permission is lacking.
pub(super) const DENIED: &str = "permission denied";

/// Found in the text of a [`StoreError::WentBack`].
pub const WENT_BACK: &str = "` went back: ";

/// Errors of stores.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened, made or written.
    #[error("cannot {doing} the database `{path}`: {reason}")]
    Cannot {
        /// `open`, `create`, `write to`, `read` …
        doing: &'static str,
        path: String,
        /// Error of the system, with the next step where there is one.
        reason: String,
    },
    /// Another master runs.
    #[error("another master (pid {pid}, since {}) runs on this store; stop it first, or use another `--database`", started_at.to_timestamp())]
    MasterRuns {
        /// Its process id.
        pid: u32,
        started_at: UnixMicros,
    },
    /// Another master runs, and has not yet written who it is.
    #[error("another master is just starting on this store; `{path}` is locked")]
    MasterStarts { path: String },
    /// The file that only one master can lock cannot be used.
    #[error("cannot lock the store: cannot lock `{path}`: {reason}")]
    Lock {
        path: String,
        /// Error of the system.
        reason: String,
    },
    /// A master runs on the file, or guests write to it for so long that a master did not wait for them.
    #[error("{}", held(path, *pid, *is_master, name))]
    Held {
        /// As we call it.
        path: String,
        /// The holder, where that can be seen.
        pid: Option<u32>,
        /// Whether the holder is a master; one that cannot be seen may be.
        is_master: bool,
        /// As the holder calls it; the same where that cannot be seen.
        name: String,
    },
    /// To be brought to our schema while a master runs on it that knows the old one.
    #[error("{}", older(path, *pid))]
    InUse {
        path: String,
        /// The master, where that can be seen.
        pid: Option<u32>,
    },
    /// The file, or where it lies, does not allow it to be used.
    #[error("the database `{path}` {why}")]
    Unsafe {
        path: String,
        /// The problem, with the way out.
        why: String,
    },
    /// Not ours.
    #[error("`{path}` is not a queue-work database; choose another with --database")]
    Foreign { path: String },
    /// Damaged, or of no release.
    #[error("the database `{path}` {why}")]
    Unusable {
        path: String,
        /// The problem, with the way out.
        why: String,
    },
    /// Made by a newer version.
    #[error(
        "the database `{path}` has schema {found}, this queue-work knows up to {known}; install a newer queue-work, or put \
         back a copy from before (`queue-work restore FILE`), such as the newest `{path}.schema-…`"
    )]
    Newer {
        path: String,
        found: i64,
        /// The newest we know.
        known: i64,
    },
    /// Another master has begun a generation on this store.
    #[error("another master has taken over this store (generation {0})")]
    Superseded(Generation),
    /// A batch of this number was committed before: see [`super::Store::apply`].
    #[error("this batch was already applied")]
    AlreadyApplied,
    /// The file is not where it was: what is written to it is lost, or written elsewhere.
    #[error(
        "the database `{path}` was deleted, replaced or moved away while it was in use; put it back, or start again to \
         have a new one"
    )]
    Gone { path: String },
    /// The file has the name and is the same one, but holds something else: whatever was added since is lost.
    #[error("{}", overwritten(path, *is_log))]
    Overwritten {
        path: String,
        /// The log was written over, not the database.
        is_log: bool,
    },
    /// The URL leads to another store than before.
    #[error(
        "`{path}` is another store than before: the server has changed, or what its name stands for; start again to use this one"
    )]
    Another { path: String },
    /// The server has less than it had confirmed.
    #[error(
        "`{path}` went back: the last {batches} changes of this master that it had confirmed are gone, as after a failover to a \
         replica that did not have them yet; jobs that were acknowledged then may be lost"
    )]
    WentBack {
        path: String,
        /// Transactions.
        batches: u64,
    },
    /// It was moved, and is elsewhere now.
    #[error("the store `{path}` was moved to `{to}`; use `--database '{to}'`")]
    Moved { path: String, to: String },
    /// Not to be used, or moved, as it is now; with the next step.
    #[error("{0}")]
    Refused(String),
    /// No room on the disk.
    #[error("the disk of the database `{path}` is full; free some space")]
    Full { path: String },
    /// A file of it has reached the limit of this process.
    #[error(
        "`{path}` has reached the limit on the size of files, which counts as a full disk; raise it (`ulimit -f`, or \
         `prlimit --fsize=unlimited: --pid {pid}`)"
    )]
    FileLimit { path: String, pid: u32 },
    /// Another process holds the write lock for too long.
    #[error("the database `{path}` is locked by another program")]
    Busy { path: String },
    /// Reading or writing failed; whether a commit took place is unknown.
    #[error("input or output on the database failed: {0}")]
    Io(String),
    /// An answer that was to take a moment only.
    #[error("this takes too long to look up; ask for less, such as one queue, one state or a shorter time")]
    TooLong,
    /// Its master was asked for records, and did not give them.
    #[error("{0}")]
    Unanswered(String),
    /// Anything else that is said of it.
    #[error("the database failed: {0}")]
    Other(String),
}

impl StoreError {
    /// Whether there was no room for what was to be written: then it was not written, and can be when there is room.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::FileLimit { .. })
    }

    /// Whether what is committed is no more where it belongs: there is nothing to try again.
    #[must_use]
    pub const fn is_loss(&self) -> bool {
        matches!(self, Self::Gone { .. } | Self::Overwritten { .. } | Self::Another { .. } | Self::WentBack { .. })
    }

    /// Whether somebody else has the store, or it is not safe to use it: nothing failed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Superseded(_)
                | Self::Held { .. }
                | Self::MasterRuns { .. }
                | Self::MasterStarts { .. }
                | Self::Unsafe { .. }
                | Self::Moved { .. }
                | Self::Refused(_)
        )
    }

    /// Whether our user may not open it.
    #[must_use]
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Cannot { reason, .. } if reason.starts_with(DENIED))
    }

    /// The same of another name of the file.
    pub(crate) fn about(self, name: &std::path::Path, path: &std::path::Path) -> Self {
        let path = path.display().to_string();
        match self {
            Self::Cannot { doing, path: found, reason } if found == name.display().to_string() => {
                Self::Cannot { doing, path, reason }
            }
            Self::Full { .. } => Self::Full { path },
            other => other,
        }
    }

    /// The same of a database that is only read.
    pub(crate) fn when_read(self, path: &std::path::Path) -> Self {
        let Self::Io(why) = self else { return self };
        let path = path.display().to_string();
        let why = format!("cannot be read: {why}; `queue-work --database '{path}' doctor --full` says more");
        Self::Unusable { path, why }
    }

    /// From what the system says.
    pub(crate) fn cannot(doing: &'static str, path: &std::path::Path, reason: &impl ToString) -> Self {
        Self::Cannot { doing, path: path.display().to_string(), reason: reason.to_string() }
    }
}

fn overwritten(path: &str, is_log: bool) -> String {
    let next = "restore a copy only while no master runs; start again to go on with what is there";
    if is_log {
        format!("the log of the database, `{path}-wal`, was cut or written over while it was in use; {next}")
    } else {
        format!(
            "the database `{path}` was cut or written over while it was in use; its log, which does not belong to it any \
             more, is set aside as `{path}-wal.lost`; {next}"
        )
    }
}

fn older(path: &str, pid: Option<u32>) -> String {
    let (who, end) = match pid {
        None => (String::new(), "end it".to_owned()),
        Some(pid) => (format!(" (pid {pid})"), format!("end it with `kill {pid}`")),
    };
    format!(
        "the database `{path}` is of an older version, and the master{who} that holds it knows no other; {end}, and start \
         it again with this version"
    )
}

fn held(path: &str, pid: Option<u32>, is_master: bool, name: &str) -> String {
    let who = pid.map_or_else(|| "another process".to_owned(), |pid| format!("another process (pid {pid})"));
    let does = match (pid, is_master) {
        (_, true) => "is the master of the database",
        (Some(_), false) => "is writing to the database",
        (None, false) => "is the master of, or is writing to, the database",
    };
    if name == path {
        format!("{who} {does} `{path}`; try again, or end that first")
    } else {
        format!(
            "{who} runs on the database `{path}` by another name, `{name}`; use that name, or end that process first"
        )
    }
}
