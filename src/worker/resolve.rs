//! From a program name to a path, before anything is started.
//!
//! A path keeps std's fast way of starting a process (`posix_spawn`) in use, and tells "there is no such program" from
//! "it may not be executed" for certain. A name with a `/` is taken from the folder the command runs in, like the
//! folders of a relative `PATH`.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::verdict::Failure;
use crate::model::answer::{NOT_BEGUN, PROGRAM_BUSY};
use crate::process::spawn::{self, SpawnError};

/// Finds the program of a command that runs in `cwd`.
pub(super) fn resolve(program: &OsStr, cwd: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf, Failure> {
    spawn::resolve(program, cwd, path).map_err(|error| match error {
        SpawnError::NotFound { .. } => Failure::new("not_found", Some(false), error.to_string()),
        SpawnError::NotExecutable { .. } => Failure::new("not_executable", Some(false), error.to_string()),
        SpawnError::Cwd { .. } => Failure::new("bad_cwd", None, error.to_string()),
        SpawnError::ProtocolFd { .. } | SpawnError::Io { .. } => refused(error.is_temporary(), error.to_string()),
    })
}

/// Whether a command can run in this folder.
pub(super) fn check_cwd(cwd: &Path) -> Result<(), Failure> {
    let why = match std::fs::metadata(cwd) {
        Ok(m) if m.is_dir() => return Ok(()),
        Ok(_) => "it is not a folder".to_owned(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => "it does not exist".to_owned(),
        Err(e) => e.to_string(),
    };
    Err(Failure::new("bad_cwd", None, format!("cannot run in `{}`: {why}", cwd.display())))
}

/// The failure to start a program that was found.
pub(super) fn spawn_failure(program: &OsStr, error: &io::Error) -> Failure {
    let name = program.to_string_lossy();
    match error.kind() {
        io::ErrorKind::NotFound => {
            let message = format!("cannot run `{name}`: its interpreter (first line, `#!`) does not exist");
            Failure::new("not_found", Some(false), message)
        }
        io::ErrorKind::PermissionDenied => not_executable(program),
        io::ErrorKind::ArgumentListTooLong => {
            Failure::new("invalid", Some(false), format!("cannot run `{name}`: its arguments are too long"))
        }
        _ if error.raw_os_error() == Some(nix::errno::Errno::ENOEXEC as i32) => {
            let message = format!("cannot run `{name}`: it is not a program, nor a script with a `#!` line");
            Failure::new("not_executable", Some(false), message)
        }
        io::ErrorKind::ExecutableFileBusy => Failure::new(PROGRAM_BUSY, None, format!("cannot run `{name}`: {error}")),
        _ => refused(spawn::is_temporary(error), format!("cannot run `{name}`: {error}")),
    }
}

/// The system refused. `for_now`: it has no process, memory or file left; nothing of the command has run, and none of
/// that is the job's fault.
fn refused(for_now: bool, message: String) -> Failure {
    Failure::new(if for_now { NOT_BEGUN } else { "refused" }, None, message)
}

fn not_executable(program: &OsStr) -> Failure {
    let message = format!("cannot run `{}`: it is not executable", program.to_string_lossy());
    Failure::new("not_executable", Some(false), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_found_and_what_may_not_run_are_told_apart() {
        let kind = |program: &str| resolve(program.as_ref(), None, Some("/bin".as_ref())).map_err(|f| f.data.kind);
        assert_eq!(kind("no-such-program"), Err("not_found"));
        assert_eq!(kind("/etc/passwd"), Err("not_executable"));
        assert!(kind("sh").is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_entered_is_named() {
        let message = |cwd: &str| check_cwd(Path::new(cwd)).expect_err("an error").message;
        assert_eq!(message("/no/where"), "cannot run in `/no/where`: it does not exist");
        assert_eq!(message("/etc/passwd"), "cannot run in `/etc/passwd`: it is not a folder");
        assert_eq!(check_cwd(Path::new("/")), Ok(()));
    }
}
