//! The options of the verbs that look at what is on record.

use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::{moment, values};
use crate::model::{Fingerprint, Outcome, UnixMicros};
use crate::report::audit::VERBS;

/// How lists are printed.
#[derive(Clone, Debug, Args)]
pub(crate) struct ListArgs {
    /// At most this many [default: 50, or what fits]
    ///
    /// On a terminal as many as fit on it.
    #[arg(long, value_name = "N", env = "QUEUE_WORK_LIMIT", allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<u32>(1..=u32::MAX.into()))]
    pub(crate) limit: Option<u32>,
    /// Print one JSON object a line
    #[arg(long, env = "QUEUE_WORK_JSONL", value_parser = FalseyValueParser::new())]
    pub(crate) jsonl: bool,
}

/// Say why a job does not run, and when a processor does.
///
/// The reason comes first, with the next step; then whatever else would hold the job. Works without a master.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work why 31                         why it waits, runs or is dead
  queue-work why 31 --json                  for programs
  queue-work why email_send                 when this processor runs, or why not
  queue-work why calculator                 what is wrong with this service or pool")]
pub(crate) struct WhyArgs {
    /// The id of the job, or the name of a processor, a service or another pool
    #[arg(value_name = "JOB")]
    pub(crate) target: String,
}

/// Show what runs failed of, the most dead first; with a fingerprint one error in full.
///
/// Failed runs are counted by their type and their message without numbers, names and paths, also where the job was
/// tried again and succeeded. Works without a master.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work errors --since 1h              how often, since when, how many are dead
  queue-work errors 36241ac71e3b7c4c        one in full, with its last run
  queue-work errors 36241ac71e3b7c4c --note 'disk of web3' --mute 3d
  queue-work jobs retry --error 36241ac71e3b7c4c")]
pub(crate) struct ErrorsArgs {
    /// Only this one, in full
    #[arg(value_name = "FINGERPRINT", conflicts_with_all = ["queue", "kind", "since", "limit", "jsonl"])]
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Keep this note with it, for whoever looks at it; "" removes it
    #[arg(long, value_name = "TEXT", requires = "fingerprint", help_heading = "Of one error")]
    pub(crate) note: Option<String>,
    /// Leave it out of lists until then: `3d`, `tomorrow 9:00`
    #[arg(long, value_name = "TIME", value_parser = moment::parse, requires = "fingerprint", help_heading = "Of one error")]
    pub(crate) mute: Option<UnixMicros>,
    /// List it again
    #[arg(long, requires = "fingerprint", conflicts_with = "mute", help_heading = "Of one error")]
    pub(crate) unmute: bool,
    /// Only those that are muted
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) muted: bool,
    /// Only runs of this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// Only what was seen since then: `1h`, `today 9:00`
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    pub(crate) since: Option<UnixMicros>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Show who has changed what by hand, newest first.
///
/// Pushes are not on record here, nor what workers and schedules do. Works without a master.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work audit                          pauses, retries, scaling, restarts, … and what came of them
  queue-work audit --who ada --since 2d
  queue-work audit --verb delete --json       for programs")]
pub(crate) struct AuditArgs {
    /// Only of this user
    #[arg(long, value_name = "USER")]
    pub(crate) who: Option<String>,
    /// Only this verb, such as `pause`
    #[arg(long, value_name = "DEED", value_parser = VERBS, hide_possible_values = true)]
    pub(crate) verb: Option<String>,
    /// Only what was asked for since then: `1h`, `today 9:00`
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    pub(crate) since: Option<UnixMicros>,
    /// Only ids below this, to read on
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Show the history of runs, newest first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work runs --job 31                  every attempt of a job
  queue-work runs --outcome timed_out --since 1h
  queue-work runs --text refused --queue mail
  queue-work runs --queue mail --jsonl --limit 1000")]
pub(crate) struct RunsArgs {
    /// Only this job
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
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
    /// Only with this text in the error, the last lines printed or the result
    #[arg(long, value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// Only ids below this, to read on
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Show the history of workers, newest first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work workers                        who came, who left, and why
  queue-work workers default-1
  queue-work workers --pool mail --limit 10")]
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

/// Show the output of workers.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  queue-work logs -f                        of all, as it comes
  queue-work logs -f --job 31               of one job, until it ends
  queue-work logs --queue mail --since 1h -t
  queue-work logs default-1 -n 1000")]
pub(crate) struct LogsArgs {
    /// Only this worker, such as `default-1`, or all of a pool
    #[arg(value_name = "WORKER", conflicts_with = "queue")]
    pub(crate) worker: Option<String>,
    /// Only workers of pools that serve this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only what was printed while this job ran
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) job: Option<i64>,
    /// Only what was printed within this long, such as `1h`
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) since: Option<Duration>,
    /// Go on with what comes, until Ctrl-C; needs a master
    ///
    /// With `--job` until the job ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// At most this many lines [default: 100]
    ///
    /// The last ones. With `--since` the default is 10000.
    #[arg(short = 'n', long, value_name = "N", env = "QUEUE_WORK_LOGS_LINES", value_parser = values::number::<usize>(0..=1_000_000_000))]
    pub(crate) lines: Option<usize>,
    /// Print the time of each line
    #[arg(short, long, env = "QUEUE_WORK_LOGS_TIMES", value_parser = FalseyValueParser::new())]
    pub(crate) times: bool,
    /// Print one JSON object a line
    #[arg(long, env = "QUEUE_WORK_JSONL", value_parser = FalseyValueParser::new())]
    pub(crate) jsonl: bool,
}

/// Show what has happened at the running master, and what happens.
///
/// Starts and ends of workers, failed and dead jobs, problems and changes: the last 2000 are kept.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work events                         the last hundred
  queue-work events -f --runs               and whatever comes, with each job that begins and ends
  queue-work events -f --kind job_dead --jsonl")]
pub(crate) struct EventsArgs {
    /// Go on with what comes, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Also each run that begins, or ends well; only of what comes
    #[arg(long, requires = "follow")]
    pub(crate) runs: bool,
    /// Only events of this kind, such as `job_dead`; may be repeated
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// At most this many of those before [default: 100]
    #[arg(short = 'n', long, value_name = "N", value_parser = values::number::<usize>(0..=2000))]
    pub(crate) lines: Option<usize>,
    /// Print one JSON object a line
    #[arg(long, env = "QUEUE_WORK_JSONL", value_parser = FalseyValueParser::new())]
    pub(crate) jsonl: bool,
}
