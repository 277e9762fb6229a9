//! The options of the verbs that ask the master something, and of those for packagers.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgGroup, Args, Subcommand};

use super::hosts::{Hosts, OneHost};
use super::records::ListArgs;
use super::{moment, values};
use crate::model::{MOST_WORKERS, ScaleTo, UnixMicros, units};

const CONFIG_EXAMPLES: &str = "\
Examples:
  queue-work config init                    write queue-work.toml, every key explained
  queue-work config check                   what is wrong with it
  queue-work config show                    what is in force, and why";

/// Show queues, pools, workers and totals, or one of them.
///
/// Without a master it shows what the database knows, and the exit code is 3.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = "\
Examples:
  queue-work status                  what is wrong first, then queues, pools, workers
  queue-work status mail             the queue `mail`, and the pool of this name
  queue-work status mail-2           this worker, with its last lines of output
  queue-work status mail --watch     again and again, until Ctrl-C")]
pub(crate) struct StatusArgs {
    /// Only this queue, pool or worker, and all of it
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Show it again and again until Ctrl-C, this often [default: 2s]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s")]
    #[arg(value_parser = values::watch)]
    pub(crate) watch: Option<Watch>,
    /// Every worker and limit, also where they do not fit
    #[arg(long)]
    pub(crate) all: bool,
}

/// Say whether everything works, with exit code 0 or 1.
///
/// 0: healthy. 1: degraded or unhealthy. 3: no master runs. Each check has a sentence; what is wrong comes first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work health                  every check, in a sentence
  queue-work health --json           for programs
  queue-work health -q               only the exit code, as a container wants it
  queue-work health calculator       one service")]
pub(crate) struct HealthArgs {
    /// Only this service
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
}

/// Look for what is wrong, and say what helps.
///
/// Checks the configuration, the store and this machine. Changes nothing, and works without a master. Exit code 1 where a check fails; a warning leaves it 0.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work doctor                         in a few seconds, however large the database is
  queue-work doctor --full                  look through every page of the database
  queue-work doctor --json                  for programs; each check keeps its name")]
pub(crate) struct DoctorArgs {
    /// Look through the whole database, as long as that takes
    #[arg(long)]
    pub(crate) full: bool,
}

/// Have the master tell each step for a while.
///
/// Spawns, messages to and from workers, dispatch and turns of its loop, to those who look: `events -f`, and `/live` of the page.
/// Nothing of it is kept or written to a file. It ends by itself.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work debug                          for ten minutes; then `queue-work events -f`
  queue-work debug 1h
  queue-work debug off")]
pub(crate) struct DebugArgs {
    /// For how long, up to `1h`; `off` ends it
    #[arg(value_name = "LENGTH", default_value = "10m", value_parser = values::debug)]
    pub(crate) length: Duration,
}

/// What follows `--watch`, where the interval may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    Every(Duration),
    /// `status --watch mail`: this name, as often as usual.
    Name(String),
}

/// Set the wanted number of workers of a pool.
///
/// Until the master ends. Idle workers leave first. Busy ones finish their jobs, which their timeouts bound, and are wanted again if the pool is
/// scaled up meanwhile. The next master begins with `workers` of the configuration.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work scale 6                        of the only pool
  queue-work scale +2 --pool mail           two more than now
  queue-work scale 6 --hold 30m             of a pool that scales itself otherwise
  queue-work scale 6 --host web-2           at another host of the store")]
pub(crate) struct ScaleArgs {
    /// Wanted workers, 0 to 10000; `+2`, `-1`: more or fewer than now; `auto`: as the pool finds right
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub(crate) workers: ScaleTo,
    /// Pools that serve this queue [default: the only pool]
    #[arg(long, value_name = "NAME", value_parser = values::queue, conflicts_with = "pool")]
    pub(crate) queue: Option<String>,
    /// The pool of this name
    #[arg(long, value_name = "NAME", value_parser = values::pool)]
    pub(crate) pool: Option<String>,
    /// Time for jobs whose workers leave [default: no limit]
    ///
    /// A job that runs longer goes back to the front of its queue, and nothing is charged.
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_SCALE_GRACE", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) grace: Option<Duration>,
    /// For how long, of a pool that scales itself
    ///
    /// Then the pool scales itself again, and before that with `scale auto`.
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) hold: Option<Duration>,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    #[command(flatten)]
    pub(crate) wait: NoWait,
}

