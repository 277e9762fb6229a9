//! `leaks`: which type of job makes its workers larger, found by their sizes alone.

use serde_json::{Value, json};

use crate::help::{end, wait_done};
use crate::support::Bench;

fn leaks(bench: &Bench) -> Vec<Value> {
    bench.run(&["leaks", "--json"]).expect_code(0).json().as_array().expect("an array").clone()
}

#[test]
fn a_type_that_keeps_memory_is_named_and_one_that_frees_what_it_took_is_not() {
    let bench = Bench::new();
    bench.run(&["leaks"]).expect_code(3);
    crate::help::configure(&bench, "keeps.py", "workers = 3");
    let master = bench.start(&[]);
    assert!(leaks(&bench).is_empty());
    assert!(bench.run(&["leaks"]).expect_code(0).stderr.contains("no job has been measured yet"));
    let types = ["keeps", "large", "a", "b", "c"];
    let lines: Vec<_> = (0..450).map(|n| format!("{{\"type\":\"{}\"}}\n", types[n * 7 % 5])).collect();
    bench.verb(&["push", "--jsonl"]).stdin(lines.concat()).run().expect_code(0);
    wait_done(&bench);
    let found = leaks(&bench);
    let verdicts: Vec<_> = found.iter().map(|one| (one["type"].clone(), one["verdict"].clone())).collect();
    assert_eq!(verdicts[0], (json!("keeps"), json!("leaks")), "{found:#?}");
    assert!(verdicts[1..].iter().all(|(_, verdict)| verdict == "steady"), "{found:#?}");
    assert_eq!(found.len(), types.len());
    let kept = found[0]["kept_bytes_per_run"].as_i64().expect("a number");
    assert!((40 << 10..80 << 10).contains(&kept), "{found:#?}");
    let peak = |name: &str| found.iter().find(|one| one["type"] == name).and_then(|one| one["peak_p95_bytes"].as_u64());
    assert!(peak("keeps").is_some_and(|peak| peak > 4 << 20), "{found:#?}");
    let shown = bench.ok(&["leaks"]);
    assert!(
        shown.lines().nth(1).is_some_and(|row| row.starts_with("keeps ") && row.contains("`max_jobs = ")),
        "{shown}"
    );
    end(&bench, master);
}
