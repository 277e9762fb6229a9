//! The context of a job, from whoever pushes it to whoever does it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE, fixture};
use super::{PARENT, SPAN, TRACE};

fn words(name: &str) -> Vec<String> {
    let mut words = vec!["--workers=1".to_owned(), "--queue=default".to_owned(), "--".to_owned()];
    words.extend(fixture(name));
    words
}

/// Runs a worker of this fixture until nothing is left to do.
#[track_caller]
fn drain_by(bench: &Bench, name: &str) {
    let words = words(name);
    let args: Vec<&str> = ["--drain"].into_iter().chain(words.iter().map(String::as_str)).collect();
    bench.run(&args).expect_code(0);
}

#[track_caller]
fn drain(bench: &Bench) {
    bench.run(&["--queue=default", "--workers=1", "--drain", "--backoff=10ms"]).expect_code(0);
}

/// Trace, span and flags of a traceparent.
#[track_caller]
fn parts(traceparent: &Value) -> (String, String, String) {
    let text = traceparent.as_str().unwrap_or_else(|| panic!("{traceparent} is no traceparent"));
    let parts: Vec<&str> = text.split('-').collect();
    assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2], "{text}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

fn traceparents(bench: &Bench) -> Vec<Value> {
    let jobs = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
    jobs.as_array().expect("an array").iter().map(|job| job["traceparent"].clone()).collect()
}

#[test]
fn a_job_keeps_the_context_however_it_is_pushed() {
    let other = PARENT.replace("-01", "-00");
    let push = |bench: &Bench| {
        bench.push(&["--traceparent", PARENT, "--tracestate", "a=1", "t"]);
        bench.push(&["t"]);
        let lines = format!("{{\"type\":\"t\",\"traceparent\":\"{other}\"}}\n{{\"type\":\"t\"}}\n");
        let jsonl = ["push", "--jsonl"];
        bench.verb(&jsonl).env("TRACEPARENT", PARENT).env("TRACESTATE", "b=2").stdin(lines).run().expect_code(0);
        bench.verb(&["push", "t"]).env("TRACEPARENT", PARENT).run().expect_code(0);
        bench.verb(&["push", "t", "--traceparent", &other]).env("TRACEPARENT", PARENT).run().expect_code(0);
        bench.verb(&["push", "--lines", "t"]).env("TRACEPARENT", PARENT).stdin("a\n").run().expect_code(0);
        let expected = json!([PARENT, null, other, PARENT, PARENT, other, PARENT]);
        assert_eq!(Value::from(traceparents(bench)), expected);
        let states = [1, 3, 4, 5].map(|id| bench.job(id)["tracestate"].clone());
        assert_eq!(states, [json!("a=1"), Value::Null, json!("b=2"), Value::Null], "a state goes with its own parent");
        assert!(bench.ok(&["jobs", "show", "1"]).contains(&format!("\ntrace         {TRACE}\n")));
    };
    push(&Bench::new());
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    push(&bench);
}

#[test]
fn the_socket_takes_a_context_and_refuses_what_is_none() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    let mut socket = UnixStream::connect(bench.path().join("q.db.sock")).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut answers = BufReader::new(socket.try_clone().expect("a socket")).lines();
    let mut ask = |params: Value| -> Value {
        writeln!(socket, "{}", json!({"id": 1, "method": "push", "params": params})).expect("written");
        serde_json::from_str(&answers.next().expect("an answer").expect("a line")).expect("JSON")
    };
    assert_eq!(ask(json!({"type": "t", "traceparent": PARENT}))["result"]["id"], 1);
    for bad in [json!(PARENT.to_uppercase()), json!(""), json!(7)] {
        let answer = ask(json!({"type": "t", "traceparent": bad}));
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    // A state that is wrong takes nothing from its parent.
    let stated = |id: i64| bench.job(id)["tracestate"].clone();
    for (state, kept) in [("a=1", json!("a=1")), ("A", json!(null)), ("a=1,\r\nb=2", json!(null))] {
        let answer = ask(json!({"type": "t", "traceparent": PARENT, "tracestate": state}));
        assert_eq!(stated(answer["result"]["id"].as_i64().expect("an id")), kept, "{answer}");
    }
    assert_eq!(traceparents(&bench), [PARENT; 4]);
}

