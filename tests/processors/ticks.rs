//! Runs at their ticks, by a master that runs, dies and comes again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};
use super::{processor, runs, write};

fn bench(file: &str) -> Bench {
    let bench = Bench::new();
    write(&bench, file);
    bench
}

fn second() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// Until the clock has passed so many whole seconds.
fn seconds_pass(bench: &Bench, seconds: i64) {
    let end = second() + seconds;
    bench.wait_for("the clock", DEADLINE, |_| second() > end);
}

fn ended(bench: &Bench, state: &str) -> usize {
    runs(bench).iter().filter(|run| run["state"] == state).count()
}

fn ticks(runs: &[Value]) -> Vec<&str> {
    runs.iter().rev().filter_map(|run| run["tick"].as_str()).collect()
}

#[test]
fn a_command_runs_on_its_interval_with_its_last_line_as_the_note() {
    let bench = bench(
        "[processors.email_send]\nevery = \"200ms\"\ncommand = [\"sh\", \"-c\", \"echo looking; echo no work: empty\"]\n\
         [processors.bad]\nevery = \"200ms\"\ncommand = [\"sh\", \"-c\", \"echo 1; echo oh no >&2; exit 3\"]\n",
    );
    let _master = bench.start(&[]);
    bench.wait_for("runs", DEADLINE, |b| ended(b, "succeeded") >= 2 && ended(b, "failed") >= 2);
    for run in runs(&bench).iter().filter(|run| !run["ended_at"].is_null()) {
        let note = if run["processor"] == "bad" { "oh no" } else { "no work: empty" };
        assert_eq!((&run["note"], &run["source"]), (&json!(note), &json!("schedule")), "{run}");
        assert!(run["tick"].as_str() < run["started_at"].as_str(), "{run}");
    }
    let last = processor(&bench, "bad");
    assert_eq!((&last["schedule"], &last["enabled"]), (&json!("every 200ms"), &json!(true)));
}

#[test]
fn a_job_of_a_queue_is_run_by_a_worker_which_says_the_note() {
    let worker = "import json, sys\\nfor line in sys.stdin:\\n  m = json.loads(line)\\n  \
                  print(json.dumps({'id': m['id'], 'result': 1, 'run': {'note': m['params']['args']['say']}}), flush=True)";
    let bench = bench(&format!(
        "[processors.mail]\nevery = \"200ms\"\nqueue = \"mail\"\ntype = \"send\"\nargs = {{ say = \"sent 3\" }}\n\
         [pools.mail]\ncommand = [\"python3\", \"-c\", \"{worker}\"]\n"
    ));
    let _master = bench.start(&[]);
    bench.wait_for("a run", DEADLINE, |b| ended(b, "succeeded") >= 1);
    let run = runs(&bench).pop().expect("a run");
    assert_eq!(run["note"], "sent 3", "{run}");
    let job = bench.job(run["job_id"].as_i64().expect("a job"));
    assert_eq!((&job["type"], &job["queue"], &job["state"]), (&json!("send"), &json!("mail"), &json!("succeeded")));
}

#[test]
fn a_disabled_processor_records_no_run() {
    let bench = bench("[processors.p]\nevery = \"100ms\"\ncommand = [\"true\"]\n");
    bench.ok(&["processors", "disable", "p", "--reason", "maintenance"]);
    let master = bench.start(&[]);
    bench.wait_for("ticks to pass", DEADLINE, |b| processor(b, "p")["skipped"].as_u64() >= Some(3));
    assert_eq!(runs(&bench), Vec::<Value>::new());
    let seen = processor(&bench, "p");
    assert_eq!((&seen["last_skip"]["cause"], &seen["reason"]), (&json!("disabled"), &json!("maintenance")));
    drop(master);
    let _master = bench.start(&[]);
    assert_eq!(processor(&bench, "p")["enabled"], false, "a restart changes nothing");
    bench.ok(&["processors", "enable", "p"]);
    bench.wait_for("a run", DEADLINE, |b| ended(b, "succeeded") >= 1);
}

