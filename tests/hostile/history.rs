//! A long history: nothing that happens every day may take longer for it.
//!
//! `HOSTILE_RUNS` is the number of runs on record (200,000 in the check).

use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::help::{from_env, problems};
use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, now};

/// Jobs and runs of the last 20 days, the newest last; one in a thousand failed, one in 100,000 is of the queue `rare`.
const RUNS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
     INSERT INTO runs (id, job_id, queue, type, worker, generation, attempt, outcome, stderr_tail, started_at, ended_at, \
     waited_us, peak_memory) SELECT i, i + 10, CASE WHEN i % 100000 = 7 THEN 2 ELSE 1 END, 1, NULL, 1, 1, \
     CASE WHEN i % 1000 = 3 THEN 1 ELSE 0 END, '', ?2 - (?1 - i) * ?3, ?2 - (?1 - i) * ?3 + 5000, 100, 9000000 FROM n";
const JOBS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
     INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) SELECT i + 10, \
     CASE WHEN i % 100000 = 7 THEN 2 ELSE 1 END, 1, '{\"argv\":[\"true\"]}', 0, ?2 - (?1 - i) * ?3, ?2 - (?1 - i) * ?3 FROM n";
/// As the writer of the store would have it, which goes by blocks of 2048 ids.
const BLOCKS: &str = "INSERT INTO run_blocks (queue, outcome, block, ended_until) SELECT queue, outcome, id >> 11, \
     max(ended_at) FROM runs GROUP BY 1, 2, 3";

fn fill(bench: &Bench, runs: i64) {
    bench.push(&["--", "true"]);
    bench.push(&["--queue", "rare", "--", "true"]);
    bench.ok(&["jobs", "cancel", "1", "2"]);
    let conn = Connection::open(bench.database()).expect("a database");
    let now: i64 = conn.query_row("SELECT max(pushed_at) FROM jobs", [], |row| row.get(0)).expect("a time");
    let step = 20 * 86_400 * 1_000_000 / runs;
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -100000; BEGIN").expect("settings");
    conn.execute(JOBS, (runs, now, step)).expect("jobs");
    conn.execute(RUNS, (runs, now, step)).expect("runs");
    conn.execute(BLOCKS, []).expect("blocks");
    conn.execute_batch("COMMIT").expect("written");
}

#[test]
fn a_long_history_slows_nothing_down_that_happens_every_day() {
    let runs = i64::try_from(from_env("HOSTILE_RUNS", 200_000)).expect("a number");
    let bench = Bench::new();
    let begun = now();
    fill(&bench, runs);
    let size = std::fs::metadata(bench.database()).expect("it is there").len() >> 20;
    println!("{runs} runs and jobs, {size} MiB, made in {:?}", begun.elapsed());
    let last = (runs + 10).to_string();
    let queries: &[&[&str]] = &[
        &["status"],
        &["runs", "--limit", "50"],
        &["runs", "--limit", "50", "--job", &last],
        &["runs", "--limit", "50", "--outcome", "failed"],
        &["runs", "--limit", "50", "--queue", "default"],
        &["runs", "--limit", "50", "--queue", "rare"],
        &["runs", "--limit", "50", "--since", "1m"],
        &["jobs", "list", "--oldest", "--limit", "50"],
        &["jobs", "list", "--oldest", "--limit", "50", "--state", "ready"],
        &["jobs", "show", &last],
        &["workers"],
    ];
    for words in queries {
        let begun = now();
        let run = bench.run(words);
        println!("{words:?}: {:?}", begun.elapsed());
        assert!(run.code == 0 || words[0] == "status", "{run:?}");
    }
    let begun = now();
    let mut master = bench.start(&["--workers", "1"]);
    println!("start: {:?}", begun.elapsed());
    // Two thirds of it are past their time: they are removed while jobs are done.
    let mut peer = Peer::new(&bench);
    let mut took: Vec<Duration> = (0..100)
        .map(|_| {
            let begun = now();
            let params = json!({"type": "exec", "args": {"argv": ["true"]}});
            let id = peer.call("push", &params)["id"].clone();
            let pushed = begun.elapsed();
            assert_eq!(peer.call("jobs.wait", &json!({"id": id}))["state"], "succeeded");
            pushed
        })
        .collect();
    took.sort();
    println!("push while old records are removed: median {:?}, worst {:?}", took[50], took[99]);
    assert!(took[50] < Duration::from_secs(1), "{took:?}");
    let oldest = || {
        let conn = Connection::open(bench.database()).expect("a database");
        conn.query_row("SELECT min(id) FROM runs", [], |row| row.get::<_, i64>(0)).expect("a run")
    };
    bench.wait_for("old runs to be removed", DEADLINE, |_| oldest() > 1000);
    assert_eq!(problems(&bench), "");
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
}