#[test]
fn a_wrong_context_is_an_error_where_it_was_given_and_passed_over_where_it_was_not() {
    let bench = Bench::new();
    for bad in ["00-1-2-01", &PARENT.to_uppercase(), "", &PARENT.replace(SPAN, &"0".repeat(16))] {
        let run = bench.run(&["push", "--traceparent", bad, "t"]).expect_code(2);
        assert!(run.stderr.contains("is no traceparent; it is written as `00-4bf92f35"), "{}", run.stderr);
    }
    let run = bench.run(&["push", "--traceparent", PARENT, "--tracestate", "A", "t"]).expect_code(2);
    assert!(run.stderr.contains("the tracestate is no list of `key=value`"), "{}", run.stderr);
    let run = bench.run(&["push", "--tracestate", "a=1", "t"]).expect_code(2);
    assert!(run.stderr.contains("a tracestate goes with a traceparent"), "{}", run.stderr);
    let line = "{\"type\":\"t\"}\n{\"type\":\"t\",\"traceparent\":\"x\"}\n";
    let run = bench.verb(&["push", "--jsonl"]).stdin(line).run().expect_code(1);
    assert!(run.stderr.contains("line 2: `x` is no traceparent"), "{}", run.stderr);
    assert!(!bench.database().exists(), "nothing was pushed");
    let run = bench.verb(&["push", "t"]).env("TRACEPARENT", "x").env("TRACESTATE", "a=1").run().expect_code(0);
    assert!(run.stderr.contains("`TRACEPARENT` is ignored: `x` is no traceparent"), "{}", run.stderr);
    let run = bench.verb(&["push", "t"]).env("TRACEPARENT", PARENT).env("TRACESTATE", "A").run().expect_code(0);
    assert!(run.stderr.contains("`TRACESTATE` is ignored"), "{}", run.stderr);
    assert_eq!(Value::from(traceparents(&bench)), json!([null, PARENT]));
}

#[test]
fn a_worker_gets_the_span_of_its_run_and_the_run_has_it_on_record() {
    let bench = Bench::new();
    bench.push(&["--traceparent", PARENT, "--tracestate", "a=1", "t"]);
    bench.push(&["t"]);
    drain_by(&bench, "params.py");
    let params = &bench.job(1)["result"]["params"];
    let (trace, span, flags) = parts(&params["traceparent"]);
    assert_eq!((trace.as_str(), flags.as_str(), &params["tracestate"]), (TRACE, "01", &json!("a=1")));
    assert_ne!(span, SPAN, "the worker continues the run");
    let run = &bench.runs(1)[0];
    assert_eq!((&run["trace_id"], &run["span_id"]), (&json!(trace), &json!(span)));
    let other = &bench.job(2)["result"]["params"];
    assert!(other.get("traceparent").is_none() && other.get("tracestate").is_none(), "{other}");
    assert_eq!(bench.runs(2)[0]["trace_id"], Value::Null);
}

#[test]
fn a_command_has_the_context_in_its_environment_and_only_its_own() {
    let bench = Bench::new();
    let show = ["--", "sh", "-c", "echo $TRACEPARENT,$TRACESTATE"];
    bench.push(&[&["--traceparent", PARENT, "--tracestate", "a=1"][..], &show].concat());
    bench.push(&show);
    let args = ["--queue=default", "--workers=1", "--drain"];
    let stale = PARENT.replace(TRACE, &"1".repeat(32));
    bench.verb(&args).env("TRACEPARENT", &stale).env("TRACESTATE", "z=1").run().expect_code(0);
    let result = bench.job(1)["result"].clone();
    let (parent, list) = result.as_str().and_then(|text| text.trim().split_once(',')).expect("two words");
    assert_eq!((parts(&json!(parent)).0.as_str(), list), (TRACE, "a=1"));
    assert_eq!(bench.job(2)["result"].as_str().map(str::trim), Some(","), "not that of the master");
}

