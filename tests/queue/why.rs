//! Why a job failed is in its row: the kind of error, where it happened, the last line that was printed, the limit that
//! held.

use serde_json::{Value, json};

use super::drain;
use super::support::Bench;

/// A worker program as the manual has it.
const WORKER: &str = r#"
import json, sys, traceback

def charge(customer):
    print("looking for", customer, file=sys.stderr, flush=True)
    return {}[customer]

for line in sys.stdin:
    job = json.loads(line)
    if job.get("method") != "job":
        continue
    answer = {"error": job["params"]["args"]}
    if job["params"]["type"] == "charge":
        try:
            answer = {"result": charge(job["params"]["args"])}
        except Exception as e:
            data = {"type": type(e).__name__, "backtrace": traceback.format_exc()}
            answer = {"error": {"message": str(e), "code": 42, "data": data}}
    if job["params"]["type"] == "die":
        print("no memory left", file=sys.stderr, flush=True)
        sys.exit(3)
    print(json.dumps({"id": job["id"], **answer}), flush=True)
"#;

fn worked(bench: &Bench) {
    std::fs::write(bench.path().join("worker.py"), WORKER).expect("written");
    drain(bench, &["--workers=1", "--", "python3", "worker.py"]);
}

/// The facts about the error of a job or a run.
fn facts(of: &Value) -> [&Value; 4] {
    ["error", "error_type", "error_code", "backtrace"].map(|member| &of[member])
}

#[test]
fn the_class_the_code_and_the_backtrace_of_an_exception_are_in_the_row_of_its_job() {
    let bench = Bench::new();
    let id = bench.push(&["--max-attempts=1", "charge", "\"customer 732\""]);
    worked(&bench);
    let (job, run) = (bench.job(id), bench.runs(id)[0].clone());
    assert_eq!(facts(&job)[..3], [&json!("KeyError: 'customer 732'"), &json!("KeyError"), &json!(42)]);
    let backtrace = job["backtrace"].as_str().expect("a text");
    assert!(backtrace.starts_with("Traceback") && backtrace.contains("in charge"), "{backtrace}");
    assert_eq!(facts(&run), facts(&job));
    let shown = bench.ok(&["jobs", "show", &id.to_string()]);
    assert!(shown.contains("error         KeyError: 'customer 732'\n"), "{shown}");
    assert!(shown.contains("\nbacktrace of run 1:\nTraceback (most recent call last):\n  File "), "{shown}");
    assert!(shown.contains("\nlast lines on stderr of run 1:\nlooking for customer 732\n"), "{shown}");
    assert!(bench.ok(&["jobs", "list", "--oldest"]).contains("KeyError: 'customer 732'"));
}

#[test]
fn what_an_error_says_of_itself_has_bounds_and_no_form_spoils_it() {
    let bench = Bench::new();
    let lines: Vec<String> = (0..20_000).map(|n| format!("line {n}")).collect();
    let table = [
        (json!({"message": "m", "data": {"backtrace": ["a", "b"]}}), json!(["m", null, null, "a\nb"])),
        (json!({"message": "m", "data": {"type": "E", "backtrace": {"a": 1}}}), json!(["E: m", "E", null, null])),
        (json!({"message": "E: m", "code": -7, "data": {"type": "E"}}), json!(["E: m", "E", -7, null])),
        (json!({"data": {"type": "E"}}), json!(["E", "E", null, null])),
        (json!({"message": "m", "data": {"backtrace": ""}}), json!(["m", null, null, null])),
        (json!("boom"), json!(["boom", null, null, null])),
    ];
    let push = |error: &Value| bench.push(&["--max-attempts=1", "t", &error.to_string()]);
    let ids: Vec<i64> = table.iter().map(|(error, _)| push(error)).collect();
    let long = bench
        .verb(&["push", "--max-attempts=1", "t", "-"])
        .stdin(
            json!({"message": "x".repeat(20_000), "data": {"type": "T".repeat(999), "backtrace": lines}}).to_string(),
        )
        .run()
        .expect_code(0);
    worked(&bench);
    for (id, (error, kept)) in ids.iter().zip(&table) {
        assert_eq!(json!(facts(&bench.job(*id))), *kept, "{error}");
    }
    let job = bench.job(long.stdout.trim().parse().expect("an id"));
    let length = |member: &str| job[member].as_str().expect("a text").len();
    assert_eq!(length("error_type"), 200);
    assert!(length("error") <= 8 * 1024 + 202, "{}", length("error"));
    let backtrace = job["backtrace"].as_str().expect("a text");
    assert!(backtrace.starts_with("line 0\nline 1\n") && backtrace.ends_with("\nline 19999"));
    assert!((65_000..65_600).contains(&backtrace.len()), "{}", backtrace.len());
    let marks: Vec<&str> = backtrace.lines().filter(|line| !line.starts_with("line ")).collect();
    assert!(matches!(marks[..], [mark] if mark.starts_with("… (") && mark.ends_with(" bytes cut)")), "{marks:?}");
}

