//! Pools that serve several queues: the first that has a job, or in proportion to weights.

use super::support::Bench;
use super::{all_runs, order};

/// Pushes that many jobs to a queue.
fn fill(bench: &Bench, queue: &str, count: usize) {
    let lines = "{\"type\":\"t\"}\n".repeat(count);
    bench.verb(&["push", "--jsonl", "--queue", queue]).stdin(lines).run().expect_code(0);
}

fn configure(bench: &Bench, queues: &str) {
    let words: Vec<String> = super::support::fixture("echo.py").iter().map(|w| format!("{w:?}")).collect();
    let command = words.join(", ");
    let text = format!("[pools.p]\nqueues = {queues}\nworkers = 1\nprefetch = 1\ncommand = [{command}]\n");
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

fn queues_in_order(bench: &Bench) -> Vec<String> {
    all_runs(bench).iter().map(|r| r["queue"].as_str().expect("a queue").to_owned()).collect()
}

#[test]
fn in_strict_order_the_first_queue_with_a_job_always_goes_first() {
    let bench = Bench::new();
    configure(&bench, r#"["high", "mail"]"#);
    fill(&bench, "mail", 10);
    fill(&bench, "high", 10);
    bench.run(&["--drain"]).expect_code(0);
    assert_eq!(order(&bench), (11..=20).chain(1..=10).collect::<Vec<i64>>());
}

#[test]
fn with_weights_queues_are_served_in_proportion_and_an_empty_one_gives_its_share_away() {
    let bench = Bench::new();
    configure(&bench, "{ high = 3, mail = 1 }");
    fill(&bench, "mail", 40);
    fill(&bench, "high", 30);
    bench.run(&["--drain"]).expect_code(0);
    let queues = queues_in_order(&bench);
    for upto in [8, 16, 24, 32] {
        let high = queues[..upto].iter().filter(|q| *q == "high").count();
        assert!(high.abs_diff(upto * 3 / 4) <= 1, "{high} of the first {upto}: {queues:?}");
    }
    assert!(queues[44..].iter().all(|q| q == "mail"), "{queues:?}");
    assert_eq!(queues.len(), 70);
}

#[test]
fn a_priority_counts_within_its_queue_only() {
    let bench = Bench::new();
    configure(&bench, r#"["high", "mail"]"#);
    bench.push(&["--queue=mail", "--priority=100", "t"]);
    bench.push(&["--queue=high", "--priority=-100", "t"]);
    bench.run(&["--drain"]).expect_code(0);
    assert_eq!(order(&bench), [2, 1]);
}

#[test]
fn each_queue_named_on_the_command_line_gets_a_pool_of_its_own() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue", "a,b", "--queue=c"]);
    let status = bench.status();
    let pools = status["pools"].as_array().expect("pools");
    let seen: Vec<_> = pools.iter().map(|p| (p["name"].as_str(), p["wanted"].as_u64())).collect();
    assert_eq!(seen, [(Some("a"), Some(2)), (Some("b"), Some(2)), (Some("c"), Some(2))]);
}

#[test]
fn a_job_of_a_queue_that_no_pool_serves_waits() {
    let bench = Bench::new();
    let id = bench.push(&["--queue=nobody", "--", "true"]);
    super::drain(&bench, &["--workers=1"]);
    assert_eq!(bench.job(id)["state"], "ready");
}
