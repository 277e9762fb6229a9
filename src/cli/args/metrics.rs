//! The options of `metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricsFormat {
    Prometheus,
    #[value(name = "openmetrics")]
    OpenMetrics,
}

/// Print metrics for Prometheus, or show the past with percentiles
///
/// Without a master there is `queue_work_up 0` with what the database knows, and the exit code is 0 all the same. With
/// `--history` a table: counted for every minute (kept for 26 hours), ten minutes (8 days), hour (100 days) and day (3 years),
/// also of runs that are no longer on record.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work metrics                                       for Prometheus
  queue-work metrics --output /var/lib/node_exporter/queue-work.prom
  queue-work metrics --history 7d --queue mail
  queue-work metrics --history 1d --type resize --json     with numbers of queues and pools, for programs")]
pub(crate) struct MetricsArgs {
    /// The format of the text
    #[arg(long, value_name = "FORMAT", default_value = "prometheus", conflicts_with = "history")]
    pub(crate) format: MetricsFormat,
    /// Write a file instead, and put it in place when it is whole
    #[arg(short, long, value_name = "FILE", conflicts_with = "history")]
    pub(crate) output: Option<PathBuf>,
    /// Show the past instead, so far back, such as `1h` or `7d`
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) history: Option<Duration>,
    /// Only this queue; with `--history`
    #[arg(long, value_name = "NAME", requires = "history", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// Only this type of jobs, `exec` for commands; with `--history`
    #[arg(long = "type", value_name = "TYPE", requires = "history")]
    pub(crate) kind: Option<String>,
}
