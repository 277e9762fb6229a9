//! `metrics` for those who collect them: its numbers with and without a master, both formats, the file; and the dashboard
//! and alerts that ask for them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::{Value, json};

use super::exposition::Scrape;
use super::support::{Bench, DEADLINE, fixture};

/// A type with everything that is special in a label.
const ODD: &str = "say \"a\\b\" {c=d},\u{1f600}";
/// A label that is put behind all those that are too many to be told apart.
const OTHER: &str = "other";
/// Queues, and types in queues, that are told apart.
const APART: usize = 200;

fn scrape(bench: &Bench) -> Scrape {
    Scrape::read(&bench.ok(&["metrics"]), false)
}

/// Starts a master whose workers take every job, and die in those that say so.
fn with_workers<'a>(bench: &'a Bench, options: &[&str]) -> super::support::Master<'a> {
    let worker = fixture("crash.py");
    let worker: Vec<&str> = worker.iter().map(String::as_str).collect();
    bench.start(&[options, &["--"], &worker].concat())
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring")
}

#[test]
fn a_master_tells_what_it_has_counted_and_the_store_what_it_knows_without_one() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=2"]);
    let dead = bench.push(&["--max-attempts=1", "--", "false"]);
    let done = bench.push(&["--", "true"]);
    bench.push(&["--queue=odd", ODD, "1"]);
    bench.ok(&["pause", "odd"]);
    bench.wait_for_job(dead, "dead");
    bench.wait_for_job(done, "succeeded");
    bench.wait_for("both workers", DEADLINE, |bench| {
        scrape(bench).get("queue_work_workers", &[("pool", "default"), ("state", "idle")]) == Some(2.0)
    });
    let found = scrape(&bench);
    let exec: &[(&str, &str)] = &[("queue", "default"), ("type", "exec")];
    let pool: &[(&str, &str)] = &[("pool", "default")];
    let with = |of: &[(&'static str, &'static str)], name, value| [of, &[(name, value)]].concat();
    for (name, labels, expected) in [
        ("queue_work_up", vec![], 1.0),
        ("queue_work_generation", vec![], 1.0),
        ("queue_work_problems", vec![], 0.0),
        ("queue_work_events_dropped_total", vec![], 0.0),
        ("queue_work_runs_total", with(exec, "outcome", "succeeded"), 1.0),
        ("queue_work_runs_total", with(exec, "outcome", "failed"), 1.0),
        ("queue_work_runs_total", with(exec, "outcome", "timed_out"), 0.0),
        ("queue_work_jobs_finished_total", with(exec, "state", "dead"), 1.0),
        ("queue_work_jobs_finished_total", with(exec, "state", "cancelled"), 0.0),
        ("queue_work_run_duration_seconds_count", exec.to_vec(), 2.0),
        ("queue_work_wait_duration_seconds_count", exec[..1].to_vec(), 2.0),
        ("queue_work_jobs_pushed_total", exec[..1].to_vec(), 2.0),
        ("queue_work_queue_paused", exec[..1].to_vec(), 0.0),
        ("queue_work_queue_paused", vec![("queue", "odd")], 1.0),
        ("queue_work_jobs", vec![("queue", "odd"), ("state", "ready")], 1.0),
        ("queue_work_workers_wanted", pool.to_vec(), 2.0),
        ("queue_work_pool_up", pool.to_vec(), 1.0),
        ("queue_work_worker_starts_total", pool.to_vec(), 2.0),
        ("queue_work_worker_exits_total", with(pool, "reason", "exited"), 0.0),
    ] {
        assert_eq!(found.get(name, &labels), Some(expected), "{name} {labels:?} in {found:?}");
    }
    for name in [
        "queue_work_start_time_seconds",
        "queue_work_master_memory_bytes",
        "queue_work_master_cpu_seconds_total",
        "queue_work_master_open_fds",
        "queue_work_pool_busy_seconds_total",
        "queue_work_turn_duration_seconds_count",
        "queue_work_store_commit_duration_seconds_count",
        "queue_work_store_sync_duration_seconds_count",
        "queue_work_store_size_bytes",
        "queue_work_store_wal_bytes",
    ] {
        assert!(found.sum(name) > 0.0, "{name} in {found:?}");
    }
    assert!(!found.has("queue_work_worker_memory_bytes"));
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    let run = bench.run(&["metrics"]).expect_code(0);
    let left = Scrape::read(&run.stdout, false);
    assert_eq!((left.get("queue_work_up", &[]), &*run.stderr), (Some(0.0), ""));
    assert_eq!(left.get("queue_work_jobs", &[("queue", "odd"), ("state", "ready")]), Some(1.0));
    assert_eq!(left.get("queue_work_jobs_pushed_total", &[("queue", "default")]), Some(2.0));
    assert!(!left.has("queue_work_runs_total"), "{left:?}");
    assert_eq!(scrape(&Bench::new()).get("queue_work_up", &[]), Some(0.0), "without a database, too");
}

