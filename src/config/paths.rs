//! Where the database, the socket and the worker output are.
//!
//! Used by [`super::Config::load`] and, alone, by the verbs that only need to find a master or a store. Both go
//! through the same function, so they never disagree.
//!
//! Invariant: a socket that was inherited from a master goes with the database of that master and with no other.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::document::Table;
use super::environment::Environment;
use super::file::File;
use super::problem::{ConfigErrors, Problem};
use super::resolve::resolve;
use super::show::Origins;
use super::{Config, Flags, load, pool_variables, telemetry, values};
use crate::model::StoreUrl;
use crate::model::store_url::ServerUrl;

/// The database that the socket in `QUEUE_WORK_SOCKET` belongs to; every worker gets both from its master.
pub const SOCKET_DATABASE: &str = "QUEUE_WORK_SOCKET_DATABASE";

/// Where things are; all absolute, and a database file without links on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    pub database: StoreUrl,
    pub socket: PathBuf,
    /// Folder of the worker output files.
    pub logs_dir: PathBuf,
    /// Whether the database may lie on a file system of the network.
    pub network_fs: bool,
    /// Whether others may write to the database or its folder.
    pub shared_folder: bool,
    /// Whether the folder of the database is made where it is missing: the default one, or one beside the file.
    pub makes_folder: bool,
}

/// Finds database, socket and output folder as [`super::Config::load`] does, for the verbs that only need a master or a
/// store. A file that is wrong anywhere is refused by them all the same: a job must not go elsewhere. The variables of
/// pools are not looked at, nor those of OpenTelemetry: they may be meant for another folder, or for the master alone.
/// `cwd`: the current folder; `None` where there is none any more. Then no file is looked for in it, and only absolute
/// paths are known.
pub fn paths(flags: &Flags, env: &Environment, cwd: Option<&Path>) -> Result<Paths, ConfigErrors> {
    let mut file = File::find(flags, env, cwd)?;
    // The secrets of a pool are with its master; the file is right without them.
    let layer = &mut file.layer;
    layer.problems.retain(|problem| !(problem.key.contains('.') && layer.unset.contains(problem)));
    if file.read.is_some() {
        let Config { database, socket, logs_dir, network_fs, shared_folder, makes_folder, .. } =
            load::with(&file, flags, &env.without(&[pool_variables::BEGINNING, telemetry::BEGINNING]), cwd)?.config;
        return Ok(Paths { database, socket, logs_dir, network_fs, shared_folder, makes_folder });
    }
    let problems = flag_problems(flags);
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    Ok(settle(flags, &file, env, cwd, &mut Origins::default())?)
}

/// The absolute path of what an option names.
pub(super) fn from_here(flags: &Flags, cwd: Option<&Path>, field: &str, path: &Path) -> Result<PathBuf, Problem> {
    match cwd {
        Some(cwd) => Ok(absolute(cwd, path)),
        None if path.is_absolute() => Ok(path.components().collect()),
        None => {
            let why =
                "is relative to the current folder, which cannot be found (was it deleted?); write the whole path";
            Err(flags.problem(field, format!("`{}` {why}", path.display())))
        }
    }
}

/// Problems of the paths that flags name. (`--database=~/x` reaches us unexpanded from most shells.)
pub(super) fn flag_problems(flags: &Flags) -> Vec<Problem> {
    let database = flags.database.as_deref().map(|typed| StoreUrl::path_in(typed).unwrap_or(typed));
    let named = [("database", database), ("socket", flags.socket.as_deref())];
    let texts = named.into_iter().filter_map(|(field, path)| Some((field, path?.to_str()?)));
    let refused = texts.filter_map(|(field, text)| Some((field, values::path_text(text).err()?)));
    refused.map(|(field, refusal)| flags.problem(field, refusal.of_flag())).collect()
}

