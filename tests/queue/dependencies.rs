//! Jobs that come after others: when they run, what they are given, what becomes of them when one fails, and what is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::operator::with_and_without_a_master;
use super::support::{Bench, DEADLINE, fixture};
use super::{all_jobs, drain};

#[track_caller]
fn states(bench: &Bench, jobs: &[i64]) -> Vec<String> {
    jobs.iter().map(|id| bench.job(*id)["state"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The lines of a push, as JSON.
fn lines(jobs: &[Value]) -> String {
    jobs.iter().fold(String::new(), |mut all, job| {
        let _ = writeln!(all, "{job}");
        all
    })
}

#[test]
fn a_command_runs_after_others_and_finds_their_results_in_a_file_that_is_gone_with_it() {
    let bench = Bench::new();
    bench.push(&["--", "printf", "a"]);
    bench.push(&["--", "true"]);
    bench.push(&["--after", "1,2", "--", "sh", "-c", "echo $QUEUE_WORK_PARENTS; cat $QUEUE_WORK_PARENTS"]);
    assert_eq!(states(&bench, &[1, 3]), ["ready", "blocked"]);
    assert_eq!(bench.job(3)["after"], json!([1, 2]));
    drain(&bench, &["--workers=2"]);
    let result = bench.job(3)["result"].as_str().expect("a text").to_owned();
    let (file, text) = result.split_once('\n').expect("two lines");
    assert_eq!(serde_json::from_str::<Value>(text).expect("JSON"), json!({"1": "a", "2": ""}));
    assert!(!std::path::Path::new(file).exists(), "{file} is left");
    assert_eq!(bench.job(3)["state"], "succeeded");
    let alone = bench.push(&["--", "sh", "-c", "test -z \"$QUEUE_WORK_PARENTS\""]);
    drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(alone)["state"], "succeeded");
}

#[test]
fn a_worker_is_given_results_by_their_refs_also_forward_and_through_a_push_of_very_many() {
    let params = fixture("params.py");
    let params: Vec<&str> = params.iter().map(String::as_str).collect();
    let mut master: Vec<&str> = vec!["--workers=2", "--"];
    master.extend(params);
    for many in [0, 2500] {
        let bench = Bench::new();
        let mut jobs = vec![json!({"type": "last", "ref": "last", "after": ["first", "n0"], "priority": 9})];
        jobs.extend((0..many).map(|n| json!({"type": "t", "ref": format!("n{}", n + 1), "after": ["last"]})));
        jobs.push(json!({"type": "first", "ref": "first"}));
        jobs.push(json!({"type": "first", "ref": "n0"}));
        bench.verb(&["push", "--jsonl"]).stdin(lines(&jobs)).run().expect_code(0);
        let status = bench.status();
        assert_eq!(status["queues"][0]["blocked"], many + 1, "{status}");
        drain(&bench, &master);
        let found = &bench.job(1)["result"]["params"]["parents"];
        assert_eq!(found["first"]["params"]["type"], "first", "{found}");
        assert_eq!(found["n0"]["params"]["job_id"], many + 3, "{found}");
        assert_eq!(bench.status()["queues"][0]["succeeded_total"], many + 3);
    }
}

#[test]
fn what_cannot_come_after_others_is_refused_with_its_line_and_nothing_is_added() {
    with_and_without_a_master(|bench| {
        let dead = bench.push(&["--queue=other", "--", "true"]);
        bench.ok(&["jobs", "cancel", &dead.to_string()]);
        let before = all_jobs(bench).len();
        let good = json!({"type": "t"});
        let pad: Vec<Value> = (0..1500).map(|_| good.clone()).collect();
        let unknown = json!({"type": "t", "after": [987_654]});
        let after_dead = json!({"type": "t", "after": [dead]});
        let table: [(&[Value], i32, &str); 6] = [
            (
                &[good.clone(), json!({"type": "t", "after": ["x"]})],
                1,
                "line 2: no job of the same push has the ref `x`",
            ),
            (&[json!({"type": "t", "ref": "a", "after": ["a"]})], 1, "line 1: it comes after itself"),
            (&[json!({"type": "t", "ref": "a"}), json!({"type": "t", "ref": "a"})], 1, "line 2: another job"),
            (&[good.clone(), unknown.clone()], 4, "line 2: there is no job 987654 that it could come after"),
            (&[after_dead], 5, &format!("line 1: job {dead} is cancelled")),
            (&[&pad[..], &[unknown]].concat(), 4, "line 1501: there is no job 987654"),
        ];
        for (jobs, code, said) in table {
            let run = bench.verb(&["push", "--jsonl"]).stdin(lines(jobs)).run().expect_code(code);
            assert!(run.stderr.contains(said), "{}", run.stderr);
            assert_eq!(all_jobs(bench).len(), before, "{said}");
        }
        let run = bench.run(&["push", "--after", "987654", "t"]).expect_code(4);
        assert_eq!(run.stderr, "queue-work: there is no job 987654 that it could come after\n");
        let run = bench.verb(&["push", "--jsonl", "--stream"]).stdin("{\"type\":\"t\",\"after\":[\"x\"]}\n").run();
        assert!(run.expect_code(1).stderr.contains("line 1: a job that is streamed comes after ids only"));
        let run = bench.run(&["push", "--after-failed=wait", "t"]).expect_code(2);
        assert!(run.stderr.contains("goes with `after`"), "{}", run.stderr);
    });
}

#[test]
fn children_of_a_job_that_dies_do_as_they_say_and_come_back_with_it() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    let go = bench.path().join("go");
    let script = format!("test -e {}", go.display());
    bench.ok(&["pause", "default"]);
    let parent = bench.push(&["--max-attempts=1", "--", "sh", "-c", &script]);
    let after = |failed: &str| bench.push(&["--after", &parent.to_string(), "--after-failed", failed, "--", "true"]);
    let children = ["cancel", "continue", "wait"].map(after);
    let grandchild = bench.push(&["--after", &children[0].to_string(), "--", "true"]);
    bench.ok(&["resume", "default"]);
    let waited = bench.run(&["jobs", "wait", &grandchild.to_string()]);
    assert!(waited.stderr.contains("cancelled"), "{}", waited.stderr);
    bench.wait_for_job(children[1], "succeeded");
    assert_eq!(states(&bench, &children), ["cancelled", "succeeded", "blocked"]);
    assert_eq!(bench.job(grandchild)["cause"], "parent");
    let why = bench.ok(&["why", &children[2].to_string()]);
    assert!(why.contains(&format!("it waits for job {parent} (dead)")), "{why}");
    bench.run(&["jobs", "retry", &children[0].to_string()]).expect_code(5);
    std::fs::write(go, "").expect("written");
    bench.ok(&["jobs", "retry", &parent.to_string()]);
    bench.wait_for_job(grandchild, "succeeded");
    bench.wait_for_job(children[2], "succeeded");
    assert_eq!(bench.status()["queues"][0]["blocked"], 0);
}

#[test]
fn a_job_pushes_another_that_comes_after_it() {
    let bench = Bench::new();
    let script = "queue-work push --after $QUEUE_WORK_JOB_ID -- cat {} > child; echo made";
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_queue-work")).parent().expect("a folder");
    let path = format!("PATH={}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
    bench.push(&["--env", &path, "--", "sh", "-c", &script.replace("cat {}", "sh -c 'cat $QUEUE_WORK_PARENTS'")]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(1, "succeeded");
    let child: i64 = std::fs::read_to_string(bench.path().join("child")).expect("an id").trim().parse().expect("an id");
    assert_eq!(bench.wait_for_job(child, "succeeded")["result"], "{\"1\":\"made\\n\"}");
}

#[test]
fn a_graph_is_shown_as_a_table_for_dot_and_as_json_by_a_master_as_well() {
    with_and_without_a_master(|bench| {
        let queue = |job: Value| {
            let mut job = job;
            job["queue"] = json!("graph");
            job
        };
        let jobs = [
            queue(json!({"type": "a", "ref": "a"})),
            queue(json!({"type": "b", "ref": "b", "after": ["a"]})),
            queue(json!({"type": "c", "after": ["a", "b"]})),
        ];
        let ids = bench.verb(&["push", "--jsonl", "--ids"]).stdin(lines(&jobs)).run().expect_code(0).stdout;
        let ids: Vec<i64> = ids.lines().map(|id| id.parse().expect("an id")).collect();
        let [a, b, c] = ids[..] else { panic!("{ids:?}") };
        let graph = bench.run(&["jobs", "graph", &b.to_string(), "--json"]).expect_code(0).json();
        let links = json!([
            {"job": b, "after": a, "ref": "a", "open": true}, {"job": c, "after": a, "ref": "a", "open": true},
            {"job": c, "after": b, "ref": "b", "open": true},
        ]);
        assert_eq!((&graph["links"], &graph["more"], &graph["jobs"][2]["type"]), (&links, &json!(false), &json!("c")));
        let text = bench.ok(&["jobs", "graph", &b.to_string()]);
        assert!(text.lines().nth(2).is_some_and(|row| row.starts_with('→') && row.contains("blocked")), "{text}");
        assert!(
            bench.ok(&["jobs", "graph", &b.to_string(), "--dot"]).contains(&format!("  {a} -> {b} [label=\"a\"];"))
        );
        bench.run(&["jobs", "graph", "987654"]).expect_code(4);
        bench.ok(&["jobs", "delete", "--queue=graph", "--all", "--yes"]);
    });
}

/// Numbers that look random and are the same each time.
fn dice(seed: &mut u64, below: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % below
}

#[test]
fn a_random_graph_runs_in_order_and_each_job_succeeds_once_although_masters_are_killed() {
    const JOBS: u64 = 1000;
    let bench = Bench::new();
    let journal = bench.path().join("journal");
    let (mut seed, mut jobs, mut parents) = (7, Vec::new(), BTreeMap::new());
    for nth in 0..JOBS {
        let of: Vec<u64> = (0..dice(&mut seed, 4).min(nth)).map(|_| nth - 1 - dice(&mut seed, nth.min(60))).collect();
        let after: Vec<String> = of.iter().map(|n| format!("n{n}")).collect();
        jobs.push(json!({"type": "t", "args": {"seconds": 0}, "ref": format!("n{nth}"), "after": after}));
        parents.insert(nth + 1, of.iter().map(|n| n + 1).collect::<Vec<u64>>());
    }
    bench.verb(&["push", "--jsonl"]).stdin(lines(&jobs)).run().expect_code(0);
    let worker = fixture("journal.py");
    let mut args = vec!["--workers=3", "--queue=default", "--"];
    args.extend(worker.iter().map(String::as_str));
    let env = [("JOURNAL", journal.to_str().expect("UTF-8"))];
    let done = |bench: &Bench| bench.status()["queues"][0]["succeeded_total"].as_u64().unwrap_or(0);
    for kill in 1..=4 {
        let mut master = bench.start_with(&args, &env);
        bench.wait_for("a fifth of the jobs to be done", DEADLINE, |bench| done(bench) >= kill * JOBS / 5);
        master.kill9();
    }
    let _master = bench.start_with(&args, &env);
    bench.wait_for("all jobs to be done", DEADLINE, |bench| done(bench) == JOBS);
    let text = std::fs::read_to_string(journal).expect("a journal");
    let (mut first_start, mut first_end) = (BTreeMap::new(), BTreeMap::new());
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split(' ');
        let map = if words.next() == Some("START") { &mut first_start } else { &mut first_end };
        map.entry(words.next().and_then(|id| id.parse::<u64>().ok()).expect("an id")).or_insert(at);
    }
    for (job, parents) in parents {
        for parent in parents {
            assert!(first_end[&parent] < first_start[&job], "job {job} began before job {parent} had ended");
        }
    }
}
