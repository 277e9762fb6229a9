//! Commands as jobs: what their end means, where they run, what they see of the world.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::drain;
use super::support::{Bench, fixture};

/// A command, then: state and cause of the job, attempts charged, exit code and signal of the last run.
type Verdict<'a> = (&'a [&'a str], &'a str, Value, u32, Value, Value);

#[test]
fn the_end_of_a_command_decides_what_becomes_of_its_job() {
    let bench = Bench::new();
    let plain = bench.path().join("plain");
    std::fs::write(&plain, "#!/bin/sh\n").expect("written");
    let interpreter = bench.path().join("interpreter");
    std::fs::write(&interpreter, "#!/no/such/interpreter\n").expect("written");
    std::fs::set_permissions(&interpreter, PermissionsExt::from_mode(0o755)).expect("permitted");
    let (plain, interpreter) = (plain.to_str().expect("UTF-8"), interpreter.to_str().expect("UTF-8"));
    let tried = json!("max_attempts");
    let none = Value::Null;
    let table: [Verdict; 10] = [
        (&["true"], "succeeded", none.clone(), 0, json!(0), none.clone()),
        (&["sh", "-c", "exit 1"], "dead", tried.clone(), 2, json!(1), none.clone()),
        (&["sh", "-c", "exit 75"], "dead", tried.clone(), 2, json!(75), none.clone()),
        (&["sh", "-c", "exit 65"], "dead", json!("no_retry"), 1, json!(65), none.clone()),
        (&["sh", "-c", "exit 255"], "dead", tried.clone(), 2, json!(255), none.clone()),
        (&["sh", "-c", "kill -SEGV $$"], "dead", tried.clone(), 2, none.clone(), json!("SIGSEGV")),
        (&["sh", "-c", "kill -TERM $$"], "dead", tried, 2, none.clone(), json!("SIGTERM")),
        (&["no-such-program-here"], "dead", json!("not_found"), 1, none.clone(), none.clone()),
        (&[plain], "dead", json!("not_executable"), 1, none.clone(), none.clone()),
        (&[interpreter], "dead", json!("not_found"), 1, none.clone(), none),
    ];
    for (command, ..) in &table {
        bench.push(&[&["--"], *command].concat());
    }
    drain(&bench, &["--workers=4", "--max-attempts=2"]);
    for (id, (command, state, cause, attempts, exit, signal)) in (1..).zip(table) {
        let (job, runs) = (bench.job(id), bench.runs(id));
        assert_eq!((&job["state"], &job["cause"]), (&json!(state), &cause), "{command:?}: {job}");
        assert_eq!(job["attempts"], attempts, "{command:?}: {job}");
        assert_eq!(runs.len(), (attempts as usize).max(1), "{command:?}");
        assert_eq!((&runs[0]["exit_code"], &runs[0]["signal"]), (&exit, &signal), "{command:?}: {}", runs[0]);
        assert_eq!(runs[0]["error"].is_null(), state == "succeeded", "{command:?}: {}", runs[0]);
        if exit.is_null() && signal.is_null() {
            let error = job["error"].as_str().expect("a text");
            assert!(error.contains(command[0]), "{command:?}: {error}");
        }
    }
    bench.expect_no_leftovers();
}

#[test]
fn a_command_that_is_not_found_leaves_the_worker_alive_for_the_next() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let bad = bench.push(&["--", "no-such-program-here"]);
    let good = bench.push(&["--", "true"]);
    bench.wait_for_job(bad, "dead");
    bench.wait_for_job(good, "succeeded");
    assert_eq!(bench.runs(bad)[0]["pid"], bench.runs(good)[0]["pid"]);
}

#[test]
fn a_command_runs_where_it_was_pushed_and_a_folder_that_is_gone_is_said() {
    let bench = Bench::new();
    let lines = concat!(
        r#"{"type":"exec","args":{"argv":["pwd"],"cwd":"/usr"}}"#,
        "\n",
        r#"{"type":"exec","max_attempts":1,"args":{"argv":["pwd"],"cwd":"/no/such/folder"}}"#,
        "\n",
        r#"{"type":"exec","args":{"argv":["pwd"]}}"#,
    );
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(1)["result"], "/usr\n");
    let gone = bench.job(2);
    assert_eq!(gone["state"], "dead");
    assert!(gone["error"].as_str().expect("a text").contains("/no/such/folder"), "{gone}");
    assert_eq!(bench.job(3)["result"], format!("{}\n", bench.path().canonicalize().expect("a folder").display()));
}

