//! Workers that reach their limit together are not replaced together.

use serde_json::json;

use crate::help::{end, push_lines, refs, with_fixture};
use crate::support::{Bench, DEADLINE};

const JOBS: usize = 3000;

#[test]
fn of_sixteen_workers_at_their_limit_at_once_no_more_than_a_quarter_is_missing_at_any_time() {
    let bench = Bench::new();
    push_lines(&bench, JOBS, &["--jsonl"], |_| json!({"type": "t", "args": {"seconds": 0.01}}).to_string());
    let args = with_fixture(&["--workers", "16", "--max-jobs", "60"], "journal.py");
    let journal = bench.path().join("journal");
    let master = bench.start_with(&refs(&args), &[("JOURNAL", journal.to_str().expect("UTF-8"))]);
    let ready = |status: &serde_json::Value| status["pools"][0]["ready"].as_u64().unwrap_or(0);
    bench.wait_for("all of them", DEADLINE, |b| ready(&b.status()) == 16);
    let (mut least, mut looks) = (16, 0);
    bench.wait_for("all jobs", 4 * DEADLINE, |b| {
        let status = b.status();
        (least, looks) = (least.min(ready(&status)), looks + 1);
        status["queues"][0]["succeeded_total"] == JOBS
    });
    let ended = bench.ok(&["workers", "--jsonl", "--limit", "1000"]);
    let recycled = ended.lines().filter(|line| line.contains("\"max_jobs\"")).count();
    println!("{recycled} recycled; at least {least} of 16 ready in {looks} looks");
    assert!(recycled >= 32 && looks > 20, "{recycled} recycled, {looks} looks");
    assert!(least >= 12, "only {least} of 16 were ready");
    end(&bench, master);
}
