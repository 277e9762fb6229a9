//! The options of the verbs of `processors`.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};

use super::records::ListArgs;
use super::{moment, values};
use crate::model::processor::ProcessorRunState;
use crate::model::{ProcessorName, UnixMicros};

/// List, switch and run processors, record their runs.
///
/// A processor is a task of the configuration, `[processors.NAME]`: on an interval, by cron, or run from outside. Without a
/// verb, lists them as `processors list` does.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work processors                     which there are, how the last run went, when the next is due
  queue-work processors disable ocr --reason 'the disk is full'
  queue-work processors run ocr --wait      now, and how it went
  queue-work processors runs ocr            every run, with its note")]
pub(crate) struct ProcessorsArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<ProcessorsVerb>,
}

/// Verbs of `processors`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ProcessorsVerb {
    /// List processors: switch, schedule, last run, next tick
    #[command(
        alias = "ls",
        after_long_help = "\
Examples:
  queue-work processors list
  queue-work processors list --json         all states in one document, for programs"
    )]
    List,
    /// Show everything about one, with its last runs
    #[command(after_long_help = "\
Examples:
  queue-work processors show ocr
  queue-work processors show ocr --json     for programs")]
    Show {
        #[arg(value_name = "PROCESSOR", help = "The processor")]
        name: ProcessorName,
    },
    /// Switch processors on, whatever the file says
    ///
    /// Kept across restarts of the master, and needs none.
    #[command(after_long_help = "\
Examples:
  queue-work processors enable ocr
  queue-work processors enable ocr mail --reason 'the disk has room again'")]
    Enable(SwitchArgs),
    /// Switch processors off, whatever the file says
    ///
    /// A run that is open goes on; ticks pass without a run, and `begin` records none. Kept across restarts of the master, and
    /// needs none.
    #[command(after_long_help = "\
Examples:
  queue-work processors disable ocr
  queue-work processors disable ocr mail --reason 'the disk is full'")]
    Disable(SwitchArgs),
    /// Forget that processors were switched: the file decides again
    #[command(after_long_help = "\
Examples:
  queue-work processors reset ocr
  queue-work processors reset ocr mail")]
    Reset {
        #[arg(value_name = "PROCESSOR", required = true, help = "The processors")]
        names: Vec<ProcessorName>,
    },
    /// Run a processor now, and print the id of the run
    ///
    /// The next tick is not moved. Refused with exit code 5 while it is disabled, or by `overlap` while a run is open.
    #[command(after_long_help = "\
Examples:
  queue-work processors run ocr
  queue-work processors run ocr --wait      exit code 0 if it succeeds, else 1
  queue-work processors run mail --args '{\"to\": \"me\"}' --force")]
    Run(RunArgs),
    /// Show the next ticks, from the configuration
    ///
    /// Each with the offset of its zone. One that is marked as moved is at the end of the gap that daylight saving makes. An
    /// interval is shown as if its runs took no time.
    #[command(after_long_help = "\
Examples:
  queue-work processors next                of all
  queue-work processors next report -n 3
  queue-work processors next report --from 2027-03-28T00:00:00+01:00")]
    Next(NextArgs),
    /// List runs of processors, newest first
    #[command(after_long_help = "\
Examples:
  queue-work processors runs ocr --state failed --since 1d
  queue-work processors runs --limit 500 --jsonl
  queue-work processors runs ocr --before 900")]
    Runs(RunsArgs),
    /// Print when the newest run began; exit code 4 if there is none
    #[command(after_long_help = "\
Examples:
  queue-work processors last ocr            a time such as 2026-11-29T10:15:00Z
  test \"$(queue-work processors last ocr)\"")]
    Last {
        #[arg(value_name = "PROCESSOR", help = "The processor")]
        name: ProcessorName,
    },
    /// Record the start of a run from outside, and print its id
    ///
    /// While the processor is disabled nothing is recorded, and the exit code is 5. Needs no master.
    #[command(after_long_help = "\
A run with `--pid`, in a script `--pid $$`, is lost as soon as that process has gone without an `end`; one without at its timeout. The timeout of the
processor counts for the latter only.

Examples:
  run=$(queue-work processors begin backup) || exit
  queue-work processors begin backup --timeout 3h")]
    Begin(BeginArgs),
    /// Record the end of a run that `begin` began
    ///
    /// Exit code 5 if it is over already, 4 if there is none. Needs no master.
    #[command(after_long_help = "\
