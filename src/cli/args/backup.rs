//! Arguments of `backup`, `restore` and `migrate`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Copy the store into a file, while everything goes on.
///
/// The copy is what was committed at one moment: jobs, runs, workers, processors. It is read through before it gets its
/// name, and is a database of its own. An existing file is never touched.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work backup copy.db
  queue-work backup /backup/$(date +%F).db -q     each day, from cron
  queue-work restore copy.db --check              whether it can be used")]
pub(crate) struct BackupArgs {
    /// The file to write, in a folder that exists
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// Put a copy of a store in its place.
///
/// No master may run on it meanwhile. What was there is kept beside it, with `.before-restore` behind its name. A copy of
/// an older version is brought up to date by the next master. Jobs that ran when the copy was made are ready again.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work restore copy.db --check        look at it, change nothing
  queue-work stop && queue-work restore copy.db")]
pub(crate) struct RestoreArgs {
    /// A copy, such as `backup` writes
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Only read the copy through; exit code 1 where it cannot be used
    #[arg(long)]
    pub(crate) check: bool,
}

/// Move the store from a file to a PostgreSQL server, or back.
///
/// No master may run on it, and the last one must have ended in order. The target must be new, or empty. Everything goes
/// over: jobs, runs, queues, processors, ids and times; then both are compared. A move that was stopped goes on when the same
/// command is typed again. Only at the end the old store is closed: it is kept, and tells who opens it where the new one is.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work migrate --to postgres://jobs@db.example/app --dry-run
  queue-work migrate --to postgres://jobs@db.example/app
  queue-work migrate --from postgres://jobs@db.example/app --to jobs.db")]
pub(crate) struct MigrateArgs {
    /// Where it is to be: a path, or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) to: PathBuf,
    /// Where it is now [default: the store of every verb]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) from: Option<PathBuf>,
    /// Only say what would be moved, and whether it can be
    #[arg(long)]
    pub(crate) dry_run: bool,
}
