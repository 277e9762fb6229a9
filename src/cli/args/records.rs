//! The options of the verbs that look at what is on record.

use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::values;
use crate::model::Outcome;

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
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
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
