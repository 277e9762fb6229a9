//! Starts a program in a process group of its own, with pipes to it.
//!
//! Does not know what the program is for. Invariant: the cost of a spawn does not depend on the size of the master,
//! unless further descriptors are asked for. std uses `posix_spawn` as long as the program is a path, nothing runs
//! between fork and exec and no user is changed; `protocol_fd` and `sockets` need such a hook (command-fds), hence the fork.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeReader};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;

use command_fds::{CommandFdExt, FdMapping};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use super::child::Child;
use super::image;
use super::mark::{Mark, marking};
use super::start_step::{self, Step};

/// The stdin of a child.
#[derive(Clone, Debug)]
pub enum StdinKind {
    /// A pipe from us.
    Pipe,
    /// `/dev/null`.
    Null,
    /// An end of a socket pair.
    Socket(Arc<OwnedFd>),
}

/// The program of a process that we start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// We ourselves, from the image that runs now; a hidden verb is the first argument.
    Own,
    /// Another, as [`resolve`] gave it.
    Other(PathBuf),
    /// The same, under the name that it was asked for by.
    Named(PathBuf, OsString),
}

/// A program to start.
#[derive(Clone, Debug)]
pub struct Spec {
    pub program: Program,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Where it runs; `None`: where we run.
    pub cwd: Option<PathBuf>,
    /// Added to the environment it inherits.
    pub env: Vec<(OsString, OsString)>,
    /// Taken from the environment it inherits, before `env` is added.
    pub env_remove: Vec<OsString>,
    pub stdin: StdinKind,
    /// A further pipe to us, at this descriptor of the child (3 or higher).
    pub protocol_fd: Option<i32>,
    /// Sockets at its descriptors from 3 on, in order; not beside `protocol_fd`.
    pub sockets: Vec<Arc<OwnedFd>>,
    /// Done before all else, by our own program or by [`super::start_step`].
    pub step: Step,
    /// The mark that it and all its descendants carry; `None`: ours.
    pub mark: Option<Mark>,
}

impl Spec {
    /// Its name in messages.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.program {
            Program::Own => image::name().to_string_lossy().into_owned(),
            Program::Other(path) => path.to_string_lossy().into_owned(),
            Program::Named(_, name) => name.to_string_lossy().into_owned(),
        }
    }
}

/// A program that was started. All pipes are blocking.
#[derive(Debug)]
pub struct Spawned {
    pub child: Child,
    /// To its stdin, if that was asked for.
    pub stdin: Option<ChildStdin>,
    pub stdout: PipeReader,
    pub stderr: PipeReader,
    /// From its protocol descriptor, if that was asked for.
    pub protocol: Option<PipeReader>,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is no such program, or no interpreter for it.
    #[error("cannot run `{program}`: {why}")]
    NotFound {
        /// As it was written.
        program: String,
        /// The name that was looked for, and where.
        why: String,
    },
    /// A file that exists, but is no program that we may run.
    #[error("cannot run `{program}`: {why}")]
    NotExecutable {
        /// As it was written.
        program: String,
        /// The kind of file, and the next step.
        why: String,
    },
    /// The working directory cannot be used.
    #[error("cannot run `{program}` in `{cwd}`: {why}")]
    Cwd {
        /// As it was written.
        program: String,
        cwd: String,
        why: String,
    },
    /// The protocol descriptor is one of stdin, stdout and stderr, or out of range.
    #[error("cannot run `{program}`: `protocol_fd` is {fd}; use 3 to 255")]
    ProtocolFd {
        /// As it was written.
        program: String,
        fd: i32,
    },
    #[error("cannot run `{program}`: {source}")]
    Io {
        /// As it was written.
        program: String,
        source: io::Error,
    },
}

impl SpawnError {
    /// Whether the same may work in a moment: the machine was out of processes, memory or descriptors, or the
    /// program's file was just being written.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_temporary(source))
    }
}

/// Whether a process may be had in a moment: see [`SpawnError::is_temporary`].
#[must_use]
pub fn is_temporary(error: &io::Error) -> bool {
    let temporary = [Errno::EAGAIN, Errno::ENOMEM, Errno::EMFILE, Errno::ENFILE, Errno::ETXTBSY, Errno::EINTR];
    error.raw_os_error().is_some_and(|code| temporary.contains(&Errno::from_raw(code)))
}

