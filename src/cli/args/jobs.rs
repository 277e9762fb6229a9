//! The options of the verbs of `jobs`: which jobs are meant, in one language for all of them, and what is to be done.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::control::NoWait;
use super::records::ListArgs;
use super::{moment, values};
use crate::model::{IdRange, JobState, UnixMicros, units};

/// List, show, retry, cancel, delete, set or wait for jobs.
///
/// Without a verb, lists them as `jobs list` does.
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_long_help = "\
Examples:
  queue-work jobs                           the newest
  queue-work jobs --state dead              those that failed for good
  queue-work jobs show 31                   why
  queue-work jobs retry --state dead        every dead job again"
)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<JobsVerb>,
    #[command(flatten)]
    pub(crate) list: JobsListArgs,
}

/// Options of `jobs graph`.
#[derive(Clone, Debug, Args)]
pub(crate) struct GraphArgs {
    /// One of the jobs
    #[arg(value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) id: i64,
    /// For Graphviz
    #[arg(long, conflicts_with = "json")]
    pub(crate) dot: bool,
}

/// Verbs of `jobs`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum JobsVerb {
    /// List jobs, newest first
    #[command(alias = "ls", after_long_help = LIST_EXAMPLES)]
    List {
        #[command(flatten)]
        ids: Ids,
        #[command(flatten)]
        args: JobsListArgs,
    },
    /// Show everything about one job, with its runs
    #[command(after_long_help = "\
Examples:
  queue-work jobs show 31
  queue-work jobs show 31 --json            for programs")]
    Show {
        /// The job
        #[arg(value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
        id: i64,
    },
    /// Show which jobs come after which
    ///
    /// All that hang together with one job, those first that come after none.
    #[command(after_long_help = "\
Examples:
  queue-work jobs graph 31
  queue-work jobs graph 31 --dot | dot -Tsvg > jobs.svg")]
    Graph(GraphArgs),
    /// Make dead, cancelled or scheduled jobs ready now
    ///
    /// Their counters begin at zero.
    #[command(after_long_help = "\
Which jobs: ids and ranges, or a filter, for which dead ones are meant unless `--state` says otherwise.

Examples:
  queue-work jobs retry 17 20-31
  queue-work jobs retry --type resize --error 'connection refused'
  queue-work jobs retry --all --queue mail --dry-run")]
    Retry(JobsRetryArgs),
    /// Cancel jobs, also running ones
    #[command(after_long_help = "\
Which jobs: ids and ranges, or a filter, for which all that have not ended are meant unless `--state` says otherwise.

Examples:
  queue-work jobs cancel 17
  queue-work jobs cancel --queue mail --state ready,scheduled
  jq .id jobs.jsonl | queue-work jobs cancel --ids-from -")]
    Cancel {
        #[command(flatten)]
        selection: Selection,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        wait: NoWait,
    },
    /// Forget jobs that are not running, with their runs
    #[command(alias = "rm")]
    Delete(JobsDeleteArgs),
    /// Change the priority, the queue or the time of jobs that wait
    #[command(after_long_help = "\
Which jobs: ids and ranges, or a filter; those that are blocked, scheduled or ready.

Examples:
  queue-work jobs set 17 --priority 50
  queue-work jobs set --queue mail --type digest --to-queue slow
  queue-work jobs set --queue mail --all --at 'tomorrow 6:00'")]
    Set(JobsSetArgs),
    /// Wait until jobs have ended
    ///
    /// Of one, its result is printed and the exit code is that of its command.
    #[command(after_long_help = "\
Of several, the exit code is 1 if one of them died or was cancelled. With a filter, jobs that are pushed meanwhile are waited
for as well.

Examples:
  queue-work jobs wait 17
  queue-work jobs wait 17-40 --timeout 10m
  queue-work jobs wait --queue mail")]
    Wait(JobsWaitArgs),
    /// List what goes on by itself, or stop it
    #[command(after_long_help = "\
Examples:
  queue-work jobs operations                what was begun with `--background`, the newest first
  queue-work jobs operations --stop 3       what is left stays as it is")]
    Operations(OperationsArgs),
}

/// Changes of many jobs.
#[derive(Clone, Debug, Args)]
pub(crate) struct OperationsArgs {
    /// Stop this one
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) stop: Option<i64>,
}

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  queue-work jobs list --state dead --type resize
  queue-work jobs list --queue mail --oldest --limit 10
  queue-work jobs list --error 'connection refused' --since 1h
  queue-work jobs list --after 5000 --jsonl     read on, for programs";

