//! The options of the verbs about services, and of `spawn`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::control::NoWait;
use super::records::ListArgs;
use super::values;
use crate::model::MOST_WORKERS;

/// Call a method of a service.
///
/// The result is printed as JSON, and with `--json` an error, too. Exit code 1: the method failed, or its worker did. 2: wrong arguments. 4: there is no such
/// service or method. 5: refused, as too many calls wait, or too many came.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work call calculator add '[5, 3]'
  queue-work call calculator add - < args.json
  queue-work call mailer render '{\"to\": \"ann\"}' --timeout 5s --raw
  queue-work call --with 'python3 calculator.py' add '[5, 3]'
                                            by a worker of its own: no master, no database")]
pub(crate) struct CallArgs {
    /// Name of the service: that of its pool
    #[arg(value_name = "SERVICE")]
    pub(crate) service: String,
    /// Name of the method
    #[arg(value_name = "METHOD", required_unless_present = "with")]
    pub(crate) method: Option<String>,
    /// Arguments, a list or an object; `-`: from stdin [default: none]
    #[arg(value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// Start this command as the only worker of the service, for this call, and name no SERVICE
    ///
    /// For tests: there is neither a master nor a database. The command is split into words as a shell does. What the worker
    /// prints, but for its messages, goes to stderr.
    #[arg(long, value_name = "COMMAND", conflicts_with = "key")]
    pub(crate) with: Option<String>,
    /// With `--with`: JSON that the worker is told before the call
    #[arg(long, value_name = "JSON", requires = "with", hide_short_help = true)]
    pub(crate) init: Option<String>,
    /// How long to wait for the answer [default: as long as the method may take]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_CALL_TIMEOUT", value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Where calls are sticky: calls with one key go to one worker
    #[arg(long, value_name = "KEY", env = "QUEUE_WORK_CALL_KEY")]
    pub(crate) key: Option<String>,
    /// Print a result that is a text as it is, not as JSON
    #[arg(long)]
    pub(crate) raw: bool,
}

/// Try the program of a worker, and say what is wrong with it.
///
/// Runs it without a master and without a database, says what these would, and shows each line both ways with what it means. As
/// a service it is asked what you type, or what `--call` says; as a worker of a queue what `--job` says. Exit code 1: something
/// is wrong with the program. 2: something was refused before it saw it.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work try python3 calculator.py        then type `add [5, 3]`; Ctrl-D ends it
  queue-work try --call 'add [5, 3]' -- python3 calculator.py
  queue-work try --job 'resize {\"file\": \"a.png\"}' -- python3 worker.py
  echo 'add [5, 3]' | queue-work try --json python3 calculator.py")]
pub(crate) struct TryArgs {
    /// Call this method, several by repeating: `add [5, 3]` [default: what is typed]
    #[arg(long, value_name = "TEXT")]
    pub(crate) call: Vec<String>,
    /// Send this text as it is, as from a connection whose bytes are no JSON, several by repeating; before what `--call` says
    #[arg(long, value_name = "TEXT")]
    pub(crate) raw: Vec<String>,
    /// Send this job, several by repeating: `resize {"file": "a.png"}`
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["call", "raw"])]
    pub(crate) job: Vec<String>,
    /// The program is a worker of a queue: what is typed are jobs
    #[arg(long, conflicts_with_all = ["call", "raw"])]
    pub(crate) jobs: bool,
    /// JSON that the worker of a service is told before its first call
    #[arg(long, value_name = "JSON", conflicts_with_all = ["job", "jobs"])]
    pub(crate) init: Option<String>,
    /// How long the worker may take to be ready, and for each answer [default: 10s]
    #[arg(long, value_name = "DURATION", env = "QUEUE_WORK_TRY_TIMEOUT", value_parser = values::positive_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

/// List services, or what one answers.
///
/// Times are from a call to its answer, since the gateway began.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work services                       each with its workers, address and figures
  queue-work services calculator            its methods
  queue-work services calculator --types python > calculator.py
                                            a client with a function for each
  queue-work services --json")]
pub(crate) struct ServicesArgs {
    /// Only this service, with its methods
    #[arg(value_name = "SERVICE", value_parser = values::pool)]
    pub(crate) name: Option<String>,
    /// Print a module that calls its methods, with their types
    ///
    /// Types are those that the methods declare in `params` and `result`. The module needs no package, and calls over the socket of
    /// calls, beside the control socket.
    #[arg(long, value_name = "LANGUAGE", requires = "name", conflicts_with = "json")]
    pub(crate) types: Option<Types>,
}

