//! Spans of pushes and runs, on their way to a collector.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use serde_json::json;

use super::collector::{Collector, Manner};
use super::support::{Bench, DEADLINE, Master, Run, fixture, now};
use super::{PARENT, SPAN, TRACE};

const DRAIN: [&str; 4] = ["--queue=default", "--workers=1", "--drain", "--backoff=10ms"];

/// Runs a master until nothing is left to do; what it knows has been sent when it ends.
fn drain(bench: &Bench, collector: &Collector, args: &[&str]) -> Run {
    bench.verb(&[&DRAIN, args].concat()).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).run()
}

fn start<'a>(bench: &'a Bench, url: &str) -> Master<'a> {
    bench.start_with(&["--queue=default", "--workers=1"], &[("OTEL_EXPORTER_OTLP_ENDPOINT", url)])
}

#[track_caller]
fn push(bench: &Bench, args: &[&str]) -> i64 {
    bench.push(&[&["--traceparent", PARENT, "--max-attempts=1"], args].concat())
}

#[test]
fn a_push_and_its_first_run_are_spans_in_the_trace_of_whoever_pushed() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    let pushed = bench.job(push(&bench, &["--tracestate=a=1", "--", "true"]));
    drain(&bench, &collector, &[]);
    let (publish, process) = (collector.span("publish default"), collector.span("process exec"));
    assert_eq!((publish.trace.as_str(), publish.parent.as_deref(), publish.kind), (TRACE, Some(SPAN), 4));
    assert_eq!((process.trace.as_str(), process.parent.as_deref(), process.kind), (TRACE, Some(&*publish.span), 5));
    assert_eq!((publish.state.as_deref(), process.state.as_deref()), (Some("a=1"), Some("a=1")));
    assert!(publish.links.is_empty() && process.links.is_empty() && process.error.is_none());
    let run = &bench.runs(1)[0];
    assert_eq!((&run["trace_id"], &run["span_id"]), (&json!(TRACE), &json!(process.span)));
    let nanoseconds = |time: &serde_json::Value| {
        let time: jiff::Timestamp = time.as_str().expect("a time").parse().expect("a time");
        u64::try_from(time.as_nanosecond()).expect("after 1970")
    };
    // The job was pushed while no master ran.
    assert_eq!((publish.start, publish.end), (nanoseconds(&pushed["pushed_at"]), publish.start));
    assert_eq!((process.start, process.end), (nanoseconds(&run["started_at"]), nanoseconds(&run["ended_at"])));
    let attributes = json!({
        "messaging.system": "queue-work", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": "default", "messaging.message.id": "1", "queue_work.type": "exec",
        "queue_work.run_id": 1, "queue_work.attempt": 1, "queue_work.outcome": "succeeded", "queue_work.exit_code": 0,
        "queue_work.peak_memory_bytes": run["peak_memory_bytes"], "queue_work.waited_us": process.attributes["queue_work.waited_us"],
    });
    assert_eq!(json!(process.attributes), attributes);
    assert_eq!(publish.attributes["messaging.operation.type"], "send");
    assert_eq!(json!(process.resource), json!({"service.name": "queue-work"}));
}

#[test]
fn a_run_that_fails_says_why_and_one_that_is_tried_again_has_a_link_to_the_push() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    bench.push(&["--traceparent", PARENT, "--max-attempts=2", "--", "sh", "-c", "echo xxx >&2; exit 3"]);
    drain(&bench, &collector, &[]);
    let publish = collector.span("publish default");
    let runs: Vec<_> = collector.spans().into_iter().filter(|span| span.kind == 5).collect();
    let [first, second] = &runs[..] else { panic!("{runs:#?}") };
    assert_eq!((first.trace.as_str(), first.parent.as_deref()), (TRACE, Some(&*publish.span)));
    assert!(second.trace != TRACE && second.parent.is_none(), "{second:?}");
    assert_eq!(second.links, [(TRACE.to_owned(), publish.span)]);
    for span in [first, second] {
        let error = span.error.as_deref().expect("an error");
        assert!(error.starts_with("exit status 3: ") && error.contains("xxx"), "{error}");
        assert_eq!(
            (&span.attributes["error.type"], &span.attributes["queue_work.exit_code"]),
            (&json!("exit"), &json!(3))
        );
    }
    assert_eq!(second.attributes["queue_work.attempt"], 2);
}

