//! Deaths: of workers in a call, of the gateway under load, of the master.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

#[test]
fn a_worker_that_dies_in_a_call_fails_that_call_at_once_and_is_replaced() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let _master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let before = client.call("pid", &json!([])).unwrap()["data"].as_i64();
    let died = client.call("die", &json!([])).unwrap();
    assert_eq!(died["code"], -32005, "{died}");
    let text = died.to_string();
    assert!(text.contains('7') && text.contains("dying, as I was told"), "{text}");
    let after = client.call("pid", &json!([])).unwrap()["data"].as_i64();
    assert!(after.is_some() && after != before, "{before:?} {after:?}");
}

#[test]
fn a_dead_gateway_refuses_no_connection_and_is_back_with_all_workers() {
    let bench = bench(LISTEN);
    let master = start(&bench, 2);
    let workers = pids(&bench);
    let load = Load::start(&bench, 4);
    bench.wait_for("calls to be answered", DEADLINE, |_| load.good() > 100);
    for _ in 0..5 {
        let (first, before) = (gateway(&bench), load.good());
        let killed = support::now();
        kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
        bench.wait_for("calls to be answered again", DEADLINE, |_| load.good() > before + 100);
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        bench.wait_for("another gateway", DEADLINE, |bench| gateway(bench) != first);
    }
    let wrong = load.stop();
    assert!(wrong.iter().all(|what| what == "closed" || what == "-32005"), "{wrong:?}");
    assert!(wrong.len() <= 5 * 4, "{wrong:?}");
    assert_eq!(pids(&bench), workers, "no worker died with it");
    assert!(
        master.stderr().contains("the gateway has ended (SIGKILL); another takes its place"),
        "{}",
        master.stderr()
    );
    bench.wait_for("the problem to be over", DEADLINE, |bench| bench.status()["master"]["problems"].is_null());
}

#[test]
fn a_call_that_a_dead_gateway_had_is_not_answered_and_the_worker_goes_on() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let _master = start(&bench, 1);
    let workers = pids(&bench);
    let mut client = Client::connect(&bench).unwrap();
    let slow = std::thread::spawn(move || client.call("sleep", &json!([1])));
    bench.wait_for("the call to be with the worker", DEADLINE, |bench| {
        let list = bench.run(&["services", "--json"]).json();
        list[0]["state"] == "healthy"
    });
    kill(Pid::from_raw(gateway(&bench)), Signal::SIGKILL).unwrap();
    assert_eq!(slow.join().unwrap(), None);
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
    assert_eq!(pids(&bench), workers);
}

#[test]
fn a_gateway_that_does_not_hear_is_killed_and_replaced() {
    let bench = bench(LISTEN);
    let _master = start(&bench, 2);
    let workers = pids(&bench);
    let first = gateway(&bench);
    kill(Pid::from_raw(first), Signal::SIGSTOP).unwrap();
    bench.wait_for("another gateway", 2 * DEADLINE, |bench| gateway(bench) != first);
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
    assert_eq!(pids(&bench), workers);
}

#[test]
fn a_stop_leaves_nobody_and_no_socket() {
    let bench = bench(LISTEN);
    let mut master = start(&bench, 2);
    let load = Load::start(&bench, 2);
    bench.wait_for("calls to be answered", DEADLINE, |_| load.good() > 100);
    drop(load.stop());
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success());
    bench.expect_no_leftovers();
    assert!(!bench.path().join("calc.sock").exists() && !bench.path().join("q.db.sock.calls").exists());
}

#[test]
fn the_death_of_the_master_leaves_nobody_and_the_next_one_listens_again() {
    let bench = bench(LISTEN);
    let mut master = start(&bench, 2);
    let load = Load::start(&bench, 2);
    bench.wait_for("calls to be answered", DEADLINE, |_| load.good() > 100);
    drop(load.stop());
    master.kill9();
    bench.expect_no_leftovers();
    let _next = start(&bench, 2);
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
}
