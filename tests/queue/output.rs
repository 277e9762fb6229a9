//! What commands print: the end of stdout is the result, the end of stderr is with the run.

use serde_json::{Value, json};

use super::drain;
use super::support::{Bench, fixture};

#[test]
fn the_last_64_kib_of_stdout_are_the_result_and_a_cut_is_marked() {
    let bench = Bench::new();
    let fits = bench.push(&["--", "sh", "-c", "head -c 65536 /dev/zero | tr '\\0' a"]);
    let long = bench.push(&["--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' b; printf end"]);
    drain(&bench, &["--workers=1"]);
    let text = |id| bench.job(id)["result"].as_str().expect("a text").to_owned();
    assert_eq!(text(fits), "a".repeat(65_536));
    let kept = text(long);
    assert!(kept.starts_with("…b") && kept.ends_with("bend"), "{} bytes", kept.len());
    assert!((65_000..=65_540).contains(&kept.len()), "{} bytes", kept.len());
}

#[test]
fn output_that_comes_in_packets_is_kept_to_the_last() {
    const SCRIPT: &str = "import fcntl, os\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT | os.O_WRONLY)\n\
                          for i in range(500): os.write(1, b'%d\\n' % i)";
    let bench = Bench::new();
    let id = bench.push(&["--", "python3", "-c", SCRIPT]);
    drain(&bench, &["--workers=1"]);
    let expected: Vec<String> = (0..500).map(|i| i.to_string()).collect();
    assert_eq!(bench.job(id)["result"], expected.join("\n") + "\n");
}