/// Finds a program once, so that each spawn takes a path: a bare name in `path_env` (a `PATH`), a name with a slash
/// relative to `cwd` (else to where we run). The path is absolute, so `cwd` of the child does not change its meaning.
pub fn resolve(program: &OsStr, cwd: Option<&Path>, path_env: Option<&OsStr>) -> Result<PathBuf, SpawnError> {
    let shown = || program.to_string_lossy().into_owned();
    let io_error = |source| SpawnError::Io { program: shown(), source };
    let base = std::path::absolute(cwd.unwrap_or(Path::new("."))).map_err(io_error)?;
    if program.is_empty() {
        return Err(SpawnError::NotFound { program: shown(), why: "the name is empty".to_owned() });
    }
    if program.as_encoded_bytes().contains(&b'/') {
        let path = base.join(program);
        return match look_at(&path) {
            Found::Program => Ok(path),
            Found::Nothing => Err(SpawnError::NotFound { program: shown(), why: "no such file".to_owned() }),
            Found::Other(why) => Err(SpawnError::NotExecutable { program: shown(), why }),
            Found::Error(errno) => Err(io_error(errno.into())),
        };
    }
    let mut near = None;
    for dir in std::env::split_paths(path_env.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"))) {
        let path = base.join(dir).join(program);
        match look_at(&path) {
            Found::Program => return Ok(path),
            Found::Other(why) => near = near.or(Some(format!("`{}`: {why}", path.display()))),
            Found::Nothing | Found::Error(_) => {}
        }
    }
    Err(match near {
        Some(why) => SpawnError::NotExecutable { program: shown(), why },
        None => SpawnError::NotFound { program: shown(), why: "not found in PATH".to_owned() },
    })
}

enum Found {
    Program,
    Nothing,
    Other(String),
    Error(Errno),
}

