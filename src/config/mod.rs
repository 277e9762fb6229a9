//! Configuration: what was written becomes what it means.
//!
//! [`Config`] has no `Option` where there is a default, durations and sizes are values, names are checked.
//! Layers, lowest first: `config/default.toml` (embedded), a file, environment, flags. All problems are reported
//! at once.

mod accounts;
mod autoscale;
mod autoscale_keys;
mod changes;
mod compound;
mod document;
mod environment;
mod file;
mod flags;
mod job_limits;
mod load;
mod one_or_many;
mod order;
mod paths;
mod pool_variables;
mod pools;
mod problem;
mod processor_keys;
mod processors;
mod queues;
mod raw;
mod resolve;
mod restart;
mod rules;
mod schema;
mod services;
mod show;
mod socket_group;
mod telemetry;
pub use crate::model::{Durability, units};
mod values;
mod variables;
mod web;

#[cfg(test)]
mod tests;

pub use autoscale::autoscale_within;
pub use changes::{changes, put_in_force};
pub use compound::is_script_after;
pub use environment::Environment;
pub use file::ReadFile;
pub use flags::check_limit;
pub use job_limits::JobLimits;
pub use load::{Inputs, Loaded, problems_of};
pub use paths::{Paths, SOCKET_DATABASE, paths};
pub use pools::{OwnProgram, default_limits};
pub use problem::{ConfigErrors, Problem};
pub use queues::check_queue_limit;
pub use services::ServiceConfig;
pub use show::{Origins, Shown, show, template};
pub use telemetry::{Collector, Telemetry};
pub use web::{Trusted, Users, Web, check_base_path, check_host, check_pattern, listen as listen_of_web};

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::autoscale::Together;
use crate::model::change::KeepFor;
use crate::model::processor::ProcessorSettings;
use crate::model::queue_limits::SaidLimits;
use crate::model::{Hooks, PoolLimits, PoolSettings, QueueName, StoreUrl, Until};
use crate::trust::account::Account;

/// Everything a master needs to know.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Config {
    /// The file that was read.
    pub file: Option<ReadFile>,
    /// The store; of a file the absolute path.
    pub database: StoreUrl,
    /// Absolute path of the control socket.
    pub socket: PathBuf,
    /// The group that may use the socket too, as it was written.
    pub socket_group: Option<String>,
    /// Folder of the worker output files.
    pub logs_dir: PathBuf,
    /// When an answer to a push is given.
    pub durability: Durability,
    /// Whether the database may lie on a file system of the network.
    pub network_fs: bool,
    /// Whether others may write to the database or its folder.
    pub shared_folder: bool,
    /// Whether the folder of the database is made where it is missing.
    pub makes_folder: bool,
    /// The pools, at least one.
    pub pools: Vec<PoolConfig>,
    pub processors: Vec<ProcessorSettings>,
    /// Limits of queues, as they are written.
    pub queues: BTreeMap<QueueName, SaidLimits>,
    /// End when nothing is ready, running or waiting for a retry.
    pub drain: bool,
    /// The only pool is that of a `work`, and ends by itself.
    pub single: Option<Until>,
    /// How long things are kept.
    pub keep: KeepFor,
    /// SIGHUP has the file read again, and does not stop the master.
    pub hup_reloads: bool,
    /// `queue-work health` says that a ready job has waited for longer.
    pub max_wait: Option<Duration>,
    /// `queue-work metrics` prints the memory of each worker.
    pub metrics_per_worker: bool,
    pub telemetry: Telemetry,
    pub web: Web,
    /// Size of one output file, in bytes, and how many of them per worker.
    pub log_file_bytes: u64,
    /// Files per worker, at least 1.
    pub log_files: u32,
    /// Limits and hooks of a pool added at run time.
    pub defaults: PoolLimits,
    pub default_hooks: Hooks,
    /// Scaling of all pools together.
    pub together: Together,
}

/// A pool: its settings, and how its workers are started.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolConfig {
    /// Name, queues and limits.
    pub settings: PoolSettings,
    /// The program and its arguments; empty for `exec` jobs that carry their own command.
    pub command: Vec<OsString>,
    /// Where its workers run.
    pub cwd: Option<PathBuf>,
    /// Added to their environment.
    pub env: Vec<(OsString, OsString)>,
    /// Descriptor on which the worker's messages come, if not stdout.
    pub protocol_fd: Option<i32>,
    /// Present where the kind says so.
    pub service: Option<ServiceConfig>,
    pub run_as: RunAs,
}

/// Rights that workers are started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunAs {
    /// Rights that files they make do not get; `None`: as those of the master.
    pub umask: Option<u32>,
    /// Another user than that of the master, as it was written.
    pub user: Option<String>,
    /// The same, once it was looked up.
    pub account: Option<Account>,
}

/// Values of the command line and the environment, which win over the file. `None`: not given.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--database`
    pub database: Option<PathBuf>,
    /// `--socket`
    pub socket: Option<PathBuf>,
    /// `--socket-group`
    pub socket_group: Option<String>,
    /// `--durability`
    pub durability: Option<Durability>,
    /// `--allow-network-fs`
    pub allow_network_fs: bool,
    /// `--allow-shared-folder`
    pub allow_shared_folder: bool,
    /// `--drain`
    pub drain: bool,
    /// `--queue a,b`: one pool per queue, instead of the pools of the file.
    pub queue: Vec<String>,
    /// Words after `--`.
    pub command: Vec<OsString>,
    /// `--exec`: the command is a template per job.
    pub exec: bool,
    /// `--opaque`
    pub opaque: bool,
    /// Limits by their keys, as they were written.
    pub limits: Vec<(&'static str, String)>,
    /// Fields and limits that came from the environment (`drain`, `max_jobs`, …), for `config show`.
    pub from_env: std::collections::BTreeSet<String>,
}
