//! Clients that say half of something, nothing, too much, or go away.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use queue_work::testing::model::WorkerId;
use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::wire::gateway::{Framing, FromGateway};
use serde_json::json;

use crate::rig::{Client, Rig, eventually};

fn declared() -> serde_json::Value {
    json!({"methods": {"add": {}, "wait": {}, "echo": {}}})
}

fn adds(path: &std::path::Path) -> String {
    let mut client = Client::unix(path);
    client.send(r#"{"action":"add","parameters":[1,2]}"#);
    client.rest()
}

#[test]
fn a_thousand_silent_connections_and_half_a_value_keep_nobody_waiting_and_are_told() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut half = Client::unix(&path);
    half.send("{\"action\":\"add\",");
    let mut silent: Vec<Client> = (0..1000).map(|_| Client::unix(&path)).collect();
    for _ in 0..100 {
        assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
    }
    let first = silent.first_mut().expect("one").rest();
    assert!(first.contains("another connection has taken the place of this one"), "{first}");
    assert!(half.rest().contains("the request was not complete within 30 s"));
    let last = silent.last_mut().expect("one").rest();
    assert!(last.contains("no request came within 30 s"), "{last}");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut busy: Vec<Client> = (0..1000).map(|_| Client::unix(&path)).collect();
    for client in &mut busy {
        client.send("{\"name\":\"add\",\"args\":[1,2]}\n");
        assert_eq!(client.line(), "{\"result\":3}");
    }
    let answer = Client::unix(&path).rest();
    assert!(answer.contains("this listener has 1000 connections, which is the most"), "{answer}");
    drop(busy);
    eventually("there is room again", || adds(&path).contains("success"));
}

#[test]
fn the_call_of_a_client_that_is_gone_is_cancelled() {
    let (mut rig, _) = Rig::with("calc", &declared());
    rig.kill(WorkerId(1));
    let worker = rig.python("calc", &declared(), Some("log"));
    rig.is_ready(worker);
    let path = rig.listen_unix("calc", Framing::Auto);
    let address = rig.listen_tcp("calc", Framing::Auto);
    let go = rig.folder.path().join("go");
    let mut client = Client::unix(&path);
    client.send(json!({"name": "wait", "args": [&go]}).to_string());
    rig.log("log", 1);
    // It waits for the worker, and is gone before it has it.
    let mut queued = Client::unix(&path);
    queued.send("{\"name\":\"add\",\"args\":[1,2]}\n");
    let mut console = rig.console();
    let mut waits = move || console.send("{\"services\":true}\n").json()["result"][0]["load"]["waiting"].clone();
    eventually("it waits", || waits() == 1);
    drop(queued);
    eventually("it does not wait", || waits() == 0);
    drop(client);
    // A reset over TCP is the same.
    let mut queued = TcpStream::connect(&address).expect("a connection");
    queued.write_all(b"{\"name\":\"add\",\"args\":[1,2]}\n{\"name\":\"add\"}\n").expect("it is sent");
    eventually("they wait", || waits() == 2);
    rustix::net::sockopt::set_socket_linger(&queued, Some(Duration::ZERO)).expect("an option");
    drop(queued);
    eventually("they do not wait", || waits() == 0);
    std::fs::write(&go, "").expect("a file");
    let log = rig.log("log", 2);
    assert_eq!((&log[1]["method"], &log[1]["params"]["id"]), (&json!("cancel"), &log[0]["id"]));
}

#[test]
fn a_value_of_ten_thousand_levels_is_refused() {
    let (_rig, path) = Rig::with("calc", &declared());
    for deep in ["[".repeat(10_000), format!("{{\"name\":\"echo\",\"args\":{}", "[".repeat(10_000))] {
        let mut client = Client::unix(&path);
        client.send(deep);
        assert!(client.rest().contains("nested deeper than 128 levels"));
    }
    assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
}

#[test]
fn a_request_over_the_limit_is_refused_and_others_are_served() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    let half = "x".repeat(9_000_000);
    client.send(format!("{{\"name\":\"echo\",\"args\":\"{half}"));
    assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
    client.send(&half);
    assert!(client.rest().contains("longer than 16777216 bytes"));
}

#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut deaf = UnixStream::connect(&path).expect("a connection");
    let request = format!("{{\"name\":\"echo\",\"args\":\"{}\"}}\n", "x".repeat(100_000));
    // Until nothing more is taken.
    deaf.set_write_timeout(Some(Duration::from_millis(500))).expect("a deadline");
    while deaf.write_all(request.as_bytes()).is_ok() {
        assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
    }
    assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
}

#[test]
fn a_worker_that_floods_its_output_holds_up_nobody_while_the_master_does_not_read() {
    let (mut rig, path) = Rig::with("calc", &declared());
    rig.service("flood", ServiceSettings::default());
    let mut command = Command::new("sh");
    command.args(["-c", "echo '{\"method\":\"ready\"}'; exec yes 0123456789012345678901234567890123456789"]);
    let flood = rig.worker("flood", command);
    rig.is_ready(flood);
    for _ in 0..200 {
        assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
    }
    rig.kill(flood);
    rig.hear(|said| matches!(said, FromGateway::Printed { .. }).then_some(()));
}

#[test]
fn half_requests_take_so_much_memory_and_no_more() {
    let (_rig, path) = Rig::with("calc", &declared());
    let half = format!("{{\"name\":\"echo\",\"args\":\"{}", "x".repeat(16_000_000));
    let mut clients: Vec<Client> = (0..17).map(|_| Client::unix(&path)).collect();
    for client in &mut clients[..16] {
        client.send(&half);
    }
    // The one too many is told so, and what it goes on to send is of no interest.
    let last = clients.last_mut().expect("one");
    let _ = std::io::Write::write_all(last.0.get_mut(), half.as_bytes());
    assert!(last.rest().contains("that are not complete take 268435456 bytes"));
    assert_eq!(adds(&path), r#"{"status":"success","data":3}"#);
    clients[0].send("\"}\n");
    let answer = clients[0].json().to_string();
    assert!(answer.len() > 16_000_000, "{answer}");
}
