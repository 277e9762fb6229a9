//! The options of `push`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::values;
use crate::model::after::AfterFailed;
use crate::model::units;
use crate::model::{OsText, UnixMicros};

/// Add jobs, for a worker program or as commands.
///
/// Prints the id of the job; of many at once, how many there are and the first and last id.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags as they were typed")]
#[command(after_long_help = "\
Examples:
  queue-work push resize '{\"file\": \"a.png\"}'                for a worker program
  queue-work push --at 22:00 -- rsync -a src/ backup/       a command
  queue-work push --wait -- make test; echo $?              and its exit code
  find . -print0 | queue-work push --lines --null -- gzip {}
                                                            one for each file")]
pub(crate) struct PushArgs {
    /// Queue to add to [default: default]
    ///
    /// The queue need not exist.
    #[arg(long, value_name = "NAME", env = "QUEUE_WORK_PUSH_QUEUE", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Priority, -100 to 100; higher goes first [default: 0]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_PUSH_PRIORITY", allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<i64>(-100..=100))]
    pub(crate) priority: Option<i64>,
    /// Not before this long from now, such as `10s`
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DURATION",
        env = "QUEUE_WORK_PUSH_DELAY",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = units::duration, conflicts_with = "at")]
    pub(crate) delay: Option<Duration>,
    /// Not before this time: `10:00`, `tomorrow 9:00`, `3h`
    ///
    /// A time of this machine: `10:00` is the next time that a clock here shows that; also `2026-12-31 23:59`. With its zone
    /// `2026-12-31T23:59:00Z`. A duration counts from now.
    #[arg(long, value_name = "TIME", env = "QUEUE_WORK_PUSH_AT", value_parser = super::moment::parse)]
    pub(crate) at: Option<UnixMicros>,
    /// Cancelled if it has not started by then, such as `1h`
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DURATION",
        env = "QUEUE_WORK_PUSH_EXPIRES",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) expires: Option<Duration>,
    /// Longest run, such as `90s` [default: what its pool says, 1h]
    #[arg(
        long,
        hide_short_help = true,
        value_name = "DURATION",
        env = "QUEUE_WORK_PUSH_TIMEOUT",
        allow_hyphen_values = true
    )]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Attempts before the job is dead [default: 3]
    ///
    /// Another default may stand in the configuration of its pool. A command with `--wait` is tried once by default.
    #[arg(long, value_name = "N", env = "QUEUE_WORK_PUSH_MAX_ATTEMPTS", allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<u32>(1..=u32::MAX.into()))]
    pub(crate) max_attempts: Option<u32>,
    /// Add none while a job with this key is unfinished
    ///
    /// The id of that job is printed instead.
    #[arg(long, value_name = "KEY", conflicts_with_all = ["lines", "jsonl"])]
    pub(crate) unique: Option<String>,
    /// Run it only when these jobs have succeeded: ids, with commas
    ///
    /// Until then it is `blocked`. Its worker is given their results.
    #[arg(long, hide_short_help = true, value_name = "ID,…", value_delimiter = ',', allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<i64>(1..=i64::MAX.into()))]
    pub(crate) after: Vec<i64>,
    /// When one of these is dead or cancelled: `cancel`, `continue` or `wait` [default: cancel]
    ///
    /// `wait`: until that one was retried and has succeeded.
    #[arg(long, hide_short_help = true, value_name = "WHAT", value_parser = values::after_failed())]
    pub(crate) after_failed: Option<AfterFailed>,
    /// The batch that it joins, by its id, or the name of a new one
    ///
    /// Many jobs at once are a batch without it. See `queue-work batches`.
    #[arg(long, hide_short_help = true, value_name = "ID|NAME", help_heading = BATCH)]
    pub(crate) batch: Option<String>,
    /// Join the batch of this job
    ///
    /// In a command that is a job: `--batch-of $QUEUE_WORK_JOB_ID`.
    #[arg(long, hide_short_help = true, value_name = "ID", help_heading = BATCH, allow_negative_numbers = true)]
    #[arg(value_parser = values::id(), conflicts_with_all = ["batch", "then", "then_failed"])]
    pub(crate) batch_of: Option<i64>,
    /// A job that runs when all jobs of the batch have ended
    ///
    /// As a line of `--jsonl`. Its worker is told how they have ended, in `params.parents.batch`.
    #[arg(long, hide_short_help = true, value_name = "JSON", help_heading = BATCH)]
    pub(crate) then: Option<String>,
    /// A job that runs then if one of them has died
    #[arg(long, hide_short_help = true, value_name = "JSON", help_heading = BATCH)]
    pub(crate) then_failed: Option<String>,
    /// Shown in lists, to tell one command from another
    #[arg(long, hide_short_help = true, value_name = "TEXT", env = "QUEUE_WORK_PUSH_LABEL", value_parser = values::label)]
    pub(crate) label: Option<String>,
    /// What belongs together: jobs of a customer
    ///
    /// Lists of jobs are filtered by it. 1 to 200 bytes, no control characters.
    #[arg(long, hide_short_help = true, value_name = "KEY", env = "QUEUE_WORK_PUSH_KEY", value_parser = values::key)]
    pub(crate) key: Option<String>,
    /// The trace that the job belongs to [default: $TRACEPARENT]
    ///
    /// A W3C Trace Context, which the worker gets as `traceparent` and a command as TRACEPARENT.
    #[arg(long, hide_short_help = true, value_name = "CONTEXT")]
    pub(crate) traceparent: Option<String>,
    /// Members of other systems in the trace [default: $TRACESTATE]
    #[arg(long, hide_short_help = true, value_name = "LIST")]
    pub(crate) tracestate: Option<String>,
    /// A variable for the command; may be repeated
    ///
    /// `NAME` alone passes it on with the value that it has here.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = values::variable(), conflicts_with = "jsonl")]
    pub(crate) env: Vec<(String, OsText)>,
    /// The folder in which the command runs [default: here]
    #[arg(long, hide_short_help = true, value_name = "DIR", conflicts_with = "jsonl")]
    pub(crate) cwd: Option<PathBuf>,
    /// Wait for the job and exit with its command's code
    ///
    /// Needs a master. What the job printed is passed on, and each retry is said.
    #[arg(long, env = "QUEUE_WORK_PUSH_WAIT", value_parser = FalseyValueParser::new())]
    #[arg(conflicts_with_all = ["lines", "jsonl"])]
    pub(crate) wait: bool,
    /// One job per line of stdin, `{}` in the command
    ///
    /// Without a `{}` the line becomes the last argument; with TYPE it is the args, a string. Empty lines are skipped.
    #[arg(long, help_heading = BULK, conflicts_with = "jsonl")]
    pub(crate) lines: bool,
    /// One job object per line of stdin
    ///
    /// {"type", "args", "queue"?, "priority"?, "delay"?, …}. Empty lines are skipped.
    #[arg(long, hide_short_help = true, help_heading = BULK, conflicts_with_all = ["kind", "args", "command"])]
    pub(crate) jsonl: bool,
    /// A NUL byte ends a record, as in `find -print0`
    ///
    /// So names with line breaks arrive whole.
    #[arg(long, hide_short_help = true, short = '0', help_heading = BULK, conflicts_with = "crlf")]
    pub(crate) null: bool,
    /// A line ends in CR LF, as in files of DOS
    ///
    /// Otherwise a CR is a part of the line.
    #[arg(long, hide_short_help = true, help_heading = BULK)]
    pub(crate) crlf: bool,
    /// Read the lines from this file, not from stdin
    #[arg(long, hide_short_help = true, value_name = "FILE", help_heading = BULK)]
    pub(crate) file: Option<PathBuf>,
    /// Add jobs as their lines come, not all or none at the end
    ///
    /// The end says how far it came.
    #[arg(long, hide_short_help = true, help_heading = BULK)]
    pub(crate) stream: bool,
    /// Leave bad lines out
    ///
    /// Without it, one bad line is enough to add nothing.
    #[arg(long, hide_short_help = true, help_heading = BULK)]
    pub(crate) skip_bad: bool,
    /// Print every id, one a line
    #[arg(long, hide_short_help = true, help_heading = BULK, conflicts_with = "json")]
    pub(crate) ids: bool,
    /// The job's type: what is to be done
    #[arg(value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// The job's args, any JSON; `-` reads them from stdin
    ///
    /// A string needs its quotes: '"a.png"'. [default: null]
    #[arg(value_name = "JSON", allow_negative_numbers = true, conflicts_with_all = ["lines", "command"])]
    pub(crate) args: Option<String>,
    /// The command and its arguments
    #[arg(last = true, value_name = "CMD", conflicts_with = "kind")]
    pub(crate) command: Vec<OsString>,
}

const BATCH: &str = "Batches";
const BULK: &str = "Many jobs at once";