#[test]
fn a_tick_missed_while_down_runs_once() {
    let bench = bench("[processors.p]\ncron = \"* * * * * *\"\ncommand = [\"true\"]\n");
    let mut master = bench.start(&[]);
    bench.wait_for("a run", DEADLINE, |b| ended(b, "succeeded") >= 1);
    master.kill9();
    let before = runs(&bench);
    seconds_pass(&bench, 3);
    let _master = bench.start(&[]);
    bench.wait_for("more runs", DEADLINE, |b| ended(b, "succeeded") >= before.len() + 2);
    let all = runs(&bench);
    assert_eq!(ticks(&all).iter().collect::<BTreeSet<_>>().len(), all.len(), "each tick once: {all:?}");
    // The first start may have come a moment after a tick.
    let since = all.iter().filter(|run| !before.iter().any(|seen| seen["id"] == run["id"]));
    assert_eq!(since.filter(|run| run["source"] == "missed").count(), 1, "{all:?}");
    let seen = processor(&bench, "p");
    assert!(seen["skipped"].as_u64() >= Some(1) && seen["last_skip"]["cause"] == "missed", "{seen}");
}

#[test]
fn every_tick_missed_while_down_runs_where_all_are_to_and_none_where_they_are_to_be_skipped() {
    let bench = bench(
        "[processors.all]\ncron = \"* * * * * *\"\nmissed = \"all\"\noverlap = \"allow\"\ncommand = [\"true\"]\n\
         [processors.skip]\ncron = \"* * * * * *\"\nmissed = \"skip\"\ncommand = [\"true\"]\n",
    );
    let mut master = bench.start(&[]);
    let of = |bench: &Bench, name: &str| {
        let all = runs(bench).into_iter().filter(|run| run["processor"] == name);
        all.collect::<Vec<_>>()
    };
    for _ in 0..2 {
        let before = of(&bench, "all").len();
        bench.wait_for("a run", DEADLINE, |b| of(b, "all").len() > before);
        master.kill9();
        seconds_pass(&bench, 2);
        master = bench.start(&[]);
    }
    let before = of(&bench, "skip").len();
    bench.wait_for("more runs", DEADLINE, |b| of(b, "skip").len() >= before + 2);
    let all = of(&bench, "all");
    let seconds: Vec<u64> = ticks(&all)
        .iter()
        .map(|tick| tick[17..19].parse::<u64>().expect("seconds") + 60 * tick[14..16].parse::<u64>().expect("minutes"))
        .collect();
    let gaps = seconds.windows(2).map(|pair| (pair[1] + 3600 - pair[0]) % 3600);
    assert!(gaps.clone().all(|gap| gap == 1), "none is missing, none is twice: {seconds:?}");
    assert!(of(&bench, "skip").iter().all(|run| run["source"] == "schedule"));
}

#[test]
fn a_run_that_outlives_its_master_goes_on_as_the_same_run() {
    let bench = bench(
        "[processors.p]\nevery = \"100ms\"\ncommand = [\"sh\", \"-c\", \"test -e go && echo done || sleep 1000\"]\n",
    );
    let mut master = bench.start(&[]);
    bench.wait_for("a run", DEADLINE, |b| runs(b).first().is_some_and(|run| run["state"] == "running"));
    master.kill9();
    std::fs::write(bench.path().join("go"), "").expect("written");
    let _master = bench.start(&[]);
    bench.wait_for("its end", DEADLINE, |b| runs(b).last().is_some_and(|run| run["state"] == "succeeded"));
    let first = runs(&bench).pop().expect("a run");
    assert_eq!((&first["id"], &first["note"]), (&json!(1), &json!("done")));
    assert_eq!(bench.job(first["job_id"].as_i64().expect("a job"))["releases"], 1);
}

#[test]
fn one_run_is_replaced_by_the_next_where_the_file_says_so() {
    let bench = bench(
        "[processors.p]\nevery = \"200ms\"\nevery_from = \"start\"\noverlap = \"replace\"\ncommand = [\"sleep\", \"1000\"]\n",
    );
    let _master = bench.start(&[]);
    bench.wait_for("runs", DEADLINE, |b| ended(b, "cancelled") >= 2 && ended(b, "running") == 1);
}

