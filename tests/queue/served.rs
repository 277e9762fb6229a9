//! A pool never takes what it cannot run; what waits for nobody is named, and each printed next step runs it.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use nix::pty::openpty;
use serde_json::json;

use super::drain;
use super::support::{Bench, DEADLINE, Master, fixture};

/// The last command of ours in a text, as one types it, with a worker program for `CMD`.
fn next_step(text: &str) -> Vec<String> {
    let command = text.split('`').rfind(|part| part.split(' ').next() == Some("queue-work"));
    let command = command.unwrap_or_else(|| panic!("there is no next step in: {text}"));
    let words = command.split(' ').skip(1).map(str::to_owned);
    let mut words: Vec<String> = words.collect();
    if words.last().is_some_and(|word| word == "CMD") {
        words.pop();
        words.extend(fixture("echo.py"));
    }
    words
}

/// Does what the text says.
fn follow(bench: &Bench, text: &str) {
    let words = next_step(text);
    bench.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Starts the master that the text names.
fn start_as_told<'a>(bench: &'a Bench, text: &str) -> Master<'a> {
    let words = next_step(text);
    bench.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

fn problems(bench: &Bench) -> Vec<String> {
    let unserved = bench.status()["unserved"].clone();
    let text = |found: &serde_json::Value| found["problem"].as_str().expect("a text").to_owned();
    let found: Vec<String> = unserved.as_array().expect("a list").iter().map(text).collect();
    let shown = bench.run(&["status"]).stdout;
    assert_eq!(shown.matches("problem: ").count(), found.len(), "{shown}");
    found
}

/// What keeps these jobs waiting, once the master knows.
fn only_problem(bench: &Bench) -> String {
    let mut found = Vec::new();
    bench.wait_for("a problem to be named", DEADLINE, |bench| {
        found = problems(bench);
        found.len() == 1
    });
    found.remove(0)
}

fn wait_for_all(bench: &Bench, ids: &[i64]) {
    for id in ids {
        bench.wait_for_job(*id, "succeeded");
    }
    assert_eq!(problems(bench), [""; 0]);
}

#[test]
fn the_hint_of_a_missing_master_starts_one_that_runs_what_waits() {
    let bench = Bench::new();
    let jobs: Vec<i64> = (0..3).map(|_| bench.push(&["mail", "[1]"])).collect();
    let hint = bench.run(&["scale", "2"]).expect_code(3).stderr;
    assert!(hint.ends_with("start one with `queue-work --queue default -- CMD`\n"), "{hint}");
    let master = start_as_told(&bench, &hint);
    wait_for_all(&bench, &jobs);
    drop(master);
    let bench = Bench::new();
    let jobs = [bench.push(&["--queue=a", "--", "true"]), bench.push(&["--queue=b", "--", "true"])];
    bench.push(&["--queue=c", "mail"]);
    let hint = bench.run(&["status"]).expect_code(3).stderr;
    assert!(hint.ends_with("start one with `queue-work --queue a,b`\n"), "{hint}");
    let _master = start_as_told(&bench, &hint);
    for id in jobs {
        bench.wait_for_job(id, "succeeded");
    }
    follow(&bench, &only_problem(&bench));
    bench.wait_for_job(3, "succeeded");
}

#[test]
fn where_the_file_has_pools_the_hint_is_to_start_them() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("queue-work.toml"), "[pools.default]\nworkers = 1\n").expect("written");
    let jobs = [bench.push(&["mail"]), bench.push(&["--", "true"])];
    let run = bench.run(&["status"]).expect_code(3);
    assert!(run.stderr.ends_with("start one with `queue-work`\n"), "{}", run.stderr);
    assert!(run.stdout.contains("problem: 1 job in `default`, the first of type `mail`, waits for"), "{}", run.stdout);
    let _master = start_as_told(&bench, &run.stderr);
    follow(&bench, &only_problem(&bench));
    wait_for_all(&bench, &jobs);
}

#[test]
fn a_pool_of_commands_leaves_other_jobs_alone_and_says_once_what_runs_them() {
    let bench = Bench::new();
    let jobs: Vec<i64> = (0..50).map(|_| bench.push(&["mail", "1"])).collect();
    let master = bench.start(&["--workers=2", "--queue=default"]);
    let behind = bench.push(&["--", "true"]);
    bench.wait_for_job(behind, "succeeded");
    let problem = only_problem(&bench);
    assert!(
        problem.starts_with("50 jobs in `default`, the first of type `mail`, wait for a worker program;"),
        "{problem}"
    );
    let pool = &bench.status()["pools"][0];
    assert_eq!(pool["takes"], json!(["exec"]));
    follow(&bench, &problem);
    wait_for_all(&bench, &jobs);
    assert_eq!(master.stderr().matches("wait for a worker program").count(), 1, "{}", master.stderr());
    assert_eq!(bench.status()["queues"][0]["dead"], 0);
}