#[test]
fn the_last_line_of_a_failed_command_is_in_its_error_without_its_colours() {
    let bench = Bench::new();
    let table = [
        (
            "echo out; printf 'first\\n\\033[1;31mcannot open image 30.png\\033[0m\\n\\n' >&2; exit 1",
            "exit status 1: cannot open image 30.png",
        ),
        ("echo 'Traceback on stdout'; exit 2", "exit status 2: Traceback on stdout"),
        ("printf '10%%\\r99%%\\rno space left' ; exit 3", "exit status 3: no space left"),
        ("exit 4", "exit status 4"),
        ("echo assertion failed >&2; kill -ABRT $$", "killed by SIGABRT: assertion failed"),
    ];
    let ids: Vec<i64> =
        table.iter().map(|(script, _)| bench.push(&["--max-attempts=1", "--", "sh", "-c", script])).collect();
    let long = bench.push(&["--max-attempts=1", "--", "sh", "-c", "head -c 9999 /dev/zero | tr '\\0' x; exit 1"]);
    let drained = drain(&bench, &["--workers=1"]);
    for (id, (script, error)) in ids.iter().zip(&table) {
        assert_eq!(bench.job(*id)["error"], *error, "{script}");
        assert!(drained.stderr.contains(&format!("{error}; see")), "{}", drained.stderr);
    }
    let error = bench.job(long)["error"].as_str().expect("a text").to_owned();
    assert_eq!(error.chars().count(), "exit status 1: …".chars().count() + 200, "{error}");
    // The output that was quoted is there, both streams of it.
    let shown = bench.ok(&["jobs", "show", &ids[0].to_string()]);
    assert!(shown.contains("last lines on stdout of run 1:\nout\n"), "{shown}");
    assert!(shown.contains("last lines on stderr of run 1:\nfirst\n\\x1b[1;31mcannot open image 30.png"), "{shown}");
}

#[test]
fn the_last_line_of_a_worker_that_died_is_in_the_error_of_its_job() {
    let bench = Bench::new();
    let id = bench.push(&["die"]);
    worked(&bench);
    assert_eq!(bench.job(id)["error"], "the worker exited with status 3: no memory left");
    assert_eq!(bench.job(id)["cause"], "poison");
}

#[test]
fn the_limit_of_attempts_is_shown_as_it_was_when_the_job_died() {
    let bench = Bench::new();
    let id = bench.push(&["--", "sh", "-c", "exit 1"]);
    let well = bench.push(&["--", "true"]).to_string();
    drain(&bench, &["--workers=1", "--max-attempts=1"]);
    std::fs::write(bench.path().join("queue-work.toml"), "[defaults]\nmax_attempts = 7\n").expect("written");
    let shown = bench.ok(&["jobs", "show", &id.to_string()]);
    assert!(
        shown.contains("state         dead (max_attempts)\n") && shown.contains("attempts      1 of 1\n"),
        "{shown}"
    );
    assert_eq!(bench.job(id)["max_attempts"], 1);
    assert!(bench.ok(&["jobs", "show", &well]).contains("attempts      0\n"), "no limit stood in the way");
    bench.ok(&["jobs", "retry", &id.to_string()]);
    assert_eq!(bench.job(id)["max_attempts"], 7, "the next attempts have another");
}
