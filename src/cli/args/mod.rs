//! The command line: one type per verb, as it was typed. Its meaning is decided by the verbs.
//!
//! Invariants: a value that parses is in its range; every option that sets something has a variable
//! `QUEUE_WORK_<NAME>` (of a verb: `QUEUE_WORK_<VERB>_<NAME>`). Options that choose a target (`--all`, `--pool`, …)
//! have none: an inherited variable must not widen what a command does.

pub(crate) mod backup;
pub(crate) mod batches;
pub(crate) mod control;
pub(crate) mod help;
pub(crate) mod hosts;
pub(crate) mod jobs;
pub(crate) mod metrics;
mod mistakes;
pub(crate) mod moment;
pub(crate) mod port;
pub(crate) mod processors;
pub(crate) mod push;
pub(crate) mod queues;
mod quick;
pub(crate) mod records;
pub(crate) mod services;
pub(crate) mod start;
#[cfg(test)]
mod tests;
pub(crate) mod values;
pub(crate) mod web;
pub(crate) mod work;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Id, Parser, Subcommand, ValueEnum};

use start::StartArgs;

use crate::report::words;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "queue-work",
    version,
    about = "A queue-worker pool manager: a durable queue, and a master that runs its jobs",
    long_about = "A queue-worker pool manager in one binary: a durable queue in an SQLite file, and a master that \
                  starts, feeds, recycles and scales worker processes.\n\n\
                  Without a verb it runs the master in the foreground, as `start` does.",
    after_long_help = EXAMPLES,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) start: StartArgs,
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

const EXAMPLES: &str = "\
Examples:
  queue-work push -- convert a.png b.jpg          add a job that is a command
  queue-work push resize '{\"file\": \"a.png\"}'      one for a worker program
  queue-work --workers=4 --queue=default          run the master
  queue-work status                               look what it does

Exit codes:
    0  done
    1  it could not be done
    2  wrong usage or configuration
    3  no master runs
    4  no such job, worker, pool or queue
    5  refused: another master runs, or the state does not allow it
  130  ended by a second Ctrl-C
  193  a wait lost its master; the job goes on when a master runs";

/// Options of every verb.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Global {
    /// Configuration file [default: `queue-work.toml` or `config/queue-work.toml` here or in a folder above, else
    /// `/etc/queue-work/queue-work.toml`]
    #[arg(long, global = true, value_name = "FILE", env = "QUEUE_WORK_CONFIG", help_heading = GLOBAL)]
    pub(crate) config: Option<PathBuf>,
    /// Database, a path, `sqlite:PATH` or `postgres://USER@HOST/DATABASE` [default: `queue-work/queue-work.db` in `$XDG_STATE_HOME` or `~/.local/state`]
    #[arg(long, global = true, value_name = "PATH", env = "QUEUE_WORK_DATABASE", help_heading = GLOBAL)]
    pub(crate) database: Option<PathBuf>,
    /// Control socket of the master, which must serve this database [default: beside it, `<database>.sock`]
    #[arg(long, global = true, value_name = "PATH", env = "QUEUE_WORK_SOCKET", help_heading = GLOBAL)]
    pub(crate) socket: Option<PathBuf>,
    /// Use a database on a file system of the network (NFS, SMB, FUSE …), where it can be corrupted
    #[arg(long, global = true, env = "QUEUE_WORK_ALLOW_NETWORK_FS", help_heading = GLOBAL)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) allow_network_fs: bool,
    /// Use a database that others may write to, or in a folder where they may: they can have commands run as you
    #[arg(long, global = true, env = "QUEUE_WORK_ALLOW_SHARED_FOLDER", help_heading = GLOBAL)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) allow_shared_folder: bool,
    /// Say more: starts of workers and what they print; twice: everything
    #[arg(short, long, global = true, action = ArgAction::Count, env = "QUEUE_WORK_VERBOSE", help_heading = GLOBAL)]
    pub(crate) verbose: u8,
    /// Say nothing but the error that ends the command
    #[arg(short, long, global = true, env = "QUEUE_WORK_QUIET", help_heading = GLOBAL)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// How the master words what it prints on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text", env = "QUEUE_WORK_LOG_FORMAT")]
    #[arg(help_heading = GLOBAL)]
    pub(crate) log_format: LogFormat,
    /// Print data as one JSON document
    #[arg(long, global = true, env = "QUEUE_WORK_JSON", help_heading = GLOBAL)]
    #[arg(value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
}

const GLOBAL: &str = "Options of every verb";

impl Global {
    /// The options that were typed to say where things are, each with its value as a shell reads it.
    pub(crate) fn typed(&self, from_env: &BTreeSet<String>) -> Vec<(&'static str, String)> {
        let options =
            [("--config", &self.config), ("--database", &self.database), ("--socket", &self.socket)].into_iter();
        let typed = options.filter(|(option, _)| !from_env.contains(option.trim_start_matches("--")));
        let quoted = |path: &PathBuf| words::command([&*path.to_string_lossy()]);
        typed.filter_map(|(option, path)| Some((option, path.as_ref().map(quoted)?))).collect()
    }
}

