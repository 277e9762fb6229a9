//! From a program name to a path, before anything is started.
//!
//! A path keeps std's fast way of starting a process (`posix_spawn`) in use, and tells "there is no such program" from
//! "it may not be executed" for certain. A name with a `/` is taken from the folder the command runs in, like the
//! folders of a relative `PATH`.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::verdict::Failure;

/// What `execvp` searches where there is no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Finds the program of a command that runs in `cwd`.
pub(super) fn resolve(program: &OsStr, cwd: Option<&Path>, path: Option<&OsStr>) -> Result<PathBuf, Failure> {
    let here = cwd.unwrap_or(Path::new(""));
    if program.as_bytes().contains(&b'/') {
        let at = here.join(program);
        return match executable(&at) {
            Found::Yes => Ok(at),
            Found::NotExecutable => Err(not_executable(program)),
            Found::No => Err(not_found(program, "there is no such file")),
        };
    }
    let mut seen = false;
    for dir in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
        // An empty part of `PATH` is the folder itself; `.` keeps a `/` in the path, so that nobody searches again.
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { &dir };
        let at = here.join(dir).join(program);
        match executable(&at) {
            Found::Yes => return Ok(at),
            Found::NotExecutable => seen = true,
            Found::No => {}
        }
    }
    if seen { Err(not_executable(program)) } else { Err(not_found(program, "it is not on `PATH`")) }
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
        _ => Failure::new("spawn", Some(true), format!("cannot run `{name}`: {error}")),
    }
}

fn not_found(program: &OsStr, why: &str) -> Failure {
    Failure::new("not_found", Some(false), format!("cannot run `{}`: {why}", program.to_string_lossy()))
}

fn not_executable(program: &OsStr) -> Failure {
    let message = format!("cannot run `{}`: it is not executable", program.to_string_lossy());
    Failure::new("not_executable", Some(false), message)
}

enum Found {
    Yes,
    NotExecutable,
    No,
}

fn executable(at: &Path) -> Found {
    match std::fs::metadata(at) {
        Ok(m) if m.is_file() && access(at, AccessFlags::X_OK).is_ok() => Found::Yes,
        Ok(_) => Found::NotExecutable,
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Found::NotExecutable,
        Err(_) => Found::No,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_would_find_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let bin = dir.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        for (name, mode) in [("tool", 0o755), ("plain", 0o644)] {
            fs::write(bin.join(name), "#!/bin/sh\n").expect("a file");
            fs::set_permissions(bin.join(name), Permissions::from_mode(mode)).expect("a mode");
        }
        let path = format!("/nowhere:{}", bin.display());
        let find = |program: &str, cwd: Option<&Path>, path: &str| {
            resolve(program.as_ref(), cwd, Some(path.as_ref())).map_err(|f| f.data.kind)
        };
        let tool = bin.join("tool");
        assert_eq!(find("tool", None, &path), Ok(tool.clone()));
        assert_eq!(find("./tool", Some(&bin), "").as_deref(), Ok(&*bin.join("./tool")));
        assert_eq!(find("bin/tool", Some(dir.path()), ""), Ok(tool.clone()));
        assert_eq!(find("tool", Some(&bin), ":"), Ok(bin.join("./tool")));
        assert_eq!(find("tool", Some(dir.path()), "bin"), Ok(tool.clone()));
        assert_eq!(find(tool.to_str().expect("UTF-8"), None, ""), Ok(tool));
        assert_eq!(find("missing", None, &path), Err("not_found"));
        assert_eq!(find("./missing", Some(&bin), &path), Err("not_found"));
        assert_eq!(find("plain", None, &path), Err("not_executable"));
        assert_eq!(find("./plain", Some(&bin), &path), Err("not_executable"));
        assert_eq!(find("../bin", Some(&bin), &path), Err("not_executable"));
        assert!(resolve("sh".as_ref(), None, None).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_entered_is_named() {
        let message = |cwd: &str| check_cwd(Path::new(cwd)).expect_err("an error").message;
        assert_eq!(message("/no/where"), "cannot run in `/no/where`: it does not exist");
        assert_eq!(message("/etc/passwd"), "cannot run in `/etc/passwd`: it is not a folder");
        assert_eq!(check_cwd(Path::new("/")), Ok(()));
    }
}
