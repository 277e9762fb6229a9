//! Tables that workers share, and what outlives whom; names of pools where workers are meant.

use super::*;

/// A service that counts in the table of its argument.
const COUNTER: &str = "
import json, sys
print(json.dumps({'method': 'ready', 'params': {'methods': {'hit': {}}}}), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get('method') != 'call': continue
    table = m['params']['args'][0]
    row = {'table': table, 'key': 'hits', 'column': 'n', 'durable': table != 'volatile'}
    print(json.dumps({'id': 't', 'method': 'table.incr', 'params': row}), flush=True)
    answer = json.loads(sys.stdin.readline())
    print(json.dumps({'id': m['id'], 'result': answer.get('result', answer.get('error'))}), flush=True)
";

fn counter() -> Bench {
    let bench = bench("workers = 1\n");
    std::fs::write(bench.path().join("calc.py"), COUNTER).expect("a program");
    bench
}

fn hit(bench: &Bench, table: &str) -> String {
    bench.ok(&["call", "calc", "hit", &json!([table]).to_string()]).trim_end().to_owned()
}

#[test]
fn tables_outlive_the_gateway_and_the_master_unless_they_are_not_durable() {
    let bench = counter();
    let master = start(&bench, 1);
    assert_eq!([hit(&bench, "stats"), hit(&bench, "stats"), hit(&bench, "volatile")], ["1", "2", "1"]);
    let all = json!([
        {"name": "stats", "rows": 1, "bytes": 11, "durable": true},
        {"name": "volatile", "rows": 1, "bytes": 11, "durable": false}
    ]);
    assert_eq!(bench.run(&["tables", "--json"]).expect_code(0).json(), all);
    let table = bench.ok(&["tables"]);
    assert!(table.starts_with("table     rows  size  kept\n") && table.contains("volatile     1   11B  no"), "{table}");
    assert_eq!(bench.ok(&["tables", "stats"]), "key   values\nhits  n=2\n");
    bench.run(&["tables", "nobody"]).expect_code(4);

    // The store has it a second later, and the next gateway from the master.
    bench.wait_for("the rows to be kept", DEADLINE, |bench| kept(bench) == "[[\"stats\",\"hits\",\"{\\\"n\\\":2}\"]]");
    let first = gateway(&bench);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(first), nix::sys::signal::Signal::SIGKILL).expect("a signal");
    bench.wait_for("the next gateway", DEADLINE, |bench| bench.run(&["call", "calc", "hit", "[\"stats\"]"]).code == 0);
    assert_eq!([hit(&bench, "stats"), hit(&bench, "volatile")], ["4", "1"]);

    // A stop waits for the last word.
    bench.ok(&["stop"]);
    drop(master);
    assert_eq!(bench.run(&["tables", "stats", "--json"]).expect_code(0).json(), json!({"hits": {"n": 4}}));
    bench.run(&["tables", "volatile"]).expect_code(4);
    let _master = start(&bench, 1);
    assert_eq!(hit(&bench, "stats"), "5");
}

/// The rows in the database.
fn kept(bench: &Bench) -> String {
    let open = rusqlite::Connection::open_with_flags(bench.database(), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let all = "SELECT json_group_array(json_array(name, key, columns)) FROM table_rows";
    open.and_then(|conn| conn.query_row(all, [], |row| row.get(0))).unwrap_or_default()
}

#[test]
fn running_prints_process_ids_and_says_by_its_exit_code_whether_there_are_any() {
    let bench = bench("workers = 2\n");
    assert_eq!(
        bench.run(&["running", "calc"]).expect_code(4).stderr,
        "queue-work: `calc` does not run, and neither does a master\n"
    );
    let _master = start(&bench, 2);
    let mut of_pool: Vec<i64> = bench.ok(&["running", "calc"]).lines().map(|pid| pid.parse().unwrap()).collect();
    let mut all = pids(&bench);
    of_pool.sort_unstable();
    all.sort_unstable();
    assert_eq!(of_pool, all);
    let one = bench.run(&["running", "calc-2", "--json"]).expect_code(0).json();
    assert!(one["running"] == true && all.contains(&one["pids"][0].as_i64().unwrap()), "{one}");
    assert_eq!(bench.run(&["running", "calc", "-q"]).expect_code(0).stdout, "");
    assert_eq!(
        bench.run(&["running", "clac"]).expect_code(4).stderr,
        "queue-work: `clac` does not run; did you mean `calc`?\n"
    );
    bench.ok(&["scale", "0", "--pool", "calc"]);
    assert_eq!(bench.run(&["running", "calc"]).expect_code(4).stderr, "queue-work: `calc` does not run\n");
}

#[test]
fn logs_and_restart_take_the_name_of_a_pool() {
    let bench = bench("workers = 2\n");
    let _master = start(&bench, 2);
    let before = pids(&bench);
    bench.run(&["call", "calc", "die"]).expect_code(1);
    bench.wait_for("the last words to be in the log", DEADLINE, |bench| {
        bench.run(&["logs", "calc"]).stdout.contains("dying")
    });
    assert_eq!(bench.ok(&["restart", "calc"]), "restarted 2 workers\n");
    assert!(pids(&bench).iter().all(|pid| !before.contains(pid)));
    assert!(bench.run(&["restart", "clac"]).expect_code(4).stderr.contains("clac"));
    bench.run(&["logs", "clac"]).expect_code(4);
}
