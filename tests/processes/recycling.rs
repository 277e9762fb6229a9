//! Workers that reach their limit together are not replaced together.

use serde_json::json;

use crate::help::{end, push_lines};
use crate::support::{Bench, DEADLINE, fixture};

const JOBS: usize = 3000;

#[test]
fn of_sixteen_workers_at_their_limit_at_once_no_more_than_a_quarter_is_missing_at_any_time() {
    let bench = Bench::new();
    // A new worker takes its time, so that one that is missing is seen to be.
    let command = json!(fixture("slow_start.py"));
    let pool = "[pools.default]\nworkers = 16\nmax_jobs = 60\nready = \"message\"\nprefetch = 1\n";
    let text = format!("{pool}command = {command}\nenv = {{ START_SECONDS = \"0.3\" }}\n");
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let master = bench.start(&[]);
    let ready = |status: &serde_json::Value| status["pools"][0]["ready"].as_u64().unwrap_or(0);
    bench.wait_for("all of them", DEADLINE, |b| ready(&b.status()) == 16);
    push_lines(&bench, JOBS, &["--lines", "--queue", "default", "x"], |n| n.to_string());
    let (mut least, mut looks) = (16, 0);
    bench.wait_for("all jobs", 4 * DEADLINE, |b| {
        let status = b.status();
        (least, looks) = (least.min(ready(&status)), looks + 1);
        status["queues"][0]["succeeded_total"] == JOBS
    });
    let ended = bench.ok(&["workers", "--jsonl", "--limit", "1000"]);
    let recycled = ended.lines().filter(|line| line.contains("\"max_jobs\"")).count();
    println!("{recycled} recycled; at least {least} of 16 ready in {looks} looks");
    assert!(recycled >= 12 && looks > 20, "{recycled} recycled, {looks} looks");
    assert!((12..16).contains(&least), "{least} of 16 were ready");
    end(&bench, master);
}
