//! Services in `metrics`, `health`, `why`, `status` and `autoscale`.

use std::io::Write;
use std::os::unix::net::UnixStream;

use serde_json::json;

use super::exposition::Scrape;
use super::support::{Bench, DEADLINE};
use super::{LISTEN, bench, pool, start};

#[test]
fn metrics_tell_of_calls_and_of_what_workers_count() {
    let bench = bench("workers = 1\n");
    let _master = start(&bench, 1);
    for _ in 0..3 {
        bench.ok(&["call", "calc", "add", "[5, 3]"]);
    }
    bench.run(&["call", "calc", "divide", "[1, 0]"]).expect_code(1);
    bench.run(&["call", "calc", "add", "[\"x\"]"]).expect_code(2);
    bench.run(&["call", "calc", "nothing"]).expect_code(4);
    bench.ok(&["call", "calc", "count", "[7]"]);
    let found = Scrape::read(&bench.ok(&["metrics"]), false);
    let of = |name, more: &[(&'static str, &'static str)]| found.get(name, &[&[("service", "calc")], more].concat());
    assert_eq!(of("queue_work_service_calls_total", &[("method", "add")]), Some(4.0));
    assert_eq!(of("queue_work_service_calls_total", &[("method", "other")]), Some(1.0));
    assert_eq!(of("queue_work_service_call_errors_total", &[("method", "divide")]), Some(1.0));
    assert_eq!(of("queue_work_service_calls_refused_total", &[("reason", "wrong_params")]), Some(1.0));
    assert_eq!(of("queue_work_service_calls_waiting", &[]), Some(0.0));
    assert_eq!(of("queue_work_service_call_duration_seconds_count", &[("method", "add")]), Some(3.0));
    assert_eq!(of("queue_work_custom_things_seen_total", &[("in", "calc")]), Some(7.0));
    Scrape::read(&bench.ok(&["metrics", "--format", "openmetrics"]), true);
}

#[test]
fn health_why_and_status_say_what_is_wrong_with_a_service() {
    let bench = bench(LISTEN);
    let _master = start(&bench, 2);
    bench.run(&["health", "nobody"]).expect_code(4);
    let well = bench.ok(&["health", "calc"]);
    assert!(well.starts_with("healthy\n") && well.contains("1 service can be called"), "{well}");
    let why = bench.ok(&["why", "calc"]);
    assert_eq!(why, "service `calc` (healthy): nothing is wrong: 2 of 2 workers ready\n");
    bench.ok(&["call", "calc", "ill", "[\"degraded\"]"]);
    bench.wait_for("a worker to say that it is degraded", DEADLINE, |bench| {
        pool(bench)["calls"]["health"]["status"] == "degraded"
    });
    let said = "a worker says that it is degraded: disk is degraded";
    for args in [&["health"][..], &["health", "calc"]] {
        let ill = bench.run(args).expect_code(1).stdout;
        assert!(ill.contains(&format!("warn  services    service `calc`: {said}")) || ill.contains(said), "{ill}");
    }
    let why = bench.run(&["why", "calc", "--json"]).expect_code(0).json();
    assert_eq!(
        (&why["state"], &why["reasons"][0]["code"], &why["reasons"][0]["text"]),
        (&json!("degraded"), &json!("unhealthy"), &json!(said))
    );
    assert!(bench.ok(&["status", "calc"]).contains(said), "{}", bench.ok(&["status", "calc"]));
    bench.ok(&["scale", "0", "--pool", "calc"]);
    let why = bench.ok(&["why", "calc"]);
    assert!(why.starts_with("service `calc` (stopped): it is stopped: no worker is wanted; start it with"), "{why}");
}

#[test]
fn a_service_whose_workers_do_not_get_ready_is_unhealthy_and_why_and_callers_are_told_what_it_waits_for() {
    let bench = bench("workers = 2\nenv = { CALC_INIT = \"1\" }\nmax_queue_time = \"300ms\"\n");
    let _master = bench.start(&[]);
    for args in [&["health"][..], &["health", "calc"]] {
        let ill = bench.run(args).expect_code(1).stdout;
        assert!(ill.starts_with("unhealthy\n") && ill.contains("service `calc`: 0 of 2 workers ready"), "{ill}");
    }
    let why = bench.ok(&["why", "calc"]);
    let said = "no worker of pool `calc` is ready yet: 2 workers starting, without their `ready` so far (`ready_timeout` is 30s)";
    assert_eq!(why, format!("service `calc` (starting): {said}\n"));
    let call = |more: &[&str]| bench.run(&[&["call", "calc", "add", "[1, 2]"], more].concat());
    let refused = call(&[]).expect_code(5).stderr;
    let said = "its workers have not said `ready` yet; see `queue-work why calc`\n";
    assert_eq!(refused, format!("queue-work: no worker of `calc` was free for 300ms (`max_queue_time`): {said}"));
    let late = call(&["--timeout", "100ms"]).expect_code(1).stderr;
    assert_eq!(late, format!("queue-work: `calc` did not answer before the deadline of the call: {said}"));
}

