//! What workers say and how they behave.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use queue_work::testing::model::WorkerId;
use queue_work::testing::model::service::{HealthStatus, ServiceSettings};
use queue_work::testing::wire::gateway::{FromGateway, ToGateway};
use serde_json::{Value, json};

use crate::rig::{Rig, eventually};

fn refused(rig: &mut Rig, id: WorkerId) -> String {
    rig.hear(|said| match said {
        FromGateway::Refused { worker, why } if *worker == id => Some(why.clone()),
        _ => None,
    })
}

fn printed(rig: &mut Rig, wanted: &str) {
    rig.hear(|said| match said {
        FromGateway::Printed { lines, .. } if lines.iter().any(|line| line.contains(wanted)) => Some(()),
        _ => None,
    });
}

fn methods(names: &[&str]) -> Value {
    let methods: BTreeMap<_, _> = names.iter().map(|name| (*name, json!({}))).collect();
    json!({ "methods": methods })
}

#[test]
fn a_worker_is_ready_when_it_says_what_it_is() {
    let mut rig = Rig::start();
    rig.service("calc", ServiceSettings { version: Some("1.0.0".to_owned()), ..ServiceSettings::default() });
    let good = rig.python("calc", &json!({"name": "calculator", "version": "1.0.0", "methods": {"add": {}}}), None);
    let declared = rig.is_ready(good);
    assert_eq!((declared.name.as_deref(), declared.methods.len()), (Some("calculator"), 1));
    let other = rig.python("calc", &json!({"version": "1.1.0"}), None);
    assert_eq!(refused(&mut rig, other), "it says it is version 1.1.0; 1.0.0 was asked for");
    let odd = rig.python("calc", &json!({"version": "1.0.0", "methods": 5}), None);
    assert!(refused(&mut rig, odd).starts_with("its `ready` is not understood: "));
    let many: Vec<String> = (0..401).map(|n| format!("m{n}")).collect();
    let many = rig.python("calc", &methods(&many.iter().map(String::as_str).collect::<Vec<_>>()), None);
    assert_eq!(refused(&mut rig, many), "it declares 401 methods; the limit is 400");
}

#[test]
fn a_worker_that_is_to_be_initialised_is_ready_when_it_has_answered() {
    let mut rig = Rig::start();
    let config = json!({"host": "localhost", "declared": {"name": "database", "methods": {"add": {}}}});
    rig.service("database", ServiceSettings { init: Some(config.clone()), ..ServiceSettings::default() });
    let worker = rig.python("database", &json!(null), Some("log"));
    assert_eq!(rig.is_ready(worker).name.as_deref(), Some("database"));
    let init = &rig.log("log", 1)[0];
    assert_eq!((&init["method"], &init["params"]["config"]), (&json!("init"), &config));
    rig.service(
        "database",
        ServiceSettings { init: Some(json!({"wrong": "no such host"})), ..ServiceSettings::default() },
    );
    let worker = rig.python("database", &json!(null), None);
    assert_eq!(refused(&mut rig, worker), "`init` failed: no such host");
    // What `ready` said counts where the answer says nothing.
    rig.service("database", ServiceSettings { init: Some(json!({})), ..ServiceSettings::default() });
    let worker = rig.python("database", &json!({"name": "said"}), None);
    assert_eq!(rig.is_ready(worker).name.as_deref(), Some("said"));
}

#[test]
fn an_answer_that_cannot_be_read_fails_its_call_at_once_and_the_worker_goes_on() {
    let (rig, _) = Rig::with("odd", &methods(&["not_a_number", "not_utf8", "add"]));
    let mut console = rig.console();
    for method in ["not_a_number", "not_utf8"] {
        let error = &console.call("odd", method, &json!([]))["error"];
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("the answer of the worker cannot be read: "), "{method}: {error}");
    }
    assert_eq!(console.call("odd", "add", &json!([1, 2]))["result"], 3);
}

#[test]
fn a_second_answer_a_late_one_and_garbage_change_nothing() {
    let (mut rig, _) = Rig::with("odd", &methods(&["twice", "garbage", "nothing", "add"]));
    let mut console = rig.console();
    for _ in 0..3 {
        assert_eq!(console.call("odd", "twice", &json!([]))["result"], "first");
        assert_eq!(console.call("odd", "add", &json!([1, 2]))["result"], 3);
    }
    assert_eq!(console.call("odd", "garbage", &json!([]))["result"], "after garbage");
    printed(&mut rig, "just a line");
    let error = &console.call("odd", "nothing", &json!([]))["error"]["message"];
    assert_eq!(error, "the worker answered with neither `result` nor `error`");
}

#[test]
fn an_answer_over_the_limit_fails_its_call_and_the_next_is_in_step() {
    let (rig, _) = Rig::with("big", &methods(&["big", "add"]));
    let mut console = rig.console();
    let error = console.call("big", "big", &json!([17 * 1024 * 1024]))["error"]["message"].clone();
    assert!(error.as_str().is_some_and(|error| error.contains("the limit is 16777216")), "{error}");
    assert_eq!(console.call("big", "add", &json!([1, 2]))["result"], 3);
    let big = console.call("big", "big", &json!([16_000_000]));
    assert_eq!(big["result"].as_str().map(str::len), Some(16_000_000));
}

#[test]
fn arguments_of_many_bytes_go_through_a_pipe_of_few() {
    let (_rig, path) = Rig::with("big", &methods(&["echo"]));
    let mut client = crate::rig::Client::unix(&path);
    let text = "z".repeat(10_000_000);
    client.send(format!("{{\"name\":\"echo\",\"args\":\"{text}\"}}\n"));
    assert_eq!(client.json()["result"].as_str().map(str::len), Some(text.len()));
}

