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
fn scale_up_while_workers_do_their_last_jobs_takes_them_back() {
    let bench = Bench::new();
    let master = start_journal(&bench, 2, "");
    let held = [push_held(&bench, "go"), push_held(&bench, "go")];
    wait_started(&bench, 2);
    let old = pids(&workers(&bench));
    bench.ok(&["scale", "0", "--no-wait"]);
    bench.wait_for("both to drain", DEADLINE, |b| pool(b, "default")["draining"] == 2);
    assert_eq!(bench.ok(&["scale", "+3"]), "scaled `default` from 0 to 3 workers: 3 ready\n");
    let next = bench.push(&["quick"]);
    bench.wait_for_job(next, "succeeded");
    expect(&pool(&bench, "default"), &json!({"wanted": 3, "ready": 3, "busy": 2, "draining": 0}));
    open(&bench, "go");
    for job in held {
        expect(&bench.wait_for_job(job, "succeeded"), &json!({"releases": 0}));
    }
    let now = pids(&wait_ready(&bench, 3));
    assert!(old.iter().all(|pid| now.contains(pid)), "{old:?} were taken back, {now:?} are there");
    end(&bench, master);
}

#[test]
fn so_many_more_or_fewer_are_counted_from_what_is_wanted_now_by_how_many_ever() {
    let bench = Bench::new();
    let master = start(&bench, "echo.py", "workers = 4");
    assert_eq!(bench.ok(&["scale", "+2"]), "scaled `default` from 4 to 6 workers: 6 ready\n");
    assert_eq!(bench.ok(&["scale", "-1"]), "scaled `default` from 6 to 5 workers: 5 ready\n");
    let mut many: Vec<_> = (0..5).map(|_| bench.launch(&["scale", "+1", "--pool", "default"])).collect();
    assert!(many.iter_mut().all(|verb| verb.wait_exit(DEADLINE).success()));
    expect(&pool(&bench, "default"), &json!({"wanted": 10}));
    let refused = bench.run(&["scale", "-11"]).expect_code(5);
    assert!(refused.stderr.contains("pool `default` has 10 workers, so `-11` is not possible"), "{refused:?}");
    expect(&pool(&bench, "default"), &json!({"wanted": 10}));
    for bad in ["+", "--2", "+-1", "2.5", "+10001"] {
        bench.run(&["scale", bad]).expect_code(2);
    }
    end(&bench, master);
}

#[test]
fn a_busy_worker_that_is_scaled_away_and_exceeds_the_grace_gives_its_job_back() {
    let bench = Bench::new();
    let master = start_journal(&bench, 1, "");
    let job = push_held(&bench, "go");
    wait_started(&bench, 1);
    bench.ok(&["scale", "0", "--grace", "200ms"]);
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