/// Jobs by their ids.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Ids {
    /// Ids, and ranges of them such as `3-502`
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    pub(crate) ids: Vec<IdRange>,
    /// Read ids and ranges from a file, or with `-` from stdin
    ///
    /// Blanks, commas or line breaks keep them apart.
    #[arg(long, hide_short_help = true, value_name = "FILE")]
    pub(crate) ids_from: Option<PathBuf>,
}

/// Conditions that all must be true of a job.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filter {
    /// Only this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only these states, such as `dead,ready`
    #[arg(long, value_name = "STATE", value_parser = values::state(), value_delimiter = ',')]
    pub(crate) state: Vec<JobState>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only with this label (see `push --label`)
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Only with this key (see `push --key`)
    #[arg(long, hide_short_help = true, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only of this batch, by its id or its name
    #[arg(long, hide_short_help = true, value_name = "BATCH")]
    pub(crate) batch: Option<String>,
    /// Only with this text in the error, or this fingerprint
    ///
    /// `jobs show` names the fingerprint of an error.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) error: Option<String>,
    /// Only with this text in the args
    #[arg(long, hide_short_help = true, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) text: Vec<String>,
    /// Only with this member of the args: `customer.id=7`
    ///
    /// Of a list, its places are numbers: `files.0=a.png`.
    #[arg(long, hide_short_help = true, value_name = "NAME=VALUE", value_parser = values::member)]
    pub(crate) arg: Vec<(String, String)>,
    /// Only with this unique key
    #[arg(long, hide_short_help = true, value_name = "KEY")]
    pub(crate) unique: Option<String>,
    /// Only what ended since then: `1h`, `today 9:00`
    ///
    /// A duration is so long ago. A job that has not ended counts by the time when it was pushed.
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    pub(crate) since: Option<UnixMicros>,
    /// Only what ended before then: `7d`, `today 9:00`
    ///
    /// A duration is so long ago. A job that has not ended counts by the time when it was pushed.
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = moment::past)]
    pub(crate) until: Option<UnixMicros>,
}

/// Which jobs a verb means: all that is given must be true of each.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Selection {
    #[command(flatten)]
    pub(crate) ids: Ids,
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
}

/// How many jobs are changed at once.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Change {
    /// Do not ask before more than one job is changed
    ///
    /// Asked on a terminal only.
    #[arg(short, long, hide_short_help = true)]
    pub(crate) yes: bool,
    /// Only say which jobs are meant
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Have the master do it by itself, and return at once
    ///
    /// `jobs operations` says how far it is. It goes on when a master is started again.
    #[arg(long, hide_short_help = true)]
    pub(crate) background: bool,
}

/// Which jobs to list.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsListArgs {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// All jobs, which is so without it
    #[arg(long, hide = true)]
    pub(crate) all: bool,
    /// Oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Only what comes after this job in the list, to read on
    #[arg(long, hide_short_help = true, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    /// Only what comes after this job in the list, oldest first
    #[arg(long, hide_short_help = true, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) after: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Which jobs to retry.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsRetryArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) change: Change,
    /// Retry one after the other in this time, not all at once; in the background
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) spread: Option<Duration>,
}

/// Which jobs to delete.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Which jobs: ids and ranges, or a filter; all that do not run, unless `--state` says otherwise.

Examples:
  queue-work jobs delete 17
  queue-work jobs delete --state dead --until 7d
  queue-work jobs delete --queue mail --all      (empties the queue)")]
pub(crate) struct JobsDeleteArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) change: Change,
}

/// Which jobs to change, and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsSetArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    #[command(flatten)]
    pub(crate) change: Change,
    /// Their priority, -100 to 100; higher goes first
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = NEW)]
    #[arg(value_parser = values::number::<i64>(-100..=100))]
    pub(crate) priority: Option<i64>,
    /// The queue where they are to wait
    #[arg(long, value_name = "NAME", value_parser = values::queue, help_heading = NEW)]
    pub(crate) to_queue: Option<String>,
    /// Not before this long from now, such as `10s`; `0s`: now
    #[arg(long, hide_short_help = true, value_name = "DURATION", allow_hyphen_values = true, value_parser = units::duration, help_heading = NEW)]
    #[arg(conflicts_with = "at")]
    pub(crate) delay: Option<Duration>,
    /// Not before this time: `10:00`, `tomorrow 9:00`, `3h`
    ///
    /// Also `2026-12-31 23:59`, or with its zone `2026-12-31T23:59:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment::parse, help_heading = NEW)]
    pub(crate) at: Option<UnixMicros>,
}

const NEW: &str = "What is changed";

/// Which jobs to wait for.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsWaitArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// How long at most, such as `30s` [default: for ever]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_WAIT_TIMEOUT", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
}
