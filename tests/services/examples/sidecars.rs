//! The sidecars among the examples.

use super::*;

#[test]
fn a_sidecar_logs_and_another_measures_the_workers_of_their_pool() {
    let all = ["calculator", "database", "measuring_sidecar.sh"];
    if installed(&all[..2]).len() < 2 {
        return;
    }
    let examples = Examples::new(&all);
    examples.configure(&std::fs::read_to_string(folder().join("sidecars.toml")).expect("a file"));
    let master = examples.start();
    let bench = &examples.bench;
    let pids: Vec<i64> = bench.status()["workers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|worker| worker["pool"] == "calculator")
        .filter_map(|worker| worker["pid"].as_i64())
        .collect();
    assert_eq!(pids.len(), 2);
    let entries = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(bench.path().join(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    bench.wait_for("both workers to be measured", DEADLINE, |_| {
        let last = entries("calculator.memory").pop().unwrap_or_default();
        pids.iter().all(|pid| last["rss_bytes"][pid.to_string()].as_i64() > Some(1 << 20))
    });
    let noted = |event: &str| entries("calculator.log").iter().filter(|entry| entry["event"] == event).count();
    bench.wait_for("both workers to be noted", DEADLINE, |_| noted("started") == 2);
    bench.ok(&["restart", "calculator-1"]);
    bench.wait_for("the change to be noted", DEADLINE, |_| noted("started") == 3 && noted("gone") == 1);
    bench.ok(&["stop"]);
    drop(master);
}