#[test]
fn both_formats_and_the_document_say_the_same() {
    let bench = Bench::new();
    let _master = with_workers(&bench, &["--workers=1"]);
    let id = bench.push(&[ODD, "1"]);
    bench.wait_for_job(id, "succeeded");
    let open = Scrape::read(&bench.ok(&["metrics", "--format=openmetrics"]), true);
    let found = scrape(&bench);
    let labels = [("outcome", "succeeded"), ("queue", "default"), ("type", ODD)];
    for of in [&open, &found] {
        assert_eq!(of.get("queue_work_runs_total", &labels), Some(1.0), "{of:?}");
    }
    let families = bench.run(&["metrics", "--json"]).expect_code(0).json();
    let runs = families.as_array().expect("families").iter().find(|family| family["name"] == "queue_work_runs_total");
    let expected = json!({"labels": {"outcome": "succeeded", "queue": "default", "type": ODD}, "value": 1.0});
    let runs = runs.expect("runs");
    assert_eq!((&runs["type"], &runs["samples"][0]), (&json!("counter"), &expected));
    for conflict in [&["--format=openmetrics", "--history=1h"][..], &["--output=x", "--history=1h"], &["--queue=a"]] {
        bench.run(&[&["metrics"], conflict].concat()).expect_code(2);
    }
}

#[test]
fn no_count_falls_while_workers_crash_and_are_replaced_and_jobs_run() {
    let bench = Bench::new();
    let _master = with_workers(&bench, &["--workers=2"]);
    let ended = |scrape: &Scrape, kind, state| {
        scrape.get("queue_work_jobs_finished_total", &[("queue", "default"), ("state", state), ("type", kind)])
    };
    let mut before = scrape(&bench);
    for round in 1..=3 {
        bench.push(&["exit", "1"]);
        bench.push(&["fine", "1"]);
        bench.ok(&["restart", "--all", "--no-wait"]);
        bench.wait_for("both ends", DEADLINE, |bench| {
            let now = scrape(bench);
            now.comes_after(&before);
            before = now;
            let rounds = Some(f64::from(round));
            (ended(&before, "exit", "dead"), ended(&before, "fine", "succeeded")) == (rounds, rounds)
        });
    }
    // Three deaths by each job that kills its worker; some of those workers were to be replaced anyhow.
    let exited = before.get("queue_work_worker_exits_total", &[("pool", "default"), ("reason", "exited")]);
    assert!(exited > Some(0.0) && before.sum("queue_work_worker_exits_total") >= 9.0, "{before:?}");
}

