//! The configuration file: which one is read, and whether it may say what runs.
//!
//! Invariants: a file that is there is read or refused, never passed over; one that was found, not named, can be changed
//! by nobody but us and root, as it names commands and the database.

use std::fs;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Flags;
use super::document::{self, Layer};
use super::environment::Environment;
use super::paths::{absolute, from_here};
use super::problem::Problem;
use crate::model::digest;
use crate::trust;

/// Looked for in each folder, in this order.
const PLACES: [&str; 2] = ["queue-work.toml", "config/queue-work.toml"];

/// Read where no folder has one.
const OF_THE_SYSTEM: &str = "/etc/queue-work/queue-work.toml";

/// A configuration file as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadFile {
    /// Absolute.
    pub file: PathBuf,
    /// Tells its content from another; empty for a pipe, which is read once.
    pub digest: String,
}

impl ReadFile {
    fn new(file: &Path, bytes: &[u8]) -> Self {
        let digest = if file.is_file() { written(bytes) } else { String::new() };
        Self { file: file.to_owned(), digest }
    }

    /// Whether it says something else now, as far as we may read it.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        if self.digest.is_empty() {
            return false;
        }
        match self.file.metadata() {
            Ok(found) if !found.is_file() => true,
            Ok(_) => fs::read(&self.file).is_ok_and(|bytes| written(&bytes) != self.digest),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

fn written(bytes: &[u8]) -> String {
    format!("{:016x}", digest(bytes.iter().copied()))
}

/// The configuration file, or an empty layer where there is none.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) read: Option<ReadFile>,
    pub(super) layer: Layer,
}

impl File {
    /// Finds and reads it.
    pub(super) fn find(flags: &Flags, env: &Environment, cwd: Option<&Path>) -> Result<Self, Problem> {
        let named = flags.config.as_deref().map(|name| named(flags, cwd, name)).transpose()?;
        let found = || cwd.and_then(|cwd| above(cwd, env.folder("HOME"))).or_else(of_the_system);
        let Some((name, path)) = named.or_else(found) else { return Ok(Self::default()) };
        Self::read(&name, &path, flags.config.is_some(), env)
    }

    /// Reads the file of a master again: that one, wherever another would be found by now.
    pub(super) fn again(before: &ReadFile, flags: &Flags, env: &Environment) -> Result<Self, Problem> {
        let path = &before.file;
        if before.digest.is_empty() || path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(Problem::with_file(path, "it is no regular file, so it cannot be read again".to_owned()));
        }
        Self::read(path, path, flags.config.is_some(), env)
    }

    fn read(name: &Path, path: &Path, was_named: bool, env: &Environment) -> Result<Self, Problem> {
        let bytes = read(path, was_named)
            .map_err(|error| Problem::with_file(name, format!("the configuration cannot be read: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = memchr::memchr_iter(b'\n', &error.as_bytes()[..error.utf8_error().valid_up_to()]).count() + 1;
            Problem { line, column: 1, ..Problem::with_file(name, "this line is not valid UTF-8".into()) }
        })?;
        let read = ReadFile::new(path, text.as_bytes());
        Ok(Self { read: Some(read), layer: document::read(&text, Some(name), env) })
    }

    /// The folder to which the paths in it are relative.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.read.as_ref().and_then(|read| read.file.parent())
    }
}

impl File {
    /// Whether a path without links is below the folder of the file, or below the one that has it as `config/`.
    pub(super) fn is_beside(&self, path: &Path) -> bool {
        let folder = self.folder().and_then(|folder| folder.canonicalize().ok());
        folder.is_some_and(|folder| {
            let project = folder.parent().filter(|_| folder.ends_with("config")).unwrap_or(&folder);
            path.starts_with(project)
        })
    }
}

/// The file of `--config`: as it was typed, and its absolute path.
fn named(flags: &Flags, cwd: Option<&Path>, name: &Path) -> Result<(PathBuf, PathBuf), Problem> {
    let path = from_here(flags, cwd, "config", name)?;
    match path.metadata() {
        Ok(about) if about.is_dir() => {
            Err(flags.problem("config", format!("`{}` is a folder; name a file", name.display())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let name = name.to_string_lossy();
            let quoted = shlex::try_quote(&name).unwrap_or_default();
            let next = format!("write one with `queue-work config init {quoted}`");
            Err(flags.problem("config", format!("there is no file `{name}`; {next}")))
        }
        Ok(_) | Err(_) => Ok((name.to_owned(), path)),
    }
}

/// The file in this folder or the nearest above it, as far as the home folder or the border of the file system: how
/// messages name it, and its absolute path.
fn above(cwd: &Path, home: Option<&Path>) -> Option<(PathBuf, PathBuf)> {
    let id = |folder: &Path| folder.metadata().map(|about| (about.dev(), about.ino())).ok();
    let (here, home) = (id(cwd)?, home.and_then(id));
    for folder in cwd.ancestors() {
        let this = id(folder);
        // What cannot be seen has nothing for us, and is on the way all the same.
        if this.is_some_and(|(device, _)| device != here.0) {
            return None;
        }
        let found = PLACES.into_iter().find(|place| is_there(&absolute(folder, Path::new(place)), false));
        if let Some(place) = found {
            let path = absolute(folder, Path::new(place));
            return Some((if folder == cwd { PathBuf::from(place) } else { path.clone() }, path));
        }
        if this.is_some() && this == home {
            return None;
        }
    }
    None
}

fn of_the_system() -> Option<(PathBuf, PathBuf)> {
    let path = Path::new(OF_THE_SYSTEM);
    is_there(path, true).then(|| (path.to_owned(), path.to_owned()))
}

/// Whether a file has this name; a link to nothing is one that cannot be read. `if_closed`: of a folder that may not be
/// looked into.
fn is_there(path: &Path, if_closed: bool) -> bool {
    match path.metadata() {
        Ok(about) => !about.is_dir(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => if_closed,
        Err(_) => path.is_symlink(),
    }
}

/// Reads it; one that was only found must be ours, as it says which commands run.
fn read(path: &Path, was_named: bool) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    if !was_named && let Some(whose) = trust::distrust_of_found(path, &file.metadata()?)? {
        let path = path.display();
        let next = format!(
            "if it may say what runs as you, name it with `--config {path}`; else use none: `--config /dev/null`"
        );
        return Err(io::Error::other(format!("it {whose}; {next}")));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