#[test]
fn a_worker_that_dies_in_a_call_fails_it_with_how_it_ended() {
    let (mut rig, _) = Rig::with("frail", &methods(&["die", "add"]));
    let mut console = rig.console();
    console.send("{\"id\":1,\"service\":\"frail\",\"method\":\"die\"}\n");
    rig.reap(WorkerId(1), "it was killed by SIGKILL");
    let error = console.json()["error"].clone();
    assert_eq!(error["code"], -32005);
    assert!(error["message"].as_str().is_some_and(|message| message.contains("SIGKILL")), "{error}");
    let next = rig.python("frail", &methods(&["add"]), None);
    rig.is_ready(next);
    assert_eq!(console.call("frail", "add", &json!([1, 2]))["result"], 3);
}

#[test]
fn an_answer_before_the_end_of_its_worker_counts_whatever_is_told_first() {
    let mut rig = Rig::start();
    rig.service("last", ServiceSettings::default());
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"echo '{"method":"ready","params":{"methods":{"m":{}}}}'; read line
        id=$(echo "$line" | sed 's/.*"id":\([0-9]*\).*/\1/'); echo "{\"id\":$id,\"result\":\"last words\"}""#,
    ]);
    let worker = rig.worker("last", command);
    rig.is_ready(worker);
    let mut console = rig.console();
    console.send("{\"id\":1,\"service\":\"last\",\"method\":\"m\"}\n");
    rig.reap(worker, "it ended with exit code 0");
    assert_eq!(console.json()["result"], "last words");
}

#[test]
fn a_worker_past_its_timeout_is_to_be_replaced() {
    let mut rig = Rig::start();
    let settings = ServiceSettings { timeout: Duration::from_millis(200), ..ServiceSettings::default() };
    rig.service("slow", settings);
    let worker = rig.python("slow", &methods(&["wait"]), None);
    rig.is_ready(worker);
    let mut console = rig.console();
    assert_eq!(console.call("slow", "wait", &json!(["/nowhere/at/all"]))["error"]["code"], -32001);
    rig.replaced(worker);
}

#[test]
fn a_worker_that_closes_its_output_is_to_be_replaced() {
    let (mut rig, _) = Rig::with("mute", &methods(&["closes"]));
    rig.console().send("{\"service\":\"mute\",\"method\":\"closes\"}\n");
    assert_eq!(rig.replaced(WorkerId(1)), "it has closed its standard output");
}

#[test]
fn a_worker_that_drains_is_told_to_shut_down_after_its_last_call() {
    let mut rig = Rig::start();
    rig.service("calm", ServiceSettings::default());
    let worker = rig.python("calm", &json!({"shutdown": true, "methods": {"wait": {}}}), Some("log"));
    rig.is_ready(worker);
    let go = rig.folder.path().join("go");
    let mut console = rig.console();
    console.send(format!("{}\n", json!({"id": 1, "service": "calm", "method": "wait", "args": [go]})));
    rig.log("log", 1);
    rig.say(&ToGateway::Drain { worker, why: "recycle".to_owned(), grace: Duration::from_secs(5) }, &[]);
    std::fs::write(&go, "").expect("a file");
    assert_eq!(console.json()["result"], "waited");
    rig.hear(|said| matches!(said, FromGateway::Drained { .. }).then_some(()));
    let shutdown = &rig.log("log", 2)[1];
    assert_eq!(
        (&shutdown["method"], &shutdown["params"]),
        (&json!("shutdown"), &json!({"reason": "recycle", "grace_s": 5.0}))
    );
}

#[test]
fn a_worker_that_does_not_say_how_it_is_is_to_be_replaced() {
    let mut rig = Rig::start();
    rig.service("deaf", ServiceSettings::default());
    let deaf = rig.python("deaf", &json!({"health": true, "description": "deaf"}), None);
    rig.is_ready(deaf);
    assert_eq!(rig.replaced(deaf), "it did not answer `health` within 5 s");
}

#[test]
fn the_worst_health_of_workers_is_that_of_the_service() {
    let mut rig = Rig::start();
    rig.service("ill", ServiceSettings::default());
    for word in ["healthy", "degraded"] {
        let worker = rig.python("ill", &json!({"health": true, "description": word}), None);
        rig.is_ready(worker);
    }
    rig.hear(|said| match said {
        FromGateway::Load { load, .. } => (load.health.as_ref()?.status == HealthStatus::Degraded).then_some(()),
        _ => None,
    });
}

#[test]
fn series_that_workers_count_in_are_listed_with_their_service() {
    let mut rig = Rig::start();
    rig.service("count", ServiceSettings::default());
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"echo '{"method":"ready"}'
        for n in 1 2 3; do echo '{"method":"metric","params":{"name":"hits","kind":"counter","value":2}}'; done
        echo '{"method":"metric","params":{"kind":"nonsense"}}'; cat > /dev/null"#,
    ]);
    let worker = rig.worker("count", command);
    rig.is_ready(worker);
    let hits = json!([{"name": "hits", "labels": {}, "kind": "counter", "sum": 6.0}]);
    eventually("it is counted", || {
        let mut console = rig.console();
        let listed = console.send("{\"services\":true}\n").json();
        listed["result"][0]["metrics"] == hits && listed["result"][0]["metrics_dropped"] == 1
    });
}
