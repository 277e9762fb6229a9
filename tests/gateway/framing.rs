//! How requests are told apart, over real sockets.

use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::wire::gateway::{Framing, ToGateway};
use serde_json::json;

use crate::rig::{Client, Rig, eventually, name};

fn declared() -> serde_json::Value {
    json!({"concurrency": 4, "methods": {"add": {}, "wait": {}, "echo": {}}})
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    for byte in b"{\"action\":\"add\",\"parameters\":[20,22]}" {
        client.send([*byte]);
    }
    assert_eq!(client.rest(), r#"{"status":"success","data":42}"#);
}

#[test]
fn a_newline_in_a_packet_of_its_own_keeps_the_connection() {
    let (rig, path) = Rig::with("calc", &declared());
    let go = rig.folder.path().join("go");
    let mut client = Client::unix(&path);
    client.send(json!({"name": "wait", "args": [go]}).to_string()).send("\r\n");
    std::fs::write(&go, "").expect("a file");
    assert_eq!(client.line(), r#"{"result":"waited"}"#);
    client.send("{\"name\":\"add\",\"args\":[1,2]}").send("\n");
    assert_eq!(client.line(), r#"{"result":3}"#);
}

#[test]
fn answers_come_in_the_order_of_requests_whichever_is_ready_first() {
    let mut rig = Rig::start();
    rig.service("calc", ServiceSettings::default());
    for _ in 0..2 {
        let worker = rig.python("calc", &json!({"methods": {"add": {}, "wait": {}}}), None);
        rig.is_ready(worker);
    }
    let path = rig.listen_unix("calc", Framing::Auto);
    let go = rig.folder.path().join("go");
    let mut client = Client::unix(&path);
    client.send(format!("{}\n", json!({"name": "wait", "args": [go], "id": 0})));
    for id in 1..=50 {
        client.send(format!("{}\n", json!({"name": "add", "args": [id, 0], "id": id})));
    }
    let mut other = rig.console();
    eventually("all but the first are answered", || {
        let listed = other.send("{\"services\":true}\n").json();
        let figures = listed["result"][0]["methods"].as_array().expect("methods").clone();
        figures.iter().any(|method| method["name"] == "add" && method["figures"]["requests"].as_u64() >= Some(50))
    });
    std::fs::write(&go, "").expect("a file");
    assert_eq!(client.line(), r#"{"id":0,"result":"waited"}"#);
    for id in 1..=50 {
        assert_eq!(client.line(), format!(r#"{{"id":{id},"result":{id}}}"#));
    }
}

#[test]
fn requests_before_a_half_close_are_answered_and_the_connection_ends() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    client.send("{\"name\":\"add\",\"args\":[1,2]}\n{\"name\":\"add\",\"args\":[3,4]}").ends();
    assert_eq!(client.rest(), "{\"result\":3}\n{\"result\":7}\n");
}

#[test]
fn a_connection_whose_client_has_closed_its_side_ends_with_the_last_answer() {
    const CONNECTIONS: u32 = 20;
    let (_rig, path) = Rig::with("calc", &declared());
    let began = crate::clock::now();
    for _ in 0..CONNECTIONS {
        let mut client = Client::unix(&path);
        client.send("{\"name\":\"add\",\"args\":[1,2]}\n").ends();
        assert_eq!(client.rest(), "{\"result\":3}\n");
    }
    // A connection that nobody wakes is looked at twice a second.
    let took = began.elapsed();
    assert!(took < CONNECTIONS * std::time::Duration::from_millis(250), "{took:?}");
}

#[test]
fn what_is_no_json_is_refused_and_a_connection_of_lines_goes_on() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    client.send("{\"name\":\"add\",\"args\":[1,2]}\n");
    assert_eq!(client.line(), r#"{"result":3}"#);
    for bad in ["hello", "{\"a\" 1}", "{]", "{\"open"] {
        client.send(format!("{bad}\n"));
        let answer = client.json();
        assert_eq!((&answer["status"], &answer["code"]), (&json!("error"), &json!(-32700)), "{bad}: {answer}");
    }
    client.send("{\"name\":\"add\",\"args\":[5,5]}\n");
    assert_eq!(client.line(), r#"{"result":10}"#);
}

#[test]
fn once_and_lines_are_what_their_names_say() {
    let (mut rig, _) = Rig::with("calc", &declared());
    let once = rig.listen_unix("calc", Framing::Once);
    let mut client = Client::unix(&once);
    client.send("{\"name\":\"add\",\"args\":[1,2]}\n{\"name\":\"add\",\"args\":[3,4]}\n");
    assert_eq!(client.rest(), r#"{"result":3}"#);
    let lines = rig.listen_unix("calc", Framing::Lines);
    let mut client = Client::unix(&lines);
    client.send("{\"name\":\"add\",\"args\":[1,2]}");
    client.send("\n");
    assert_eq!(client.line(), r#"{"result":3}"#);
    client.send("PING\n");
    assert!(client.line().starts_with("error: "), "the service declares methods");
}

#[test]
fn raw_answers_go_out_as_the_worker_gave_them() {
    let mut rig = Rig::start();
    rig.service("bytes", ServiceSettings::default());
    let worker = rig.python("bytes", &json!({}), None);
    rig.is_ready(worker);
    let path = rig.listen_unix("bytes", Framing::Auto);
    let mut client = Client::unix(&path);
    let all: Vec<u8> = (0..=255).rev().collect();
    client.send(&all).ends();
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut client.0, &mut answer).expect("an answer");
    assert_eq!(answer, all);
}

#[test]
fn a_listener_that_is_closed_ends_connections_when_they_have_their_answers() {
    let (mut rig, path) = Rig::with("calc", &declared());
    let go = rig.folder.path().join("go");
    let (mut busy, mut idle) = (Client::unix(&path), Client::unix(&path));
    idle.send("{\"name\":\"add\",\"args\":[1,2]}\n");
    assert_eq!(idle.line(), r#"{"result":3}"#);
    busy.send(format!("{}\n", json!({"name": "wait", "args": [go]})));
    let mut console = rig.console();
    eventually("it runs", || console.send("{\"services\":true}\n").json()["result"][0]["load"]["running"] == 1);
    rig.say(&ToGateway::Unlisten { pool: name("calc"), address: format!("unix:{}", path.display()) }, &[]);
    assert_eq!(idle.rest(), "");
    std::fs::write(&go, "").expect("a file");
    assert_eq!(busy.rest(), "{\"result\":\"waited\"}\n");
    rig.service("calc", ServiceSettings::default());
}
