//! The options of the verbs that look at what is on record.

use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};

use super::control::NoWait;
use super::values;
use crate::model::{JobState, Outcome};

/// How lists are printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// Show at most this many [default: 50, on a terminal as many as fit]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_LIMIT", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Print one JSON object a line
    #[arg(long, env = "QUEUE_WORK_JSONL", value_parser = FalseyValueParser::new())]
    pub(crate) jsonl: bool,
}

/// Look at jobs and change them; without a verb, list them.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct JobsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<JobsVerb>,
    #[command(flatten)]
    pub(crate) list: JobsListArgs,
}

/// Verbs of `jobs`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum JobsVerb {
    /// List jobs, newest first
    #[command(alias = "ls")]
    List(JobsListArgs),
    /// Show everything about one job, with its runs
    Show {
        /// The job
        #[arg(value_name = "ID", allow_negative_numbers = true)]
        id: i64,
    },
    /// Make dead, cancelled or scheduled jobs ready now, with their counters at zero
    Retry(JobsRetryArgs),
    /// Cancel jobs, also running ones
    Cancel {
        #[command(flatten)]
        ids: Ids,
        #[command(flatten)]
        wait: NoWait,
    },
    /// Forget jobs that are not running, with their runs
    #[command(alias = "rm")]
    Delete(Ids),
    /// Wait for a job, print its result and exit as its command did
    Wait(JobsWaitArgs),
}

/// Jobs by id.
#[derive(Clone, Debug, Args)]
pub(crate) struct Ids {
    /// The jobs
    #[arg(value_name = "ID", required = true, allow_negative_numbers = true)]
    pub(crate) ids: Vec<i64>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsListArgs {
    /// Only this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only this state
    #[arg(long, value_name = "STATE", value_parser = values::state())]
    pub(crate) state: Option<JobState>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
    /// Only ids below this, to read on
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) before: Option<i64>,
    /// Only ids above this, oldest first
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) after: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Which jobs to retry.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsRetryArgs {
    /// The jobs
    #[arg(value_name = "ID", allow_negative_numbers = true, required_unless_present = "all", conflicts_with = "all")]
    pub(crate) ids: Vec<i64>,
    /// Every dead job
    #[arg(long)]
    pub(crate) all: bool,
    /// With `--all`: only this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue, requires = "all", conflicts_with = "ids")]
    pub(crate) queue: Option<String>,
}

/// Which job to wait for.
#[derive(Clone, Debug, Args)]
pub(crate) struct JobsWaitArgs {
    /// The job
    #[arg(value_name = "ID", allow_negative_numbers = true)]
    pub(crate) id: i64,
    /// How long at most, such as `30s` [default: for ever]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_WAIT_TIMEOUT", allow_hyphen_values = true)]
    #[arg(value_parser = crate::model::units::duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Which runs to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only this job
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) job: Option<i64>,
    /// Only this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only this outcome
    #[arg(long, value_name = "OUTCOME", value_parser = values::outcome())]
    pub(crate) outcome: Option<Outcome>,
    /// Only runs that ended within this long, such as `1h`
    #[arg(long, value_name = "DURATION", value_parser = crate::model::units::duration)]
    pub(crate) since: Option<Duration>,
    /// Only ids below this, to read on
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Which workers to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkersArgs {
    /// Only this worker, such as `default-1`
    #[arg(value_name = "WORKER")]
    pub(crate) worker: Option<String>,
    /// Only this pool
    #[arg(long, value_name = "NAME", value_parser = values::pool)]
    pub(crate) pool: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Which output to show.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    /// Only this worker, such as `default-1`
    #[arg(value_name = "WORKER", conflicts_with = "queue")]
    pub(crate) worker: Option<String>,
    /// Only workers of pools that serve this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only what was printed while this job ran
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) job: Option<i64>,
    /// Only what was printed within this long, such as `1h`
    #[arg(long, value_name = "DURATION", value_parser = crate::model::units::duration)]
    pub(crate) since: Option<Duration>,
    /// Go on with what comes, until Ctrl-C or the end of `--job`; needs a master
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Show at most this many of the last lines [default: 100, with `--since` 10000]
    #[arg(short = 'n', long, value_name = "N", env = "QUEUE_WORK_LOGS_LINES")]
    pub(crate) lines: Option<usize>,
    /// Print the time of each line
    #[arg(short, long, env = "QUEUE_WORK_LOGS_TIMES", value_parser = FalseyValueParser::new())]
    pub(crate) times: bool,
    /// Print one JSON object a line
    #[arg(long, env = "QUEUE_WORK_JSONL", value_parser = FalseyValueParser::new())]
    pub(crate) jsonl: bool,
}
