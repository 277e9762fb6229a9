//! A store in PostgreSQL through the real binary: one host, two hosts, a host that is killed or frozen, bad input, a move.

mod bad_input;
mod changed;
mod failover;
mod hosts;
mod inbox;
mod migrate;
mod one_host;
mod orders;
mod page;
mod rounds;
#[path = "../../src/store/postgres/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod way;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Waits until it holds, for as long as anything may take.
#[track_caller]
fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(support::eventually(support::DEADLINE, condition), "never: {what}");
}

/// A host of a store: what stands for it are folders of its own.
struct Host {
    url: String,
    home: TempDir,
    master: Option<Child>,
}

impl Host {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), home: tempfile::tempdir().unwrap(), master: None }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_queue-work"));
        command.args(args);
        self.within(command)
    }

    /// Gives a command the folders and the store of this host.
    fn within(&self, mut command: Command) -> Command {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("XDG_STATE_HOME", self.home.path());
        command.env("QUEUE_WORK_DATABASE", &self.url).stdin(Stdio::null());
        command
    }

    /// What it prints, what it says, and its code; 124 where it waits for what never comes.
    fn run(&self, args: &[&str]) -> (String, String, i32) {
        let mut command = Command::new("timeout");
        command.args(["60", env!("CARGO_BIN_EXE_queue-work")]).args(args);
        let output = self.within(command).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let (out, said, code) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {out}{said}");
        out
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Starts a master, which is ready when this returns.
    fn start(&mut self, args: &[&str]) {
        let log = std::fs::File::create(self.log()).unwrap();
        self.master = Some(self.command(args).stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap());
        eventually("the master is ready", || self.run(&["status", "--json"]).2 == 0);
    }

    fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.master.as_ref().unwrap().id()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    fn kill(&mut self) {
        let mut master = self.master.take().unwrap();
        master.kill().unwrap();
        master.wait().unwrap();
    }

    fn state(&self, job: &str) -> String {
        self.json(&["jobs", "show", job, "--json"])["state"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.master.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!(
                "log of {}:\n{}",
                self.home.path().display(),
                std::fs::read_to_string(self.log()).unwrap_or_default()
            );
        }
    }
}
