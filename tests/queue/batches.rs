//! Batches: what is said of them, what comes after them, who may join, and that the end of one is found once whoever dies.

use serde_json::{Value, json};

use super::operator::with_and_without_a_master;
use super::support::{Bench, DEADLINE, fixture};
use super::{all_jobs, drain};

fn batch(bench: &Bench, name: &str) -> Value {
    bench.run(&["batches", "show", name, "--json"]).expect_code(0).json()
}

fn lines(count: usize) -> String {
    "{\"type\":\"t\"}\n".repeat(count)
}

#[test]
fn each_push_of_many_jobs_is_a_batch_whose_jobs_are_chosen_by_it() {
    with_and_without_a_master(|bench| {
        let push = |args: &[&str], input: String| {
            let run = bench.verb(&[&["push", "--jsonl", "--json"], args].concat()).stdin(input).run().expect_code(0);
            run.json()["batch"].as_i64().expect("a batch").to_string()
        };
        let small = push(&["--queue=other"], lines(2));
        let large = push(&["--queue=other", "--batch=large"], lines(2500));
        let shown = batch(bench, "large");
        assert_eq!(
            (shown["id"].to_string(), &shown["jobs"], &shown["counts"]["ready"]),
            (large.clone(), &json!(2500), &json!(2500))
        );
        assert_eq!((&shown["percent"], &shown["left_s"]), (&json!(0.0), &Value::Null));
        let said = bench.run(&["batches", "cancel", "large", "--yes"]).expect_code(0);
        assert_eq!(said.stdout, "cancelled 2500 jobs\n");
        let shown = batch(bench, &large);
        assert_eq!((&shown["percent"], &shown["counts"]["cancelled"]), (&json!(100.0), &json!(2500)));
        let text = bench.ok(&["batches", "show", &large]);
        assert!(text.contains("2500: 2500 cancelled") && text.contains("100.0 %"), "{text}");
        let jobs = bench.run(&["jobs", "--batch", &small, "--jsonl"]).expect_code(0);
        assert_eq!(jobs.stdout.lines().count(), 2);
        let of = bench.job(
            jobs.stdout.lines().next().and_then(|job| serde_json::from_str::<Value>(job).ok()).expect("a job")["id"]
                .as_i64()
                .expect("an id"),
        );
        assert_eq!(of["batch"].to_string(), small);
        assert!(bench.ok(&["batches"]).lines().count() >= 3);
        let listed = bench.run(&["batches", "list", "--json"]).expect_code(0).json();
        assert_eq!(listed[0]["id"].to_string(), large, "the newest first");
        for verb in ["show", "wait", "cancel", "retry"] {
            let run = bench.run(&["batches", verb, "nothing"]).expect_code(4);
            assert_eq!(run.stderr, "queue-work: there is no batch `nothing`; see `queue-work batches`\n");
        }
        bench.run(&["jobs", "--batch", "7000"]).expect_code(4);
    });
}

#[test]
fn what_comes_after_a_batch_is_told_how_it_ended_and_what_is_for_a_failure_runs_after_one_only() {
    let worker = fixture("params.py");
    let mut master: Vec<&str> = vec!["--workers=2", "--"];
    master.extend(worker.iter().map(String::as_str));
    let bench = Bench::new();
    let then = r#"{"type":"report","priority":9}"#;
    let failed = r#"{"type":"alarm"}"#;
    bench
        .verb(&["push", "--jsonl", "--batch=night", "--then", then, "--then-failed", failed])
        .stdin(lines(3))
        .run()
        .expect_code(0);
    let why = bench.ok(&["why", "4"]);
    assert!(why.contains("waits until all jobs of batch 1 have ended; see `queue-work batches show 1`"), "{why}");
    drain(&bench, &master);
    let end = json!({"id": 1, "name": "night", "jobs": 3, "succeeded": 3, "dead": 0, "cancelled": 0});
    let report = bench.job(4);
    assert_eq!((&report["result"]["params"]["parents"], &report["after_batch"]), (&json!({"batch": end}), &json!(1)));
    assert_eq!((bench.job(5)["state"].as_str(), bench.job(5)["cause"].as_str()), (Some("cancelled"), Some("parent")));
    assert!(bench.ok(&["why", "5"]).contains("as no job of batch 1 has died"));
    let run = bench.run(&["jobs", "retry", "5"]).expect_code(5);
    assert!(run.stderr.contains("no job of batch 1 has died"), "{}", run.stderr);
    // A command finds it in its file, and a job that dies has the other one run.
    let read = json!({"type": "exec", "args": {"argv": ["sh", "-c", "cat $QUEUE_WORK_PARENTS"]}}).to_string();
    let bench = Bench::new();
    let input = "true\nexit 65\n";
    bench.verb(&["push", "--lines", "--then-failed", &read, "--", "sh", "-c", "{}"]).stdin(input).run().expect_code(0);
    let run = bench.run(&["--workers=2", "--queue=default", "--drain"]).expect_code(1);
    assert!(
        run.stderr.contains("1 job died") || run.stderr.contains("1 died") || run.stderr.contains("dead"),
        "{}",
        run.stderr
    );
    let end: Value = serde_json::from_str(bench.job(3)["result"].as_str().expect("a text")).expect("JSON");
    assert_eq!((&end["batch"]["dead"], &end["batch"]["name"]), (&json!(1), &Value::Null));
    let waited = bench.run(&["batches", "wait", "1"]).expect_code(1);
    assert_eq!(waited.stdout, "batch 1 has ended: 1 succeeded, 1 dead, 0 cancelled\n");
}

