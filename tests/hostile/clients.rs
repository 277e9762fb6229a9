//! Clients of the control socket that come in crowds, and say or hear too little.

use std::time::Duration;

use serde_json::{Value, json};

use crate::help::{a_job_is_done, memory, open_files, status_is_prompt};
use crate::peer::{Peer, error_of};
use crate::support::{Bench, DEADLINE, eventually};

#[test]
fn a_hundred_clients_in_the_middle_of_a_request_hold_nobody_up() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "2"]);
    let mut silent = Peer::new(&bench);
    silent.call("ping", &Value::Null);
    let before = open_files(master.pid());
    let mut half: Vec<Peer> = (0..100).map(|_| Peer::new(&bench)).collect();
    for peer in &mut half {
        peer.say("{");
    }
    status_is_prompt(&bench, "100 clients are in the middle of a request");
    a_job_is_done(&bench);
    assert_eq!(error_of(&half[7].say("}\n").hear()).0, -32600);
    assert_eq!(silent.refusal("fly", &Value::Null).0, -32601);
    drop(half);
    bench.wait_for("the connections to be closed", DEADLINE, |_| open_files(master.pid()) <= before + 2);
}

#[test]
fn who_has_been_silent_for_longest_makes_way_when_there_are_too_many() {
    let bench = Bench::new();
    let _master = bench.start_after("ulimit -n 100", &["--workers", "1"]);
    // 100 files less 70 of its own and 5 for the worker leave 25 for clients.
    let id = bench.push(&["--queue", "nobody", "t"]);
    let mut waits = Peer::new(&bench);
    waits.ask(&json!(1), "jobs.wait", &json!({"id": id}));
    let mut talks = Peer::new(&bench);
    let mut silent: Vec<Peer> = (0..200)
        .map(|_| {
            talks.call("ping", &Value::Null);
            Peer::new(&bench)
        })
        .collect();
    status_is_prompt(&bench, "clients crowd in");
    assert!(silent[..150].iter_mut().all(Peer::is_closed));
    silent[199].call("ping", &Value::Null);
    talks.call("ping", &Value::Null);
    // Who waits for an answer is not in anybody's way.
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    assert_eq!(waits.hear()["result"]["state"], "cancelled");
}

#[test]
fn a_hundred_clients_that_never_read_a_large_answer_take_bounded_memory_and_hold_nobody_up() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "2"]);
    let mut peer = Peer::new(&bench);
    let large = peer.call("push", &json!({"type": "a", "queue": "nobody", "args": "x".repeat(10 << 20)}));
    let before = memory(&bench);
    let mut deaf: Vec<Peer> = (0..100).map(|_| Peer::new(&bench)).collect();
    for peer in &mut deaf {
        peer.ask(&json!(1), "jobs.show", &json!({"id": large["id"]}));
    }
    status_is_prompt(&bench, "100 clients do not read 10 MiB each");
    a_job_is_done(&bench);
    let mut most = 0;
    eventually(Duration::from_secs(3), || {
        most = most.max(memory(&bench));
        false
    });
    println!("100 unread answers of 10 MiB: from {} MiB to {} MiB at most", before >> 20, most >> 20);
    assert!(most < before + (450 << 20), "{most} bytes");
    // Some were dropped to keep the others within bounds.
    let closed = deaf.iter_mut().filter_map(|peer| peer.stream().take_error().ok()).count();
    assert!(closed > 0);
    drop(deaf);
    bench.wait_for("the memory to be given back", DEADLINE, |b| memory(b) < before + (150 << 20));
    bench.wait_for("the connections to be closed", DEADLINE, |_| open_files(master.pid()) < 60);
}
