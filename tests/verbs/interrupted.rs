//! A verb that waits and is interrupted says what is true of what it waited for.

use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{Bench, DEADLINE};

const SCRIPT: &str = "touch began; while [ ! -e go ]; do sleep 0.02; done; echo well";

/// A verb that is under way; its stderr goes to a file.
struct Waiting<'a> {
    bench: &'a Bench,
    child: Child,
}

impl<'a> Waiting<'a> {
    fn start(bench: &'a Bench, words: &[&str]) -> Self {
        let said = std::fs::File::create(bench.path().join("said")).expect("a file");
        let mut command: Command = bench.command(words);
        let child = command.stderr(said).spawn().expect("started");
        Self { bench, child }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.bench.path().join("said")).expect("a text")
    }

    /// Ctrl-C, once it listens for that; what it has said.
    fn interrupt(mut self) -> String {
        self.bench.wait_for("it to listen", DEADLINE, |_| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask").trim();
            u64::from_str_radix(caught, 16).expect("a mask") & 1 << (Signal::SIGINT as i32 - 1) != 0
        });
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGINT).expect("it is there");
        assert!(!self.child.wait().expect("it ends").success());
        self.said()
    }
}

/// Types what stands between the last two backticks.
fn type_next_step(bench: &Bench, said: &str) -> super::support::Run {
    let command = said.rsplit('`').nth(1).expect("a next step");
    bench.run(&command.split(' ').skip(1).collect::<Vec<_>>())
}

#[test]
fn a_stop_that_is_interrupted_says_that_the_master_goes_on_stopping_and_so_it_does() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--", "sh", "-c", SCRIPT]);
    bench.wait_for("the command", DEADLINE, |b| b.path().join("began").exists());
    let stop = Waiting::start(&bench, &["stop"]);
    bench.wait_for("the master to hear of it", DEADLINE, |b| b.status()["master"]["state"] == "draining");
    let said = stop.interrupt();
    assert!(said.ends_with("queue-work: the master goes on stopping; see `queue-work status`\n"), "{said}");
    assert!(type_next_step(&bench, &said).expect_code(0).stdout.contains("is draining"));
    std::fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!(bench.job(id)["state"], "succeeded");
}

#[test]
fn a_restart_that_is_interrupted_says_that_the_master_goes_on_with_it() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.push(&["--", "sh", "-c", SCRIPT]);
    bench.wait_for("the command", DEADLINE, |b| b.path().join("began").exists());
    let restart = Waiting::start(&bench, &["restart", "--all"]);
    bench.wait_for("the master to hear of it", DEADLINE, |_| restart.said().contains("1 job still runs"));
    let said = restart.interrupt();
    assert!(said.ends_with("the master goes on restarting them; see `queue-work status`\n"), "{said}");
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("a new worker", DEADLINE, |b| b.status()["workers"][0]["restarts"] == 1);
}

#[test]
fn a_wait_for_a_job_that_nobody_takes_yet_says_that_it_waits() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let waiting = Waiting::start(&bench, &["push", "--wait", "--queue", "later", "--", "echo", "well"]);
    bench.wait_for("the job", DEADLINE, |b| b.run(&["jobs", "show", "1"]).code == 0);
    let said = waiting.interrupt();
    let waits = "queue-work: job 1 waits in its queue; wait for it with `queue-work jobs wait 1`\n";
    assert!(said.ends_with(waits), "{said}");
    bench.ok(&["spawn", "--queue=later", "--workers=1"]);
    assert_eq!(type_next_step(&bench, &said).expect_code(0).stdout, "well\n");
}

#[test]
fn what_is_not_waited_for_is_told_as_not_done_yet() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let said = bench.ok(&["scale", "3", "--no-wait"]);
    assert!(said.starts_with("scaling `default` from 1 to 3 workers: ") && said.ends_with(" ready now\n"), "{said}");
}

#[test]
fn a_restart_says_that_the_configuration_has_changed_since_the_master_read_it() {
    let bench = Bench::new();
    let config = bench.path().join("queue-work.toml");
    std::fs::write(&config, "[pools.default]\nworkers = 1\n").expect("written");
    let _master = bench.start(&[]);
    assert_eq!(bench.run(&["restart", "--all"]).expect_code(0).stderr, "");
    std::fs::write(&config, "[pools.default]\nworkers = 2\n").expect("written");
    let said = bench.run(&["restart", "--all"]).expect_code(0);
    assert!(said.stdout.starts_with("restarted 1 worker"), "{said:?}");
    assert!(said.stderr.contains("queue-work.toml` has changed since the master read it"), "{said:?}");
    let reloaded = type_next_step(&bench, &said.stderr).expect_code(0).stdout;
    assert!(reloaded.starts_with("pools: default workers 1 → 2\n"), "{reloaded}");
    let said = bench.run(&["restart", "--all"]).expect_code(0);
    assert!(said.stdout.starts_with("restarted 2 workers") && said.stderr.is_empty(), "{said:?}");
}

#[test]
fn nothing_can_have_been_printed_within_no_time() {
    let said = Bench::new().run(&["logs", "--since", "0s"]).expect_code(2).stderr;
    assert!(said.contains("it must be longer than 0s"), "{said}");
}
