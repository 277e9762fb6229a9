//! The options of the master, and what they say to the configuration.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::{Global, values};
use crate::config::{Durability, Flags, units};
use crate::error::Error;
use crate::model::{MemoryLimit, Prefetch};

/// Ids of the options below, which are also the names of the fields of [`Flags`].
pub(crate) const FIELDS: [&str; 16] = [
    "workers",
    "queue",
    "drain",
    "max_jobs",
    "memory",
    "memory_max",
    "max_time",
    "timeout",
    "grace",
    "prefetch",
    "max_attempts",
    "backoff",
    "durability",
    "exec",
    "opaque",
    "command",
];

/// Options of the master.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct StartArgs {
    /// Workers per queue, 1 to 10000 [default: the number of CPUs]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_WORKERS", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) workers: Option<u32>,
    /// Queues to serve, one pool of workers each; several with commas or by repeating [default: the pools of the
    /// configuration file, else `default`]
    #[arg(long, value_name = "NAMES", env = "QUEUE_WORK_QUEUE", value_delimiter = ',', value_parser = values::queue)]
    pub(crate) queue: Vec<String>,
    /// End when nothing is ready, running or waiting for a retry
    #[arg(long, env = "QUEUE_WORK_DRAIN", value_parser = FalseyValueParser::new())]
    pub(crate) drain: bool,
    /// Each job runs the command after `--`: `{}` is the job's args, `{name}` one of them
    #[arg(long, env = "QUEUE_WORK_EXEC", value_parser = FalseyValueParser::new(), conflicts_with = "opaque")]
    pub(crate) exec: bool,
    /// The program after `--` fetches its jobs elsewhere: keep it alive, scale it, recycle it
    #[arg(long, env = "QUEUE_WORK_OPAQUE", value_parser = FalseyValueParser::new())]
    pub(crate) opaque: bool,
    /// Replace a worker after this many jobs, ± 10 % [default: never]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_MAX_JOBS", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_jobs: Option<u64>,
    /// Replace a worker after its job above this memory, its children counted in: `256M`, or `+128M` for growth since
    /// its first job [default: +128M]
    #[arg(long, value_name = "SIZE", env = "QUEUE_WORK_MEMORY", allow_hyphen_values = true)]
    #[arg(value_parser = values::memory_limit)]
    pub(crate) memory: Option<MemoryLimit>,
    /// Kill a worker above this memory at once, its children counted in, such as `1G` [default: never]
    #[arg(long, value_name = "SIZE", env = "QUEUE_WORK_MEMORY_MAX", allow_hyphen_values = true)]
    #[arg(value_parser = values::memory_max)]
    pub(crate) memory_max: Option<u64>,
    /// Replace a worker after this time, ± 10 %, such as `30m` [default: 1h]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_MAX_TIME", allow_hyphen_values = true)]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) max_time: Option<Duration>,
    /// Longest run of a job that was pushed without a timeout of its own, such as `90s` [default: 1h]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_TIMEOUT", allow_hyphen_values = true)]
    #[arg(value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// How long a running job may go on when its worker is to leave; then SIGTERM, 5s later SIGKILL [default: 30s]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_GRACE", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) grace: Option<Duration>,
    /// Jobs on their way to one worker: a number from 1 to 1000, or `auto` for about 1 ms of work [default: auto]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_PREFETCH", allow_negative_numbers = true)]
    #[arg(value_parser = values::prefetch)]
    pub(crate) prefetch: Option<Prefetch>,
    /// Attempts of a job that was pushed without a number of its own, from 1 [default: 3]
    #[arg(long, value_name = "N", env = "QUEUE_WORK_MAX_ATTEMPTS", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_attempts: Option<u32>,
    /// Wait before the first retry; each further one is five times as long, at most 1h, ± 20 % [default: 5s]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_BACKOFF", allow_hyphen_values = true)]
    #[arg(value_parser = units::duration)]
    pub(crate) backoff: Option<Duration>,
    /// A push is answered after it is synced to disk (`full`) or written (`process`) [default: full]
    #[arg(long, value_name = "KIND", env = "QUEUE_WORK_DURABILITY", value_parser = values::durability())]
    pub(crate) durability: Option<Durability>,
    /// The worker program and its arguments; without: jobs are commands
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

impl StartArgs {
    /// Checks that clap cannot make, as the options may also come from the environment.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let option = match (self.exec, self.opaque) {
            (true, true) => return Err(Error::Usage("`--exec` and `--opaque` exclude one another".into())),
            (true, false) => "--exec",
            (false, true) => "--opaque",
            (false, false) => return Ok(()),
        };
        if self.command.is_empty() {
            return Err(Error::Usage(format!("`{option}` needs a command: `queue-work {option} -- CMD …`")));
        }
        Ok(())
    }

    /// As the configuration takes it.
    pub(crate) fn to_flags(&self, global: &Global, from_env: BTreeSet<String>) -> Flags {
        Flags {
            config: global.config.clone(),
            database: global.database.clone(),
            socket: global.socket.clone(),
            durability: self.durability,
            allow_network_fs: global.allow_network_fs,
            allow_shared_folder: global.allow_shared_folder,
            drain: self.drain,
            queues: self.queue.clone(),
            workers: self.workers,
            command: self.command.clone(),
            exec: self.exec,
            opaque: self.opaque,
            max_jobs: self.max_jobs,
            memory: self.memory,
            memory_max: self.memory_max,
            max_time: self.max_time,
            timeout: self.timeout,
            grace: self.grace,
            prefetch: self.prefetch,
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            from_env: from_env.into_iter().map(|f| if f == "queue" { "queues".to_owned() } else { f }).collect(),
        }
    }
}