#[test]
fn output_that_is_no_text_is_kept_as_far_as_it_can_be() {
    let bench = Bench::new();
    let id = bench.push(&["--", "printf", "a\\377b\\000c\\033[31m"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["result"], "a\u{fffd}b\0c\u{1b}[31m");
    let shown = bench.ok(&["jobs", "show", &id.to_string()]);
    assert!(!shown.contains('\u{1b}') && !shown.contains('\0'), "{shown:?}");
}

#[test]
fn the_end_of_stderr_is_kept_with_the_run_and_is_not_the_result() {
    let bench = Bench::new();
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i >&2; i=$((i+1)); done; echo out";
    let id = bench.push(&["--", "sh", "-c", script]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["result"], "out\n");
    let run = &bench.runs(id)[0];
    let tail = run["stderr_tail"].as_str().expect("a text");
    assert!(tail.trim_end().ends_with("line 1999"), "{tail}");
    assert!(!tail.contains("line 100\n") && tail.len() < 16_384, "{} bytes", tail.len());
}

#[test]
fn a_flood_on_both_streams_holds_nothing_up() {
    let bench = Bench::new();
    let id = bench.push(&["--", "sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x; head -c 20000000 /dev/zero >&2"]);
    let next = bench.push(&["--", "true"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!((&bench.job(id)["state"], &bench.job(next)["state"]), (&"succeeded".into(), &"succeeded".into()));
    assert!(bench.job(id)["result"].as_str().expect("a text").len() <= 65_540);
}

/// The last run of a job, if what it printed last on stdout ends like this.
fn reason(bench: &Bench, id: i64, last: &str) -> Value {
    let run = bench.runs(id)[0].clone();
    assert!(run["stdout_tail"].as_str().expect("a text").trim_end().ends_with(last), "{run}");
    run
}

#[test]
fn the_end_of_stdout_is_kept_of_a_run_that_failed_was_killed_or_timed_out() {
    let bench = Bench::new();
    let many = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done";
    let failed = bench.push(&["--max-attempts=1", "--", "sh", "-c", &format!("{many}; echo no >&2; echo why; exit 3")]);
    let killed = bench.push(&["--max-attempts=1", "--", "sh", "-c", "echo why; kill -9 $$"]);
    let late = bench.push(&["--max-attempts=1", "--timeout=1s", "--", "sh", "-c", "echo why; exec sleep 60"]);
    let well = bench.push(&["--", "echo", "well"]);
    drain(&bench, &["--workers=1"]);
    let run = reason(&bench, failed, "line 1999\nwhy");
    assert_eq!((&run["exit_code"], &run["stderr_tail"]), (&json!(3), &json!("no")));
    let tail = run["stdout_tail"].as_str().expect("a text");
    assert!(tail.lines().count() <= 20 && tail.len() <= 4096, "{} bytes", tail.len());
    assert_eq!(reason(&bench, killed, "why")["signal"], "SIGKILL");
    assert_eq!(reason(&bench, late, "why")["outcome"], "timed_out");
    assert_eq!(bench.runs(well)[0]["stdout_tail"], "", "that is its result");
    let shown = bench.ok(&["jobs", "show", &failed.to_string()]);
    let run = run["id"].as_i64().expect("an id");
    assert!(shown.contains(&format!("last lines on stdout of run {run}:")), "{shown}");
    assert!(shown.contains(&format!("last lines on stderr of run {run}:\nno\n")), "{shown}");
    // Who waits for it sees both, each where it was written.
    let waited = bench.run(&["jobs", "wait", &failed.to_string()]).expect_code(3);
    assert!(waited.stdout.ends_with("line 1999\nwhy\n"), "{}", waited.stdout);
    assert_eq!(waited.stderr, "no\nqueue-work: job 1 is dead (max_attempts): exit status 3: no\n");
}

#[test]
fn the_end_of_stdout_is_kept_where_the_worker_cannot_tell_it_at_its_own_end() {
    let bench = Bench::new();
    std::fs::write(
        bench.path().join("queue-work.toml"),
        "[pools.default]\nworkers = 1\nkill_after = \"0s\"\nmax_crashes = 1\n",
    )
    .expect("written");
    let _master = bench.start(&[]);
    let deaf = "trap '' TERM; echo why; while :; do sleep 0.1; done";
    // The worker is killed at the timeout, at once.
    let late = bench.push(&["--max-attempts=1", "--timeout=2s", "--", "sh", "-c", deaf]);
    bench.wait_for_job(late, "dead");
    assert_eq!(reason(&bench, late, "why")["outcome"], "timed_out");
    let said = |bench: &Bench, id: i64| bench.job(id)["state"] == "running" && bench.path().join("said").exists();
    // Somebody kills the worker, a second after the command has said something.
    let killed = bench.push(&["--", "sh", "-c", "echo why; sleep 1; touch said; exec sleep 60"]);
    bench.wait_for("the command", super::support::DEADLINE, |b| said(b, killed));
    let pid = bench.status()["workers"][0]["pid"].as_i64().expect("a pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).expect("killed");
    bench.wait_for_job(killed, "dead");
    assert_eq!(reason(&bench, killed, "why")["outcome"], "crashed");
    // One that is given back.
    std::fs::remove_file(bench.path().join("said")).expect("removed");
    let back = bench.push(&["--", "sh", "-c", "echo why; sleep 1; touch said; exec sleep 60"]);
    bench.wait_for("the command", super::support::DEADLINE, |b| said(b, back));
    bench.ok(&["pause", "default"]);
    bench.ok(&["restart", "--all", "--now"]);
    assert_eq!(reason(&bench, back, "why")["outcome"], "released");
    bench.ok(&["jobs", "cancel", &back.to_string()]);
}

#[test]
fn the_end_of_stdout_is_kept_of_templates_and_of_worker_programs() {
    let bench = Bench::new();
    let template = ["--queue=t", "--workers=1", "--exec", "--drain", "--", "sh", "-c", "echo why {}; exit 1"];
    let id = bench.push(&["--queue=t", "--max-attempts=1", "x", "7"]);
    bench.run(&template);
    reason(&bench, id, "why 7");
    let program = fixture("says.py");
    let id = bench.push(&["--queue=p", "x", r#"{"out": ["why"], "err": ["no"], "fail": "asked"}"#]);
    let args = ["--queue=p", "--workers=1", "--drain", "--"].into_iter().chain(program.iter().map(String::as_str));
    bench.run(&args.collect::<Vec<_>>());
    assert_eq!(reason(&bench, id, "why")["stderr_tail"], "no");
}
