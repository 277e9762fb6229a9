//! A running master, and what it said.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Bench, DEADLINE, eventually, undated};

/// A master that was started by a test; killed when dropped.
pub(crate) struct Master<'a> {
    bench: &'a Bench,
    child: Child,
    stderr: PathBuf,
}

impl<'a> Master<'a> {
    #[track_caller]
    pub(super) fn launch(bench: &'a Bench, command: &mut Command) -> Self {
        // Files, not pipes: nobody has to read them, and they are there after a kill.
        let number = (1..1000).find(|n| !log_path(bench.path(), *n).exists()).expect("a thousand masters are enough");
        let stderr = log_path(bench.path(), number);
        let file = File::create(&stderr).expect("a file");
        let stdout = File::create(stderr.with_extension("out")).expect("a file");
        command.stdin(Stdio::null()).stdout(stdout).stderr(file).process_group(0);
        let child = command.spawn().expect("the binary can be started");
        Self { bench, child, stderr }
    }

    /// Waits until it says that it runs.
    #[track_caller]
    pub(crate) fn wait_until_it_runs(&mut self) {
        let (pid, bench) = (self.pid(), self.bench);
        let runs = eventually(DEADLINE, || {
            let status = &bench.status()["master"];
            let ended = self.child.try_wait().expect("our child").is_some();
            assert!(!ended, "the master ended at once\n{}", bench.dump());
            status["state"] == "running" && status["pid"] == pid
        });
        assert!(runs, "the master does not say that it runs\n{}", bench.dump());
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What it said so far, without the times.
    pub(crate) fn stderr(&self) -> String {
        undated(&fs::read_to_string(&self.stderr).unwrap_or_default())
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the master is there");
    }

    /// Kills it as a power cut would, and reaps it.
    #[track_caller]
    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("the master is there");
        self.child.wait().expect("our child");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, deadline: Duration) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        let ended = eventually(deadline, || {
            status = child.try_wait().expect("our child");
            status.is_some()
        });
        assert!(ended, "the master did not end within {deadline:?}\n{}", self.bench.dump());
        status.expect("BUG: it has ended")
    }
}

impl Drop for Master<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn log_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("master-{number}.err"))
}

/// What every master of a bench said, for a panic.
pub(super) fn logs(folder: &Path) -> String {
    let texts = (1..).map_while(|n| fs::read_to_string(log_path(folder, n)).ok());
    texts.enumerate().fold(String::new(), |all, (n, text)| all + &format!("stderr of master {}:\n{text}", n + 1))
}
