//! Deaths: of workers in a call, of the gateway under load, of the master.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

#[test]
fn a_worker_that_dies_in_a_call_fails_that_call_at_once_and_is_replaced() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let before = client.call("pid", &json!([])).unwrap()["data"].as_i64();
    let died = client.call("die", &json!([])).unwrap();
    assert_eq!(died["code"], -32005, "{died}");
    let text = died.to_string();
    assert!(text.contains('7') && text.contains("dying, as I was told"), "{text}");
    let after = client.call("pid", &json!([])).unwrap()["data"].as_i64();
    assert!(after.is_some() && after != before, "{before:?} {after:?}");
    // The first had answered a call, and the third none.
    for _ in 0..2 {
        assert_eq!(client.call("die", &json!([])).unwrap()["code"], -32005);
    }
    let said = "worker `calc-1` comes up, then exits with status 7: dying, as I was told; it is tried again";
    bench.wait_for("both ends to be said", DEADLINE, |_| {
        let told = master.stderr();
        told.matches("worker `calc-1` ended by itself after 1 job").count() == 2 && told.contains(said)
    });
    assert!(!master.stderr().contains("does not come up"), "{}", master.stderr());
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
    assert!(wrong.len() <= 5 * 4, "{wrong:?}: {}", master.stderr());
    assert_eq!(pids(&bench), workers, "no worker died with it: {}", master.stderr());
    assert!(
        master.stderr().contains("the gateway has ended (SIGKILL); another takes its place"),
        "{}",
        master.stderr()
    );
    assert!(bench.ok(&["logs", "gateway"]).contains("the gateway has ended (SIGKILL)"));
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
fn call_waits_no_longer_than_it_says_for_a_gateway_that_does_not_hear() {
    let bench = bench(LISTEN);
    let _master = start(&bench, 2);
    let gateway = Pid::from_raw(gateway(&bench));
    kill(gateway, Signal::SIGSTOP).unwrap();
    let silent = bench.run(&["call", "calc", "add", "[1, 2]", "--timeout", "200ms"]);
    // On a slow machine the gateway may have been killed for its silence.
    let _ = kill(gateway, Signal::SIGCONT);
    let text = "queue-work: the gateway does not answer; the call may have been done; see `queue-work status`\n";
    assert_eq!(silent.expect_code(1).stderr, text);
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

#[test]
fn a_worker_past_the_timeout_of_its_call_is_replaced_and_killed() {
    let lines = "workers = 1\nlisten = \"unix:calc.sock\"\ntimeout = \"300ms\"\nkill_after = \"200ms\"\n";
    let bench = bench(lines);
    let _master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let stuck = client.call("pid", &json!([])).unwrap()["data"].as_i64().unwrap();
    assert_eq!(client.call("sleep", &json!([600])).unwrap()["code"], -32001);
    assert_eq!(client.call("add", &json!([1, 2])).unwrap()["data"], 3, "another worker answers");
    bench.wait_for("the stuck worker to be gone", DEADLINE, |bench| !pids(bench).contains(&stuck));
    bench.wait_for("one worker to be left", DEADLINE, |bench| pids(bench).len() == 1);
}

#[test]
fn a_worker_that_leaves_is_not_waited_for_when_its_call_has_died_with_the_gateway() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\ngrace = \"300ms\"\nkill_after = \"200ms\"\n");
    let _master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let old = client.call("pid", &json!([])).unwrap()["data"].as_i64().unwrap();
    let slow = std::thread::spawn(move || client.call("sleep", &json!([600])));
    bench.ok(&["restart", "--pool", "calc", "--no-wait"]);
    bench.wait_for("the old worker to drain", DEADLINE, |bench| {
        pool(bench)["draining"] == 1 && pool(bench)["ready"] == 1
    });
    kill(Pid::from_raw(gateway(&bench)), Signal::SIGKILL).unwrap();
    assert_eq!(slow.join().unwrap(), None);
    bench.wait_for("the old worker to be gone", DEADLINE, |bench| !pids(bench).contains(&old));
    assert_eq!(Client::connect(&bench).unwrap().call("add", &json!([1, 2])).unwrap()["data"], 3);
}

#[test]
fn restarts_recycling_and_deaths_of_gateways_at_the_same_time_leave_a_whole_service() {
    let bench =
        bench("workers = 4\nlisten = \"unix:calc.sock\"\nmax_jobs = 300\ngrace = \"2s\"\nkill_after = \"1s\"\n");
    let mut master = start(&bench, 4);
    let load = Load::start(&bench, 4);
    for round in 1..=12 {
        let seen = load.good();
        bench.wait_for("calls to be answered", DEADLINE, |_| load.good() > seen + 20);
        bench.ok(&["restart", "--pool", "calc", "--no-wait"]);
        if round % 2 == 0 {
            kill(Pid::from_raw(gateway(&bench)), Signal::SIGKILL).unwrap();
        }
        if round % 3 == 0 {
            let _ = kill(Pid::from_raw(pids(&bench)[0] as i32), Signal::SIGKILL);
        }
    }
    let wrong = load.stop();
    assert!(wrong.iter().all(|what| what == "closed" || what == "-32005"), "{wrong:?}");
    bench.wait_for("the service to be whole", DEADLINE, |bench| {
        let pool = pool(bench);
        pool["ready"] == 4 && pool["draining"] == 0 && pids(bench).len() == 4
    });
    let clients: Vec<_> = (0..8).map(|_| Client::connect(&bench).unwrap()).collect();
    for mut client in clients {
        assert_eq!(client.call("add", &json!([5, 3])).unwrap()["data"], 8);
    }
    bench.ok(&["stop"]);
    assert!(master.wait_exit(DEADLINE).success());
    bench.expect_no_leftovers();
}
