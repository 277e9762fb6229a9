//! The options of `metrics`.

use std::time::Duration;

use clap::Args;

use super::values;

/// Show numbers of runs and how long they took, with percentiles
///
/// Counted by the master for every minute (kept for 26 hours), ten minutes (8 days), hour (100 days) and day (3 years), also of
/// runs that are no longer on record; needs no master.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work metrics --history 1h
  queue-work metrics --history 7d --queue mail
  queue-work metrics --history 1d --type resize --json     with numbers of queues and pools, for programs")]
pub(crate) struct MetricsArgs {
    /// How far back, such as `1h` or `7d`
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) history: Duration,
    /// Only this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only this type of jobs; `exec` is a command
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
}