/// Show why pools that scale themselves have as many workers as they have.
///
/// A pool scales itself with `autoscale = true` in its table of the configuration, or with `--autoscale 1..8`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work autoscale                      how many workers, why, and what keeps them from being more
  queue-work autoscale --pool app --watch   again and again, until Ctrl-C
  queue-work autoscale --history 1h         each change and its reason, the newest first
  queue-work autoscale --replay --since yesterday --max 12
                                            what that would have made of yesterday's jobs")]
pub(crate) struct AutoscaleArgs {
    /// Only this pool
    #[arg(long, value_name = "NAME", value_parser = values::pool)]
    pub(crate) pool: Option<String>,
    /// Show it again and again until Ctrl-C, this often [default: 2s]
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s")]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) watch: Option<Duration>,
    /// List the changes within this long, such as `1h`, the newest first
    ///
    /// Each with its reason and what was known then; kept for 7 days, the newest 50,000. Needs no master.
    #[arg(long, value_name = "DURATION", conflicts_with_all = ["watch", "replay"], value_parser = values::positive_duration)]
    pub(crate) history: Option<Duration>,
    /// Only changes with ids below this, to read on
    #[arg(long, value_name = "ID", requires = "history", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Say what scaling would have made of the runs on record
    ///
    /// The same decision, on paper: how long jobs would have waited, and for how many worker-hours. With the settings of the
    /// pool, or the defaults where it does not scale itself. Needs no master.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) replay: bool,
    /// Replay what ended since then, such as `7d`, `yesterday` or `10:00` [default: 1d]
    #[arg(long, value_name = "WHEN", requires = "replay", value_parser = since)]
    pub(crate) since: Option<UnixMicros>,
    /// With this target, not that of the pool
    #[arg(long, value_name = "DURATION", requires = "replay", value_parser = values::positive_duration)]
    pub(crate) target_wait: Option<Duration>,
    /// With so many workers at least
    #[arg(long, value_name = "N", requires = "replay", value_parser = values::number::<u32>(0..=MOST_WORKERS.into()))]
    pub(crate) min: Option<u32>,
    /// With so many workers at most
    #[arg(long, value_name = "N", requires = "replay", value_parser = values::number::<u32>(1..=MOST_WORKERS.into()))]
    pub(crate) max: Option<u32>,
}

fn since(text: &str) -> Result<UnixMicros, String> {
    moment::past(if text == "yesterday" { "yesterday 0:00" } else { text })
}

/// Whether to wait for the effect.
#[derive(Clone, Debug, Args)]
pub(crate) struct NoWait {
    /// Return at once, not when the change is complete
    #[arg(long, env = "QUEUE_WORK_NO_WAIT", value_parser = FalseyValueParser::new())]
    pub(crate) no_wait: bool,
}

/// Replace workers, one after the other.
///
/// A new worker is ready before the old one leaves, which finishes its job beside it, however long that takes. Workers that
/// did not come up are tried again.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work restart --all                  after a new version of the worker program
  queue-work restart --queue mail --grace 1m
                                            jobs that run longer are given back
  queue-work restart default-3 --now        one worker, at once
  queue-work restart --all --all-hosts      one host after the other")]
#[command(group = ArgGroup::new("target").required(true).multiple(false).args(["all", "queue", "pool", "workers"]))]
pub(crate) struct RestartArgs {
    /// Every worker
    #[arg(long)]
    pub(crate) all: bool,
    /// The workers of pools that serve this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue)]
    pub(crate) queue: Option<String>,
    /// The workers of this pool
    #[arg(long, value_name = "NAME", value_parser = values::pool)]
    pub(crate) pool: Option<String>,
    /// Single workers, such as `default-1`, or pools
    #[arg(value_name = "WORKER")]
    pub(crate) workers: Vec<String>,
    /// Time for jobs of the old workers [default: no limit]
    ///
    /// A job that runs longer goes back to the front of its queue, and nothing is charged.
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_RESTART_GRACE", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) grace: Option<Duration>,
    /// End running jobs at once, which go back to the front
    ///
    /// Nothing is charged for it.
    #[arg(long, conflicts_with = "grace")]
    pub(crate) now: bool,
    #[command(flatten)]
    pub(crate) hosts: Hosts,
    #[command(flatten)]
    pub(crate) wait: NoWait,
}

/// Read the configuration file of the master again.
///
/// The running master takes over what is different: numbers of workers and limits at once; commands, folders and variables
/// with new workers, one after the other, while old ones finish their jobs; pools that are new or gone. What the command line
/// and the environment of the master say stays. A number of workers that was set with `scale` stays too, unless the file has
/// another one than when it was last read; a pool that was added with `spawn` is left alone. What holds as long as a master
/// lives is named. A file that is wrong anywhere changes nothing.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work reload                         as `ExecReload` of a systemd unit, too
  queue-work reload --dry-run               what would change
  queue-work reload --no-wait               not until the new workers are ready")]
