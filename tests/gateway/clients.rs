//! Clients of all kinds, byte by byte; those of the first seed as they are written.

use std::io::Read;
use std::process::Command;

use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::wire::gateway::Framing;
use serde_json::json;

use crate::rig::{Client, Rig};

fn calculator() -> serde_json::Value {
    json!({"name": "calculator", "version": "1.0.0", "methods": {"add": {}, "divide": {}, "echo": {}, "getData": {}, "params": {}}})
}

#[test]
fn a_client_that_reads_to_the_end_gets_its_answer_in_one_piece_and_the_end() {
    let (mut rig, path) = Rig::with("calc", &calculator());
    let address = rig.listen_tcp("calc", Framing::Auto);
    for mut client in [Client::unix(&path), Client::tcp(&address)] {
        client.send(r#"{"action":"add","parameters":[5,3]}"#);
        assert_eq!(client.rest(), r#"{"status":"success","data":8}"#);
    }
}

#[test]
fn a_client_that_reads_once_gets_all_of_its_answer() {
    let (_rig, path) = Rig::with("calc", &calculator());
    let mut client = Client::unix(&path);
    let text = "y".repeat(8000);
    client.send(format!(r#"{{"action":"echo","parameters":"{text}"}}"#));
    let mut once = [0; 8192];
    let bytes = client.0.get_mut().read(&mut once).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&once[..bytes]), format!(r#"{{"status":"success","data":"{text}"}}"#));
}

#[test]
fn the_php_clients_of_the_manual_work_as_they_are_written() {
    if Command::new("php").arg("-v").output().is_err() {
        println!("skipped: PHP is not installed");
        return;
    }
    let (mut rig, path) = Rig::with("calc", &calculator());
    let address = rig.listen_tcp("calc", Framing::Auto);
    let connect = |to: &str| {
        format!(
            "$client = stream_socket_client('{to}', $errno, $errstr);
            if (!$client) {{ echo \"Error: Cannot connect to process: $errstr ($errno)\\n\"; exit(1); }}
            $command = json_encode(['action' => 'echo', 'parameters' => ['key' => 'value']]);
            fwrite($client, $command);"
        )
    };
    let to_the_end = "$response = ''; while (!feof($client)) { $response .= fread($client, 8192); }";
    let once = "$response = fread($client, 8192);";
    let show =
        "fclose($client); $result = json_decode($response, true); echo $result['status'], $result['data']['key'];";
    let unix = format!("unix://{}", path.display());
    for (to, read) in [(format!("tcp://{address}"), to_the_end), (unix.clone(), once), (unix, to_the_end)] {
        let done =
            Command::new("php").args(["-r", &format!("{}{read}{show}", connect(&to))]).output().expect("php runs");
        assert_eq!(String::from_utf8_lossy(&done.stdout), "successvalue", "{done:?}");
    }
}

#[test]
fn a_service_without_methods_answers_the_whole_message() {
    let mut rig = Rig::start();
    rig.service("seed", ServiceSettings::default());
    let path = rig.listen_unix("seed", Framing::Auto);
    // Asked before a worker is there, and after.
    let mut early = Client::unix(&path);
    early.send(r#"{"action":"getData","parameters":{"key":"value"}}"#);
    let worker = rig.python("seed", &json!({}), None);
    rig.is_ready(worker);
    assert_eq!(early.rest(), r#"{"action": "getData", "parameters": {"key": "value"}}"#);
    for message in [r#"{"action": "getData"}"#, r#"{"status": "completed"}"#, "[1, 2]"] {
        let mut client = Client::unix(&path);
        client.send(message);
        assert_eq!(client.rest(), message);
    }
    let mut raw = Client::unix(&path);
    raw.send("ping").ends();
    assert_eq!(raw.rest(), "PING");
    let mut idle = Client::unix(&path);
    idle.send("no half-close");
    assert_eq!(idle.rest(), "NO HALF-CLOSE");
}

#[test]
fn each_form_of_request_is_answered_in_its_own_and_errors_too() {
    let (_rig, path) = Rig::with("calc", &calculator());
    let mut client = Client::unix(&path);
    let table = [
        (r#"{"action":"add","parameters":[5,3]}"#, r#"{"status":"success","data":8}"#),
        (r#"{"jsonrpc":"2.0","method":"add","params":[5,3],"id":"a"}"#, r#"{"jsonrpc":"2.0","id":"a","result":8}"#),
        (r#"{"name":"add","args":[5,3],"id":4}"#, r#"{"id":4,"result":8}"#),
        (
            r#"{"action":"divide","parameters":[1,0]}"#,
            r#"{"status":"error","message":"division by zero","code":-32000}"#,
        ),
        (
            r#"{"method":"divide","params":[1,0],"id":2}"#,
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"division by zero"}}"#,
        ),
    ];
    for (request, answer) in table {
        client.send(format!("{request}\n"));
        assert_eq!(client.line(), answer);
    }
    // No answer is wanted, so the next one is that of the next request.
    client.send("{\"jsonrpc\":\"2.0\",\"method\":\"add\",\"params\":[1,1]}\n{\"name\":\"add\",\"args\":[2,2]}\n");
    assert_eq!(client.line(), r#"{"result":4}"#);
    client.send("{\"what\":1}\n");
    assert!(client.line().contains("the request names no method; send"), "an error that helps");
    client.send("{\"action\":\"unknown\"}\n");
    let answer = client.json();
    assert_eq!((&answer["status"], &answer["code"]), (&json!("error"), &json!(-32601)));
}

#[test]
fn a_worker_is_told_who_calls_until_when_and_in_which_trace() {
    let (mut rig, path) = Rig::with("calc", &calculator());
    let mut client = Client::unix(&path);
    client.send("{\"name\":\"params\",\"args\":[1],\"traceparent\":\"00-1-2-01\"}\n");
    let params = &client.json()["result"];
    assert_eq!((&params["name"], &params["args"]), (&json!("params"), &json!([1])));
    assert_eq!(params["traceparent"], "00-1-2-01");
    assert_eq!(params["peer"], format!("unix:{}", path.display()));
    assert!(params["deadline"].as_str().is_some_and(|deadline| deadline.starts_with("20") && deadline.ends_with('Z')));
    let address = rig.listen_tcp("calc", Framing::Lines);
    let mut client = Client::tcp(&address);
    client.send("{\"name\":\"params\"}\n");
    assert_eq!(client.json()["result"]["peer"], "127.0.0.1");
}