#[test]
fn nothing_is_told_of_what_nobody_samples_and_a_share_of_the_rest_begins_traces() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    bench.push(&["--traceparent", &PARENT.replace("-01", "-00"), "--", "true"]);
    bench.push(&["--", "true"]);
    drain(&bench, &collector, &[]);
    assert!(collector.requests().is_empty());
    fs::write(bench.path().join("all.toml"), "[telemetry]\nsample = 1.0\n").expect("a file");
    bench.push(&["--traceparent", &PARENT.replace("-01", "-00"), "--", "true"]);
    bench.push(&["--", "true"]);
    drain(&bench, &collector, &["--config=all.toml"]);
    let (publish, process) = (collector.span("publish default"), collector.span("process exec"));
    assert_eq!((publish.parent, process.parent.as_deref()), (None, Some(&*publish.span)));
    assert_eq!((&process.attributes["messaging.message.id"], &process.trace), (&json!("4"), &publish.trace));
    assert_eq!(bench.runs(4)[0]["trace_id"], json!(process.trace));
}

#[test]
fn a_reload_changes_the_share_and_not_the_collector() {
    let bench = Bench::new();
    let write = |text: &str| {
        let file = format!("[pools.default]\nworkers = 1\n[telemetry]\n{text}\n");
        fs::write(bench.path().join("queue-work.toml"), file).expect("a file");
    };
    write("sample = 0");
    let _master = bench.start(&[]);
    let trace_of = |id: i64| {
        bench.wait_for_job(id, "succeeded");
        bench.runs(id)[0]["trace_id"].clone()
    };
    assert_eq!(trace_of(bench.push(&["--", "true"])), json!(null));
    write("sample = 1\notlp = \"http://127.0.0.1:1\"");
    let reloaded = bench.ok(&["reload"]);
    assert!(reloaded.lines().any(|line| line.contains("telemetry.otlp") && line.contains("restart")), "{reloaded}");
    assert!(trace_of(bench.push(&["--", "true"])).is_string());
    assert_eq!(bench.status()["master"]["traces"], json!(null));
}

#[test]
fn a_worker_of_another_language_continues_the_span_of_its_run() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    push(&bench, &["t"]);
    let worker = fixture("params.py");
    let worker: Vec<&str> = worker.iter().map(String::as_str).collect();
    drain(&bench, &collector, &[&["--"], &worker[..]].concat());
    let process = collector.span("process t");
    let parent = bench.job(1)["result"]["params"]["traceparent"].clone();
    assert_eq!(parent, json!(format!("00-{TRACE}-{}-01", process.span)));
}