fn look_at(path: &Path) -> Found {
    match path.metadata() {
        Ok(found) if found.is_dir() => Found::Other("it is a directory".to_owned()),
        Ok(found) if !found.is_file() => Found::Other("it is not a file".to_owned()),
        Ok(_) => match access(path, AccessFlags::X_OK) {
            Ok(()) => Found::Program,
            Err(Errno::EACCES) => Found::Other("it is not executable; chmod +x it".to_owned()),
            Err(errno) => Found::Error(errno),
        },
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Found::Nothing,
        Err(e) => Found::Error(e.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
    }
}

/// Starts the program. Blocks until its exec has succeeded or failed; so a failure is known here and now. With a step in
/// between, a missing program is; one whose exec fails for another reason ends at once with exit code 127.
pub fn spawn(spec: &Spec) -> Result<Spawned, SpawnError> {
    spawn_with_ends(spec).map(|(spawned, _)| spawned)
}

/// The same, with the child's own ends of its stdout and stderr: while these are held, no end of a pipe is news beside
/// the end of the child.
pub fn spawn_with_ends(spec: &Spec) -> Result<(Spawned, Command), SpawnError> {
    let shown = || spec.shown();
    let io_error = |source| SpawnError::Io { program: shown(), source };
    let mut command = command(spec);
    let (stdout, its_stdout) = io::pipe().map_err(io_error)?;
    let (stderr, its_stderr) = io::pipe().map_err(io_error)?;
    command.stdout(its_stdout).stderr(its_stderr);
    command.stdin(match &spec.stdin {
        StdinKind::Pipe => Stdio::piped(),
        StdinKind::Null => Stdio::null(),
        StdinKind::Socket(end) => end.try_clone().map_err(io_error)?.into(),
    });
    let (mut protocol, mut mappings) = (None, Vec::new());
    if let Some(fd) = spec.protocol_fd {
        if !(3..=255).contains(&fd) {
            return Err(SpawnError::ProtocolFd { program: shown(), fd });
        }
        let (reader, writer) = io::pipe().map_err(io_error)?;
        mappings.push(FdMapping { parent_fd: OwnedFd::from(writer), child_fd: fd });
        protocol = Some(reader);
    }
    for (socket, child_fd) in spec.sockets.iter().zip(3..) {
        mappings.push(FdMapping { parent_fd: socket.try_clone().map_err(io_error)?, child_fd });
    }
    if !mappings.is_empty() {
        command.fd_mappings(mappings).map_err(|e| io_error(io::Error::other(e)))?;
    }
    let path = match &spec.program {
        Program::Own => None,
        Program::Other(path) | Program::Named(path, _) => Some(path.as_path()),
    };
    if let Some(path) = path.filter(|_| spec.step.is_needed()) {
        // The exec of the step succeeds, whatever becomes of that of the program.
        resolve(path.as_os_str(), None, None)?;
    }
    let spawned = match spec.mark {
        Some(mark) => marking(Some(mark), || command.spawn()),
        None => command.spawn(),
    };
    let mut process = spawned.map_err(|e| explain(shown(), path, spec.cwd.as_deref(), e))?;
    let stdin = process.stdin.take();
    Ok((Spawned { child: Child::new(process), stdin, stdout, stderr, protocol }, command))
}

fn command(spec: &Spec) -> Command {
    let mut command = match &spec.program {
        Program::Own => image::command(),
        Program::Other(path) | Program::Named(path, _) if spec.step.is_needed() => {
            let mut command = image::command();
            command.arg(start_step::VERB).arg(path);
            command
        }
        Program::Other(path) => Command::new(path),
        Program::Named(path, name) => {
            let mut command = Command::new(path);
            command.arg0(name);
            command
        }
    };
    if !spec.step.session {
        // The leader of a group cannot make a session; `setsid` makes the group as well, a moment later.
        command.process_group(0);
    }
    command.args(&spec.args);
    if let Some(cwd) = &spec.cwd {
        command.current_dir(cwd);
    }
    for name in &spec.env_remove {
        command.env_remove(name);
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    for name in start_step::VARIABLES {
        command.env_remove(name);
    }
    command.envs(spec.step.env());
    command
}

/// Whether a program can run in this directory.
pub fn check_cwd(program: &str, cwd: &Path) -> Result<(), SpawnError> {
    let why = match cwd.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Some("it does not exist".to_owned()),
        Err(e) => Some(e.to_string()),
        Ok(found) if !found.is_dir() => Some("it is not a directory".to_owned()),
        Ok(_) => access(cwd, AccessFlags::X_OK).err().map(|e| e.desc().to_lowercase()),
    };
    let (program, cwd) = (program.to_owned(), cwd.to_string_lossy().into_owned());
    why.map_or(Ok(()), |why| Err(SpawnError::Cwd { program, cwd, why }))
}

/// Exec reports one errno for the directory, the file and the interpreter; looks for the one that is meant. Without a
/// path it is our own image, which is there.
pub(super) fn explain(program: String, path: Option<&Path>, cwd: Option<&Path>, source: io::Error) -> SpawnError {
    let Some(errno) = source.raw_os_error().map(Errno::from_raw) else { return SpawnError::Io { program, source } };
    if !matches!(errno, Errno::ENOENT | Errno::EACCES | Errno::ENOTDIR | Errno::ENOEXEC) {
        return SpawnError::Io { program, source };
    }
    if let Some(Err(error)) = cwd.map(|cwd| check_cwd(&program, cwd)) {
        return error;
    }
    let Some(path) = path else { return SpawnError::Io { program, source } };
    match (look_at(path), errno) {
        (Found::Nothing, _) => SpawnError::NotFound { program, why: "no such file".to_owned() },
        (Found::Other(why), _) => SpawnError::NotExecutable { program, why },
        (Found::Program, Errno::ENOENT) => {
            SpawnError::NotFound { program, why: "its interpreter does not exist; look at its `#!` line".to_owned() }
        }
        (Found::Program, Errno::ENOEXEC) => SpawnError::NotExecutable {
            program,
            why: "it is no program for this machine; a script needs a `#!` line".to_owned(),
        },
        (Found::Program, Errno::EACCES) => SpawnError::NotExecutable {
            program,
            why: "it, or the interpreter in its `#!` line, may not be executed".to_owned(),
        },
        _ => SpawnError::Io { program, source },
    }
}

#[cfg(test)]
mod tests;
