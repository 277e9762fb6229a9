//! Ends of workers: each with the code it ended with, however many orphans end beside them.

use std::collections::BTreeMap;
use std::fs;

use crate::help::{children, end, list, push_lines, state, wait_done};
use crate::support::{Bench, DEADLINE, now};

const JOBS: usize = 500;

/// Answers one job with the code it is going to exit with, leaves two orphans that end with others, and exits.
const WORKER: &str = r#"read -r line || exit 0
id=${line#*\"id\":}; id=${id%%,*}; job=${line#*\"job_id\":}; job=${job%%,*}
code=$((job % 200 + 3))
setsid -f sh -c 'exit 1' & sh -c 'exit 2' &
echo "{\"id\":$id,\"result\":{\"pid\":$$,\"code\":$code}}"
exit $code
"#;

#[test]
fn each_of_five_hundred_exits_among_orphans_is_recorded_with_its_own_code() {
    let bench = Bench::new();
    fs::write(bench.path().join("worker.sh"), WORKER).expect("written");
    push_lines(&bench, JOBS, &["--lines", "--queue", "default", "x"], |n| n.to_string());
    let begun = now();
    let args = ["--workers", "16", "--prefetch", "1", "--queue", "default", "--", "sh", "worker.sh"];
    let master = bench.start(&args);
    wait_done(&bench, JOBS);
    println!("{JOBS} workers ended in {:?}", begun.elapsed());
    bench.wait_for("no zombie", DEADLINE, |_| {
        children(master.pid()).into_iter().all(|child| state(child).as_deref() != Some("Z"))
    });
    let mut said: Vec<(i64, i64)> = list(&bench, &["jobs", "list", "--oldest"])
        .iter()
        .map(|job| (job["result"]["pid"].as_i64().expect("a pid"), job["result"]["code"].as_i64().expect("a code")))
        .collect();
    let mut ended = BTreeMap::new();
    bench.wait_for("every end to be on record", DEADLINE, |_| {
        ended = list(&bench, &["workers"])
            .iter()
            .filter_map(|w| Some(((w["pid"].as_i64()?, w["exit_code"].as_i64()?), w.clone())))
            .collect();
        ended.len() >= JOBS
    });
    said.retain(|end| !ended.contains_key(end));
    assert!(said.is_empty(), "ended otherwise than recorded (pid, code): {said:?}");
    end(&bench, master);
}
