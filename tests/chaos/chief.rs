//! A master of the rounds, one after the other on the same store.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::clock;
use crate::support::{Bench, DEADLINE};
use crate::talk;

/// Where the masters of a bench listen.
pub(crate) fn socket(bench: &Bench) -> PathBuf {
    bench.path().join("q.db.sock")
}

/// A master; killed when dropped.
pub(crate) struct Chief {
    child: Child,
    socket: PathBuf,
    /// When it was started, in microseconds.
    pub(crate) since: i64,
}

impl Chief {
    /// Starts one with this configuration.
    pub(crate) fn launch(bench: &Bench, config: &str) -> Self {
        let file = bench.path().join("chaos.toml");
        std::fs::write(&file, config).expect("written");
        let log = File::options().append(true).create(true).open(bench.path().join("masters.err")).expect("a file");
        let mut command = bench.command(&["--config", file.to_str().expect("UTF-8")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).process_group(0);
        let since = clock::micros();
        Self { child: command.spawn().expect("the binary can be started"), socket: socket(bench), since }
    }

    /// Starts one and waits until it runs.
    #[track_caller]
    pub(crate) fn start(bench: &Bench, config: &str) -> Self {
        let mut chief = Self::launch(bench, config);
        chief.wait_until_up().unwrap_or_else(|why| panic!("{why}"));
        chief
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until it says that it runs; why it does not.
    pub(crate) fn wait_until_up(&mut self) -> Result<(), String> {
        let mut ended = None;
        let up = clock::soon(DEADLINE, || {
            ended = self.child.try_wait().expect("our child");
            ended.is_some() || self.ask("ping", &Value::Null).is_some_and(|answer| answer.is_ok())
        });
        match ended {
            Some(status) => Err(format!("a master ended while it started: {status}")),
            None if up => Ok(()),
            None => Err("a master does not come up".to_owned()),
        }
    }

    /// Asks it something; `None` if there was no answer.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> Option<Result<Value, String>> {
        talk::ask(&self.socket, method, params)
    }

    /// `status`; `null` if it cannot be had.
    pub(crate) fn status(&self) -> Value {
        self.ask("status", &json!({})).and_then(Result::ok).unwrap_or(Value::Null)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It is our child and was not waited for: the id is its own, though it may have ended.
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Kills it and reaps it; when it was killed.
    pub(crate) fn kill9(&mut self) -> i64 {
        let at = clock::micros();
        self.signal(Signal::SIGKILL);
        self.child.wait().expect("our child");
        at
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    /// Stops it with the grace of its pools.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let ended = clock::soon(2 * DEADLINE, || self.has_ended().is_some());
        let status = self.has_ended();
        assert!(ended && status.is_some_and(|s| s.success()), "a stop that ends with {status:?}");
    }

    /// So many descriptors are open in it.
    pub(crate) fn descriptors(&self) -> u64 {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, |entries| entries.count() as u64)
    }

    /// What it has in memory of its own, in bytes: pages of the database that are mapped come and go with its size.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
    }
}

impl Drop for Chief {
    fn drop(&mut self) {
        if self.has_ended().is_none() {
            self.kill9();
        }
    }
}

/// Waits until nothing waits or runs, for at most `deadline`; the last status if it does not come to that.
pub(crate) fn drained(chief: &Chief, deadline: Duration) -> Result<(), Value> {
    let mut status = Value::Null;
    let empty = clock::soon(deadline, || {
        clock::pass(Duration::from_millis(10));
        status = chief.status();
        let zero = |queue: &Value| ["ready", "scheduled", "running"].iter().all(|name| queue[name] == 0);
        status["queues"].as_array().is_some_and(|queues| queues.iter().all(zero))
    });
    if empty { Ok(()) } else { Err(status) }
}
