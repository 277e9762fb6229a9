//! The lines of `--log-format json` are those of the table in docs/health.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Bench, DEADLINE, fixture};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Members of a line and the kind of their values, as the manual has them.
fn documented() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/health.md");
    let text = fs::read_to_string(path).expect("a chapter");
    let rows =
        text.lines().skip_while(|line| !line.starts_with("| member")).skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>());
    cells.map(|cells| (cells[1].trim_matches('`').to_owned(), cells[2].clone())).collect()
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "time" => value.as_str().is_some_and(|text| text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()),
        "text" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        other => panic!("the manual has a member of kind {other:?}"),
    }
}

#[test]
fn each_line_of_a_life_with_failures_recycles_and_a_stop_has_the_members_of_the_manual() {
    let bench = Bench::new();
    let worker: Vec<String> = fixture("echo.py").iter().map(|word| format!("{word:?}")).collect();
    let file = format!(
        "[pools.echo]\nworkers = 1\nmax_jobs = 2\ncommand = [{}]\n[pools.default]\nworkers = 2\nbackoff = \"10ms\"\n\
         [pools.broken]\nworkers = 1\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n",
        worker.join(", ")
    );
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let mut master = bench.start(&["-vv", "--log-format", "json"]);
    for _ in 0..6 {
        bench.push(&["--queue=echo", "echo", "{}"]);
    }
    let dies = bench.push(&["--traceparent", PARENT, "--max-attempts=2", "--", "sh", "-c", "echo no >&2; exit 7"]);
    let crashes = bench.push(&["--max-attempts=1", "--timeout=100ms", "--", "sleep", "60"]);
    bench.wait_for_job(dies, "dead");
    bench.wait_for_job(crashes, "dead");
    bench.wait_for("the echoes", DEADLINE, |b| b.job(6)["state"] == "succeeded");
    bench.ok(&["scale", "1", "--pool=default"]);
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);

    let documented = documented();
    let (mut events, mut members) = (BTreeSet::new(), BTreeSet::new());
    let stderr = master.stderr();
    for line in stderr.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for (name, value) in record.as_object().expect("an object") {
            let kind = documented.get(name).unwrap_or_else(|| panic!("`{name}` is not in the manual: {line}"));
            assert!(fits(value, kind), "`{name}` is no {kind}: {line}");
            members.insert(name.clone());
        }
        for name in ["ts", "level", "event", "msg", "generation"] {
            assert!(record.get(name).is_some(), "no `{name}`: {line}");
        }
        assert!(["debug", "info", "warn", "error"].contains(&record["level"].as_str().expect("a word")), "{line}");
        events.insert(record["event"].as_str().expect("a word").to_owned());
    }
    let all: BTreeSet<String> = documented.into_keys().collect();
    assert_eq!(members, all, "each member of the manual is in a line\n{stderr}");
    let expected = [
        "master_started",
        "pool_started",
        "worker_started",
        "worker_ended",
        "job_failed",
        "job_dead",
        "output",
        "backoff",
        "scaled",
        "stopping",
        "stopped",
    ];
    assert!(expected.iter().all(|event| events.contains(*event)), "{events:?}");
    let failed = stderr.lines().find(|line| line.contains("\"job_failed\"")).expect("a failure");
    let failed: Value = serde_json::from_str(failed).expect("JSON");
    assert_eq!((&failed["job_id"], &failed["attempt"]), (&dies.into(), &1.into()));
    assert_eq!(
        (&failed["queue"], &failed["pool"], &failed["outcome"]),
        (&"default".into(), &"default".into(), &"failed".into())
    );
    assert_eq!(failed["data"]["error"], "exit status 7: no");
}