Examples:
  queue-work processors end 12 --note 'nothing to do'
  queue-work processors end 12 --state failed --note - < error.txt")]
    End(EndArgs),
    /// Run a command as a run of a processor: for crontab and systemd
    ///
    /// Input, output and signals are the command's, and so is the exit code. While the processor is disabled the command is
    /// not run: one line on stderr, exit code 0.
    #[command(after_long_help = "\
A run that cannot be recorded is no reason not to do the work: where the database cannot be written, the master does not answer
or the configuration is wrong, that is said on stderr, and the command is run. Only a processor that does not exist is refused,
with exit code 4. A command that cannot be started ends the run as failed, with exit code 127.

Examples:
  queue-work processors wrap backup -- rsync -a src/ backup/
  queue-work processors wrap backup --timeout 3h --note nightly -- ./backup.sh")]
    Wrap(WrapArgs),
}

/// Which processors to switch, and why.
#[derive(Clone, Debug, Args)]
pub(crate) struct SwitchArgs {
    /// The processors
    #[arg(value_name = "PROCESSOR", required = true)]
    pub(crate) names: Vec<ProcessorName>,
    /// Why, for whoever looks at it
    #[arg(long, value_name = "TEXT", env = "QUEUE_WORK_PROCESSORS_REASON")]
    pub(crate) reason: Option<String>,
}

/// A run now.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The processor
    #[arg(value_name = "PROCESSOR")]
    pub(crate) name: ProcessorName,
    /// Args of its job, instead of those of the configuration
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// Return when it has ended, and print its state and its note
    #[arg(long, env = "QUEUE_WORK_PROCESSORS_WAIT", value_parser = FalseyValueParser::new())]
    pub(crate) wait: bool,
    /// Also if it is disabled
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which ticks.
#[derive(Clone, Debug, Args)]
pub(crate) struct NextArgs {
    /// Only of this processor [default: of all that are enabled]
    #[arg(value_name = "PROCESSOR")]
    pub(crate) name: Option<ProcessorName>,
    /// So many ticks, at most 1000 [default: 10]
    #[arg(short = 'n', long, value_name = "N", env = "QUEUE_WORK_PROCESSORS_COUNT", allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<u32>(1..=1000))]
    pub(crate) count: Option<u32>,
    /// Ticks after this time, such as `2027-03-28T00:00:00Z` [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub(crate) from: Option<UnixMicros>,
}

/// Which runs.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunsArgs {
    /// Only of this processor
    #[arg(value_name = "PROCESSOR")]
    pub(crate) name: Option<ProcessorName>,
    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = values::processor_run_state())]
    pub(crate) state: Option<ProcessorRunState>,
    /// Only what was put on record since then: `1d`, `today 9:00`
    #[arg(long, value_name = "TIME", value_parser = moment::past)]
    pub(crate) since: Option<UnixMicros>,
    /// Only ids below this, to read on
    #[arg(long, value_name = "RUN", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// A run that begins outside.
#[derive(Clone, Debug, Args)]
pub(crate) struct BeginArgs {
    /// The processor
    #[arg(value_name = "PROCESSOR")]
    pub(crate) name: ProcessorName,
    /// The process that runs it, on this machine; `$$` in a script
    #[arg(long, value_name = "PID", allow_negative_numbers = true, value_parser = values::number::<u32>(1..=i32::MAX.into()))]
    pub(crate) pid: Option<u32>,
    /// Lost after this long without an `end` [default: see `--help`]
    ///
    /// The default is the timeout of the processor; with `--pid` there is none.
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_PROCESSORS_TIMEOUT", value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
}

/// The end of a run.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndArgs {
    /// The run, as `begin` printed it
    #[arg(value_name = "RUN", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) run: i64,
    /// How it went: `succeeded` or `failed` [default: succeeded]
    #[arg(long, value_name = "STATE", value_parser = values::end_state())]
    pub(crate) state: Option<ProcessorRunState>,
    /// A note on the run; `-` reads it from stdin
    ///
    /// At most 8192 bytes of it are kept.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) note: Option<String>,
}

/// A command that is run as a processor.
#[derive(Clone, Debug, Args)]
pub(crate) struct WrapArgs {
    /// The processor
    #[arg(value_name = "PROCESSOR")]
    pub(crate) name: ProcessorName,
    /// The note of the run [default: how the command failed]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) note: Option<String>,
    /// The run counts as lost after this long; the command goes on
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_PROCESSORS_TIMEOUT", value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The command and its arguments
    #[arg(value_name = "CMD", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}