#[test]
fn the_variables_of_opentelemetry_count_before_the_file() {
    let bench = Bench::new();
    let (of_file, other) = (Collector::start(Manner::Takes), Collector::start(Manner::Takes));
    let file = format!("[telemetry]\notlp = \"{}/base/\"\n", of_file.url);
    fs::write(bench.path().join("queue-work.toml"), file).expect("a file");
    push(&bench, &["--", "true"]);
    let run = |env: &[(&str, &str)]| {
        let verb = bench.verb(&DRAIN);
        env.iter().fold(verb, |verb, (name, value)| verb.env(name, value)).run().expect_code(0);
    };
    run(&[]);
    assert_eq!(of_file.requests()[0].1, "/base/v1/traces");
    push(&bench, &["--", "true"]);
    let exact = format!("{}/exact", other.url);
    run(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &exact),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b, x-other=c"),
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,deployment.environment=a%2Cb"),
    ]);
    let (_, path, headers) = other.requests().remove(0);
    assert_eq!((path.as_str(), headers["x-key"].as_str(), headers["x-other"].as_str()), ("/exact", "a b", "c"));
    let resource = other.spans()[0].resource.clone();
    assert_eq!(json!(resource), json!({"service.name": "shop", "deployment.environment": "a,b"}));
    push(&bench, &["--", "true"]);
    let bad = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a");
    run(&[bad, ("OTEL_SDK_DISABLED", "true")]);
    run(&[bad, ("OTEL_TRACES_EXPORTER", "none")]);
    assert_eq!((of_file.requests().len(), other.requests().len()), (1, 1));
    let shown =
        bench.verb(&["config", "show"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1/").run().expect_code(0).stdout;
    let line = shown.lines().find(|line| line.contains("telemetry.otlp")).expect("a line");
    assert!(
        line.contains("http://a:1/v1/traces") && line.contains("environment OTEL_EXPORTER_OTLP_ENDPOINT"),
        "{line}"
    );
}

#[test]
fn an_address_that_cannot_be_is_refused_at_the_start_with_the_next_step() {
    let bench = Bench::new();
    let refused = |env: &[(&str, &str)]| {
        let verb = bench.verb(&DRAIN);
        env.iter().fold(verb, |verb, (name, value)| verb.env(name, value)).run().expect_code(2).stderr
    };
    let stderr = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example:4318")]);
    assert!(
        stderr.contains("`OTEL_EXPORTER_OTLP_ENDPOINT`: spans are sent without encryption; send them to an"),
        "{stderr}"
    );
    for bad in ["127.0.0.1:4318", "http://", "http://u:p@a", "ftp://a", "http://a?b"] {
        let stderr = refused(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", bad)]);
        assert!(stderr.contains("it must be the address of a collector, such as"), "{bad}: {stderr}");
    }
    let http = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    let stderr = refused(&[http, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(stderr.contains("`OTEL_EXPORTER_OTLP_PROTOCOL`: spans are sent as `http/json`, and not as"), "{stderr}");
    assert!(stderr.contains("; to send nothing, set `OTEL_SDK_DISABLED=true`; what is meant for workers"), "{stderr}");
    let raw = OsStr::from_bytes(b"http://\xff");
    let stderr = bench.verb(&DRAIN).env("OTEL_EXPORTER_OTLP_ENDPOINT", raw).run().expect_code(2).stderr;
    assert!(stderr.contains("`OTEL_EXPORTER_OTLP_ENDPOINT`: it is not valid UTF-8; to send nothing"), "{stderr}");
    let stderr = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"), ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret")]);
    assert!(stderr.contains("`a b` cannot be a header") && !stderr.contains("secret"), "{stderr}");
    fs::write(bench.path().join("queue-work.toml"), "[telemetry]\notlp = \"https://a\"\nsample = 1.5\n")
        .expect("a file");
    let stderr = refused(&[]);
    assert!(stderr.contains("queue-work.toml:2:8: `otlp`: spans are sent without"), "{stderr}");
    assert!(stderr.contains("queue-work.toml:3:10: `sample` is 1.5; it must be a number from 0 to 1"), "{stderr}");
}

#[test]
fn variables_that_are_meant_for_workers_keep_no_verb_in_a_job_from_its_work() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), "[processors.p]\nevery = \"1h\"\ncommand = [\"true\"]\n")
        .expect("a file");
    for words in [&["push", "t"][..], &["processors"], &["jobs", "list"], &["autoscale", "--replay"]] {
        let run = bench.verb(words).env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a").run().expect_code(0);
        assert!(!run.stderr.contains("OTEL"), "{words:?}: {run:?}");
    }
    bench.verb(&["config", "check"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a").run().expect_code(2);
}

#[test]
fn a_collector_that_is_busy_is_asked_again_when_it_says_and_gets_the_same_spans() {
    let busy = Manner::Answers("503 Service Unavailable\r\nRetry-After: 2", "later, please");
    let (bench, collector) = (Bench::new(), Collector::start(busy));
    let _master = start(&bench, &collector.url);
    push(&bench, &["--", "true"]);
    collector.wait_for_requests(1);
    let problem = |bench: &Bench| bench.status()["master"]["problems"][0].as_str().unwrap_or_default().to_owned();
    bench.wait_for("the problem", DEADLINE, |bench| problem(bench).contains("503 Service Unavailable later, please"));
    assert_eq!(bench.run(&["health"]).code, 0, "no job needs a collector");
    collector.set(Manner::Takes);
    collector.wait_for_requests(2);
    let requests = collector.requests();
    assert!(requests[1].0 - requests[0].0 >= Duration::from_millis(1_900), "{requests:?}");
    bench.wait_for("the end of it", DEADLINE, |bench| problem(bench).is_empty());
    assert_eq!(bench.status()["master"]["traces"], json!({"exported": 2, "dropped": 0}));
    assert_eq!(collector.spans().len(), 2);
}

#[test]
fn a_collector_that_may_be_asked_again_at_once_is_asked_after_a_pause_all_the_same() {
    let busy = Manner::Answers("503 Service Unavailable\r\nRetry-After: 0", "");
    let (bench, collector) = (Bench::new(), Collector::start(busy));
    let mut master = start(&bench, &collector.url);
    push(&bench, &["--", "true"]);
    collector.wait_for_requests(3);
    let at: Vec<_> = collector.requests().into_iter().map(|(at, ..)| at).collect();
    assert!(at[1] - at[0] >= Duration::from_millis(450) && at[2] - at[1] >= Duration::from_millis(900), "{at:?}");
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    let stderr = master.stderr();
    assert_eq!(stderr.matches("it answers 503 Service Unavailable\n").count(), 1, "{stderr}");
}

#[test]
fn the_span_of_a_push_whose_first_run_ended_with_its_master_comes_with_the_next_run() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Takes));
    push(&bench, &["--", "sh", "-c", "test -e seen && exit; touch seen; sleep 60"]);
    let mut master = start(&bench, &collector.url);
    bench.wait_for("the first run", DEADLINE, |bench| bench.path().join("seen").exists());
    master.kill9();
    drain(&bench, &collector, &[]).expect_code(0);
    let (publish, process) = (collector.span("publish default"), collector.span("process exec"));
    assert_eq!((&process.trace, process.parent), (&publish.trace, Some(publish.span)));
}

