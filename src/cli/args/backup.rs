//! Arguments of `backup` and `restore`.

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
