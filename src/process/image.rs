//! The program that runs now, to be started again: as a worker, the guardian or a start step, or in its own place.
//!
//! Parts that speak an internal protocol are of one version, also when the file has been replaced by another.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::system::image::path;
pub use super::system::image::take_name;

/// How many arenas of memory there are at most; malloc of glibc reads it when the process begins (mallopt(3)).
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// A command that runs this image under the name that we were called by; arguments follow.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(path());
    command.arg0(name());
    command
}

/// The name it was called by, the first word of the command line of what is started.
#[must_use]
pub fn name() -> OsString {
    std::env::args_os().next().filter(|name| !name.is_empty()).unwrap_or_else(|| OsString::from("queue-work"))
}

/// Executes this program once more in this process, with its arguments and these variables beside its own. Returns if that fails.
#[must_use]
pub fn again(variables: &[(&str, &str)]) -> std::io::Error {
    command().args(std::env::args_os().skip(1)).envs(variables.iter().copied()).exec()
}

/// Begins this program anew, in this process, with one arena of memory for all threads: glibc gives each thread one of its own
/// and hardly returns it to the system, so that a few idle threads hold some MiB. Returns if it has begun so already, if
/// somebody else has said how many there are, if the allocator is another one, or if it cannot be begun anew.
pub fn with_one_arena() {
    if cfg!(not(target_env = "gnu")) || std::env::var_os(ARENAS).is_some() {
        return take_name();
    }
    let error = again(&[(ARENAS, "1")]);
    log::debug!("this process cannot begin anew with one arena of memory: {error}");
}
