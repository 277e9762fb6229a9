//! Requests that take long: whoever asks for something small beside them is answered at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, now};

/// How soon a push beside a long request is answered, on a busy machine and without optimisation. Done in one piece, the
/// requests below take many times as long.
const PROMPT: Duration = Duration::from_millis(750);
/// Jobs that are changed at once.
const JOBS: usize = 100_000;

/// Carries out a request while others are made one by one; its answer, and the longest time of one of these.
fn beside(bench: &Bench, short: &(&str, Value), long: impl FnOnce(&mut Peer) -> Value) -> (Value, Duration) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            let mut peer = Peer::new(bench);
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let begun = now();
                peer.call(short.0, &short.1);
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        let answer = long(&mut Peer::new(bench));
        over.store(true, Ordering::Relaxed);
        (answer, pushing.join().expect("it goes on"))
    })
}

/// The same; nobody waits for long.
#[track_caller]
fn prompt(bench: &Bench, what: &str, short: &(&str, Value), long: impl FnOnce(&mut Peer) -> Value) -> Value {
    let (begun, name) = (now(), short.0.to_owned());
    let (answer, longest) = beside(bench, short, long);
    println!("{what}: {:?}, a {name} beside it at most {longest:?}", begun.elapsed());
    assert!(longest < PROMPT, "a {name} beside {what} took {longest:?}");
    answer
}

fn push() -> (&'static str, Value) {
    ("push", json!({"type": "t", "queue": "beside"}))
}

/// What the disk does with 14 MiB is not the question there.
fn ping() -> (&'static str, Value) {
    ("ping", json!({}))
}

#[test]
fn a_request_that_names_very_many_jobs_keeps_no_push_waiting() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let lines = "x\n".repeat(JOBS);
    bench.verb(&["push", "--lines", "--queue", "nobody", "t"]).stdin(lines).run().expect_code(0);
    let ids: Vec<usize> = (1..=JOBS).collect();
    for method in ["jobs.cancel", "jobs.retry", "jobs.delete"] {
        let answer = prompt(&bench, method, &push(), |peer| peer.call(method, &json!({"ids": ids})));
        assert_eq!(answer["count"], JOBS, "{method}");
        assert_eq!(answer["refused"], json!([]), "{method}");
    }
    for method in ["jobs.cancel", "jobs.retry", "jobs.delete"] {
        let answer =
            prompt(&bench, "the same of jobs that are gone", &push(), |peer| peer.call(method, &json!({"ids": ids})));
        let refused = answer["refused"].as_array().map_or(0, Vec::len);
        assert_eq!((&answer["count"], refused), (&json!(0), JOBS), "{method}");
    }
}

#[test]
fn a_line_that_takes_long_to_read_keeps_nobody_waiting_and_the_order_of_a_client_stands() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let zeros = format!("[{}0]", "0,".repeat(7 << 20));
    let long = format!(
        "{{\"id\":1,\"method\":\"push\",\"params\":{{\"type\":\"t\",\"queue\":\"nobody\",\"args\":{zeros}}}}}\n"
    );
    let answers = prompt(&bench, "a push of 14 MiB", &ping(), |peer| {
        peer.say(&long).say("{\"id\":2,\"method\":\"push\",\"params\":{\"type\":\"after\",\"queue\":\"nobody\"}}\n");
        json!([peer.hear(), peer.hear()])
    });
    let id = |at: usize| answers[at]["result"]["id"].as_i64().expect("an id");
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(1), &json!(2)));
    assert!(id(0) < id(1), "{answers}");
    let params = format!("{{\"id\":1,\"method\":\"status\",\"params\":{{\"x\":{zeros}}}}}\n");
    let answer = prompt(&bench, "params that nobody needs", &ping(), |peer| peer.say(&params).hear());
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let wrong = format!("{{\"id\":1,\"method\":\"status\",\"params\":{zeros}\n");
    let answer = prompt(&bench, "a line that is no JSON", &ping(), |peer| peer.say(&wrong).hear());
    assert_eq!(answer["error"]["code"], -32700, "{answer}");
}

#[test]
fn a_master_that_is_told_to_stop_ends_what_it_has_begun() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let lines = "x\n".repeat(20_000);
    bench.verb(&["push", "--lines", "--queue", "nobody", "t"]).stdin(lines).run().expect_code(0);
    let ids: Vec<usize> = (1..=20_000).collect();
    let mut peer = Peer::new(&bench);
    peer.ask(&json!(1), "jobs.delete", &json!({"ids": ids}));
    bench.wait_for("it to begin", Duration::from_secs(10), |bench| bench.run(&["jobs", "show", "1"]).code == 4);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(peer.hear()["result"]["count"], 20_000);
    assert_eq!(master.wait_exit(Duration::from_secs(20)).code(), Some(0));
}