#[test]
fn a_run_past_its_timeout_is_ended_and_the_next_one_comes() {
    let bench = bench("[processors.p]\nevery = \"100ms\"\ntimeout = \"200ms\"\ncommand = [\"sleep\", \"1000\"]\n");
    let _master = bench.start(&[]);
    bench.wait_for("runs", DEADLINE, |b| ended(b, "timed_out") >= 2);
}

#[test]
fn a_drain_runs_no_processor() {
    let bench = bench("[processors.p]\nevery = \"100ms\"\nrun_at_start = true\ncommand = [\"true\"]\n");
    let id = bench.push(&["--", "sh", "-c", "sleep 0.4"]);
    bench.ok(&["--drain", "-q"]);
    bench.wait_for_job(id, "succeeded");
    assert_eq!(runs(&bench), Vec::<Value>::new());
}

#[test]
fn the_examples_send_mail_and_read_images() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let file = std::fs::read_to_string(examples.join("processors.toml")).expect("an example");
    let bench = bench(&file.replace("every = \"5s\"", "every = \"200ms\"").replace("*/10 *", "* *"));
    for (from, to) in [("email_send.py", "email_send.py"), ("ocr.py", "ocr.py")] {
        std::fs::copy(examples.join(from), bench.path().join(to)).expect("copied");
    }
    for folder in ["outbox", "scans"] {
        std::fs::create_dir(bench.path().join(folder)).expect("a folder");
    }
    std::fs::write(bench.path().join("outbox/1.eml"), "To: you\nSubject: it\n\nworks\n").expect("written");
    std::fs::write(bench.path().join("scans/a.png"), "text in an image").expect("written");
    let _master = bench.start_with(&[], &[("OCR_COMMAND", "cat {}")]);
    let notes = |bench: &Bench| {
        let all = runs(bench).into_iter().filter_map(|run| Some(run["note"].as_str()?.to_owned()));
        all.collect::<BTreeSet<_>>()
    };
    let expected = ["no work: no new image in scans/", "no work: outbox/ is empty", "read 1 of 1", "sent 1"];
    bench.wait_for("the runs", Duration::from_secs(30), |b| expected.iter().all(|note| notes(b).contains(*note)));
    assert!(bench.path().join("sent/1.eml").exists());
    let text = std::fs::read_to_string(bench.path().join("scans/a.txt")).expect("the text");
    assert_eq!(text, "text in an image");
}

#[test]
fn a_work_and_a_drain_run_no_processor_and_know_them_all_the_same() {
    let bench = bench("[processors.p]\nevery = \"100ms\"\ncommand = [\"true\"]\n[processors.backup]\n");
    let _work = bench.start(&["work"]);
    assert_eq!(processor(&bench, "p")["schedule"], "every 100ms");
    assert_eq!(bench.ok(&["processors", "wrap", "backup", "--", "echo", "ran"]), "ran\n");
    bench.ok(&["processors", "disable", "backup"]);
    assert_eq!(bench.ok(&["processors", "wrap", "backup", "--", "echo", "ran"]), "");
    assert_eq!(runs(&bench).iter().filter(|run| run["processor"] == "p").count(), 0);
}

#[test]
fn a_run_that_is_tried_again_began_with_its_first_attempt() {
    let bench = bench(
        "[processors.p]\nevery = \"1h\"\nmax_attempts = 2\ncommand = [\"sh\", \"-c\", \"echo no >&2; exit 1\"]\n\
         [pools.processors]\nbackoff = \"200ms\"\n",
    );
    let _master = bench.start(&[]);
    bench.ok(&["processors", "run", "p"]);
    bench.wait_for("an attempt", DEADLINE, |b| b.job(1)["attempts"] == 1);
    let began = runs(&bench)[0]["started_at"].clone();
    assert!(began.is_string(), "{began}");
    bench.wait_for("its end", DEADLINE, |b| ended(b, "failed") == 1);
    assert_eq!(runs(&bench)[0]["started_at"], began);
}
