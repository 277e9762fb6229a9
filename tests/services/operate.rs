//! What operators do with services: restart, scale, reload, spawn, stop.

use super::*;

#[test]
fn a_restart_of_every_worker_loses_no_call() {
    let bench = bench(LISTEN);
    let _master = start(&bench, 2);
    let before = pids(&bench);
    let load = Load::start(&bench, 4);
    for round in 1..=5 {
        let seen = load.good();
        bench.wait_for("calls to be answered", DEADLINE, |_| load.good() > seen + 50 * round);
        bench.ok(&["restart", "--pool", "calc"]);
    }
    assert_eq!(load.stop(), Vec::<String>::new());
    let after = pids(&bench);
    assert!(after.len() == 2 && !after.iter().any(|pid| before.contains(pid)), "{before:?} {after:?}");
}

#[test]
fn workers_that_are_recycled_and_scaled_away_under_load_lose_no_call() {
    let bench = bench(&format!("{LISTEN}max_jobs = 200\n"));
    let _master = start(&bench, 2);
    let before = pids(&bench);
    let load = Load::start(&bench, 4);
    bench.wait_for("all workers to be recycled", DEADLINE, |bench| !pids(bench).iter().any(|pid| before.contains(pid)));
    bench.ok(&["scale", "4", "--pool", "calc"]);
    bench.ok(&["scale", "1", "--pool", "calc"]);
    assert_eq!(load.stop(), Vec::<String>::new());
    wait_ready(&bench, 1);
}

#[test]
fn a_worker_with_another_version_is_refused_and_the_old_one_goes_on() {
    let bench = bench("workers = 1\nversion = \"1.0.0\"\n");
    let _master = start(&bench, 1);
    write_config(&bench, "workers = 1\nversion = \"2.0.0\"\n");
    let refused = bench.run(&["reload"]);
    assert!(refused.code != 0 && refused.stderr.contains("2.0.0"), "{refused:?}");
    assert_eq!(bench.ok(&["call", "calc", "add", "[1, 2]"]), "3\n");
}

#[test]
fn a_worker_is_ready_when_it_has_taken_its_init_and_not_when_it_refuses_that() {
    let table = "workers = 1\nenv = { CALC_INIT = \"1\" }\n";
    let bench = bench(&format!("{table}init = {{ host = \"h\", port = 5 }}\n"));
    let _master = start(&bench, 1);
    assert_eq!(bench.ok(&["call", "calc", "init"]), "{\"host\":\"h\",\"port\":5}\n");
    write_config(&bench, &format!("{table}init = {{ refuse = true }}\n"));
    let refused = bench.run(&["reload"]);
    assert!(refused.code != 0 && refused.stderr.contains("no connection to the database"), "{refused:?}");
    assert_eq!(bench.ok(&["call", "calc", "init"]), "{\"host\":\"h\",\"port\":5}\n", "the old worker goes on");
}

#[test]
fn a_worker_that_does_not_come_up_says_why_in_status() {
    let bench = bench("workers = 1\nenv = { CALC_BROKEN = \"1\" }\n");
    let _master = bench.start(&[]);
    bench.wait_for("the problem to be shown", DEADLINE, |bench| {
        pool(bench)["problem"].as_str().is_some_and(|text| text.contains("the database is not there"))
    });
}

#[test]
fn a_service_that_is_to_have_no_worker_refuses_calls_at_once_and_says_why() {
    let bench = bench(&format!("{LISTEN}restart = {{ max = 1, window = \"1m\", then = \"stop\" }}\n"));
    let _master = start(&bench, 2);
    bench.ok(&["scale", "0"]);
    bench.wait_for("calls to be refused", DEADLINE, |bench| {
        let refused = bench.run(&["call", "calc", "add", "[1, 2]", "--timeout", "10s"]).expect_code(5);
        refused
            .stderr
            .contains("`calc` has no worker and starts none: it is scaled to 0; `queue-work scale 1 --pool calc`")
    });
    bench.ok(&["scale", "1", "--pool", "calc"]);
    assert_eq!(bench.ok(&["call", "calc", "add", "[1, 2]"]), "3\n");
    bench.wait_for("the worker to be given up", DEADLINE, |bench| {
        bench.run(&["call", "calc", "die"]).stderr.contains("all have ended for good; `queue-work restart --pool calc`")
    });
}

#[test]
fn a_reload_opens_and_closes_listeners_and_touches_no_other() {
    let bench = bench(LISTEN);
    let _master = start(&bench, 2);
    let workers = pids(&bench);
    let load = Load::start(&bench, 2);
    let more = "workers = 2\nlisten = [\"unix:calc.sock\", \"unix:more.sock\"]\nmax_queue = 5\n";
    write_config(&bench, more);
    bench.ok(&["reload"]);
    let path = bench.path().join("more.sock");
    bench.wait_for("the new socket to answer", DEADLINE, |_| {
        let stream = UnixStream::connect(&path).expect("it listens before the reload is done");
        Client(BufReader::new(stream)).call("add", &json!([1, 2])).is_some()
    });
    write_config(&bench, LISTEN);
    bench.ok(&["reload"]);
    bench.wait_for("the socket to be gone", DEADLINE, |_| !path.exists());
    assert_eq!(load.stop(), Vec::<String>::new());
    assert_eq!(pids(&bench), workers);
}

#[test]
fn a_file_is_spawned_as_a_service_and_stopped_again() {
    let bench = bench("workers = 1\n");
    std::fs::remove_file(bench.path().join("queue-work.toml")).unwrap();
    let _master = bench.start(&["--workers", "1"]);
    let missing = bench.run(&["spawn", "missing.py"]).expect_code(2);
    assert_eq!(missing.stderr, "queue-work: there is no file `missing.py`\n");
    let listen = ["--listen", "unix:calc.sock"];
    let spawn = [&["spawn", "calc.py", "--workers", "2", "--version", "1.0.0"], &listen[..]].concat();
    assert_eq!(bench.ok(&spawn), "added pool `calc` of 2 workers: 2 ready\n");
    assert_eq!(bench.ok(&["call", "calc", "add", "[1, 2]"]), "3\n");
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
    let taken = bench.run(&[&["spawn", "calc.py", "--name", "other"], &listen[..]].concat()).expect_code(5);
    assert!(taken.stderr.contains("pool `calc` listens at"), "{}", taken.stderr);
    let other = bench.run(&["spawn", "calc.py", "--name", "other", "--workers", "1", "--version", "9"]);
    assert!(other.code == 1 && other.stderr.contains('9'), "{other:?}");
    assert!(other.stderr.ends_with(", or end it with `queue-work stop --pool other`\n"), "{other:?}");
    bench.ok(&["stop", "--pool", "other"]);
    let gone = gateway(&bench);
    bench.ok(&["stop", "--pool", "calc"]);
    bench.wait_for("the gateway to be gone", DEADLINE, |_| !std::path::Path::new(&format!("/proc/{gone}")).exists());
    assert!(!bench.path().join("calc.sock").exists());
    bench.run(&["call", "calc", "add"]).expect_code(4);
}
