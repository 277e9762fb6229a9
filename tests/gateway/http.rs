//! HTTP on a listener.

use std::io::{BufRead, Read};

use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::model::token::Token;
use queue_work::testing::wire::gateway::Framing;
use serde_json::{Value, json};

use crate::rig::{Client, Rig, eventually};

fn rig() -> (Rig, Client) {
    let declared = json!({"name": "calculator", "version": "1.0.0", "methods": {
        "add": {"description": "the sum"}, "divide": {}, "echo": {}, "raw": {}, "inner": {"public": false}}});
    let (mut rig, _) = Rig::with("calc", &declared);
    let address = rig.listen_tcp("calc", Framing::Http);
    (rig, Client::tcp(&address))
}

/// An exchange: status, headers in lower case, body.
fn ask(client: &mut Client, head: &str, body: &str) -> (u16, String, String) {
    client.send(format!("{head}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    answer(client)
}

fn answer(client: &mut Client) -> (u16, String, String) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(client.0.read_line(&mut head).expect("a head") > 0, "the connection ended: {head}");
    }
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    client.0.read_exact(&mut body).expect("a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head, String::from_utf8(body).expect("text"))
}

#[test]
fn a_worker_that_declares_no_methods_is_told_which_is_called() {
    let mut rig = Rig::start();
    rig.service("plain", ServiceSettings::default());
    let worker = rig.python("plain", &json!({}), None);
    rig.is_ready(worker);
    let mut client = Client::tcp(&rig.listen_tcp("plain", Framing::Http));
    let (status, _, body) = ask(&mut client, CALL, "[1,2]");
    assert_eq!((status, &*body), (200, "3"));
}

const CALL: &str = "POST /call/add HTTP/1.1\r\nContent-Type: application/json";

#[test]
fn calls_are_made_and_the_connection_is_kept() {
    let (_rig, mut client) = rig();
    for n in 0..3 {
        let (status, head, body) = ask(&mut client, CALL, &format!("[{n},1]"));
        assert_eq!((status, body), (200, (n + 1).to_string()));
        assert!(head.contains("content-type: application/json"));
    }
    let (status, head, body) = ask(&mut client, "POST /call/raw HTTP/1.1", "");
    assert_eq!((status, body.as_str()), (200, "pong"));
    assert!(head.contains("content-type: text/plain"));
}

#[test]
fn what_is_wrong_has_a_status_of_its_own_and_says_what_it_is() {
    let (_rig, mut client) = rig();
    let json = "Content-Type: application/json";
    let table = [
        (format!("POST /call/nothing HTTP/1.1\r\n{json}"), "[]", 404, -32601),
        (format!("POST /call/inner HTTP/1.1\r\n{json}"), "[]", 404, -32601),
        (format!("POST /call/divide HTTP/1.1\r\n{json}"), "[1,0]", 500, -32000),
        (CALL.to_owned(), "[1,", 400, -32700),
        ("POST /call/add HTTP/1.1\r\nContent-Type: text/plain".to_owned(), "[1,2]", 415, -32600),
        ("POST /call/add HTTP/1.1".to_owned(), "[1,2]", 415, -32600),
        ("GET /call/add HTTP/1.1".to_owned(), "", 405, -32600),
        ("OPTIONS / HTTP/1.1\r\nOrigin: http://localhost".to_owned(), "", 405, -32600),
        ("POST /health HTTP/1.1".to_owned(), "", 405, -32600),
        ("GET /nowhere HTTP/1.1".to_owned(), "", 404, -32600),
    ];
    for (head, body, expected, code) in table {
        let (status, _, answer) = ask(&mut client, &head, body);
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        assert_eq!((status, &answer["error"]["code"]), (expected, &json!(code)), "{head}: {answer}");
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let (_rig, mut client) = rig();
    client.send(format!("{CALL}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 17 * 1024 * 1024));
    assert_eq!(answer(&mut client).0, 413);
}

#[test]
fn methods_and_health_are_listed() {
    let (_rig, mut client) = rig();
    let (status, _, body) = ask(&mut client, "GET / HTTP/1.1", "");
    let listed: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &listed["service"], &listed["version"]), (200, &json!("calculator"), &json!("1.0.0")));
    let names: Vec<_> = listed["methods"].as_array().expect("methods").iter().map(|method| &method["name"]).collect();
    assert_eq!(names, ["add", "divide", "echo", "raw"]);
    let (status, _, body) = ask(&mut client, "GET /health HTTP/1.1", "");
    assert_eq!((status, body.contains("\"healthy\"")), (200, true));
}

#[test]
fn a_service_without_a_worker_is_not_healthy() {
    let mut rig = Rig::start();
    rig.service("none", ServiceSettings::default());
    let address = rig.listen_tcp("none", Framing::Http);
    let (status, _, body) = ask(&mut Client::tcp(&address), "GET /health HTTP/1.1", "");
    assert_eq!((status, body.contains("\"starting\"")), (503, true), "{body}");
}

#[test]
fn the_call_of_a_client_that_hangs_up_is_cancelled() {
    let mut rig = Rig::start();
    rig.service("calc", ServiceSettings::default());
    let worker = rig.python("calc", &json!({"methods": {"wait": {}}}), Some("log"));
    rig.is_ready(worker);
    let address = rig.listen_tcp("calc", Framing::Http);
    let go = rig.folder.path().join("go");
    let body = json!([&go]).to_string();
    let mut client = Client::tcp(&address);
    let head = "POST /call/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let id = rig.log("log", 1)[0]["id"].clone();
    drop(client);
    let mut console = rig.console();
    eventually("nobody waits", || console.send("{\"services\":true}\n").json()["result"][0]["load"]["calls"] == 1);
    std::fs::write(&go, "").expect("a file");
    let cancel = &rig.log("log", 2)[1];
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("cancel"), &id));
}

