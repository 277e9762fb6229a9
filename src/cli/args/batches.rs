//! The options of `batches`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::control::NoWait;
use super::jobs::Change;
use super::records::ListArgs;
use super::values;
use crate::model::units;

/// List, show, wait for, cancel or retry batches.
///
/// Each push of many jobs is a batch. Without a verb, lists them as `batches list` does, the newest first.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
Examples:
  queue-work push --jsonl --batch night --file night.jsonl
  queue-work batches wait night             the newest of that name
  queue-work batches show 7                 how far it is
  queue-work jobs --batch 7 --state dead    what died in it")]
pub(crate) struct BatchesArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<BatchesVerb>,
    #[command(flatten)]
    pub(crate) list: BatchesListArgs,
}

/// Which batches to list.
#[derive(Clone, Debug, Args)]
pub(crate) struct BatchesListArgs {
    /// Only those pushed before this one, to read on
    #[arg(long, hide_short_help = true, value_name = "BATCH", value_parser = values::id(), allow_negative_numbers = true)]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Verbs of `batches`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BatchesVerb {
    /// List batches, newest first
    #[command(
        alias = "ls",
        after_long_help = "\
Examples:
  queue-work batches list
  queue-work batches list --jsonl           for programs"
    )]
    List(BatchesListArgs),
    /// Show how far a batch is
    #[command(after_long_help = "\
Examples:
  queue-work batches show night
  queue-work batches show 7 --json          for programs")]
    Show(OneBatch),
    /// Wait until all jobs of a batch have ended
    ///
    /// The exit code is 1 if one of them has died. Jobs that join it meanwhile are waited for as well.
    #[command(after_long_help = "\
Examples:
  queue-work batches wait night; echo $?
  queue-work batches wait 7 --timeout 10m")]
    Wait(BatchesWaitArgs),
    /// Cancel what has not ended of a batch
    ///
    /// The batch has ended then, and what comes after it runs.
    #[command(after_long_help = "\
Examples:
  queue-work batches cancel night
  queue-work batches cancel 7 --dry-run     how many that are")]
    Cancel {
        #[command(flatten)]
        batch: OneBatch,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        wait: NoWait,
    },
    /// Retry the dead jobs of a batch
    ///
    /// What has come after the batch already does not run again.
    #[command(after_long_help = "\
Examples:
  queue-work batches retry night
  queue-work batches retry 7 --yes")]
    Retry {
        #[command(flatten)]
        batch: OneBatch,
        #[command(flatten)]
        change: Change,
    },
}

/// One batch.
#[derive(Clone, Debug, Args)]
pub(crate) struct OneBatch {
    /// Id or name of the batch: the newest of that
    #[arg(value_name = "BATCH")]
    pub(crate) batch: String,
}

/// The batch to wait for.
#[derive(Clone, Debug, Args)]
pub(crate) struct BatchesWaitArgs {
    #[command(flatten)]
    pub(crate) batch: OneBatch,
    /// How long at most, such as `30s` [default: for ever]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_WAIT_TIMEOUT", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
}