#[test]
fn a_service_that_waits_for_another_pool_or_for_room_says_so_to_why_and_to_callers() {
    let bench = bench(
        "workers = 1\nmax_queue_time = \"200ms\"\nneeds = [\"base\"]\n[pools.base]\nworkers = 1\nready = \"message\"\ncommand = [\"sleep\", \"1000\"]\n",
    );
    let master = bench.start(&[]);
    let why = bench.ok(&["why", "calc"]);
    assert_eq!(why, "service `calc` (unhealthy): pool `calc` waits for `base`; see `queue-work why base`\n");
    let refused = bench.run(&["call", "calc", "add", "[1, 2]"]).expect_code(5).stderr;
    assert!(refused.contains(": it waits for `base`; see `queue-work why calc`"), "{refused}");
    bench.run(&["health", "calc"]).expect_code(1);
    drop(master);
    let text = "max_processes = 1\n[pools.base]\nworkers = 1\n[pools.calc]\nkind = \"service\"\ncommand = [\"python3\", \"calc.py\"]\nworkers = 1\nmax_queue_time = \"200ms\"\n";
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("a file");
    let _master = bench.start(&[]);
    let said = "1 worker waits for others to end, as `max_processes` is 1; raise it, or scale a pool down";
    bench.wait_for("the cap to be said", DEADLINE, |bench| bench.ok(&["why", "calc"]).contains(said));
    let refused = bench.run(&["call", "calc", "add", "[1, 2]"]).expect_code(5).stderr;
    assert!(refused.contains("as many processes run as `max_processes` allows"), "{refused}");
}

#[test]
fn a_service_scales_itself_from_nothing_with_its_calls() {
    let bench = bench("listen = \"unix:calc.sock\"\n[pools.calc.autoscale]\nmin = 0\nmax = 2\ncpu_max = \"off\"\n");
    let _master = start(&bench, 0);
    assert_eq!(bench.run(&["config", "check"]).expect_code(0).stderr, "");
    let list = bench.run(&["services", "--json"]).expect_code(0).json();
    assert_eq!((&list[0]["state"], &list[0]["workers"]), (&json!("healthy"), &json!(0)));
    assert_eq!(bench.ok(&["call", "calc", "add", "[5, 3]"]), "8\n");
    assert_eq!(pool(&bench)["wanted"], 1);
    let socket = bench.path().join("calc.sock");
    let call = |_| {
        let mut caller = UnixStream::connect(&socket).expect("a connection");
        caller.write_all(b"{\"name\":\"sleep\",\"args\":[600]}\n").expect("a call");
        caller
    };
    let _callers: Vec<_> = (0..4).map(call).collect();
    bench.wait_for("a second worker", DEADLINE, |bench| {
        pool(bench)["ready"] == 2 && pool(bench)["calls"]["running"] == 2
    });
    let line = bench.ok(&["autoscale"]);
    assert!(line.starts_with("calc: 2 workers, because "), "{line}");
}

#[test]
fn why_tells_pools_that_are_finished_from_those_that_wait_for_others_and_those_that_are_given_up() {
    let bench = Bench::new();
    // `bad` never comes up, so `next` never begins.
    let pool = |name: &str, script: &str, more: &str| {
        format!("[pools.{name}]\nkind = \"opaque\"\nworkers = 1\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{more}\n")
    };
    let pools = [
        pool("once", "exit 0", "restart = \"failure\""),
        pool("bad", "exit 3", "restart = { max = 1, window = \"1m\", initial = \"1ms\", then = \"stop\" }"),
        pool("next", "sleep 100", "needs = [\"bad\"]"),
    ];
    let text = pools.concat().replace("\"sh\", \"-c\", \"exit 3\"", "\"./missing\"");
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("a file");
    let _master = bench.start(&[]);
    let why = |name: &str| bench.run(&["why", name, "--json"]).expect_code(0).json();
    bench.wait_for("the ends of both", DEADLINE, |_| {
        why("once")["reasons"][0]["code"] == "finished"
            && why("bad")["reasons"][0]["text"].to_string().contains("given up")
    });
    let waits = why("next");
    assert_eq!((&waits["state"], &waits["reasons"][0]["code"]), (&json!("waiting"), &json!("waits_for")), "{waits}");
    let well = bench.ok(&["why", "once"]);
    assert!(well.starts_with("pool `once` (finished): "), "{well}");
}

