//! Every option that sets something has a variable `QUEUE_WORK_<NAME>`.

use serde_json::json;

use super::support::{Bench, DEADLINE};

#[test]
fn a_master_can_be_set_up_by_its_environment_alone() {
    let bench = Bench::new();
    let variables = [
        ("QUEUE_WORK_WORKERS", "2"),
        ("QUEUE_WORK_QUEUE", "a,b"),
        ("QUEUE_WORK_MAX_JOBS", "100"),
        ("QUEUE_WORK_MEMORY", "+64M"),
        ("QUEUE_WORK_MEMORY_MAX", "1G"),
        ("QUEUE_WORK_MAX_TIME", "2h"),
        ("QUEUE_WORK_TIMEOUT", "3m"),
        ("QUEUE_WORK_GRACE", "4s"),
        ("QUEUE_WORK_PREFETCH", "8"),
        ("QUEUE_WORK_MAX_ATTEMPTS", "6"),
        ("QUEUE_WORK_BACKOFF", "7s"),
        ("QUEUE_WORK_DURABILITY", "process"),
    ];
    let mut master = bench.start_with(&[], &variables);
    let status = bench.status();
    assert_eq!(status["master"]["durability"], "process");
    let pools = status["pools"].as_array().expect("pools");
    assert_eq!(
        pools.iter().map(|p| (&p["name"], &p["wanted"])).collect::<Vec<_>>(),
        [(&json!("a"), &json!(2)), (&json!("b"), &json!(2))]
    );
    let limits = &pools[0]["limits"];
    for (name, value) in [
        ("memory", "+64M"),
        ("memory_max", "1G"),
        ("timeout", "3m"),
        ("grace", "4s"),
        ("prefetch", "8"),
        ("max_attempts", "6"),
        ("backoff", "7s"),
    ] {
        assert_eq!(limits[name], value, "{name} in {limits}");
    }
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success());
}

#[test]
fn drain_and_a_template_can_be_asked_for_by_variables() {
    let bench = Bench::new();
    bench.push(&["t", "\"x\""]);
    let run = bench
        .verb(&["--workers=1", "--", "echo", "got", "{}"])
        .env("QUEUE_WORK_DRAIN", "1")
        .env("QUEUE_WORK_EXEC", "true")
        .run()
        .expect_code(0);
    assert!(run.stderr.contains("1 succeeded"), "{}", run.stderr);
    assert_eq!(bench.job(1)["result"], "got x\n");
}

#[test]
fn a_push_takes_its_options_from_variables() {
    let bench = Bench::new();
    let run = bench
        .verb(&["push", "t"])
        .env("QUEUE_WORK_PUSH_QUEUE", "mail")
        .env("QUEUE_WORK_PUSH_PRIORITY", "-7")
        .env("QUEUE_WORK_PUSH_DELAY", "1h")
        .env("QUEUE_WORK_PUSH_TIMEOUT", "9s")
        .env("QUEUE_WORK_PUSH_MAX_ATTEMPTS", "4")
        .env("QUEUE_WORK_JSON", "1")
        .run()
        .expect_code(0);
    assert_eq!(run.json(), json!({"id": 1, "deduplicated": false}));
    let job = bench.job(1);
    assert_eq!((&job["queue"], &job["priority"], &job["state"]), (&json!("mail"), &json!(-7), &json!("scheduled")));
    assert_eq!((&job["timeout_s"], &job["max_attempts"]), (&json!(9.0), &json!(4)));
}

#[test]
fn a_flag_goes_over_its_variable() {
    let bench = Bench::new();
    bench.verb(&["push", "--queue=flag", "t"]).env("QUEUE_WORK_PUSH_QUEUE", "variable").run().expect_code(0);
    assert_eq!(bench.job(1)["queue"], "flag");
    let other = bench.path().join("other.db");
    let words = ["push", "--database", other.to_str().expect("UTF-8"), "t"];
    bench.run(&words).expect_code(0);
    assert!(other.exists());
    assert_eq!(bench.run(&["jobs", "list", "--oldest", "--json"]).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn events_can_be_had_as_json_lines() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let words = ["--workers=1", "--queue=default", "--drain", "--log-format=json"];
    let run = bench.run(&words).expect_code(0);
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(!all.is_empty());
    for line in all.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(event.is_object(), "{line}");
    }
}
