//! Finds processes by a variable in their environment, whatever became of their parents, groups and sessions.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that is still there.
#[derive(Debug)]
pub(crate) struct Leftover {
    /// Its process id.
    pub(crate) pid: i32,
    /// Its command line.
    pub(crate) command: String,
}

impl Leftover {
    /// Kills it, if it is still there.
    pub(crate) fn kill(&self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
    }
}

/// Every process other than this one with one of these variables in its environment. A zombie has none and is not found.
pub(super) fn find(variables: &[(&str, &Path)]) -> Vec<Leftover> {
    let variable = |(name, value): &(&str, &Path)| [name.as_bytes(), b"=", value.as_os_str().as_bytes()].concat();
    let wanted: Vec<Vec<u8>> = variables.iter().map(variable).collect();
    let own = std::process::id().cast_signed();
    let processes = fs::read_dir("/proc").expect("this is Linux");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|&pid| pid != own)
        .filter_map(|pid| {
            let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
            environ.split(|&b| b == 0).any(|variable| wanted.iter().any(|w| w == variable)).then(|| {
                let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                Leftover { pid, command: String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned() }
            })
        })
        .collect()
}