#[test]
fn what_a_run_pushes_belongs_to_that_run() {
    let bench = Bench::new();
    bench.push(&["--traceparent", PARENT, "t", r#"{"count": 2}"#]);
    drain_by(&bench, "push.py");
    let run = &bench.runs(1)[0];
    let of_run = format!("00-{TRACE}-{}-01", run["span_id"].as_str().expect("a span"));
    assert_eq!(traceparents(&bench), [PARENT, &of_run, &of_run]);
    let bench = Bench::new();
    let own = env!("CARGO_BIN_EXE_queue-work");
    bench.push(&["--traceparent", PARENT, "--", "sh", "-c", &format!("{own} push elsewhere >&2")]);
    bench.run(&["--queue=default", "--workers=1", "--drain"]);
    let (trace, span, _) = parts(&traceparents(&bench)[1]);
    assert_eq!((trace.as_str(), &json!(span)), (TRACE, &bench.runs(1)[0]["span_id"]));
}

#[test]
fn a_push_that_is_followed_by_the_answer_at_once_belongs_to_that_run() {
    let bench = Bench::new();
    bench.push(&["--traceparent", PARENT, "t"]);
    bench.push(&["t"]);
    drain_by(&bench, "push_and_go.py");
    let of_run = format!("00-{TRACE}-{}-01", bench.runs(1)[0]["span_id"].as_str().expect("a span"));
    let mut all = traceparents(&bench);
    all.sort_by_key(ToString::to_string);
    let mut expected = vec![json!(of_run), json!(PARENT), json!(null), json!(null)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(all, expected);
}

#[test]
fn a_retry_is_in_a_trace_of_its_own_and_a_context_outlives_masters() {
    let bench = Bench::new();
    let script = "echo $TRACEPARENT >> seen; test $(wc -l < seen) -ge 4";
    let id =
        bench.push(&["--max-attempts=3", "--traceparent", &PARENT.replace("-01", "-00"), "--", "sh", "-c", script]);
    let script = "echo $TRACEPARENT >> other; test $(wc -l < other) -ge 2 || sleep 60";
    let other = bench.push(&["--traceparent", PARENT, "--", "sh", "-c", script]);
    let mut master = bench.start(&["--queue=default", "--workers=2", "--backoff=10ms"]);
    bench.wait_for_job(id, "dead");
    bench.wait_for("the other", DEADLINE, |bench| bench.path().join("other").exists());
    master.kill9();
    let seen = fs::read_to_string(bench.path().join("seen")).expect("a file");
    let seen: Vec<_> = seen.lines().map(|line| parts(&json!(line))).collect();
    assert_eq!((seen[0].0.as_str(), seen.len()), (TRACE, 3), "{seen:?}");
    assert!(seen[1].0 != TRACE && seen[2].0 != TRACE && seen[1].0 != seen[2].0, "{seen:?}");
    assert!(seen.iter().all(|(.., flags)| flags == "00"), "nobody wants to see it: {seen:?}");
    bench.ok(&["jobs", "retry", &id.to_string()]);
    drain(&bench);
    let lines = fs::read_to_string(bench.path().join("other")).expect("a file");
    let spans: Vec<_> = lines.lines().map(|line| parts(&json!(line))).collect();
    assert!(spans.len() == 2 && spans.iter().all(|span| span.0 == TRACE) && spans[0].1 != spans[1].1, "{spans:?}");
    assert_eq!(bench.runs(other)[0]["span_id"], json!(spans[1].1));
    let all = fs::read_to_string(bench.path().join("seen")).expect("a file");
    assert_eq!(parts(&json!(all.lines().last().expect("a line"))).0, TRACE, "an attempt within a minute of its push");
    assert_eq!(bench.runs(id).iter().filter(|run| run["trace_id"] == TRACE).count(), 2);
}

#[test]
fn lines_of_json_say_which_run_of_which_trace_they_are_about() {
    let bench = Bench::new();
    bench.push(&["--traceparent", PARENT, "--max-attempts=1", "--", "false"]);
    let run = bench.run(&["--queue=default", "--workers=1", "--drain", "--log-format=json"]);
    let lines = run.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let dead: Vec<Value> = lines.filter(|line| line["event"] == "job_dead").collect();
    assert_eq!((&dead[0]["trace_id"], &dead[0]["span_id"]), (&json!(TRACE), &bench.runs(1)[0]["span_id"]));
}