#[test]
fn of_many_queues_and_types_the_first_are_told_apart_and_the_rest_is_one() {
    const MANY: usize = 250;
    let bench = Bench::new();
    let queue = |n: usize| format!("q{n:03}");
    let push = |jobs: &dyn Fn(usize) -> String| {
        let jobs = (0..MANY).map(jobs).collect::<Vec<_>>().join("\n");
        bench.verb(&["push", "-q", "--jsonl"]).stdin(jobs).run().expect_code(0);
    };
    push(&|n| format!("{{\"type\": \"t\", \"queue\": \"{}\", \"delay\": \"1h\"}}", queue(n)));
    let without = scrape(&bench);
    let _master = with_workers(&bench, &["--workers=1"]);
    let found = scrape(&bench);
    for of in [&without, &found] {
        let names = of.values_of("queue_work_jobs", "queue");
        assert_eq!((names.len(), names.contains(OTHER)), (APART + 1, true), "{names:?}");
        assert_eq!(of.sum("queue_work_jobs") as usize, MANY);
        assert_eq!(of.get("queue_work_jobs", &[("queue", OTHER), ("state", "scheduled")]), Some((MANY - APART) as f64));
    }
    let pushed = |scrape: &Scrape| scrape.get("queue_work_jobs_pushed_total", &[("queue", OTHER)]);
    assert_eq!((pushed(&without), pushed(&found)), (Some(0.0), Some(0.0)), "nobody saw when they were pushed");
    for _ in 0..2 {
        bench.push(&["--queue", &queue(MANY - 1), "--delay=1h", "t", "1"]);
    }
    bench.push(&["--queue", &queue(0), "--delay=1h", "t", "1"]);
    let later = scrape(&bench);
    later.comes_after(&found);
    assert_eq!(pushed(&later), Some(2.0));
    assert_eq!(later.get("queue_work_jobs_pushed_total", &[("queue", &queue(0))]), Some(2.0));

    push(&|n| format!("{{\"type\": \"kind {n}\"}}"));
    bench.wait_for("all runs", DEADLINE, |bench| scrape(bench).sum("queue_work_runs_total") as usize == MANY);
    let types = scrape(&bench);
    let kinds = types.values_of("queue_work_runs_total", "type");
    assert_eq!((kinds.len(), kinds.contains(OTHER)), (APART + 1, true), "{kinds:?}");
}

#[test]
fn a_pool_whose_workers_do_not_come_up_is_not_up_and_one_without_workers_is() {
    let bench = Bench::new();
    let worker = fixture("boot_fail.py");
    let worker: Vec<&str> = worker.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers=1", "--"][..], &worker].concat());
    let pool = [("pool", "default")];
    let of = |scrape: &Scrape, name: &str| scrape.get(name, &pool);
    bench.wait_for("its backoff", DEADLINE, |bench| {
        let found = scrape(bench);
        let backoff = found.get("queue_work_workers", &[pool[0], ("state", "backoff")]);
        of(&found, "queue_work_worker_starts_total") >= Some(2.0) && backoff == Some(1.0)
    });
    let found = scrape(&bench);
    assert_eq!(of(&found, "queue_work_pool_up"), Some(0.0), "{found:?}");
    assert!(found.sum("queue_work_worker_exits_total") >= 2.0, "{found:?}");
    bench.ok(&["scale", "0"]);
    let found = scrape(&bench);
    assert_eq!((of(&found, "queue_work_pool_up"), of(&found, "queue_work_workers_wanted")), (Some(1.0), Some(0.0)));
}