#[test]
fn what_is_not_followed_of_a_declaration_and_the_first_metric_that_is_dropped_are_warned_of() {
    let schema = r#"env = { CALC_SCHEMA = '{"minimun": 1, "items": {"pattern": "a"}}' }"#;
    let bench = bench(&format!("workers = 1\n{schema}\n"));
    let master = start(&bench, 1);
    let said = "worker `calc-1`: what it declares is not followed everywhere: `params` of `size`: `/items/pattern` is not checked; \
                `params` of `size`: `/minimun` is not checked\n";
    bench.wait_for("the warning", DEADLINE, |_| master.stderr().contains(said));
    for value in ["[-1]", "[-2]"] {
        bench.ok(&["call", "calc", "count", value]);
    }
    let said = "a `metric` of it is dropped, and so may be others: `things.seen` is a counter, and -1 is below 0\n";
    bench.wait_for("the warning", DEADLINE, |_| master.stderr().contains(said));
    bench.wait_for("both to be counted", DEADLINE, |bench| {
        bench.run(&["services", "calc", "--json"]).expect_code(0).json()[0]["metrics_dropped"] == 2
    });
    assert_eq!(master.stderr().matches("is dropped").count(), 1, "{}", master.stderr());
}

#[test]
fn calls_that_failed_or_were_slow_are_on_record() {
    let bench = bench("workers = 1\nslow_call = \"200ms\"\n");
    let _master = start(&bench, 1);
    assert!(bench.run(&["calls"]).expect_code(0).stderr.contains("no call has failed or was slow"));
    bench.run(&["calls", "nobody"]).expect_code(4);
    bench.ok(&["call", "calc", "add", "[5, 3]"]);
    bench.run(&["call", "calc", "divide", "[1, 0]"]).expect_code(1);
    bench.ok(&["call", "calc", "sleep", "[0.3]"]);
    bench.run(&["call", "calc", "nothing"]).expect_code(4);
    let list = || bench.run(&["calls", "--json"]).expect_code(0).json();
    bench.wait_for("three calls on record", DEADLINE, |_| list().as_array().is_some_and(|calls| calls.len() == 3));
    let calls = list();
    let [unknown, slow, failed] = &calls.as_array().expect("a list")[..] else { panic!("{calls}") };
    assert_eq!((&unknown["error"]["code"], &unknown["worker"]), (&json!(-32601), &json!(null)));
    assert_eq!((&slow["error"], &slow["method"], &slow["worker"]), (&json!(null), &json!("sleep"), &json!("calc-1")));
    assert!(slow["took_s"].as_f64().is_some_and(|took| took >= 0.3), "{slow}");
    assert_eq!(failed["error"]["message"], "division by zero");
    let table = bench.ok(&["calls", "calc", "--failed"]);
    assert!(table.contains("division by zero") && table.lines().count() == 3, "{table}");
    // The last ones are told when the gateway ends; without a master they are read from the database.
    bench.run(&["call", "calc", "divide", "[2, 0]"]).expect_code(1);
    bench.ok(&["stop"]);
    assert_eq!(bench.run(&["calls", "--failed", "--jsonl"]).expect_code(0).stdout.lines().count(), 3);
    let oldest = &failed["id"];
    assert!(bench.run(&["calls", "--before", &oldest.to_string()]).expect_code(0).stdout.is_empty());
}

#[test]
fn a_circuit_that_may_be_closed_again_is_not_said_to_be_open() {
    let bench = bench("workers = 1\ncircuit = { failures = 1, open = \"1s\" }\n");
    let _master = start(&bench, 1);
    bench.run(&["call", "calc", "die"]).expect_code(1);
    let is_open = |bench: &Bench| pool(bench)["calls"]["circuit_open_s"].is_number();
    bench.wait_for("the circuit to open", DEADLINE, is_open);
    // Nobody calls.
    bench.wait_for("its time to be over", DEADLINE, |bench| !is_open(bench));
}
