//! The options of the master, and what they say to the configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::builder::{FalseyValueParser, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{Global, values};
use crate::config::{Durability, Flags, units};
use crate::model::MOST_WORKERS;

/// A flag that sets a limit: the key of the limit, the name of its value, the help, and which values it takes.
type LimitFlag = (&'static str, &'static str, &'static str, fn() -> ValueParser);

/// In the order of the help.
const LIMIT_FLAGS: [LimitFlag; 9] = [
    ("max_jobs", "N", "Replace a worker after this many jobs, ± 10 % [default: never]", || {
        value_parser!(u64).range(1..).into()
    }),
    (
        "memory",
        "SIZE",
        "Replace a worker after its job above this memory, its children counted in: `256M`, or `+128M` for growth since \
         its first job [default: +128M]",
        || ValueParser::new(values::memory_limit),
    ),
    (
        "memory_max",
        "SIZE",
        "Kill a worker above this memory at once, its children counted in, such as `1G` [default: never]",
        || ValueParser::new(values::memory_max),
    ),
    ("max_time", "DURATION", "Replace a worker after this time, ± 10 %, such as `30m` [default: 1h]", || {
        ValueParser::new(values::positive_duration)
    }),
    (
        "timeout",
        "DURATION",
        "Longest run of a job that was pushed without a timeout of its own, such as `90s` [default: 1h]",
        || ValueParser::new(values::positive_duration),
    ),
    (
        "grace",
        "DURATION",
        "How long running jobs may go on when the master stops; then SIGTERM, 5s later SIGKILL [default: 30s]",
        || ValueParser::new(units::duration),
    ),
    (
        "prefetch",
        "N",
        "Jobs on their way to one worker: a number from 1 to 1000, or `auto` for about 1 ms of work [default: auto]",
        || ValueParser::new(values::prefetch),
    ),
    ("max_attempts", "N", "Attempts of a job that was pushed without a number of its own, from 1 [default: 3]", || {
        value_parser!(u32).range(1..).into()
    }),
    (
        "backoff",
        "DURATION",
        "Wait before the first retry; each further one is five times as long, at most 1h, ± 20 % [default: 5s]",
        || ValueParser::new(units::duration),
    ),
];

/// The limits that were given: key and value, as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits(pub(crate) Vec<(&'static str, String)>);

impl Args for Limits {
    fn augment_args(command: Command) -> Command {
        command.args(LIMIT_FLAGS.map(|(key, value, help, parser)| {
            let arg = Arg::new(key).long(key.replace('_', "-")).env(format!("QUEUE_WORK_{}", key.to_uppercase()));
            let arg = if value == "N" { arg.allow_negative_numbers(true) } else { arg.allow_hyphen_values(true) };
            arg.value_name(value).help(help).value_parser(parser())
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Limits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |key| Some(matches.get_raw(key)?.next()?.to_string_lossy().into_owned());
        Ok(Self(LIMIT_FLAGS.iter().filter_map(|(key, ..)| Some((*key, text(key)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Options of the master.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StartArgs {
    /// Workers per queue, 1 to 10000 [default: the number of CPUs]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_WORKERS", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_WORKERS)))]
    pub(crate) workers: Option<u32>,
    /// Queues to serve, one pool of workers each; several with commas or by repeating [default: the pools of the
    /// configuration file, else `default`]
    #[arg(long, value_name = "NAMES", env = "QUEUE_WORK_QUEUE", value_delimiter = ',', value_parser = values::queue)]
    pub(crate) queue: Vec<String>,
    /// End when nothing is ready, running or waiting for a retry; exit code 1 if a job died or is left
    #[arg(long, env = "QUEUE_WORK_DRAIN", value_parser = FalseyValueParser::new())]
    pub(crate) drain: bool,
    /// Each job runs the command after `--`: `{}` is the job's args, `{name}` one of them
    #[arg(long, env = "QUEUE_WORK_EXEC", value_parser = FalseyValueParser::new(), conflicts_with = "opaque")]
    pub(crate) exec: bool,
    /// The program after `--` fetches its jobs elsewhere: keep it alive, scale it, recycle it
    #[arg(long, env = "QUEUE_WORK_OPAQUE", value_parser = FalseyValueParser::new())]
    pub(crate) opaque: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Group whose members may push jobs (no commands) and read on the control socket, a name or a number [default: none]
    #[arg(long, value_name = "GROUP", env = "QUEUE_WORK_SOCKET_GROUP")]
    pub(crate) socket_group: Option<String>,
    /// A push is answered after it is synced to disk (`full`) or written (`process`) [default: full]
    #[arg(long, value_name = "KIND", env = "QUEUE_WORK_DURABILITY", value_parser = values::durability())]
    pub(crate) durability: Option<Durability>,
    /// The worker program and its arguments; without: jobs are commands
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

impl StartArgs {
    /// As the configuration takes it.
    pub(crate) fn to_flags(&self, global: &Global, from_env: BTreeSet<String>) -> Flags {
        let workers = self.workers.map(|workers| ("workers", workers.to_string()));
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
