//! The options of `work`.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::values;

/// Run one worker here, for development and cron lines.
///
/// The output of jobs comes on stdout and stderr as it is, with a line for each job that begins and ends. Without a master on
/// this database it is a master of one worker, which cannot be scaled. Where a master runs, that lends it one more worker,
/// until `work` ends in whatever way. Where another `work` is the master, it is refused with exit code 5.
///
/// The worker is like those of the pool that serves the first queue, in the configuration file or in the running master:
/// its command, limits, folder and variables. Without such a pool, jobs are commands.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  queue-work work --queue mail,images       look at the jobs of two queues, until Ctrl-C
  queue-work work -- python3 worker.py      try a worker program
  queue-work work --drain --max-jobs 100 -q
                                            a line of cron: end with the queue, or after 100 jobs")]
pub(crate) struct WorkArgs {
    /// Queues to serve, with commas or by repeating [default: `default`]
    ///
    /// Jobs of one are taken only while those before it have no ready job.
    #[arg(long, value_name = "NAMES", env = "QUEUE_WORK_WORK_QUEUE", value_delimiter = ',', value_parser = values::queue)]
    pub(crate) queue: Vec<String>,
    /// End when there is nothing left to do
    ///
    /// Nothing is ready, running or waiting for a retry then. The exit code is 1 if a job died, or if jobs are left for
    /// another reason than `--max-jobs` and `--max-time`.
    #[arg(long, env = "QUEUE_WORK_WORK_DRAIN", value_parser = FalseyValueParser::new())]
    pub(crate) drain: bool,
    /// End after so many jobs
    ///
    /// Each attempt counts as one.
    #[arg(long, value_name = "N", env = "QUEUE_WORK_WORK_MAX_JOBS", allow_negative_numbers = true)]
    #[arg(value_parser = values::number::<u64>(1..=u64::MAX.into()))]
    pub(crate) max_jobs: Option<u64>,
    /// Begin no job after this time, and end
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_WORK_MAX_TIME", allow_hyphen_values = true)]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) max_time: Option<Duration>,
    /// Longest run of a job that has no timeout [default: 1h]
    ///
    /// Or what the pool says whose worker this is.
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_WORK_TIMEOUT", allow_hyphen_values = true)]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Each job runs the command after `--`
    ///
    /// In an argument of the command `{}` is the job's args, `{name}` one of them.
    #[arg(long, requires = "command")]
    pub(crate) exec: bool,
    /// The worker program
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