/// The language of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Types {
    Typescript,
    Python,
}

/// List calls of services that failed, or were slow.
///
/// A sample of them, up to 100 a minute, is kept for a day; a call is slow that took `slow_call` of its pool, 1s by default.
/// `services NAME` has the figures of all calls. The newest are first.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work calls                          of all services
  queue-work calls calculator --failed --since 1h
  queue-work calls --jsonl                  all of them, one object a line")]
pub(crate) struct CallsArgs {
    /// Only calls of this service
    #[arg(value_name = "SERVICE", value_parser = values::pool)]
    pub(crate) service: Option<String>,
    /// Only calls that failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only calls that ended within this long, such as `1h`
    #[arg(long, value_name = "DURATION", value_parser = values::positive_duration)]
    pub(crate) since: Option<Duration>,
    /// Only calls with ids below this, to read on
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = values::id())]
    pub(crate) before: Option<i64>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// List the tables that workers of services share, or the rows of one.
///
/// Workers write them by `table.set` and `table.incr`. Without a master, as they were kept last.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work tables                         each with its rows and size
  queue-work tables stats --json            the rows of one")]
pub(crate) struct TablesArgs {
    /// Only this table, with its rows
    #[arg(value_name = "TABLE")]
    pub(crate) name: Option<String>,
}

/// Say whether a service, a pool or a worker runs, by the exit code.
///
/// 0: it runs, and the process ids of its workers are printed. 4: it does not, or no master runs.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work running calculator             the process ids, one a line
  queue-work running default-1 -q; echo $?")]
pub(crate) struct RunningArgs {
    /// A service, a pool, or a worker such as `default-1`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Add a pool to the running master: for queues, or a service.
///
/// The pool is there until the master ends.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  queue-work spawn --queue other --workers 2            jobs of it are commands
  queue-work spawn --queue mail -- python3 worker.py    a worker program
  queue-work spawn calculator.py --workers 2            a service; then `queue-work call calculator …`
  queue-work stop --queue mail                          ends it again")]
pub(crate) struct SpawnArgs {
    /// A program that answers calls, to be a service
    ///
    /// Run by its `#!` line, else by its ending: `.py`, `.js`, `.mjs`, `.rb`, `.php`, `.pl`, `.sh`.
    #[arg(value_name = "FILE", conflicts_with_all = ["queue", "exec", "opaque", "command"])]
    pub(crate) file: Option<PathBuf>,
    /// Queues the pool serves, in this order
    ///
    /// Several with commas or by repeating. Jobs of one are taken only while those before it have no ready job.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = values::queue)]
    #[arg(required_unless_present_any = ["opaque", "file"])]
    pub(crate) queue: Vec<String>,
    /// Workers of the pool [default: the number of CPUs]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::number::<u32>(1..=MOST_WORKERS.into()))]
    pub(crate) workers: Option<u32>,
    /// Name of the pool [default: that of its first queue, or of the file]
    #[arg(long, visible_alias = "name", value_name = "NAME", value_parser = values::pool)]
    #[arg(required_unless_present_any = ["queue", "file"])]
    pub(crate) pool: Option<String>,
    /// Each job runs the command after `--`
    ///
    /// In an argument of the command `{}` is the job's args, `{name}` one of them.
    #[arg(long, conflicts_with = "opaque", requires = "command")]
    pub(crate) exec: bool,
    /// The program after `--` fetches its jobs elsewhere
    ///
    /// Such a program is kept alive, scaled and recycled, and needs `--pool` for a name.
    #[arg(long, requires = "command")]
    pub(crate) opaque: bool,
    /// Where the service listens, several by repeating: `unix:PATH`, `tcp:HOST:PORT`, `http:HOST:PORT`
    #[arg(long, value_name = "ADDRESS", requires = "file")]
    pub(crate) listen: Vec<String>,
    /// Which worker of the service gets a call [default: least-loaded]
    #[arg(long, value_name = "NAME", requires = "file", hide_short_help = true)]
    pub(crate) strategy: Option<String>,
    /// JSON that a worker of the service is told before its first call
    #[arg(long, value_name = "JSON", requires = "file", hide_short_help = true)]
    pub(crate) init: Option<String>,
    /// Version that the workers of the service have to be of
    #[arg(long, value_name = "VERSION", requires = "file", hide_short_help = true)]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) wait: NoWait,
    /// The worker program; without one, jobs are commands
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