#[test]
fn processors_tell_of_their_runs_and_of_the_last_that_succeeded() {
    let bench = Bench::new();
    let file = "[processors.good]\nevery = \"1h\"\ncommand = [\"true\"]\n\
                [processors.bad]\nevery = \"1h\"\ncommand = [\"false\"]\nenabled = false\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let mut master = bench.start(&["--workers=1"]);
    bench.run(&["processors", "run", "good", "--wait"]).expect_code(0);
    bench.run(&["processors", "run", "bad", "--force", "--wait"]).expect_code(1);
    let of = |name: &'static str| [("processor", name)];
    let runs = |scrape: &Scrape, name, outcome| {
        scrape.get("queue_work_processor_runs_total", &[("processor", name), ("outcome", outcome)])
    };
    let at = |scrape: &Scrape, what: &str, name| {
        scrape.get(&format!("queue_work_processor_{what}_timestamp_seconds"), &of(name))
    };
    let found = scrape(&bench);
    assert_eq!((runs(&found, "good", "succeeded"), runs(&found, "good", "failed")), (Some(1.0), Some(0.0)));
    assert_eq!((runs(&found, "bad", "failed"), runs(&found, "bad", "lost")), (Some(1.0), Some(0.0)));
    let last = at(&found, "last_success", "good").expect("a time");
    assert!(at(&found, "next_run", "good").is_some_and(|next| next > last), "{found:?}");
    assert_eq!((at(&found, "last_success", "bad"), at(&found, "next_run", "bad")), (None, None));
    let enabled = |scrape: &Scrape, name| scrape.get("queue_work_processor_enabled", &of(name));
    assert_eq!((enabled(&found, "good"), enabled(&found, "bad")), (Some(1.0), Some(0.0)));
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    let left = scrape(&bench);
    assert_eq!((at(&left, "last_success", "good"), enabled(&left, "bad")), (Some(last), Some(0.0)));
    assert!(!left.has("queue_work_processor_runs_total"));
}

#[test]
fn the_memory_of_each_worker_is_told_where_the_file_says_so() {
    let bench = Bench::new();
    let say = |word: &str| {
        let text = format!("[metrics]\nper_worker = {word}\n");
        fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    };
    say("false");
    let _master = bench.start(&["--workers=2"]);
    say("true");
    bench.ok(&["reload"]);
    let names = BTreeSet::from(["default-1", "default-2"]);
    bench.wait_for("both workers", DEADLINE, |bench| {
        scrape(bench).values_of("queue_work_worker_memory_bytes", "worker") == names
    });
    let found = scrape(&bench);
    let one = found.get("queue_work_worker_memory_bytes", &[("pool", "default"), ("worker", "default-1")]);
    assert!(one.is_some_and(|bytes| bytes > 0.0), "{found:?}");
    say("\"often\"");
    let run = bench.run(&["config", "check"]).expect_code(2);
    assert!(run.stderr.contains("per_worker") && run.stderr.contains("true or false"), "{run:?}");
}

#[test]
fn a_file_is_put_in_place_when_it_is_whole_for_everybody_to_read() {
    let bench = Bench::new();
    let folder = bench.path().join("collected");
    fs::create_dir(&folder).expect("made");
    let file = folder.join("queue work.prom");
    fs::write(&file, "old").expect("written");
    let path = file.to_str().expect("UTF-8");
    let run = bench.run(&["metrics", "--output", path]).expect_code(0);
    assert_eq!((&*run.stdout, &*run.stderr), ("", ""));
    let found = Scrape::read(&fs::read_to_string(&file).expect("there"), false);
    assert_eq!(found.get("queue_work_up", &[]), Some(0.0));
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(&folder).expect("there").count(), 1, "nothing is left beside it");
    let link = bench.path().join("link");
    symlink(&file, &link).expect("linked");
    fs::write(&file, "old").expect("written");
    bench.run(&["metrics", "-o", link.to_str().expect("UTF-8")]).expect_code(0);
    Scrape::read(&fs::read_to_string(&file).expect("there"), false);
    let stdout = bench.path().join("stdout");
    symlink("/dev/stdout", &stdout).expect("linked");
    let run = bench.run(&["metrics", "-o", stdout.to_str().expect("UTF-8")]).expect_code(0);
    Scrape::read(&run.stdout, false);
    assert!(link.is_symlink() && stdout.is_symlink());
    let nowhere = folder.join("none/x.prom");
    let run = bench.run(&["metrics", "-o", nowhere.to_str().expect("UTF-8")]).expect_code(1);
    assert!(run.stderr.contains("none/x.prom"), "{run:?}");
}