/// How the master words its events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One line for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(after_long_help = start::EXAMPLES)]
    Start(Box<StartArgs>),
    Work(Box<work::WorkArgs>),
    Push(Box<push::PushArgs>),
    Call(services::CallArgs),
    Try(services::TryArgs),
    #[command(alias = "ps")]
    Status(control::StatusArgs),
    /// Follow queues, pools and workers on the whole screen, and act on them.
    ///
    /// Shows everything once a second: what waits, runs and fails, memory and CPU, what happens, what workers print. Keys
    /// pause a queue, scale or restart a pool, cancel a job; `?` lists them. It waits for a master that has ended, and
    /// shows what the database knows meanwhile. Where there is no terminal it prints what `status` does.
    #[command(after_long_help = "\
Examples:
  queue-work top                            `?` lists the keys, `q` quits
  NO_COLOR=1 queue-work top                 without colours")]
    Top,
    Services(services::ServicesArgs),
    Calls(services::CallsArgs),
    Tables(services::TablesArgs),
    Running(services::RunningArgs),
    Health(control::HealthArgs),
    Why(records::WhyArgs),
    Doctor(control::DoctorArgs),
    Debug(control::DebugArgs),
    Scale(control::ScaleArgs),
    Autoscale(control::AutoscaleArgs),
    Spawn(Box<services::SpawnArgs>),
    Restart(control::RestartArgs),
    Reload(control::ReloadArgs),
    Stop(control::StopArgs),
    /// Stop handing out jobs of queues
    ///
    /// Running jobs go on. The pause is kept across restarts of the master, and needs none.
    #[command(after_long_help = "\
Examples:
  queue-work pause mail images
  queue-work pause mail --key customer42    only the jobs of one customer
  queue-work pause --all                    then `queue-work resume --all`")]
    Pause(control::QueuesArgs),
    /// Go on handing out jobs of queues
    #[command(after_long_help = "\
Examples:
  queue-work resume mail
  queue-work resume mail --key customer42
  queue-work resume --all                   every paused queue")]
    Resume(control::QueuesArgs),
    Queues(Box<queues::ShowArgs>),
    Jobs(Box<jobs::JobsArgs>),
    Batches(Box<batches::BatchesArgs>),
    /// List jobs, as `jobs list` does
    #[command(hide = true, after_long_help = jobs::LIST_EXAMPLES)]
    Ls(jobs::JobsListArgs),
    /// Forget jobs, as `jobs delete` does
    #[command(hide = true)]
    Rm(jobs::JobsDeleteArgs),
    Processors(Box<processors::ProcessorsArgs>),
    Errors(records::ErrorsArgs),
    Runs(records::RunsArgs),
    Audit(records::AuditArgs),
    Workers(records::WorkersArgs),
    Events(records::EventsArgs),
    /// Show how much memory jobs of each type leave behind
    ///
    /// A worker that does one job at a time is measured when it answers. A type is said to leak where its workers grow far more
    /// often than chance explains; `max_jobs` of the pool then keeps them small.
    #[command(after_long_help = "\
Examples:
  queue-work leaks                          the worst first
  queue-work leaks --json")]
    Leaks,
    Metrics(metrics::MetricsArgs),
    #[command(alias = "log")]
    Logs(records::LogsArgs),
    Web(web::WebArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Migrate(backup::MigrateArgs),
    #[command(subcommand)]
    Config(control::ConfigVerb),
    Import(port::ImportArgs),
    Export(port::ExportArgs),
    Completions(control::CompletionsArgs),
    Man(control::ManArgs),
    Help(control::HelpArgs),
}

/// The parsed command line, and which options of `start` came from the environment.
pub(crate) struct Parsed {
    pub(crate) cli: Cli,
    pub(crate) from_env: BTreeSet<String>,
}

/// Parses; an error is worded by clap, which also "fails" for `--help` and `--version`.
pub(crate) fn parse(args: &[OsString]) -> Result<Parsed, clap::Error> {
    match quick::parse(args) {
        Some(parsed) => Ok(parsed),
        None => parse_all(args),
    }
}

/// The options of every verb in words of which some may be missing or wrong.
pub(crate) fn global_in(command: Command, words: &[OsString]) -> Global {
    let typed = command.ignore_errors(true).try_get_matches_from(words);
    typed.ok().and_then(|matches| Global::from_arg_matches(&matches).ok()).unwrap_or_default()
}

/// The same, without what the environment says.
pub(crate) fn as_typed(words: &[OsString]) -> Global {
    global_in(mistakes::without_environment(Cli::command()), words)
}

/// By the whole tree of verbs and options.
fn parse_all(args: &[OsString]) -> Result<Parsed, clap::Error> {
    // Not taken apart at the end of a process that is about to end: it has some thousands of parts.
    let command = Box::leak(Box::new(Cli::command()));
    let matches = command.try_get_matches_from_mut(args).map_err(|e| mistakes::explain(command, e, args))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|e| e.format(command))?;
    mistakes::refuse_misplaced(command, &matches)?;
    Ok(Parsed { cli, from_env: from_env(matches.subcommand_matches("start").unwrap_or(&matches)) })
}

/// Options of every verb that the configuration asks the origin of.
const PLACES: [&str; 3] = ["config", "database", "socket"];

fn from_env(matches: &ArgMatches) -> BTreeSet<String> {
    let from_env = |id: &&Id| matches.value_source(id.as_str()) == Some(ValueSource::EnvVariable);
    matches.ids().filter(from_env).map(ToString::to_string).collect()
}
