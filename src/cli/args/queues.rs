//! The options of `queues`.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::values;

/// Show queues with their limits, or set limits of one.
///
/// Limits are those of the configuration, `[queues.NAME]`, and over them what was set with `queues set`. They hold over all pools.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_long_help = "\
Examples:
  queue-work queues                         limits, and what they hold back
  queue-work queues mail --json             one queue, for programs
  queue-work queues mail --keys             which customers wait
  queue-work queues set mail --rate 10/s --for 1h")]
pub(crate) struct ShowArgs {
    #[command(subcommand)]
    pub(crate) verb: Option<QueuesVerb>,
    /// Only this queue
    #[arg(value_name = "QUEUE", value_parser = values::queue)]
    pub(crate) name: Option<String>,
    /// Keys of the queues: what waits and runs of each, and why no more starts
    #[arg(long)]
    pub(crate) keys: bool,
    /// The most keys to show; those with the most waiting jobs come first
    #[arg(long, value_name = "N", default_value_t = 20, requires = "keys", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// Verbs of `queues`.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum QueuesVerb {
    /// Set limits of a queue, over those of the configuration
    ///
    /// In the place of what was set before. Kept across restarts of the master, and needs none. A limit below what runs ends
    /// nothing: no more starts until it fits.
    #[command(after_long_help = "\
Examples:
  queue-work queues set mail --concurrency 5
  queue-work queues set mail --rate 10/s --for 1h
  queue-work queues set mail --rate off     as if the configuration had none")]
    Set(SetArgs),
    /// Take back what was set: the configuration decides again
    #[command(after_long_help = "\
Examples:
  queue-work queues unset mail
  queue-work queues                         what holds then")]
    Unset {
        #[arg(value_name = "QUEUE", value_parser = values::queue, help = "The queue")]
        name: String,
    },
}

/// Limits that are set.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "queue-work queues set QUEUE [OPTIONS]")]
#[command(group = ArgGroup::new("limit").required(true).multiple(true).args(["fair", "concurrency", "concurrency_per_key", "rate", "rate_per_key", "rate_burst", "max_ready"]))]
pub(crate) struct SetArgs {
    /// The queue
    #[arg(value_name = "QUEUE", value_parser = values::queue)]
    pub(crate) name: String,
    /// How keys take turns: `off`, by `jobs`, or by `time`
    #[arg(long, hide_short_help = true, value_name = "HOW")]
    pub(crate) fair: Option<String>,
    /// Most jobs that run at a time, over all pools; `off`: no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) concurrency: Option<String>,
    /// The same for the jobs of each key
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) concurrency_per_key: Option<String>,
    /// Most starts in a time, such as `100/s` or `5/m`; `off`: no limit
    #[arg(long, value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) rate: Option<String>,
    /// The same for the jobs of each key
    #[arg(long, hide_short_help = true, value_name = "RATE", allow_hyphen_values = true)]
    pub(crate) rate_per_key: Option<String>,
    /// Most starts at once after a pause [default: those of a second]
    #[arg(long, hide_short_help = true, value_name = "N", allow_negative_numbers = true)]
    pub(crate) rate_burst: Option<String>,
    /// Refuse pushes beyond so many ready jobs; `off`: no limit
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) max_ready: Option<String>,
    /// For how long, such as `1h` [default: until it is taken back]
    #[arg(long = "for", value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) lasts: Option<Duration>,
    /// Also of a queue that nobody has heard of
    #[arg(long, hide_short_help = true)]
    pub(crate) force: bool,
}
