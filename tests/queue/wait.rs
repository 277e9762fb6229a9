//! `push --wait` and `jobs wait`: the result of the job, and the exit code of its command.

use super::drain;
use super::support::{Bench, fixture};

#[test]
fn push_wait_prints_what_the_command_printed_and_ends_as_it_did() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default", "--max-attempts=1"]);
    let table: [(&[&str], i32, &str, &str); 8] = [
        (&["echo", "a  b"], 0, "a  b\n", ""),
        (&["printf", "no newline"], 0, "no newline\n", ""),
        (&["true"], 0, "", ""),
        (&["sh", "-c", "echo why >&2; exit 7"], 7, "", "why"),
        (&["sh", "-c", "exit 65"], 65, "", "no_retry"),
        (&["sh", "-c", "kill -9 $$"], 137, "", "SIGKILL"),
        (&["no-such-program"], 127, "", "no-such-program"),
        (&["/etc/passwd"], 126, "", "/etc/passwd"),
    ];
    for (command, code, stdout, stderr) in table {
        let run = bench.run(&[&["push", "--wait", "--"], command].concat()).expect_code(code);
        assert_eq!(run.stdout, stdout, "{command:?}");
        assert!(run.stderr.contains(stderr), "{command:?}: {}", run.stderr);
        assert_eq!(run.stderr.is_empty(), code == 0, "{command:?}: {}", run.stderr);
    }
}

#[test]
fn push_wait_prints_the_result_of_a_worker_program_as_json() {
    let bench = Bench::new();
    let words = fixture("echo.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers=1", "--queue=default", "--"], &words[..]].concat());
    for (args, printed) in [("{\"a\": [1.50]}", "{\"a\":[1.5]}"), ("\"text\"", "text"), ("null", "null"), ("7", "7")] {
        let run = bench.run(&["push", "--wait", "t", args]).expect_code(0);
        assert_eq!(run.stdout.replace(": ", ":"), format!("{printed}\n"));
    }
    let job = bench.run(&["push", "--wait", "--json", "t", "[1]"]).expect_code(0).json();
    assert_eq!((&job["state"], &job["result"]), (&"succeeded".into(), &serde_json::json!([1])));
}

#[test]
fn push_wait_of_a_job_that_a_worker_refuses_ends_with_one() {
    let bench = Bench::new();
    let words = fixture("fail.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers=1", "--queue=default", "--max-attempts=1", "--"], &words[..]].concat());
    let run = bench.run(&["push", "--wait", "t"]).expect_code(1);
    assert!(run.stderr.contains("job 1 is dead (max_attempts): Asked: it was asked to fail"), "{}", run.stderr);
    assert!(run.stderr.contains("about to fail"), "{}", run.stderr);
}

#[test]
fn push_wait_needs_a_master_and_adds_nothing_without() {
    let bench = Bench::new();
    let run = bench.run(&["push", "--wait", "--", "true"]).expect_code(3);
    assert!(run.stderr.contains("no master runs on"), "{}", run.stderr);
    assert!(!bench.database().exists());
}

#[test]
fn jobs_wait_returns_when_the_job_has_ended() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--delay=200ms", "--", "echo", "done"]).to_string();
    assert_eq!(bench.run(&["jobs", "wait", &id]).expect_code(0).stdout, "done\n");
    assert_eq!(bench.run(&["jobs", "wait", &id, "--timeout", "0s"]).expect_code(0).stdout, "done\n");
    let failed = bench.push(&["--max-attempts=1", "--", "sh", "-c", "exit 9"]).to_string();
    bench.run(&["jobs", "wait", &failed]).expect_code(9);
    let cancelled = bench.push(&["--delay=1h", "--", "true"]).to_string();
    bench.ok(&["jobs", "cancel", &cancelled]);
    let run = bench.run(&["jobs", "wait", &cancelled]).expect_code(1);
    assert!(run.stderr.contains("is cancelled"), "{}", run.stderr);
}

#[test]
fn jobs_wait_gives_up_after_its_timeout() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--delay=1h", "--", "true"]).to_string();
    let run = bench.run(&["jobs", "wait", &id, "--timeout", "100ms"]).expect_code(1);
    assert_eq!(run.stderr, format!("queue-work: job {id} is still scheduled after 100ms\n"));
}

#[test]
fn jobs_wait_without_a_master_knows_only_what_has_ended() {
    let bench = Bench::new();
    let done = bench.push(&["--", "echo", "kept"]).to_string();
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.run(&["jobs", "wait", &done]).expect_code(0).stdout, "kept\n");
    let waiting = bench.push(&["t"]).to_string();
    bench.run(&["jobs", "wait", &waiting]).expect_code(3);
    bench.run(&["jobs", "wait", "999"]).expect_code(4);
}

#[test]
fn a_waiting_client_learns_of_a_job_that_is_deleted() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--delay=1h", "--", "true"]).to_string();
    let ended = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bench.run(&["jobs", "wait", &id, "--timeout", "20s"]));
        bench.ok(&["jobs", "delete", &id]);
        waiting.join().expect("it ended")
    });
    assert!(ended.code == 4, "{ended:?}");
}
