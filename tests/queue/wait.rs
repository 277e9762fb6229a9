//! `push --wait` and `jobs wait`: the result of the job, and the exit code of its command.

use super::drain;
use super::support::{Bench, DEADLINE, fixture};

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
fn push_wait_of_a_command_tries_once_unless_it_is_told_otherwise_and_says_each_retry_at_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default", "--backoff=1s", "--max-attempts=5"]);
    let script = "echo out $QUEUE_WORK_ATTEMPT; echo err >&2; exit 7";
    let once = bench.run(&["push", "--wait", "--", "sh", "-c", script]).expect_code(7);
    assert_eq!((once.stdout.as_str(), bench.runs(1).len()), ("out 1\n", 1));
    assert_eq!(once.stderr, "err\nqueue-work: job 1 is dead (max_attempts): exit status 7: err\n");
    let twice = bench.run(&["push", "--wait", "--max-attempts=2", "--", "sh", "-c", script]).expect_code(7);
    let said: Vec<&str> = twice.stderr.lines().collect();
    let retry = "queue-work: job 2 (`exec`) failed (exit status 7: err)";
    assert!(
        said[0].starts_with(retry)
            && said[0].contains("; due again in ")
            && said[1..] == ["err", "queue-work: job 2 is dead (max_attempts): exit status 7: err"],
        "{said:?}"
    );
    assert_eq!(twice.stdout, "out 2\n");
    // It is said while it waits, not at the end.
    let mut waiting = bench.command(&["push", "--wait", "--max-attempts=9", "--", "sh", "-c", "test -e go"]);
    let said = bench.path().join("said");
    let mut waiting = waiting.stderr(std::fs::File::create(&said).expect("a file")).spawn().expect("started");
    bench.wait_for("the word of a retry", DEADLINE, |_| {
        std::fs::read_to_string(&said).expect("a text").contains("job 3 (`exec`) failed (exit status 1)")
    });
    std::fs::write(bench.path().join("go"), "").expect("written");
    assert!(waiting.wait().expect("it ends").success());
    let quiet = bench.run(&["push", "--wait", "-q", "--max-attempts=2", "--", "sh", "-c", "exit 7"]).expect_code(7);
    assert_eq!(quiet.stderr.lines().count(), 1, "{}", quiet.stderr);
    // What succeeds says on stderr what it said.
    let well = bench.run(&["push", "--wait", "--", "sh", "-c", "echo warning >&2; echo done"]).expect_code(0);
    assert_eq!((well.stdout.as_str(), well.stderr.as_str()), ("done\n", "warning\n"));
}

#[test]
fn push_wait_that_is_interrupted_says_how_to_wait_on() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let mut waiting = bench.command(&[
        "push",
        "--wait",
        "--",
        "sh",
        "-c",
        "touch began; while [ ! -e go ]; do sleep 0.02; done; echo well",
    ]);
    let said = bench.path().join("said");
    let mut waiting = waiting.stderr(std::fs::File::create(&said).expect("a file")).spawn().expect("started");
    bench.wait_for("the command", DEADLINE, |b| b.path().join("began").exists());
    // It listens once it knows the id, which may be after the job has begun.
    bench.wait_for("it to listen", DEADLINE, |_| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", waiting.id())).expect("a process");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask").trim();
        u64::from_str_radix(caught, 16).expect("a mask") & 1 << (nix::libc::SIGINT - 1) != 0
    });
    let pid = nix::unistd::Pid::from_raw(waiting.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("it is there");
    assert!(!waiting.wait().expect("it ends").success());
    let said = std::fs::read_to_string(&said).expect("a text");
    assert_eq!(said, "queue-work: job 1 goes on; wait for it with `queue-work jobs wait 1`\n");
    std::fs::write(bench.path().join("go"), "").expect("written");
    let command = said.split('`').nth(1).expect("a next step");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert_eq!(bench.run(&words).expect_code(0).stdout, "well\n");
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
