//! The seams to the parts that are built beside the command line: configuration, store, master, built-in worker.
//!
//! Invariant: the verbs reach those parts through here only.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::tail;
use crate::config::{Config, Flags};
use crate::error::{Code, Error};
use crate::model::JobId;
use crate::report::Printer;
use crate::store::{Records, Store, StoreError};
use crate::wire::control::LogLine;

/// Where things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paths {
    pub(crate) database: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) logs_dir: PathBuf,
}

/// A configuration that is valid.
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// What deserves a word.
    pub(crate) warnings: Vec<String>,
    /// What is in force.
    pub(crate) shown: Vec<Shown>,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
}

/// One value in force.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Shown {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: String,
}

/// SEAM: `config::paths`.
#[expect(clippy::unnecessary_wraps, reason = "reading the configuration file can fail")]
pub(crate) fn paths(flags: &Flags) -> Result<Paths, Error> {
    let here = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let database = flags.database.as_ref().map_or_else(default_database, here);
    let beside = |ending: &str| {
        let mut name = database.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let socket = flags.socket.as_ref().map_or_else(|| beside(".sock"), here);
    Ok(Paths { socket, logs_dir: beside(".logs"), database })
}

/// SEAM: `Config::load` and `config::show`.
pub(crate) fn load_config(_flags: &Flags) -> Result<Loaded, Error> {
    Err(Error::Failed("the configuration is not connected yet".to_owned()))
}

/// SEAM: `config::template`.
pub(crate) fn config_template() -> &'static str {
    "# queue-work.toml\n"
}

/// SEAM: `store::sqlite::SqliteRecords::open`.
pub(crate) fn open_records(path: &Path) -> Result<Box<dyn Records>, StoreError> {
    Err(not_connected("read", path))
}

/// SEAM: `store::sqlite::SqliteStore::open`.
pub(crate) fn open_store(path: &Path) -> Result<Box<dyn Store>, StoreError> {
    Err(not_connected("open", path))
}

fn not_connected(doing: &'static str, path: &Path) -> StoreError {
    StoreError::Cannot { doing, path: path.display().to_string(), reason: "it is not connected yet".into() }
}

/// SEAM: `master::run`.
pub(crate) fn run_master(_config: Config, _printer: Printer) -> Result<Code, Error> {
    Err(Error::Failed("the master is not connected yet".to_owned()))
}

/// SEAM: `worker::run`; it says itself what went wrong.
pub(crate) fn run_worker(template: bool, command: Vec<OsString>) -> ExitCode {
    let _template = template.then_some(command);
    ExitCode::FAILURE
}

/// SEAM: the guardian.
pub(crate) fn run_guardian() -> Result<Code, Error> {
    Err(Error::Failed("the guardian is not connected yet".to_owned()))
}

/// SEAM: `process::lock::Lock::holder`, on `<database>.lock`.
pub(crate) fn master_holds_lock(database: &Path) -> io::Result<bool> {
    let mut name = database.to_owned().into_os_string();
    name.push(".lock");
    let file = match File::open(&name) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

/// SEAM: `master::logs::read_tail`. The last lines of a worker, oldest first.
pub(crate) fn tail(dir: &Path, worker: &str, job: Option<JobId>, lines: usize) -> io::Result<Vec<LogLine>> {
    tail::read(dir, worker, job, lines)
}

/// Makes the folder of the default database; others are the user's business.
pub(crate) fn make_default_folder(database: &Path) -> Result<(), Error> {
    let default = default_database();
    let (Some(folder), true) = (default.parent(), database == default) else { return Ok(()) };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|e| Error::io(format!("make the folder `{}`", folder.display()), e))
}

fn default_database() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    state.unwrap_or_else(|| PathBuf::from("/var/lib")).join("queue-work/queue-work.db")
}
