//! More and fewer workers while the master runs: idle ones leave first, busy ones finish.

use serde_json::json;

use crate::help::{
    end, expect, journal, only_run, open, pids, pool, push_held, start, start_journal, wait_ended, wait_ready,
    wait_started, workers,
};
use crate::support::{Bench, DEADLINE};

#[test]
fn scale_up_returns_when_so_many_are_ready() {
    let bench = Bench::new();
    let more = "workers = 1\nready = \"message\"\nenv = { START_SECONDS = \"0.3\" }";
    let master = start(&bench, "slow_start.py", more);
    let first = pids(&wait_ready(&bench, 1));
    bench.ok(&["scale", "5"]);
    expect(&pool(&bench, "default"), &json!({"wanted": 5, "ready": 5, "starting": 0, "draining": 0}));
    let now = pids(&workers(&bench));
    assert!(now.len() == 5 && now.contains(&first[0]), "{now:?}");
    end(&bench, master);
}

#[test]
fn scale_down_ends_idle_workers_first_and_lets_busy_ones_finish() {
    let bench = Bench::new();
    let master = start_journal(&bench, 4, "grace = \"60s\"");
    let jobs = [push_held(&bench, "a"), push_held(&bench, "b")];
    wait_started(&bench, 2);
    let busy: Vec<i32> = journal(&bench).iter().map(|e| e.pid).collect();
    bench.ok(&["scale", "2"]);
    let left = pids(&workers(&bench));
    assert!(left.len() == 2 && busy.iter().all(|p| left.contains(p)), "{busy:?} were busy, {left:?} are left");

    // Now one that is busy has to go: it finishes first.
    bench.ok(&["scale", "1", "--no-wait"]);
    bench.wait_for("one to drain", DEADLINE, |b| pool(b, "default")["draining"] == 1);
    expect(&pool(&bench, "default"), &json!({"wanted": 1, "ready": 1, "busy": 1}));
    open(&bench, "a");
    open(&bench, "b");
    for job in jobs {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0, "attempts": 0}));
        expect(&only_run(&bench, job), &json!({"outcome": "succeeded"}));
    }
    wait_ready(&bench, 1);
    let ended = wait_ended(&bench, "scaled", 3);
    assert_eq!(ended.len(), 3, "{ended:#?}");
    for w in &ended {
        expect(w, &json!({"exit_code": 0, "signal": null}));
    }
    end(&bench, master);
}

#[test]
fn scale_to_zero_stops_handing_out_and_scale_up_goes_on() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 2");
    wait_ready(&bench, 2);
    bench.ok(&["scale", "0"]);
    expect(&pool(&bench, "default"), &json!({"wanted": 0, "ready": 0, "draining": 0, "starting": 0}));
    assert!(workers(&bench).is_empty());
    let job = bench.push(&["x", "1"]);
    expect(&bench.status()["queues"][0], &json!({"ready": 1, "running": 0}));
    bench.ok(&["scale", "1"]);
    bench.wait_for_job(job, "succeeded");
    end(&bench, master);
}

#[test]
fn scale_up_while_old_workers_drain_gives_new_ones_beside_them() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, "grace = \"60s\"");
    let held = [push_held(&bench, "go"), push_held(&bench, "go")];
    wait_started(&bench, 2);
    bench.ok(&["scale", "0", "--no-wait"]);
    bench.wait_for("both to drain", DEADLINE, |b| pool(b, "default")["draining"] == 2);
    bench.ok(&["scale", "2", "--no-wait"]);
    let next = bench.push(&["quick"]);
    // The new ones work although the old ones are still there.
    bench.wait_for_job(next, "succeeded");
    expect(&pool(&bench, "default"), &json!({"wanted": 2, "ready": 2, "draining": 2}));
    let slots: std::collections::BTreeSet<String> =
        workers(&bench).iter().map(|w| w["id"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(slots.len(), 4, "two workers share a name: {slots:?}");
    open(&bench, "go");
    for job in held {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0}));
    }
    wait_ready(&bench, 2);
    end(&bench, master);
}

#[test]
fn a_busy_worker_that_is_scaled_away_and_exceeds_the_grace_gives_its_job_back() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "grace = \"200ms\"");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    bench.ok(&["scale", "0"]);
    expect(&bench.job(job), &json!({"state": "ready", "attempts": 0, "crashes": 0, "releases": 1}));
    expect(&only_run(&bench, job), &json!({"outcome": "released", "cause": "scale", "signal": "SIGTERM"}));
    open(&bench, "go");
    bench.ok(&["scale", "1"]);
    expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 1}));
    end(&bench, master);
}

#[test]
fn scale_of_what_is_not_there_ends_with_four() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 1\n[pools.other]\nworkers = 1");
    for args in [["scale", "2", "--pool", "nobody"], ["scale", "2", "--queue", "nobody"]] {
        let refused = bench.run(&args).expect_code(4);
        assert!(refused.stderr.contains("`nobody`"), "{refused:?}");
    }
    let which = bench.run(&["scale", "2"]);
    assert!(which.code != 0 && which.stderr.contains("`other`"), "{which:?}");
    bench.ok(&["scale", "2", "--pool", "other"]);
    expect(&pool(&bench, "other"), &json!({"ready": 2}));
    expect(&pool(&bench, "default"), &json!({"wanted": 1}));
    end(&bench, master);
}
