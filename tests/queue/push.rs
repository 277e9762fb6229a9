//! `push` of one job: to the store, to a master, to a master that starts later, from stdin; and what is on record.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Bench, fixture};
use super::{drain, micros};

#[test]
fn a_job_says_nothing_but_its_type() {
    let bench = Bench::new();
    assert_eq!(bench.ok(&["push", "resize"]), "1\n");
    let job = bench.job(1);
    assert_eq!((&job["type"], &job["args"], &job["queue"]), (&json!("resize"), &Value::Null, &json!("default")));
    assert_eq!((&job["priority"], &job["unique"], &job["expires_at"]), (&json!(0), &Value::Null, &Value::Null));
    assert_eq!(job["due_at"], job["pushed_at"]);
}

#[test]
fn args_are_kept_as_they_were_written() {
    let bench = Bench::new();
    let table = [
        ("1", "1"),
        ("-1", "-1"),
        ("\"a\\u0000b\"", "\"a\\u0000b\""),
        ("18446744073709551616", "18446744073709551616"),
        ("1.50", "1.50"),
        ("{\"b\":1,\"a\":[]}", "{\"b\":1,\"a\":[]}"),
        ("\"\\ud83d\\ude00 ü\"", "\"\\ud83d\\ude00 ü\""),
    ];
    for (at, (typed, kept)) in table.iter().enumerate() {
        let stdout = if at % 2 == 0 {
            bench.ok(&["push", "t", typed])
        } else {
            bench.verb(&["push", "t", "-"]).stdin(format!("{typed}\n")).run().expect_code(0).stdout
        };
        let shown = bench.ok(&["jobs", "show", stdout.trim(), "--json"]);
        assert!(shown.contains(&format!("\"args\":{kept}")), "{typed}: {shown}");
    }
}

#[test]
fn a_command_is_kept_with_its_folder_and_the_variables_given() {
    let bench = Bench::new();
    let id =
        bench.push(&["--env", "A=1", "--env=B=x=y z", "--env=EMPTY=", "--", "sh", "-c", "echo \"$A|$B|$EMPTY|$PWD\""]);
    let job = bench.job(id);
    let here = bench.path().canonicalize().expect("a folder");
    assert_eq!(job["type"], "exec");
    assert_eq!(job["args"]["env"], json!({"A": "1", "B": "x=y z", "EMPTY": ""}));
    assert_eq!(job["args"]["cwd"], here.to_str().expect("UTF-8"));
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["result"], format!("1|x=y z||{}\n", here.display()));
    for bad in ["A", "=x"] {
        bench.run(&["push", "--env", bad, "--", "true"]).expect_code(2);
    }
    bench.run(&["push", "--env", "A=1", "t"]).expect_code(2);
}

#[test]
fn a_push_to_a_running_master_starts_at_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert!(bench.runs(id)[0]["waited_s"].as_f64().expect("seconds") < 1.0);
}

#[test]
fn a_push_before_there_is_a_master_is_kept_for_it() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(id, "succeeded");
}

#[test]
fn a_push_past_the_socket_of_a_running_master_is_seen_soon() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let nowhere = bench.path().join("none.sock");
    let run = bench.verb(&["push", "--", "true"]).env("QUEUE_WORK_SOCKET", &nowhere).run().expect_code(0);
    let id: i64 = run.stdout.trim().parse().expect("an id");
    bench.wait_for("the job to run", Duration::from_secs(10), |b| b.job(id)["state"] == "succeeded");
}

#[test]
fn options_of_a_push_are_on_record() {
    let bench = Bench::new();
    let words = ["--queue=mail", "--priority=7", "--delay=1h", "--expires=2h", "--timeout=90s", "--max-attempts=9"];
    let id = bench.push(&[&words[..], &["--unique=k", "t", "[1]"]].concat());
    let job = bench.job(id);
    assert_eq!((&job["queue"], &job["priority"], &job["unique"]), (&json!("mail"), &json!(7), &json!("k")));
    assert_eq!((&job["timeout_s"], &job["max_attempts"]), (&json!(90.0), &json!(9)));
    let pushed = micros(&job["pushed_at"]);
    assert_eq!(micros(&job["due_at"]) - pushed, 3_600_000_000);
    assert_eq!(micros(&job["expires_at"]) - pushed, 7_200_000_000);
    assert_eq!((&job["state"], &job["finished_at"]), (&json!("scheduled"), &Value::Null));
}

