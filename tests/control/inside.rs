//! What a job may do to the master it runs under: push further jobs.

use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn a_worker_pushes_jobs_through_its_own_pipe() {
    let bench = Bench::new();
    let command = fixture("push.py");
    let mut args = vec!["--workers", "2", "--queue", "default,sink", "--"];
    args.extend(command.iter().map(String::as_str));
    let _master = bench.start(&args);
    let parent = bench.push(&["more", r#"{"count": 3, "type": "child", "queue": "sink"}"#]);
    let ids = bench.wait_for_job(parent, "succeeded")["result"].clone();
    let ids: Vec<i64> = ids.as_array().expect("ids").iter().map(|id| id.as_i64().expect("an id")).collect();
    assert_eq!(ids.len(), 3);
    for (id, n) in ids.into_iter().zip(1..) {
        let child = bench.wait_for_job(id, "succeeded");
        assert_eq!((&child["type"], &child["queue"], &child["args"]), (&json!("child"), &json!("sink"), &json!(n)));
    }
    let refused = bench.push(&["more", r#"{"count": 1, "type": "child", "queue": "a/b"}"#]);
    let said = bench.wait_for_job(refused, "succeeded")["result"][0].clone();
    assert!(said.as_str().is_some_and(|text| text.contains("a/b")), "{said}");
}

#[test]
fn a_command_knows_its_job_and_pushes_with_the_command_line() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2", "--queue", "default"]);
    let program = env!("CARGO_BIN_EXE_queue-work");
    let script = "echo $QUEUE_WORK_JOB_ID $QUEUE_WORK_JOB_TYPE $QUEUE_WORK_ATTEMPT $QUEUE_WORK_POOL \
                  $QUEUE_WORK_WORKER $QUEUE_WORK_SLOT $QUEUE_WORK_PROTOCOL; \
                  \"$0\" push --json -- echo child";
    let parent = bench.push(&["--", "sh", "-c", script, program]);
    let result = bench.wait_for_job(parent, "succeeded")["result"].clone();
    let lines: Vec<&str> = result.as_str().expect("a text").lines().collect();
    let slot = lines[0].split(' ').nth(5).expect("a slot");
    assert_eq!(lines[0], format!("{parent} exec 1 default default-{slot} {slot} 1"));
    let pushed: Value = serde_json::from_str(lines[1]).expect("JSON");
    let child = bench.wait_for_job(pushed["id"].as_i64().expect("an id"), "succeeded");
    assert_eq!(child["result"], "child\n");
}

#[test]
fn a_job_that_waits_for_its_own_child_gets_the_result() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "2", "--queue", "default"]);
    let parent = bench.push(&["--", env!("CARGO_BIN_EXE_queue-work"), "push", "--wait", "--", "echo", "from below"]);
    bench.wait_for("both", DEADLINE, |b| b.status()["queues"][0]["succeeded_total"] == 2);
    assert_eq!(bench.job(parent)["result"], "from below\n");
}