#[test]
fn calls_in_the_forms_of_other_listeners_are_answered_at_the_root() {
    let (_rig, mut client) = rig();
    let head = "POST / HTTP/1.1\r\nContent-Type: application/json";
    let call = |id: u32| json!({"jsonrpc": "2.0", "method": "add", "params": [id, 1], "id": id});
    let notice = json!({"jsonrpc": "2.0", "method": "add", "params": [1, 1]});
    let result = |id: u32| json!({"jsonrpc": "2.0", "id": id, "result": id + 1});
    for (request, expected) in
        [(call(1), result(1)), (json!([call(1), notice, call(2)]), json!([result(1), result(2)]))]
    {
        let (status, head, body) = ask(&mut client, head, &request.to_string());
        assert_eq!((status, serde_json::from_str::<Value>(&body).expect("JSON")), (200, expected));
        assert!(head.contains("content-type: application/json"), "{head}");
    }
    client.send(format!("{head}\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{notice}", notice.to_string().len()));
    let mut answer = String::new();
    client.0.read_line(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[test]
fn who_comes_by_another_name_or_from_another_site_is_refused() {
    let (_rig, mut client) = rig();
    let mut ask = |headers: &str| {
        client.send(format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        let (status, head, _) = answer(&mut client);
        assert!(!head.contains("access-control"), "{head}");
        status
    };
    for here in
        ["Host: localhost\r\n", "Host: 127.0.0.1:9501\r\n", "Host: [::1]\r\nOrigin: http://localhost:3000\r\n", ""]
    {
        assert_eq!(ask(here), 200, "{here}");
    }
    for elsewhere in [
        "Host: evil.example\r\n",
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
    ] {
        assert_eq!(ask(elsewhere), 403, "{elsewhere}");
    }
}

#[test]
fn a_service_with_a_token_answers_whoever_shows_it_by_any_name() {
    let mut rig = Rig::start();
    let token = Some(Token::new("s3cret").expect("a token"));
    rig.service("calc", ServiceSettings { token, ..ServiceSettings::default() });
    let address = rig.listen_tcp("calc", Framing::Http);
    let mut client = Client::tcp(&address);
    let mut ask = |headers: &str| {
        client.send(format!("GET / HTTP/1.1\r\nHost: example.org\r\n{headers}\r\n"));
        answer(&mut client)
    };
    assert_eq!(ask("Authorization: Bearer s3cret\r\n").0, 200);
    for wrong in ["", "Authorization: Bearer s3cres\r\n", "Authorization: Basic s3cret\r\n"] {
        let (status, head, body) = ask(wrong);
        assert!(status == 401 && head.contains("www-authenticate: bearer"), "{head}");
        assert!(!body.contains("s3cret"), "{body}");
    }
}