#[test]
fn a_worker_may_push_jobs_itself() {
    let bench = Bench::new();
    let words = fixture("push.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    bench.push(&["t", r#"{"count": 2}"#]);
    drain(&bench, &[&["--workers=1", "--"], &words[..]].concat());
    assert_eq!(bench.job(1)["result"], json!([2, 3]));
    assert_eq!(super::all_jobs(&bench).iter().filter(|j| j["state"] == "succeeded").count(), 3);
}

#[test]
fn what_cannot_be_a_job_is_refused_and_nothing_is_added() {
    let bench = Bench::new();
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let (deep, long) = (nested(10_000), "t".repeat(201));
    let table: [(&[&str], &str); 14] = [
        (&[], "say what to do"),
        (&[""], "job type"),
        (&["a\nb"], "job type"),
        (&[&long], "job type"),
        (&["t", "{"], "not valid JSON"),
        (&["t", ""], "not valid JSON"),
        (&["t", "{'a': 1}"], "not valid JSON"),
        (&["t", "1 2"], "not valid JSON"),
        (&["t", &deep], "nested deeper than 128"),
        (&["exec", "[]"], "argv"),
        (&["exec", "{\"argv\": [\"a\\u0000\"]}"], "NUL"),
        (&["--", ""], "argv"),
        (&["--queue", "a/b", "t"], "'/'"),
        (&["--nonsense", "t"], "--nonsense"),
    ];
    for (words, part) in table {
        let run = bench.run(&[&["push"], words].concat()).expect_code(2);
        assert!(run.stderr.contains(part), "{words:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.starts_with("queue-work: "), "{}", run.stderr);
    }
    assert!(!bench.database().exists());
}

#[test]
fn args_that_are_too_large_are_refused_and_say_how_large_they_may_be() {
    let bench = Bench::new();
    let large = format!("\"{}\"", "a".repeat(20 << 20));
    let lines = format!("{{\"type\":\"t\",\"args\":{large}}}\n{{\"type\":\"t\"}}\n");
    for master in [false, true] {
        let _master = master.then(|| bench.start(&["--workers=1", "--queue=other"]));
        let run = bench.verb(&["push", "t", "-"]).stdin(large.clone()).run().expect_code(2);
        assert!(run.stderr.contains("too long; the limit is 16711680 bytes"), "{}", run.stderr);
        let run = bench.verb(&["push", "--jsonl"]).stdin(lines.clone()).run().expect_code(1);
        assert!(run.stderr.contains("line 1: it is longer than 16 MiB"), "{}", run.stderr);
        assert_eq!(super::all_jobs(&bench), [Value::Null; 0]);
    }
}

#[test]
fn args_of_sixteen_mebibytes_less_some_pass_through_a_master_and_a_worker() {
    let bench = Bench::new();
    let words = fixture("echo.py");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers=1", "--queue=default", "--"], &words[..]].concat());
    let large = format!("\"{}\"", "a".repeat(15 << 20));
    let run = bench.verb(&["push", "t", "-"]).stdin(large).run().expect_code(0);
    let id = run.stdout.trim().to_owned();
    let result = bench.run(&["jobs", "wait", &id]).expect_code(0).stdout;
    assert!(result.len() < 100_000 && result.contains("aaaa"), "{} bytes", result.len());
}

#[test]
fn bytes_on_stdin_that_are_no_text_are_refused() {
    let bench = Bench::new();
    for bytes in [&b"\"\xff\""[..], b"\"a\0b\"", b"\xef\xbb\xbf", b""] {
        let run = bench.verb(&["push", "t", "-"]).stdin(bytes).run().expect_code(2);
        assert!(run.stderr.contains("not valid JSON"), "{}", run.stderr);
    }
    assert!(!bench.database().exists());
}

#[test]
fn a_master_that_takes_no_more_connections_is_not_asked_for_ever() {
    let bench = Bench::new();
    let mut socket = bench.database().as_os_str().to_owned();
    socket.push(".sock");
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || listener.incoming().for_each(|stream| drop(stream.expect("a client"))));
    // A connection that is closed after the request was written and before it was read ends the same way.
    let run = bench.run(&["push", "t"]).expect_code(1);
    assert!(run.stderr.contains("the master takes no more connections"), "{}", run.stderr);
}
