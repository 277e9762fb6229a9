//! The stdout of commands in the log: live, in its order, of its job, and never in the way.

use serde_json::{Value, json};

use super::drain;
use super::support::{Bench, DEADLINE};

/// What was logged while a job ran: `out`/`err` and the text.
fn logged(bench: &Bench, job: i64) -> Vec<(String, String)> {
    let lines = bench.run(&["logs", "--json", "-n", "100000", "--job", &job.to_string()]).expect_code(0).json();
    let text = |line: &Value, name: &str| line[name].as_str().expect("a text").to_owned();
    lines.as_array().expect("an array").iter().map(|line| (text(line, "stream"), text(line, "text"))).collect()
}

fn texts(bench: &Bench, job: i64, stream: &str) -> Vec<String> {
    logged(bench, job).into_iter().filter(|(of, _)| of == stream).map(|(_, text)| text).collect()
}

#[test]
fn what_a_running_command_prints_is_in_the_log_at_once_on_both_streams() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let script =
        "echo out 1; echo err 1 >&2; printf 'no line yet'; while [ ! -e go ]; do sleep 0.02; done; echo; echo last";
    let id = bench.push(&["--", "sh", "-c", script]);
    bench.wait_for("both streams", DEADLINE, |b| logged(b, id).len() == 2);
    assert_eq!((texts(&bench, id, "out"), texts(&bench, id, "err")), (vec!["out 1".into()], vec!["err 1".into()]));
    std::fs::write(bench.path().join("go"), "").expect("written");
    let job = bench.wait_for_job(id, "succeeded");
    assert_eq!(job["result"], "out 1\nno line yet\nlast\n", "as ever");
    bench.wait_for("the rest", DEADLINE, |b| texts(b, id, "out").len() == 3);
    assert_eq!(texts(&bench, id, "out"), ["out 1", "no line yet", "last"]);
    let shown = bench.ok(&["logs", "--job", &id.to_string()]);
    assert!(shown.contains("default-1[job 1] out 1\n") && shown.contains("default-1[job 1] err 1\n"), "{shown}");
}

#[test]
fn a_command_that_prints_an_answer_has_not_answered() {
    let bench = Bench::new();
    let lines = [
        r#"{"id":1,"result":7}"#,
        r#"{"id":1,"error":"no"}"#,
        r#"{"method":"retire"}"#,
        r#">{"id":1,"result":7}"#,
        "+",
    ];
    let print: Vec<String> =
        lines.iter().map(|line| format!("echo '{line}'; printf '%s' '{line}'; sleep 0.05; echo")).collect();
    let id = bench.push(&["--max-attempts=1", "--", "sh", "-c", &format!("{}; exit 3", print.join("; "))]);
    drain(&bench, &["--workers=1"]);
    let job = bench.job(id);
    assert_eq!(
        (&job["state"], &job["error"], &job["attempts"]),
        (&json!("dead"), &json!("exit status 3: +"), &json!(1))
    );
    let twice: Vec<&str> = lines.iter().flat_map(|line| [*line, *line]).collect();
    assert_eq!(texts(&bench, id, "out"), twice);
}

#[test]
fn output_is_that_of_its_own_job_also_where_many_are_sent_ahead() {
    let bench = Bench::new();
    let jobs: Vec<i64> =
        (0..60).map(|n| bench.push(&["--", "sh", "-c", &format!("echo a {n}; printf 'b {n}'")])).collect();
    drain(&bench, &["--workers=2", "--prefetch=20"]);
    for (n, id) in jobs.iter().enumerate() {
        assert_eq!(texts(&bench, *id, "out"), [format!("a {n}"), format!("b {n}")], "job {id}");
    }
}

#[test]
fn the_last_words_of_a_killed_worker_are_those_of_its_own_job() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default", "--prefetch=4"]);
    let first = bench.push(&["--", "echo", "of the first"]);
    // In one piece: where the line is, the half is.
    let script = "printf 'of the second\\nhalf'; until test -e go; do sleep 0.01; done; kill -9 $PPID; sleep 60";
    let second = bench.push(&["--", "sh", "-c", script]);
    bench.wait_for_job(first, "succeeded");
    bench.wait_for("the line", DEADLINE, |b| texts(b, second, "out") == ["of the second"]);
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for("the crash", DEADLINE, |b| !b.runs(second).is_empty());
    // The next attempt is killed at once, perhaps before a word of it was passed on.
    let run = bench.runs(second).pop().expect("the first run");
    assert_eq!((&run["outcome"], &run["stdout_tail"]), (&json!("crashed"), &json!("of the second\nhalf")));
    assert_eq!(run["error"], "the worker was ended by SIGKILL: half");
    bench.run(&["jobs", "cancel", &second.to_string()]);
}

/// Bytes of all log files.
fn log_bytes(bench: &Bench) -> u64 {
    let folder = std::fs::read_dir(bench.path().join("q.db.logs")).expect("a folder of logs");
    folder.map(|entry| entry.expect("an entry").metadata().expect("a size").len()).sum()
}

#[test]
fn a_flood_on_stdout_neither_waits_for_the_log_nor_makes_the_master_grow() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default", "--queue=beside"]);
    // Lines that are short, long, and none; half a gigabyte in all.
    let script = "yes | head -c 200000000; yes $(head -c 60000 /dev/zero | tr '\\0' x) | head -c 200000000; \
                  head -c 100000000 /dev/zero; echo; sleep 2; echo end";
    let id = bench.push(&["--", "sh", "-c", script]);
    let mut most = 0;
    bench.wait_for("the flood to be over", 2 * DEADLINE, |b| {
        most = most.max(b.status()["master"]["memory_bytes"].as_u64().unwrap_or(0));
        let beside = b.push(&["--queue=beside", "--", "true"]);
        b.wait_for_job(beside, "succeeded");
        b.job(id)["state"] == "succeeded"
    });
    assert!(most < 100 << 20, "the master had {most} bytes");
    assert!(bench.job(id)["result"].as_str().expect("a text").ends_with("\nend\n"));
    bench.wait_for("the end in the log", DEADLINE, |b| {
        b.ok(&["logs", "-n", "1", "--job", &id.to_string()]).ends_with(" end\n")
    });
    assert!(log_bytes(&bench) < 60 << 20, "{} bytes of logs", log_bytes(&bench));
    let dropped = " bytes of output dropped: the log could not keep up]";
    assert!(logged(&bench, id).iter().any(|(_, text)| text.ends_with(dropped)), "nothing was said to be dropped");
}