#[test]
fn what_cannot_be_a_then_and_a_batch_that_cannot_be_joined_are_refused_and_nothing_is_added() {
    with_and_without_a_master(|bench| {
        let first = bench.push(&["--queue=other", "--batch=over", "t"]);
        bench.ok(&["jobs", "cancel", &first.to_string()]);
        let over = batch(bench, "over")["id"].to_string();
        let before = all_jobs(bench).len();
        let table: [(&[&str], i32, &str); 8] = [
            (&["--then", "1", "t"], 2, "`--then`: invalid type"),
            (&["--then", r#"{"type":"t","priority":500}"#, "t"], 2, "`then`: `priority` 500"),
            (
                &["--then-failed", r#"{"type":"t","after":[1]}"#, "t"],
                2,
                "`then_failed`: it comes after its batch alone",
            ),
            (&["--batch", &over, "--then", r#"{"type":"t"}"#, "t"], 2, "for a new batch"),
            (&["--batch", "7000", "t"], 4, "there is no batch 7000"),
            (&["--batch", &over, "t"], 5, &format!("batch {over} has ended, so no job can join it")),
            (&["--batch-of", &first.to_string(), "t"], 5, "has ended"),
            (&["--batch-of", "987654", "t"], 4, "there is no job 987654"),
        ];
        for (args, code, said) in table {
            let run = bench.run(&[&["push", "--queue=other"], args].concat()).expect_code(code);
            assert!(run.stderr.contains(said), "{}", run.stderr);
        }
        for count in [2, 2500] {
            let run = bench.verb(&["push", "--jsonl", "--batch", &over]).stdin(lines(count)).run().expect_code(5);
            assert!(run.stderr.contains("has ended, so no job can join it"), "{}", run.stderr);
        }
        let two = "{\"type\":\"t\",\"batch\":\"a\"}\n{\"type\":\"t\",\"batch\":\"b\"}\n";
        let run = bench.verb(&["push", "--jsonl"]).stdin(two).run().expect_code(1);
        assert!(run.stderr.contains("line 2: `batch` is another than that of a job before"), "{}", run.stderr);
        let run = bench.verb(&["push", "--jsonl", "--stream", "--batch=new"]).stdin(lines(1)).run().expect_code(2);
        assert!(run.stderr.contains("join a batch that is open"), "{}", run.stderr);
        assert_eq!(all_jobs(bench).len(), before);
    });
}

#[test]
fn jobs_join_their_own_batch_while_it_is_open_and_are_waited_for() {
    let bench = Bench::new();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_queue-work")).parent().expect("a folder");
    let path = format!("PATH={}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    let script = "queue-work push --batch-of $QUEUE_WORK_JOB_ID -- echo joined";
    let then = r#"{"type":"exec","args":{"argv":["echo","then"]}}"#;
    bench.push(&["--batch=own", "--then", then, "--env", &path, "--", "sh", "-c", script]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(2, "succeeded");
    let waited = bench.run(&["batches", "wait", "own", "--timeout=30s"]).expect_code(0);
    assert_eq!(waited.stdout, "batch 1 `own` has ended: 2 succeeded, 0 dead, 0 cancelled\n");
    // The command of the first job has joined the batch before that ended.
    let ends = |id| bench.job(id)["finished_at"].as_str().expect("a time").to_owned();
    assert!(ends(3) < ends(2), "{} {}", ends(3), ends(2));
}

#[test]
fn waiting_for_a_batch_needs_a_master_while_it_is_open_and_ends_in_time() {
    let bench = Bench::new();
    bench.verb(&["push", "--jsonl", "--queue=other"]).stdin(lines(2)).run().expect_code(0);
    bench.run(&["batches", "wait", "1"]).expect_code(3);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let run = bench.run(&["batches", "wait", "1", "--timeout=100ms"]).expect_code(1);
    assert!(run.stderr.contains("2 jobs of batch 1 had not ended after 100ms"), "{}", run.stderr);
}

#[test]
fn the_end_of_a_batch_is_found_once_although_masters_are_killed() {
    const JOBS: u64 = 2600;
    let bench = Bench::new();
    let journal = bench.path().join("journal");
    let jobs = "{\"type\":\"t\",\"args\":{\"seconds\":0}}\n".repeat(JOBS as usize);
    let then = r#"{"type":"then","args":{"seconds":0},"queue":"then"}"#;
    bench.verb(&["push", "--jsonl", "--then", then]).stdin(jobs).run().expect_code(0);
    let worker = fixture("journal.py");
    let mut args = vec!["--workers=3", "--queue=default", "--"];
    args.extend(worker.iter().map(String::as_str));
    let env = [("JOURNAL", journal.to_str().expect("UTF-8"))];
    let of = |bench: &Bench, name: &str, member: &str| {
        let status = bench.status();
        let queues = status["queues"].as_array().expect("queues").iter().find(|queue| queue["name"] == name).cloned();
        queues.and_then(|queue| queue[member].as_u64()).unwrap_or(0)
    };
    // The last time in the moment in which the last has ended, and the end of the batch is looked for.
    for done in [JOBS / 3, JOBS] {
        let mut master = bench.start_with(&args, &env);
        bench.wait_for("jobs to be done", DEADLINE, |bench| of(bench, "default", "succeeded_total") >= done);
        master.kill9();
    }
    let _master = bench.start_with(&args, &env);
    bench.wait_for("the batch to be over", DEADLINE, |bench| of(bench, "then", "ready") == 1);
    assert_eq!(of(&bench, "then", "blocked"), 0);
    let shown = batch(&bench, "1");
    assert_eq!((&shown["counts"]["succeeded"], &shown["then"]), (&json!(JOBS), &json!(JOBS + 1)));
}
