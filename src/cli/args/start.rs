//! The options of the master, and what they say to the configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::builder::FalseyValueParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::{Global, values};
use crate::config::{Durability, Flags, check_limit};

/// A flag that sets a limit: the key of the limit, the name of its value, the help in short, and the rest of it.
type LimitFlag = (&'static str, &'static str, &'static str, &'static str);

/// In the order of the help. One without a rest is left out of the short help.
const LIMIT_FLAGS: [LimitFlag; 12] = [
    (
        "autoscale",
        "MIN..MAX",
        "Workers as jobs need them, `1..8` [default: off]",
        "The least and the most, in place of `--workers`; `0..8`: none while there is nothing to do. `queue-work autoscale` \
         says why there are as many as there are.",
    ),
    ("target_wait", "DURATION", "How long a ready job may wait where pools scale themselves [default: 5s]", ""),
    ("max_jobs", "N", "Replace a worker after so many jobs [default: off]", "Each worker has its own number, ± 10 %."),
    (
        "memory",
        "SIZE",
        "Replace a worker above this memory [default: +128M]",
        "After its job, its children counted in: `256M`, or `+128M` for growth since its first job.",
    ),
    ("memory_max", "SIZE", "Kill a worker above this memory at once, its children counted in [default: off]", ""),
    ("cpu", "CPUS", "Replace a worker that uses more than this for a minute, such as `0.9` [default: off]", ""),
    ("max_time", "DURATION", "Replace a worker after this time, ± 10 %, such as `30m` [default: 1h]", ""),
    (
        "timeout",
        "DURATION",
        "Longest run of a job [default: 1h]",
        "Of one that was pushed without a timeout of its own, such as `90s`.",
    ),
    (
        "grace",
        "DURATION",
        "Time for running jobs at a stop [default: 30s]",
        "Then SIGTERM, and 5s later SIGKILL. A job that is ended so goes back to the front of its queue, and nothing is charged.",
    ),
    (
        "prefetch",
        "N",
        "Jobs on their way to one worker: a number from 1 to 1000, or `auto` for about 1 ms of work [default: auto]",
        "",
    ),
    (
        "max_attempts",
        "N",
        "Attempts before a job is dead [default: 3]",
        "Of one that was pushed without a number of its own.",
    ),
    (
        "backoff",
        "DURATION",
        "Wait before the first retry; each further one is five times as long, at most 1h, ± 20 % [default: 5s]",
        "",
    ),
];

pub(super) const EXAMPLES: &str = "\
Examples:
  queue-work start --workers 4 --queue mail,images      jobs are commands
  queue-work start --queue mail -- python3 worker.py    a worker program
  queue-work start --drain                              end when all is done
  queue-work start --exec -- convert {file} {file}.jpg  one command for all";

/// The limits that were given: key and value, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) Vec<(&'static str, String)>);

impl Args for Limits {
    fn augment_args(command: Command) -> Command {
        command.args(LIMIT_FLAGS.map(|(key, value, help, rest)| {
            let arg = Arg::new(key).long(key.replace('_', "-")).env(format!("QUEUE_WORK_{}", key.to_uppercase()));
            let arg = if value == "N" { arg.allow_negative_numbers(true) } else { arg.allow_hyphen_values(true) };
            let arg = arg.value_name(value).help(help).value_parser(move |text: &str| check_limit(key, text));
            if rest.is_empty() { arg.hide_short_help(true) } else { arg.long_help(format!("{help}\n\n{rest}")) }
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Limits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = LIMIT_FLAGS.iter().filter_map(|(key, ..)| Some((*key, matches.get_one::<String>(key)?.clone())));
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Run the master in the foreground (as without a verb).
///
/// The master starts the workers, hands out the jobs, and reports starts, failures and its end on stderr. Without pools in
/// the configuration and without a command after `--`, jobs are commands.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StartArgs {
    /// Workers per queue [default: the number of CPUs]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_WORKERS", allow_negative_numbers = true)]
    #[arg(value_parser = |text: &str| check_limit("workers", text))]
    pub(crate) workers: Option<String>,
    /// Queues to serve, with commas or by repeating
    ///
    /// One pool of workers each. [default: the pools of the configuration file, else `default`]
    #[arg(long, value_name = "NAMES", env = "QUEUE_WORK_QUEUE", value_delimiter = ',', value_parser = values::queue)]
    pub(crate) queue: Vec<String>,
    /// End when there is nothing left to do
    ///
    /// Nothing is ready, running or waiting for a retry then. The exit code is 1 if a job died or is left.
    #[arg(long, env = "QUEUE_WORK_DRAIN", value_parser = FalseyValueParser::new())]
    pub(crate) drain: bool,
    /// Each job runs the command after `--`
    ///
    /// In an argument of the command `{}` is the job's args, `{name}` one of them.
    #[arg(long, env = "QUEUE_WORK_EXEC", value_parser = FalseyValueParser::new(), conflicts_with = "opaque")]
    pub(crate) exec: bool,
    /// The program after `--` fetches its jobs elsewhere
    ///
    /// Such a program is kept alive, scaled and recycled.
    #[arg(long, env = "QUEUE_WORK_OPAQUE", value_parser = FalseyValueParser::new())]
    pub(crate) opaque: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Group whose members may push jobs (no commands) and read on the control socket, a name or a number [default: none]
    #[arg(long, hide_short_help = true, value_name = "GROUP", env = "QUEUE_WORK_SOCKET_GROUP")]
    pub(crate) socket_group: Option<String>,
    /// A push is answered after it is synced to disk (`full`) or written (`process`) [default: full]
    #[arg(long, hide_short_help = true, value_name = "KIND", env = "QUEUE_WORK_DURABILITY", value_parser = values::durability())]
    pub(crate) durability: Option<Durability>,
    /// The worker program; without one, jobs are commands
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

impl StartArgs {
    /// As the configuration takes it.
    pub(crate) fn to_flags(&self, global: &Global, from_env: BTreeSet<String>) -> Flags {
        let workers = self.workers.clone().map(|workers| ("workers", workers));
        Flags {
            config: global.config.clone(),
            database: global.database.clone(),
            socket: global.socket.clone(),
            socket_group: self.socket_group.clone(),
            durability: self.durability,
            allow_network_fs: global.allow_network_fs,
            allow_shared_folder: global.allow_shared_folder,
            drain: self.drain,
            queue: self.queue.clone(),
            command: self.command.clone(),
            exec: self.exec,
            opaque: self.opaque,
            limits: workers.into_iter().chain(self.limits.0.iter().cloned()).collect(),
            from_env,
        }
    }
}