/// What `env` printed, as pairs.
fn variables(result: &Value) -> Vec<(String, String)> {
    let lines = result.as_str().expect("a text").lines();
    lines.filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

#[test]
fn a_command_sees_which_job_and_worker_it_is_of() {
    let bench = Bench::new();
    let id = bench.push(&["--env=MINE=1", "--", "env"]);
    drain(&bench, &["--workers=1"]);
    let seen = variables(&bench.job(id)["result"]);
    let value = |name: &str| seen.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let table = [
        ("QUEUE_WORK_POOL", "default"),
        ("QUEUE_WORK_WORKER", "default-1"),
        ("QUEUE_WORK_SLOT", "1"),
        ("QUEUE_WORK_PROTOCOL", "1"),
        ("QUEUE_WORK_JOB_ID", "1"),
        ("QUEUE_WORK_JOB_TYPE", "exec"),
        ("QUEUE_WORK_ATTEMPT", "1"),
        ("MINE", "1"),
    ];
    for (name, expected) in table {
        assert_eq!(value(name), Some(expected), "{name}");
    }
    let socket = value("QUEUE_WORK_SOCKET").expect("a path");
    assert_eq!(socket, format!("{}.sock", bench.database().display()));
}

#[test]
fn a_command_can_push_to_its_own_master_by_the_variables_it_is_given() {
    let bench = Bench::new();
    let binary = env!("CARGO_BIN_EXE_queue-work");
    let id = bench.push(&["--", binary, "push", "--", "echo", "child"]);
    drain(&bench, &["--workers=1"]);
    assert_eq!((&bench.job(id)["result"], &bench.job(2)["result"]), (&json!("2\n"), &json!("child\n")));
}

#[test]
fn options_of_the_master_in_its_environment_do_not_reach_the_commands() {
    let bench = Bench::new();
    let id = bench.push(&["--", "env"]);
    let mut master = bench.start_with(&[], &[("QUEUE_WORK_WORKERS", "1"), ("QUEUE_WORK_TIMEOUT", "30m")]);
    bench.wait_for_job(id, "succeeded");
    let seen = variables(&bench.job(id)["result"]);
    assert!(!seen.iter().any(|(name, _)| name == "QUEUE_WORK_WORKERS" || name == "QUEUE_WORK_TIMEOUT"), "{seen:?}");
    bench.ok(&["stop"]);
    assert!(master.wait_exit(super::support::DEADLINE).success());
}

#[test]
fn a_worker_program_sees_its_slot_and_the_job_in_its_params() {
    let bench = Bench::new();
    let words = fixture("params.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let id = bench.push(&["--timeout=90s", "--max-attempts=7", "t", "{\"a\":1}"]);
    drain(&bench, &[&["--workers=1", "--"], &words[..]].concat());
    let result = &bench.job(id)["result"];
    let params = &result["params"];
    let keys: Vec<&str> = params.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = ["args", "attempt", "deadline", "job_id", "max_attempts", "pushed_at", "queue", "timeout_s", "type"];
    assert_eq!(keys, expected);
    assert_eq!((&params["job_id"], &params["attempt"], &params["max_attempts"]), (&json!(1), &json!(1), &json!(7)));
    assert_eq!((params["timeout_s"].as_f64(), &params["args"]), (Some(90.0), &json!({"a": 1})));
    assert!(super::micros(&params["deadline"]) > super::micros(&params["pushed_at"]) + 89_000_000);
    let env = &result["env"];
    assert_eq!((&env["QUEUE_WORK_WORKER"], &env["QUEUE_WORK_SLOT"]), (&json!("default-1"), &json!("1")));
    assert!(env.get("QUEUE_WORK_JOB_ID").is_none(), "{env}");
}
