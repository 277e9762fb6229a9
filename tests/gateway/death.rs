//! The gateway is killed, and the next one goes on with the same descriptors; or its master is gone.

use queue_work::testing::model::WorkerId;
use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::wire::gateway::{Framing, FromGateway};
use serde_json::{Value, json};

use crate::rig::{Client, Rig, eventually};

fn declared() -> Value {
    json!({"methods": {"add": {}, "wait": {}, "echo": {}, "pid": {}}})
}

#[test]
fn a_killed_gateway_refuses_no_connection_and_the_next_one_has_all_workers() {
    let (mut rig, path) = Rig::with("calc", &declared());
    let before = rig.console().call("calc", "pid", &json!([]))["result"].clone();
    for _ in 0..5 {
        rig.restart();
        let mut client = Client::unix(&path);
        client.send("{\"name\":\"pid\"}\n");
        assert_eq!(client.json()["result"], before);
    }
}

#[test]
fn connections_are_accepted_while_there_is_no_gateway() {
    let (mut rig, path) = Rig::with("calc", &declared());
    let pid = i32::try_from(rig.gateway_pid()).expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it can be killed");
    let mut clients: Vec<Client> = (0..20).map(|_| Client::unix(&path)).collect();
    for client in &mut clients {
        client.send(r#"{"action":"add","parameters":[1,2]}"#);
    }
    rig.restart();
    let answers = clients.iter_mut().map(Client::rest).filter(|answer| answer == r#"{"status":"success","data":3}"#);
    // One that the dead gateway had just accepted may be lost with it.
    assert!(answers.count() >= 19);
}

#[test]
fn an_answer_to_the_dead_gateway_is_dropped_by_the_next_one() {
    let (mut rig, path) = Rig::with("calc", &declared());
    let go = rig.folder.path().join("go");
    let mut lost = Client::unix(&path);
    lost.send(json!({"name": "wait", "args": [go]}).to_string()).send("\n");
    let mut console = rig.console();
    eventually("it runs", || console.send("{\"services\":true}\n").json()["result"][0]["load"]["running"] == 1);
    rig.restart();
    let mut next = Client::unix(&path);
    next.send("{\"name\":\"add\",\"args\":[1,2]}\n{\"name\":\"add\",\"args\":[3,4]}\n");
    std::fs::write(&go, "").expect("a file");
    assert_eq!((next.line(), next.line()), ("{\"result\":3}".to_owned(), "{\"result\":7}".to_owned()));
}

#[test]
fn half_a_request_is_noticed_by_the_next_gateway() {
    let mut rig = Rig::start();
    rig.service("deaf", ServiceSettings::default());
    // It never reads.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", r#"echo '{"method":"ready","params":{"methods":{"echo":{}}}}'; exec sleep 1000"#]);
    let worker = rig.worker("deaf", command);
    rig.is_ready(worker);
    let path = rig.listen_unix("deaf", Framing::Auto);
    let mut client = Client::unix(&path);
    client.send(format!("{{\"name\":\"echo\",\"args\":\"{}\"}}\n", "x".repeat(1_000_000)));
    let mut console = rig.console();
    eventually("it is sent", || console.send("{\"services\":true}\n").json()["result"][0]["load"]["running"] == 1);
    rig.restart();
    assert_eq!(rig.replaced(worker), "a request stopped half-way in its pipe when the gateway died");
}

/// A worker that says this and is then silent.
fn silent(words: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", r#"echo "$1"; exec sleep 1000"#, "sh", words]);
    command
}

#[test]
fn a_worker_whose_words_are_lost_with_the_gateway_is_replaced() {
    let mut rig = Rig::start();
    rig.service("calc", ServiceSettings::default());
    // The worker waits for the answer of a service that has none.
    rig.service("none", ServiceSettings::default());
    let asks = r#"{"method":"ready","params":{}}
{"id":1,"method":"call","params":{"service":"none","method":"add"}}"#;
    let asking = rig.worker("calc", silent(asks));
    rig.is_ready(asking);
    // Half of what it says has been read.
    let beginning = rig.worker("calc", silent(r#"{"method":"ready","params":"#));
    let quiet = rig.python("calc", &declared(), None);
    rig.is_ready(quiet);
    let mut console = rig.console();
    eventually("the call waits", || {
        let services = console.send("{\"services\":true}\n").json();
        services["result"].as_array().is_some_and(|all| all.iter().any(|one| one["load"]["waiting"] == 1))
    });
    eventually("its half line is read", || rig.is_marked(beginning));
    rig.restart();
    for worker in [asking, beginning] {
        assert_eq!(rig.replaced(worker), "the gateway died with words of it that it had read");
    }
    assert_eq!(rig.console().call("calc", "add", &json!([1, 2]))["result"], 3);
    assert!(!rig.is_marked(quiet));
}

#[test]
fn a_worker_with_calls_on_their_way_to_it_goes_on_with_the_next_gateway() {
    let mut rig = Rig::start();
    let settings = ServiceSettings { concurrency: 100, ..ServiceSettings::default() };
    rig.service("slow", settings);
    // The worker prints a line when there is a file, and reads its calls when the file is gone.
    let program = r#"
import json, os, sys
print('{"method":"ready","params":{"methods":{"echo":{}}}}', flush=True)
while not os.path.exists(sys.argv[1]):
    pass
print("calls have filled the pipe", flush=True)
while os.path.exists(sys.argv[1]):
    pass
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        print('{"jsonrpc":"2.0","id":%d,"result":3}' % request["id"], flush=True)
"#;
    let file = rig.folder.path().join("file");
    let mut command = std::process::Command::new("python3");
    command.args(["-c", program]).arg(&file);
    let worker = rig.worker("slow", command);
    rig.is_ready(worker);
    let path = rig.listen_unix("slow", Framing::Auto);
    let call = format!("{{\"name\":\"echo\",\"args\":\"{}\"}}\n", "x".repeat(3_500));
    let mut clients: Vec<Client> = (0..40).map(|_| Client::unix(&path)).collect();
    for client in &mut clients {
        client.send(&call);
    }
    let mut console = rig.console();
    eventually("all have been sent", || {
        console.send("{\"services\":true}\n").json()["result"][0]["load"]["running"] == 40
    });
    std::fs::write(&file, "").unwrap();
    rig.hear(|said| matches!(said, FromGateway::Printed { .. }).then_some(()));
    // What was read before this is dealt with when it is answered.
    console.send("{\"services\":true}\n").line();
    assert!(!rig.is_marked(worker));
    rig.restart();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(rig.console().call("slow", "echo", &json!([]))["result"], 3);
}

#[test]
fn a_worker_whose_answer_was_half_read_goes_on_with_the_next_gateway() {
    let mut rig = Rig::start();
    rig.service("halves", ServiceSettings::default());
    // What comes of its first call is on its way in two parts, as Python without a buffer has it.
    let program = r#"
import json, os, sys, time
os.write(1, b'{"method":"ready","params":{"methods":{"echo":{}}}}\n')
for line in sys.stdin:
    request = json.loads(line)
    if request.get("method") == "call":
        os.write(1, b'{"id":%d,"result":' % request["id"])
        for begun, goes_on in request["params"]["args"]:
            open(begun, "w").close()
            while not os.path.exists(goes_on):
                time.sleep(0.002)
        os.write(1, b'3}\n')
"#;
    let mut command = std::process::Command::new("python3");
    command.args(["-c", program]);
    let worker = rig.worker("halves", command);
    rig.is_ready(worker);
    let path = rig.listen_unix("halves", Framing::Auto);
    let (begun, goes_on) = (rig.folder.path().join("begun"), rig.folder.path().join("goes_on"));
    let mut client = Client::unix(&path);
    client.send(json!({"name": "echo", "args": [[begun, goes_on]]}).to_string());
    eventually("half of the answer is read", || begun.exists() && rig.has_read_all(worker));
    // What was read before this is dealt with when it is answered.
    rig.console().send("{\"services\":true}\n").line();
    assert!(!rig.is_marked(worker));
    rig.restart();
    std::fs::write(&goes_on, "").unwrap();
    assert_eq!(rig.console().call("halves", "echo", &json!([]))["result"], 3);
}

#[test]
fn a_whole_request_of_many_bytes_leaves_no_mark() {
    let (mut rig, _) = Rig::with("calc", &declared());
    let text = "x".repeat(1_000_000);
    assert_eq!(rig.console().call("calc", "echo", &json!(text))["result"], text);
    rig.restart();
    assert_eq!(rig.console().call("calc", "add", &json!([1, 2]))["result"], 3);
    rig.kill(WorkerId(1));
    let mut console = rig.console();
    // The mark of the next one has the place of the first one's.
    rig.last = WorkerId(4096);
    let next = rig.python("calc", &declared(), None);
    rig.hear(|said| match said {
        FromGateway::Replace { worker, why, .. } => panic!("{worker}: {why}"),
        FromGateway::Ready { worker, .. } if *worker == next => Some(()),
        _ => None,
    });
    assert_eq!(console.call("calc", "add", &json!([1, 2]))["result"], 3);
}

#[test]
fn the_gateway_ends_with_its_master() {
    let (rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    client.send("{\"name\":\"add\",\"args\":[1,2]}\n");
    assert_eq!(client.line(), "{\"result\":3}");
    rig.master_dies();
    assert_eq!(client.rest(), "");
}