#[test]
fn a_worker_program_is_never_sent_commands_nor_is_a_pool_with_a_command_of_its_own() {
    for exec in [false, true] {
        let bench = Bench::new();
        let jobs = [bench.push(&["--", "true"]), bench.push(&["--", "true"])];
        let words = fixture("echo.py");
        let mut args = vec!["--workers=1"];
        args.extend(exec.then_some("--exec"));
        args.push("--");
        args.extend(if exec { vec!["echo", "{}"] } else { words.iter().map(String::as_str).collect() });
        let _master = bench.start(&args);
        let other = bench.push(&["mail", "[]"]);
        bench.wait_for_job(other, "succeeded");
        let problem = only_problem(&bench);
        assert!(problem.starts_with("2 commands in `default` wait for a pool that runs commands;"), "{problem}");
        follow(&bench, &problem);
        wait_for_all(&bench, &jobs);
    }
}

#[test]
fn a_queue_that_no_pool_serves_is_named_and_a_push_that_waits_says_so_at_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=mail"]);
    let misspelt = bench.push(&["--queue=mial", "--", "true"]);
    let problem = only_problem(&bench);
    assert!(problem.starts_with("no pool serves queue `mial` (1 ready);"), "{problem}");
    let mut waits = bench.command(&["push", "--wait", "--queue=mial", "--", "true"]);
    let mut waits = waits.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let mut said = [0; 41];
    waits.stderr.as_mut().expect("stderr").read_exact(&mut said).expect("it says something");
    assert_eq!(String::from_utf8_lossy(&said), "queue-work: no pool serves queue `mial` (");
    follow(&bench, &problem);
    assert!(waits.wait().expect("it ends").success());
    wait_for_all(&bench, &[misspelt]);
    bench.ok(&["pause", "mial"]);
    bench.push(&["--queue=mial", "--", "true"]);
    assert_eq!(problems(&bench), [""; 0], "it waits as it was told to");
}

#[test]
fn a_drain_ends_where_only_jobs_for_nobody_are_left() {
    let bench = Bench::new();
    let (mail, command) = (bench.push(&["mail"]), bench.push(&["--", "true"]));
    let run = drain(&bench, &["--workers=1"]).expect_code(1);
    assert!(
        run.stderr.ends_with("queue-work: 1 job left that no pool takes; see `queue-work status`\n"),
        "{}",
        run.stderr
    );
    let problem =
        "problem: 1 job in `default`, the first of type `mail`, waits for a worker program; the drain leaves what";
    assert!(run.stderr.contains(problem) && !run.stderr.contains("spawn"), "{}", run.stderr);
    assert_eq!((&bench.job(mail)["state"], &bench.job(command)["state"]), (&json!("ready"), &json!("succeeded")));
}

#[test]
fn a_worker_that_names_types_is_sent_these_alone_until_another_takes_the_rest() {
    let bench = Bench::new();
    let toml = format!("[pools.default]\nworkers = 2\nready = \"message\"\ncommand = {:?}\n", {
        let mut words = fixture("typed.py");
        words.extend(["mail".to_owned(), "sms".to_owned()]);
        words
    });
    std::fs::write(bench.path().join("queue-work.toml"), toml).expect("written");
    let others: Vec<i64> = (0..3).map(|_| bench.push(&["resize"])).collect();
    let named: Vec<i64> = (0..20).map(|n| bench.push(&[["mail", "sms"][n % 2]])).collect();
    let _master = bench.start(&[]);
    for id in &named {
        assert_eq!(bench.wait_for_job(*id, "succeeded")["attempts"], 0);
    }
    let problem = only_problem(&bench);
    assert!(
        problem.starts_with("3 jobs in `default`, the first of type `resize`, wait for a worker program;"),
        "{problem}"
    );
    assert_eq!(bench.status()["pools"][0]["takes"], json!(["mail", "sms"]));
    follow(&bench, &problem);
    wait_for_all(&bench, &others);
}

