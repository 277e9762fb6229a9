//! Restart policies through the real binary: workers that are finished, given up, or tried slowly, in all that shows them.

use std::fs;

use serde_json::{Value, json};

use crate::help::{end, expect, pool, records, wait_worker, workers};
use crate::support::{Bench, DEADLINE, Master};

/// A master with one pool `job` of one worker, which runs this script of the shell.
fn start<'a>(bench: &'a Bench, kind: &str, restart: &str, script: &str) -> Master<'a> {
    write(bench, kind, restart, script);
    bench.start(&[])
}

fn write(bench: &Bench, kind: &str, restart: &str, script: &str) {
    let command = json!(["sh", "-c", script]);
    let text = format!("[pools.job]\nkind = \"{kind}\"\ncommand = {command}\nworkers = 1\nrestart = {restart}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
}

fn health_of_pools(bench: &Bench) -> Value {
    let health = bench.run(&["health", "--json"]).json();
    let checks = health["checks"].as_array().cloned().unwrap_or_default();
    checks.into_iter().find(|check| check["name"] == "pools").unwrap_or_default()
}

#[test]
fn a_worker_that_has_done_its_work_is_finished_and_started_again_by_restart_and_scale() {
    let bench = Bench::new();
    let master = start(&bench, "opaque", "\"failure\"", "echo ran >> runs");
    expect(&wait_worker(&bench, "job-1", "finished"), &json!({"pid": null, "note": "finished: exit 0", "crashes": 0}));
    expect(&pool(&bench, "job"), &json!({"state": "finished", "finished": 1, "ready": 0, "starting": 0}));
    expect(&health_of_pools(&bench), &json!({"status": "pass"}));
    expect(&records(&bench)[0], &json!({"note": "finished: exit 0", "exit_code": 0}));
    assert!(bench.ok(&["status"]).contains("job (finished)"));
    let why = bench.ok(&["why", "job"]);
    assert!(
        why.contains("the workers of pool `job` have ended, and are not to be replaced; start them again"),
        "{why}"
    );
    assert!(master.stderr().contains("worker `job-1` is finished: exit 0"), "{}", master.stderr());
    let ran = |times| {
        let runs = fs::read_to_string(bench.path().join("runs")).unwrap_or_default();
        runs.lines().count() == times && workers(&bench).iter().all(|worker| worker["state"] == "finished")
    };
    bench.ok(&["restart", "job-1"]);
    bench.wait_for("a second run", DEADLINE, |_| ran(2));
    bench.ok(&["scale", "2", "--pool", "job"]);
    bench.wait_for("both to have run", DEADLINE, |_| ran(4));
    end(&bench, master);
}

#[test]
fn a_worker_that_fails_is_finished_where_no_end_has_a_successor_and_that_is_a_problem() {
    let bench = Bench::new();
    let master = start(&bench, "opaque", "\"never\"", "echo no luck >&2; exit 3");
    wait_worker(&bench, "job-1", "finished");
    expect(&pool(&bench, "job"), &json!({"state": "finished", "problem": "finished: exit 3; no luck"}));
    expect(&health_of_pools(&bench), &json!({"status": "warn"}));
    end(&bench, master);
}

#[test]
fn workers_of_every_kind_that_die_too_often_are_given_up_and_a_repaired_one_comes_up_by_restart() {
    for kind in ["opaque", "protocol", "service"] {
        let bench = Bench::new();
        let restart = "{ max = 2, initial = \"1ms\", then = \"stop\" }";
        let master = start(&bench, kind, restart, "test -e repaired && exec cat; echo no luck >&2; exit 3");
        let said = "given up: more than 2 deaths in 1m";
        expect(&wait_worker(&bench, "job-1", "given_up"), &json!({"pid": null, "note": said, "crashes": 3}));
        let problem = pool(&bench, "job")["problem"].as_str().unwrap_or_default().to_owned();
        let words = format!("{said}; exits at once with status 3: no luck; start it again with `queue-work");
        assert!(problem.starts_with(&words) && problem.ends_with("restart --pool job`"), "{problem}");
        expect(&health_of_pools(&bench), &json!({"status": "fail"}));
        assert_eq!(records(&bench).len(), 3, "{:#?}", records(&bench));
        assert!(master.stderr().contains(&format!("worker `job-1` is {said}")), "{}", master.stderr());
        let refused = bench.run(&["restart", "--pool", "job"]).expect_code(1);
        assert!(refused.stderr.contains(said), "{refused:?}");
        wait_worker(&bench, "job-1", "given_up");
        let tried = records(&bench).len();
        fs::write(bench.path().join("repaired"), "").expect("a file");
        bench.ok(&["restart", "--pool", "job", "--no-wait"]);
        bench.wait_for("it to be tried again", DEADLINE, |b| records(b).len() > tried);
        end(&bench, master);
    }
}

#[test]
fn why_names_the_pool_that_is_given_up_and_a_reload_that_changes_it_starts_it_again() {
    let bench = Bench::new();
    let job = bench.push(&["x", "--queue", "job"]);
    let master = start(&bench, "protocol", "{ max = 0, then = \"stop\" }", "exit 3");
    wait_worker(&bench, "job-1", "given_up");
    // The job may still be at the worker that has died.
    bench.wait_for("why to name the pool", DEADLINE, |bench| {
        bench.ok(&["why", &job.to_string()]).contains("given up: more than 0 deaths in 1m")
    });
    write(&bench, "protocol", "{ max = 1, then = \"stop\" }", "exit 3");
    bench.run(&["reload"]);
    bench.wait_for("two more tries", DEADLINE, |b| records(b).len() == 3);
    end(&bench, master);
}

#[test]
fn a_worker_that_dies_too_often_is_tried_every_so_often_where_it_is_not_given_up() {
    let bench = Bench::new();
    let restart = "{ max = 1, most = \"1h\", initial = \"1ms\" }";
    let master = start(&bench, "opaque", restart, "exit 3");
    let worker = wait_worker(&bench, "job-1", "backoff");
    bench.wait_for("a long wait", DEADLINE, |b| workers(b)[0]["deadline_s"].as_f64() > Some(3000.0));
    let problem = pool(&bench, "job")["problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem.contains("more than 1 death in 1m; next try in"), "{problem} {worker}");
    assert_eq!(records(&bench).len(), 2);
    end(&bench, master);
}

#[test]
fn a_policy_that_does_not_suit_the_kind_or_makes_no_sense_is_refused() {
    let bench = Bench::new();
    let table = [
        ("protocol", "\"never\"", "`restart` is on \"never\", which is only for a pool of kind \"opaque\""),
        ("protocol", "{ on = \"failure\" }", "only for a pool of kind \"opaque\""),
        (
            "opaque",
            "\"sometimes\"",
            "`restart` is \"sometimes\"; it must be \"always\" or \"failure\" or \"never\", or a table",
        ),
        ("opaque", "{ max = -1 }", "`max` is -1; the least is 0"),
        ("opaque", "{ then = \"give up\" }", "`then` is \"give up\"; it must be \"slow\" or \"stop\""),
        ("opaque", "{ window = 5 }", "`window`"),
        ("opaque", "{ maximum = 5 }", "unknown key `maximum`"),
    ];
    for (kind, restart, said) in table {
        write(&bench, kind, restart, "exit 0");
        let refused = bench.run(&["config", "check"]);
        assert!(
            refused.code != 0 && (refused.stderr.clone() + &refused.stdout).contains(said),
            "{restart}: {refused:?}"
        );
    }
}