#[test]
fn a_master_that_does_not_answer_is_not_up() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1"]);
    bench.push(&["--queue=odd", ODD, "1"]);
    master.signal(SIGSTOP);
    let run = bench.run(&["metrics"]).expect_code(0);
    master.signal(SIGCONT);
    let found = Scrape::read(&run.stdout, false);
    assert_eq!(found.get("queue_work_up", &[]), Some(0.0));
    assert_eq!(found.get("queue_work_jobs", &[("queue", "odd"), ("state", "ready")]), Some(1.0));
    assert!(run.stderr.contains("does not answer: it is stopped"), "{run:?}");
}

/// The output of `promtool`; `None` where it is not installed, which is said.
fn promtool(words: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("promtool");
    command.args(words).current_dir(examples()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: promtool is not installed");
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    Some(said)
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics_nor_with_the_alerts() {
    let bench = Bench::new();
    let file = "[metrics]\nper_worker = true\n[processors.good]\nevery = \"1h\"\ncommand = [\"true\"]\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let _master = with_workers(&bench, &["--workers=1"]);
    let id = bench.push(&[ODD, "1"]);
    bench.wait_for_job(id, "succeeded");
    bench.wait_for("the memory of workers", DEADLINE, |bench| scrape(bench).has("queue_work_worker_memory_bytes"));
    if let Some(said) = promtool(&["check", "metrics"], &bench.ok(&["metrics"])) {
        assert_eq!(said, "");
        promtool(&["check", "rules", "alerts.yml"], "");
        promtool(&["test", "rules", "alerts_test.yml"], "");
        let rules = bench.path().join("dashboard.yml");
        fs::write(&rules, as_rules(&dashboard())).expect("written");
        promtool(&["check", "rules", rules.to_str().expect("UTF-8")], "");
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(examples().join("dashboard.json")).expect("there")).expect("JSON")
}

/// Everything that the dashboard asks, as rules, which `promtool` can read.
fn as_rules(dashboard: &Value) -> String {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().expect("targets"));
    let asked = targets.chain(dashboard["annotations"]["list"].as_array().expect("annotations"));
    let rules = asked.enumerate().map(|(n, target)| {
        let asked = target["expr"].as_str().expect("a text").replace("$__rate_interval", "5m");
        format!("- {{record: 'a:b{n}', expr: '{asked}'}}")
    });
    format!("groups:\n- name: dashboard\n  rules:\n  {}\n", rules.collect::<Vec<_>>().join("\n  "))
}

#[test]
fn the_manual_names_every_metric_and_the_dashboard_and_the_alerts_ask_for_none_that_is_not_there() {
    let bench = Bench::new();
    let file = "[metrics]\nper_worker = true\n[telemetry]\notlp = \"http://127.0.0.1:9\"\n\
                [processors.good]\nevery = \"1h\"\ncommand = [\"true\"]\n";
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let _master = bench.start(&["--workers=1"]);
    bench.run(&["processors", "run", "good", "--wait"]).expect_code(0);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    let found = scrape(&bench);
    let alerts = fs::read_to_string(examples().join("alerts.yml")).expect("there");
    let asked = dashboard().to_string() + &alerts;
    let words = asked.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<&str> = words.filter(|word| word.starts_with("queue_work_")).collect();
    let missing: Vec<&&str> = names.iter().filter(|name| !found.has(name)).collect();
    assert!(missing.is_empty() && names.len() > 20, "{missing:?} of {names:?}");
    let manual = fs::read_to_string(examples().join("../../docs/metrics.md")).expect("there");
    assert_eq!(found.get("queue_work_spans_dropped_total", &[]), Some(0.0));
    let unnamed: Vec<&str> = found.families().filter(|name| !manual.contains(&format!("`{name}`"))).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}
