//! `work`: one worker in the foreground, as a master of its own or lent by one that runs.

use std::fs::File;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal::{self, SIGINT, SIGKILL, SIGTERM};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::support::{Bench, DEADLINE, eventually, fixture, undated};

/// A job that lasts until the file `go` is there.
const UNTIL_GO: [&str; 4] = ["--", "sh", "-c", "touch began; while [ ! -e go ]; do sleep 0.02; done"];

/// A `work` that was started.
struct Work<'a> {
    bench: &'a Bench,
    child: Child,
}

impl<'a> Work<'a> {
    fn start(bench: &'a Bench, args: &[&str]) -> Self {
        let file = |name: &str| Stdio::from(File::create(bench.path().join(name)).expect("a file"));
        let words: Vec<&str> = ["work"].iter().chain(args).copied().collect();
        let mut command = bench.command(&words);
        let child = command.stdin(Stdio::null()).stdout(file("work.out")).stderr(file("work.err")).spawn();
        Self { bench, child: child.expect("the binary can be started") }
    }

    fn stdout(&self) -> String {
        std::fs::read_to_string(self.bench.path().join("work.out")).expect("a text")
    }

    fn stderr(&self) -> String {
        undated(&std::fs::read_to_string(self.bench.path().join("work.err")).expect("a text"))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    #[track_caller]
    fn wait_until_it_says(&self, text: &str) {
        self.bench.wait_for(text, DEADLINE, |_| self.stderr().contains(text));
    }

    #[track_caller]
    fn ends_with(&mut self, code: i32) {
        let mut status = None;
        let ended = eventually(DEADLINE, || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        assert!(ended, "it does not end\n{}{}", self.stderr(), self.bench.dump());
        assert_eq!(status.and_then(|status| status.code()), Some(code), "{}", self.stderr());
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Both ways in which a `work` can have its worker: alone, and lent by a master that serves another queue.
fn both(test: impl Fn(&Bench, &str)) {
    test(&Bench::new(), "alone");
    let bench = Bench::new();
    let mut master = bench.start(&["--queue=elsewhere", "--workers=1"]);
    test(&bench, "lent");
    let pools = bench.status()["pools"].as_array().expect("pools").len();
    assert_eq!(pools, 1, "no pool is left");
    master.signal(SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn jobs_print_on_stdout_and_stderr_and_a_line_tells_of_each_that_begins_and_ends() {
    both(|bench, way| {
        bench.push(&["--", "sh", "-c", "echo to stdout; echo to stderr >&2"]);
        bench.push(&["--max-attempts=1", "--", "sh", "-c", "exit 7"]);
        let mut work = Work::start(bench, &["--max-jobs", "2"]);
        work.ends_with(0);
        assert_eq!(work.stdout(), "to stdout\n", "{way}");
        let said = work.stderr();
        let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("{way}: no `{text}` in\n{said}"));
        let order = [
            "1 worker for `default`, commands as jobs",
            "job 1 (`exec`) began\n",
            "\nto stderr\n",
            "job 1 (`exec`) succeeded after ",
            "job 2 (`exec`) began\n",
            "job 2 (`exec`) is dead (max_attempts): exit status 7",
            "stopped: 2 jobs in ",
        ];
        assert!(order.map(at).is_sorted(), "{way}: {said}");
        assert_eq!(said.matches("\njob 2 ").count(), 2, "{way}: once each\n{said}");
    });
}

#[test]
fn with_quiet_there_is_nothing_but_what_jobs_print() {
    both(|bench, way| {
        bench.push(&["--", "echo", "well"]);
        let run = bench.run(&["work", "-q", "--drain"]).expect_code(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("well\n", ""), "{way}");
    });
}

#[test]
fn it_ends_after_so_many_jobs_or_so_long_or_when_its_queues_are_empty() {
    both(|bench, way| {
        let states =
            |bench: &Bench, ids: &[i64]| ids.iter().filter(|&&id| bench.job(id)["state"] == "succeeded").count();
        let ids: Vec<i64> = (0..5).map(|_| bench.push(&["--", "true"])).collect();
        bench.run(&["work", "--max-jobs", "2", "--drain"]).expect_code(0);
        assert_eq!(states(bench, &ids), 2, "{way}");
        bench.run(&["work", "--drain"]).expect_code(0);
        assert_eq!(states(bench, &ids), 5, "{way}");
        // Nothing to do.
        bench.run(&["work", "--drain"]).expect_code(0);
        bench.run(&["work", "--max-time", "100ms"]).expect_code(0);
        let dead = bench.push(&["--max-attempts=1", "--", "false"]);
        let run = bench.run(&["work", "--drain"]).expect_code(1);
        assert!(
            run.stderr.ends_with("queue-work: 1 job died; see `queue-work jobs --state dead`\n"),
            "{way}: {}",
            run.stderr
        );
        assert_eq!(bench.job(dead)["state"], "dead");
        let long = bench.push(&UNTIL_GO);
        let mut work = Work::start(bench, &["--max-time", "300ms"]);
        bench.wait_for("the job", DEADLINE, |b| b.path().join("began").exists());
        std::fs::write(bench.path().join("go"), "").expect("written");
        work.ends_with(0);
        assert_eq!(bench.job(long)["state"], "succeeded", "{way}: it ends between jobs");
    });
}

#[test]
fn queues_are_served_in_their_order_by_a_program_or_a_command_for_each_job() {
    both(|bench, way| {
        let (mail, images) = (bench.push(&["--queue=mail", "a", "1"]), bench.push(&["--queue=images", "a", "2"]));
        let echo = fixture("echo.py");
        let mut args = vec!["work", "--queue=images,mail", "--max-jobs=1", "--"];
        args.extend(echo.iter().map(String::as_str));
        bench.run(&args).expect_code(0);
        let state = |id| bench.job(id)["state"].clone();
        assert_eq!((state(images), state(mail)), ("succeeded".into(), "ready".into()), "{way}");
        let run = bench.run(&["work", "--queue=mail", "--drain", "--exec", "--", "echo", "job {}"]).expect_code(0);
        assert_eq!((run.stdout.as_str(), state(mail)), ("job 1\n", "succeeded".into()), "{way}");
        let run = bench.run(&["work", "--exec", "--", "{}"]);
        assert_eq!(run.code, 2, "{way}: {run:?}");
    });
}

#[test]
fn a_timeout_that_is_given_holds_for_jobs_without_one() {
    both(|bench, way| {
        let id = bench.push(&["--max-attempts=1", "--", "sleep", "60"]);
        bench.run(&["work", "--max-jobs=1", "--timeout=200ms"]).expect_code(0);
        assert_eq!(bench.job(id)["error_type"], "timeout", "{way}: {}", bench.job(id));
    });
}

#[test]
fn the_worker_is_that_of_the_pool_that_serves_the_queue() {
    let file = |bench: &Bench, name: &str| {
        let echo = serde_json::json!(fixture("echo.py"));
        let text = format!("[pools.letters]\nqueues = [\"mail\"]\nworkers = 3\ncommand = {echo}\ntimeout = \"9m\"\n");
        std::fs::write(bench.path().join(name), text).expect("written");
    };
    let bench = Bench::new();
    file(&bench, "queue-work.toml");
    let id = bench.push(&["--queue=mail", "a"]);
    let run = bench.run(&["work", "--queue=mail", "--drain"]).expect_code(0);
    assert!(run.stderr.contains("as the pool `letters` of `"), "{}", run.stderr);
    assert!(undated(&run.stderr).contains("pool `letters`: 1 worker for `mail`"), "{}", run.stderr);
    assert!(run.stderr.contains("timeout 9m"), "{}", run.stderr);
    assert_eq!(bench.job(id)["state"], "succeeded");

    // The file of the master counts, not that of the client.
    let bench = Bench::new();
    file(&bench, "masters.toml");
    let _master = bench.start(&["--config=masters.toml"]);
    bench.ok(&["pause", "mail", "--force"]);
    let mut work = Work::start(&bench, &["--queue=mail"]);
    work.wait_until_it_says("1 worker for `mail`, workers that speak the protocol");
    assert!(work.stderr().contains("timeout 9m"), "{}", work.stderr());
    work.signal(SIGINT);
    work.ends_with(0);
}

#[test]
fn ctrl_c_waits_for_the_job_and_a_second_one_gives_it_back() {
    both(|bench, way| {
        let id = bench.push(&UNTIL_GO);
        let mut work = Work::start(bench, &[]);
        bench.wait_for("the job", DEADLINE, |b| b.path().join("began").exists());
        work.signal(SIGINT);
        work.wait_until_it_says("stopping: 1 running job may go on for 30s; press Ctrl-C again to end now");
        std::fs::write(bench.path().join("go"), "").expect("written");
        work.ends_with(0);
        assert_eq!(bench.job(id)["state"], "succeeded", "{way}");

        for file in ["began", "go"] {
            std::fs::remove_file(bench.path().join(file)).expect("removed");
        }
        let id = bench.push(&UNTIL_GO);
        let mut work = Work::start(bench, &["--drain"]);
        bench.wait_for("the job", DEADLINE, |b| b.path().join("began").exists());
        work.signal(SIGINT);
        work.wait_until_it_says("press Ctrl-C again to end now");
        work.signal(SIGINT);
        work.ends_with(130);
        let job = bench.job(id);
        assert_eq!((&job["state"], &job["attempts"]), (&"ready".into(), &0.into()), "{way}: {job}");
    });
}

#[test]
fn a_killed_work_loses_no_job_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let id = bench.push(&UNTIL_GO);
    let mut work = Work::start(&bench, &[]);
    bench.wait_for("the job", DEADLINE, |b| b.path().join("began").exists());
    work.signal(SIGKILL);
    work.child.wait().expect("our child");
    bench.expect_no_leftovers();
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.run(&["work", "--drain"]).expect_code(0);
    let job = bench.job(id);
    assert_eq!((&job["state"], &job["crashes"]), (&"succeeded".into(), &0.into()), "{job}");
    assert_eq!(bench.runs(id).len(), 2);
}

#[test]
fn a_master_ends_what_it_has_lent_when_the_work_is_killed() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue=elsewhere", "--workers=1", "--grace=300ms"]);
    let pools = |bench: &Bench| bench.status()["pools"].as_array().expect("pools").len();
    // With a job, which has the grace of the pool, and without.
    for id in [Some(bench.push(&UNTIL_GO)), None] {
        let mut work = Work::start(&bench, &[]);
        work.wait_until_it_says(if id.is_some() { "began" } else { "1 worker" });
        work.signal(SIGKILL);
        work.child.wait().expect("our child");
        bench.wait_for("the pool to be gone", DEADLINE, |b| pools(b) == 1);
        if let Some(id) = id {
            let job = bench.job(id);
            assert_eq!((&job["state"], &job["attempts"]), (&"ready".into(), &0.into()), "{job}");
            bench.ok(&["jobs", "cancel", &id.to_string()]);
        }
    }
}

#[test]
fn a_work_whose_master_stops_ends_with_it() {
    let bench = Bench::new();
    for (args, code) in [(&[][..], 0), (&["--drain"][..], 1)] {
        let mut master = bench.start(&["--queue=elsewhere", "--workers=1", "--grace=300ms"]);
        bench.run(&["jobs", "cancel", "--all"]);
        let id = bench.push(&UNTIL_GO);
        let mut work = Work::start(&bench, args);
        work.wait_until_it_says("began");
        master.signal(SIGTERM);
        assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
        work.ends_with(code);
        assert!(code == 0 || work.stderr().contains("stopped before the end; 1 job left"), "{}", work.stderr());
        bench.ok(&["jobs", "cancel", &id.to_string()]);
        let mut master = bench.start(&["--queue=elsewhere", "--workers=1"]);
        bench.push(&UNTIL_GO);
        let mut work = Work::start(&bench, args);
        work.wait_until_it_says("began");
        master.kill9();
        work.ends_with(1);
        assert!(work.stderr().contains("the master has ended without a word"), "{}", work.stderr());
        bench.wait_for("the job to be given back", DEADLINE, |b| b.leftovers().is_empty());
    }
}

#[test]
fn a_single_worker_stays_one() {
    let bench = Bench::new();
    bench.push(&UNTIL_GO);
    let mut work = Work::start(&bench, &[]);
    bench.wait_for("the job", DEADLINE, |b| b.path().join("began").exists());
    for verb in [&["scale", "2"][..], &["spawn", "--queue=x"], &["work"], &["work", "--queue=x"]] {
        let run = bench.run(verb).expect_code(5);
        let next = "end it with `queue-work stop`, and start a master with `queue-work start`\n";
        assert!(
            run.stderr.contains("a single worker, `queue-work work`") && run.stderr.ends_with(next),
            "{}",
            run.stderr
        );
    }
    let run = bench.run(&["start", "--queue=x"]).expect_code(5);
    assert!(run.stderr.contains("stop it first") && !run.stderr.contains("spawn"), "{}", run.stderr);
    assert!(bench.ok(&["status"]).starts_with("single worker, master "));
    bench.ok(&["restart", "--all", "--now"]);
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.ok(&["stop"]);
    work.ends_with(0);
}

#[test]
fn a_lent_worker_is_not_scaled_and_can_be_stopped_by_its_pool() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue=elsewhere", "--workers=1"]);
    let mut work = Work::start(&bench, &["--queue=elsewhere"]);
    work.wait_until_it_says("1 worker for `elsewhere`");
    let pool = format!("work.{}", work.child.id());
    let run = bench.run(&["scale", "2", "--pool", &pool]).expect_code(5);
    assert!(run.stderr.contains("is lent to a `queue-work work`"), "{}", run.stderr);
    let scaled = bench.ok(&["scale", "2"]);
    assert!(scaled.starts_with("scaled `elsewhere` from 1 to 2 workers"), "{scaled}");
    let stopped = bench.ok(&["stop", "--pool", &pool]);
    assert!(stopped.contains(&format!("pool `{pool}` is gone")), "{stopped}");
    work.ends_with(0);
}

#[test]
fn a_job_gets_no_worker_of_its_own() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue=default", "--workers=1"]);
    let own = env!("CARGO_BIN_EXE_queue-work");
    let id = bench.push(&["--max-attempts=1", "--", own, "work", "--drain"]);
    let job = bench.wait_for_job(id, "dead");
    assert!(job["error"].as_str().expect("a text").contains("this was called from a job"), "{job}");
}

#[test]
fn lines_of_cron_at_the_same_time_hurt_nothing() {
    let bench = Bench::new();
    let ids: Vec<i64> = (0..20).map(|_| bench.push(&["--", "true"])).collect();
    let codes = std::thread::scope(|scope| {
        let works: Vec<_> = (0..6).map(|_| scope.spawn(|| bench.run(&["work", "-q", "--drain"]))).collect();
        works.into_iter().map(|work| work.join().expect("it ran")).collect::<Vec<_>>()
    });
    assert!(codes.iter().all(|run| matches!(run.code, 0 | 5)), "{codes:?}");
    bench.run(&["work", "-q", "--drain"]).expect_code(0);
    for id in ids {
        assert_eq!(bench.job(id)["state"], "succeeded");
        assert_eq!(bench.runs(id).len(), 1, "job {id}");
    }
}