#[test]
fn a_worker_that_fetches_its_own_jobs_is_running_and_nothing_is_said_of_queues() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--opaque", "--", "sleep", "1000"]);
    bench.wait_for("the worker to run", DEADLINE, |bench| bench.status()["workers"][0]["state"] == "running");
    let shown = bench.ok(&["status"]);
    assert!(!shown.contains("no jobs yet"), "{shown}");
}

/// What the command prints on a terminal.
fn on_a_terminal(bench: &Bench, args: &[&str]) -> String {
    let pty = openpty(None, None).expect("a terminal");
    let end = |end: &OwnedFd| Stdio::from(end.try_clone().expect("a descriptor"));
    let mut command = bench.command(args);
    command.stdin(end(&pty.slave)).stdout(end(&pty.slave)).stderr(end(&pty.slave));
    let mut child = command.spawn().expect("it starts");
    drop((command, pty.slave));
    let mut said = Vec::new();
    // Ends with an error once nobody has the other end.
    let _ = std::fs::File::from(pty.master).read_to_end(&mut said);
    assert!(child.wait().expect("it ends").success());
    String::from_utf8_lossy(&said).replace("\r\n", "\n")
}

#[test]
fn on_a_terminal_a_push_says_what_keeps_the_job_from_running() {
    let bench = Bench::new();
    let database = bench.database().display().to_string();
    let said = on_a_terminal(&bench, &["push", "mail"]);
    let hint =
        format!("1\nqueue-work: no master runs on `{database}`; start one with `queue-work --queue default -- CMD`\n");
    assert_eq!(said, hint);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let said = on_a_terminal(&bench, &["push", "--", "true"]);
    assert_eq!(said, format!("2\nqueue-work: added to `{database}`\n"));
    let said = on_a_terminal(&bench, &["push", "mail"]);
    assert!(
        said.contains("queue-work: 2 jobs in `default`, the first of type `mail`, wait for a worker program;"),
        "{said}"
    );
    follow(&bench, &said);
    let said = on_a_terminal(&bench, &["push", "--queue=defualt", "--", "true"]);
    assert!(said.contains("queue-work: no pool serves queue `defualt` (1 ready);"), "{said}");
    assert!(said.ends_with("; did you mean `default`?\n"), "{said}");
    bench.ok(&["pause", "default"]);
    let said = on_a_terminal(&bench, &["push", "--", "true"]);
    assert!(
        said.contains("queue-work: queue `default` is paused; let it go on with `queue-work resume default`"),
        "{said}"
    );
    follow(&bench, &said);
    for id in [1, 2, 3, 5] {
        bench.wait_for_job(id, "succeeded");
    }
    assert_eq!(bench.run(&["push", "--queue=mial", "--", "true"]).expect_code(0).stderr, "", "nothing in a script");
}

#[test]
fn without_a_master_a_push_names_a_command_that_runs_this_job_and_what_else_holds_it_back() {
    let bench = Bench::new();
    for queue in ["a", "b"] {
        bench.push(&["--queue", queue, "--", "true"]);
    }
    let said = on_a_terminal(&bench, &["push", "--queue=reports", "--delay=1h", "--", "true"]);
    assert!(said.ends_with("start one with `queue-work --queue reports,a,b`\n"), "{said}");
    bench.ok(&["pause", "mail", "--force"]);
    let said = on_a_terminal(&bench, &["push", "--queue=mail", "sms", "1"]);
    let (hint, held) = said.split_once("CMD`\n").expect("two lines");
    let hint = format!("{hint}CMD`");
    assert!(hint.ends_with("start one with `queue-work --queue mail -- CMD`"), "{hint}");
    let _master = start_as_told(&bench, &hint);
    assert_eq!(bench.job(4)["state"], "ready");
    follow(&bench, held);
    bench.wait_for_job(4, "succeeded");
}

#[test]
fn without_a_master_a_push_to_a_queue_that_the_file_does_not_serve_says_so() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("queue-work.toml"), "[pools.mail]\nworkers = 1\n").expect("written");
    let said = on_a_terminal(&bench, &["push", "--queue=mial", "--", "true"]);
    let (hint, problem) = said.split_once("start one with `queue-work`\n").expect("two lines");
    assert!(problem.starts_with("queue-work: no pool serves queue `mial` (1 ready); add one with"), "{said}");
    assert!(problem.ends_with("; did you mean `mail`?\n"), "{said}");
    let _master = start_as_told(&bench, &format!("{hint}`queue-work`"));
    follow(&bench, problem);
    bench.wait_for_job(1, "succeeded");
    assert!(!on_a_terminal(&bench, &["push", "--queue=mail", "--", "true"]).contains("did you mean"));
}