#[test]
fn what_a_collector_refuses_is_dropped_counted_and_not_sent_again() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Answers("400 Bad Request", "what is this?")));
    let _master = start(&bench, &collector.url);
    push(&bench, &["--", "true"]);
    bench.wait_for("the count", DEADLINE, |bench| bench.status()["master"]["traces"]["dropped"] == 2);
    let status = bench.ok(&["status"]);
    assert!(status.contains("400 Bad Request what is this?\n"), "{status}");
    let body = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    collector.set(Manner::Answers("200 OK", body));
    push(&bench, &["--", "true"]);
    let counts = json!({"exported": 1, "dropped": 3});
    bench.wait_for("the count", DEADLINE, |bench| bench.status()["master"]["traces"] == counts);
    assert!(bench.ok(&["status"]).contains("it rejects spans: too old\n"));
    assert_eq!(collector.requests().len(), 2);
    let metrics = bench.ok(&["metrics"]);
    assert!(metrics.contains("\nqueue_work_problems 0\n"), "no job needs a collector: {metrics}");
}

/// Jobs run, and a stop takes no more than the two seconds that spans get, whatever the collector does.
#[track_caller]
fn does_not_slow_a_master(url: &str, before_the_stop: impl Fn()) {
    let bench = Bench::new();
    let mut master = start(&bench, url);
    for _ in 0..20 {
        push(&bench, &["--", "true"]);
    }
    let last = push(&bench, &["--wait", "--", "true"]);
    assert_eq!(bench.job(last)["state"], "succeeded");
    before_the_stop();
    let begun = now();
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "the stop took {took:?}");
    assert!(master.stderr().contains("spans never arrived at the collector"), "{}", master.stderr());
}

#[test]
fn a_collector_that_is_down_does_not_slow_a_master() {
    does_not_slow_a_master("http://127.0.0.1:1", || {});
}

#[test]
fn a_collector_that_hangs_does_not_slow_a_master() {
    let collector = Collector::start(Manner::Hangs);
    does_not_slow_a_master(&collector.url, || {});
    // While a request is on its way, too.
    does_not_slow_a_master(&collector.url, || collector.wait_for_requests(2));
}

#[test]
fn a_collector_that_closes_its_connections_does_not_slow_a_master() {
    does_not_slow_a_master(&Collector::start(Manner::Closes).url, || {});
}

#[test]
fn spans_without_room_are_dropped_and_counted_and_the_jobs_run() {
    let (bench, collector) = (Bench::new(), Collector::start(Manner::Hangs));
    let jobs = format!("{{\"type\":\"echo\",\"traceparent\":\"{PARENT}\"}}\n").repeat(5_000);
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let worker = fixture("echo.py");
    let worker: Vec<&str> = worker.iter().map(String::as_str).collect();
    let args = [&["--queue=default", "--workers=2", "--"], &worker[..]].concat();
    let _master = bench.start_with(&args, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)]);
    bench.wait_for("the jobs", 2 * DEADLINE, |bench| bench.status()["queues"][0]["succeeded_total"] == 5_000);
    let dropped = bench.status()["master"]["traces"]["dropped"].as_u64().expect("a count");
    // Two for each job, of which 8,192 wait, and up to 512 are on their way.
    assert!((1_296..=1_808).contains(&dropped), "{dropped}");
    collector.spans();
}