pub(crate) struct ReloadArgs {
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: NoWait,
}

/// Stop the master, pools or workers.
///
/// A pool that the master began with stays, with no workers: `scale N --pool P` starts it again. One that was spawned is gone.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work stop                           the master, within the grace of its pools
  queue-work stop --timeout 5m              jobs that run longer are given back
  queue-work stop --pool mail               only this pool, when its jobs are done
  queue-work stop default-3 --grace 0s      only this worker, at once")]
pub(crate) struct StopArgs {
    /// Time for running jobs [default: the grace of their pool]
    ///
    /// A job that runs longer goes back to the front of its queue, and nothing is charged. Where a pool or a worker is
    /// stopped and not the master, the default is no limit.
    #[arg(long, visible_alias = "grace", value_name = "DURATION", env = "QUEUE_WORK_STOP_TIMEOUT")]
    #[arg(allow_hyphen_values = true, value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,
    /// Only the pools that serve this queue
    #[arg(long, value_name = "NAME", value_parser = values::queue, conflicts_with_all = ["workers", "pool"])]
    pub(crate) queue: Option<String>,
    /// Only this pool
    #[arg(long, value_name = "NAME", value_parser = values::pool, conflicts_with = "workers")]
    pub(crate) pool: Option<String>,
    /// Only these, such as `default-1`; pools have so many fewer
    #[arg(value_name = "WORKER")]
    pub(crate) workers: Vec<String>,
    #[command(flatten)]
    pub(crate) host: OneHost,
    #[command(flatten)]
    pub(crate) wait: NoWait,
}

/// Queues by name.
#[derive(Clone, Debug, Args)]
pub(crate) struct QueuesArgs {
    /// The queues
    #[arg(value_name = "QUEUE", required_unless_present = "all", conflicts_with = "all", value_parser = values::queue)]
    pub(crate) queues: Vec<String>,
    /// Every queue that has jobs on record or that a pool serves
    #[arg(long)]
    pub(crate) all: bool,
    /// Only jobs of this one queue that have this key (see `push --key`)
    #[arg(long, value_name = "KEY", value_parser = values::key, conflicts_with = "all")]
    pub(crate) key: Option<String>,
    /// Also queues that nobody has heard of
    ///
    /// Without it, a queue that no pool serves and of which nothing is on record is refused as a slip.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Check, show or write the configuration.
#[derive(Clone, Debug, Subcommand)]
#[command(after_long_help = CONFIG_EXAMPLES)]
pub(crate) enum ConfigVerb {
    /// Say everything that is wrong with the configuration
    ///
    /// Each problem has its file, line and column. Takes the options of `start`, before the verb.
    #[command(after_long_help = "\
Examples:
  queue-work config check
  queue-work --config new.toml config check      before it is put in place
  queue-work --workers 3 config check --json     with an option of the master")]
    Check,
    /// Show what is in force and where each value comes from
    #[command(after_long_help = "\
Examples:
  queue-work config show
  queue-work config show --json             for programs")]
    Show,
    /// Write a file with every key explained
    #[command(after_long_help = "\
Examples:
  queue-work config init                    queue-work.toml in this folder
  queue-work config init /etc/queue-work/queue-work.toml
  queue-work config init -                  to read it")]
    Init {
        /// Where to write it, `-` for stdout
        #[arg(value_name = "PATH", default_value = "queue-work.toml")]
        path: PathBuf,
    },
}

/// Print a completion script for a shell.
///
/// The script asks the program at each Tab, so names of queues, pools and workers and ids of jobs are completed too.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  source <(queue-work completions bash)     in this shell; in ~/.bashrc for every one
  queue-work completions zsh > ~/.zfunc/_queue-work
  queue-work completions fish > ~/.config/fish/completions/queue-work.fish")]
pub(crate) struct CompletionsArgs {
    /// Of bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page (roff), of everything or of a verb.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work man | man -l -                 read it
  queue-work man push > queue-work-push.1   the page of a verb")]
pub(crate) struct ManArgs {
    /// Of this verb only, such as `push` or `jobs list`
    #[arg(value_name = "VERB")]
    pub(crate) verb: Vec<String>,
}

/// Print the long help of a verb, or the options of every verb.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work help push                      as `queue-work push --help`
  queue-work help options                   the options of every verb")]
pub(crate) struct HelpArgs {
    /// The verb, such as `push` or `jobs list`, or `options`
    #[arg(value_name = "VERB")]
    pub(crate) topic: Vec<String>,
}
