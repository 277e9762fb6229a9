//! `processors run`: a run now, with a master.

use serde_json::json;

use super::support::DEADLINE;
use super::{bench, processor, runs, write};

#[test]
fn a_run_now_prints_its_id_and_the_wait_its_state_and_note() {
    let bench = bench();
    let _master = bench.start(&[]);
    assert_eq!(bench.ok(&["processors", "run", "ocr"]), "1\n");
    bench.wait_for("the run to succeed", DEADLINE, |bench| runs(bench)[0]["state"] == "succeeded");
    assert_eq!(bench.ok(&["processors", "run", "ocr", "--wait"]), "2\nsucceeded: nothing to do\n");
    let failed = bench.run(&["processors", "run", "report", "--wait"]).expect_code(1);
    assert_eq!(failed.stdout, "3\nfailed: no paper\n");
    let run = bench.run(&["processors", "run", "report", "--wait", "--json"]).expect_code(1).json();
    assert_eq!((&run["id"], &run["state"], &run["source"]), (&json!(4), &json!("failed"), &json!("now")));
    assert_eq!((&run["tick"], &run["note"]), (&json!(null), &json!("no paper")));
    let run = bench.run(&["processors", "run", "ocr", "--json"]).expect_code(0).json();
    assert_eq!((&run["id"], &run["processor"]), (&json!(5), &json!("ocr")));
}

#[test]
fn a_run_now_needs_a_master() {
    let bench = bench();
    let run = bench.run(&["processors", "run", "ocr"]).expect_code(3);
    assert!(run.stderr.ends_with("start one with `queue-work`\n"), "{run:?}");
}

#[test]
fn a_run_now_is_refused_while_disabled_and_by_overlap_and_forced_past_the_former() {
    let bench = bench();
    let go = bench.path().join("go");
    let wait = format!("until test -e {}; do sleep 0.01; done", go.display());
    write(
        &bench,
        &format!("[processors.slow]\nevery = \"1h\"\ncommand = [\"sh\", \"-c\", \"{wait}\"]\n{}", super::FILE),
    );
    let _master = bench.start(&[]);
    let id = bench.ok(&["processors", "run", "slow"]);
    let refused = bench.run(&["processors", "run", "slow"]).expect_code(5);
    assert!(refused.stdout.is_empty() && refused.stderr.contains("`slow`"), "{refused:?}");
    bench.run(&["processors", "run", "slow", "--force"]).expect_code(5);
    std::fs::write(&go, "").expect("written");
    bench.wait_for("the run to be over", DEADLINE, |bench| runs(bench)[0]["state"] == "succeeded");
    bench.ok(&["processors", "disable", "slow"]);
    bench.run(&["processors", "run", "slow"]).expect_code(5);
    assert_eq!(runs(&bench).len(), 1, "{id}");
    assert_eq!(bench.ok(&["processors", "run", "slow", "--force", "--wait"]), "2\nsucceeded\n");
}

#[test]
fn args_are_those_of_the_job_of_a_queue_and_a_command_takes_none() {
    let bench = bench();
    let _master = bench.start(&[]);
    let force = ["processors", "run", "mail", "--force"];
    bench.ok(&force);
    let job = runs(&bench)[0]["job_id"].as_i64().expect("an id");
    assert_eq!((&bench.job(job)["type"], &bench.job(job)["args"]), (&json!("send"), &json!({"to": "you"})));
    bench.ok(&["jobs", "cancel", &job.to_string()]);
    bench.wait_for("the run to be over", DEADLINE, |bench| runs(bench)[0]["state"] == "cancelled");
    bench.ok(&[&force[..], &["--args", "{\"to\":\n \"me\"}"]].concat());
    let job = runs(&bench)[0]["job_id"].as_i64().expect("an id");
    assert_eq!(bench.job(job)["args"], json!({"to": "me"}));
    let refused = bench.run(&["processors", "run", "ocr", "--args", "1"]).expect_code(2);
    assert!(refused.stderr.contains("`ocr` is a command"), "{refused:?}");
    let refused = bench.run(&["processors", "run", "mail", "--args", "{"]).expect_code(2);
    assert!(refused.stderr.contains("`--args` is not JSON"), "{refused:?}");
    let outside = bench.run(&["processors", "run", "backup"]).expect_code(5);
    assert!(outside.stderr.contains("wrap backup"), "{outside:?}");
    assert_eq!(processor(&bench, "backup")["last_run"], json!(null));
}