/// Decides the three paths; fails only where no place for the database is known. In order: flag or environment, then
/// file, then default. A database that was only inherited from a master gives way to that of a file that was named.
pub(super) fn settle(
    flags: &Flags,
    file: &File,
    env: &Environment,
    cwd: Option<&Path>,
    origins: &mut Origins,
) -> Result<Paths, Problem> {
    let said = |origins: &mut Origins, field: &str, flag: Option<&Path>| {
        let found = match flag {
            Some(path) => Some((from_here(flags, cwd, field, path)?, flags.origin_of(field))),
            None => in_file(&file.layer.top, file.folder(), field),
        };
        Ok(found.map(|(path, origin)| {
            origins.set(field, &origin);
            path
        }))
    };
    let file_names_one = file.layer.top.contains_key("database");
    let inherited = || env.text(SOCKET_DATABASE).is_some_and(|of| flags.database.as_deref() == Some(Path::new(&of)));
    let named_file = flags.config.is_some() && file_names_one;
    let typed = flags.database.as_deref();
    let named = typed.map(StoreUrl::path_in).transpose().map_err(|why| flags.problem("database", why))?;
    let own = named.filter(|_| !(named_file && flags.is_from_env("database") && inherited()));
    // A socket and an output folder that the file names beside its own database belong to that one: another
    // database has its own, or a verb would talk to the wrong master.
    let another = own.is_some() && file_names_one;
    let in_file = file.layer.top.get("database").filter(|_| own.is_none());
    let in_file = in_file.and_then(|value| value.clone().into_string().ok()).map(PathBuf::from);
    let database = if let Some(url) = own.or(in_file.as_deref()).and_then(StoreUrl::server_in) {
        origins.set("database", &own.map_or_else(|| origin_in(file, "database"), |_| flags.origin_of("database")));
        StoreUrl::Postgres(ServerUrl::new(url, &state_folder(env)?))
    } else {
        let path = match said(origins, "database", own)? {
            Some(path) => path,
            None => state_folder(env)?.join("queue-work.db"),
        };
        StoreUrl::File(resolve(&path).map_err(|why| match own {
            Some(_) => flags.problem("database", why),
            None => Problem::with_key("database", why),
        })?)
    };
    let local = database.local();
    let socket =
        flags.socket.as_deref().filter(|_| !flags.is_from_env("socket") || fits(&database, own, flags, env, cwd));
    let socket = if another && socket.is_none() { None } else { said(origins, "socket", socket)? };
    let logs_dir = if another { None } else { said(origins, "log_dir", None)? };
    let beside = |suffix: &str| {
        let mut name = local.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let socket = socket.unwrap_or_else(|| beside(".sock"));
    let logs_dir = logs_dir.unwrap_or_else(|| beside(".logs"));
    let allowed = |value: &config::Value| value.clone().into_string().is_ok_and(|word| word == "allow");
    let network_fs = flags.allow_network_fs || file.layer.top.get("network_fs").is_some_and(allowed);
    let shared_folder = flags.allow_shared_folder || file.layer.top.get("shared_folder").is_some_and(allowed);
    let is_default = own.is_none() && (!file_names_one || file.is_beside(local));
    let makes_folder = database.file().is_none() || is_default;
    Ok(Paths { database, socket, logs_dir, network_fs, shared_folder, makes_folder })
}

/// Whether the socket of the environment is that of this database. Its database is the one it was inherited with, else
/// the one in the environment beside it; where none is known, any but one that was named on the command line.
fn fits(database: &StoreUrl, own: Option<&Path>, flags: &Flags, env: &Environment, cwd: Option<&Path>) -> bool {
    match env.text(SOCKET_DATABASE).or_else(|| env.text("QUEUE_WORK_DATABASE")) {
        Some(of) => {
            if database.file().is_none() {
                return Path::new(&of) == database.name();
            }
            let database = database.local();
            let of = StoreUrl::path_in(Path::new(&of)).unwrap_or(Path::new(&of));
            let of = cwd.map_or_else(|| of.to_owned(), |cwd| absolute(cwd, of));
            // A database that is still to be made is the same by its path alone, without the links on it.
            is_same_file(database, &resolve(&of).unwrap_or(of))
        }
        None => own.is_none() || flags.is_from_env("database"),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| std::fs::metadata(path).map(|about| (about.dev(), about.ino())).ok();
    one == other || file(one).is_some_and(|found| Some(found) == file(other))
}

fn origin_in(file: &File, field: &str) -> String {
    file.layer.top.get(field).and_then(|value| value.origin()).unwrap_or_default().to_owned()
}

fn in_file(top: &Table, folder: Option<&Path>, field: &str) -> Option<(PathBuf, String)> {
    let value = top.get(field)?;
    let origin = value.origin().unwrap_or_default().to_owned();
    let path = value.clone().into_string().ok()?;
    Some((absolute(folder?, Path::new(&path)), origin))
}

/// Where this host keeps its stores. `$XDG_STATE_HOME` counts only if it is absolute, as its specification says.
fn state_folder(env: &Environment) -> Result<PathBuf, Problem> {
    let state = env.folder("XDG_STATE_HOME").map(Path::to_owned);
    let state = state.or_else(|| Some(env.folder("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| {
        let message = "there is no place for the database: neither `XDG_STATE_HOME` nor `HOME` is an absolute path; \
                       name one with `--database PATH`";
        Problem::with_key("", message)
    })?;
    Ok(state.join("queue-work"))
}

/// Joined, and without `.` components; links and `..` are left to the system.
pub(super) fn absolute(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}
