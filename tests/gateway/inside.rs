//! The socket of `queue-work call`, calls of workers, and the tables that they share.

use queue_work::testing::model::service::ServiceSettings;
use serde_json::{Value, json};

use crate::rig::Rig;

fn asks() -> Value {
    json!({"name": "front", "version": "2.1", "methods": {"asks": {"public": false}, "add": {}}})
}

#[test]
fn a_call_is_answered_by_its_id_and_what_is_wrong_is_said() {
    let (rig, _) = Rig::with("front", &asks());
    let mut console = rig.console();
    console.send("{\"id\":\"x\",\"service\":\"front\",\"method\":\"add\",\"args\":[40,2]}\n");
    assert_eq!(console.line(), r#"{"id":"x","result":42}"#);
    assert_eq!(console.call("front", "nothing", &json!([]))["error"]["code"], -32601);
    assert_eq!(console.call("nowhere", "add", &json!([]))["error"]["code"], -32601);
    console.send("{}\n");
    assert_eq!(console.json()["error"]["code"], -32602);
    console.send("nonsense\n");
    assert_eq!(console.json()["error"]["code"], -32700);
    console.send("{\"id\":3,\"service\":\"front\",\"method\":\"add\",\"args\":[1,1]}").send("\n").ends();
    assert_eq!(console.rest(), "{\"id\":3,\"result\":2}\n");
}

#[test]
fn all_services_are_listed_with_their_figures() {
    let (rig, _) = Rig::with("front", &asks());
    let mut console = rig.console();
    console.call("front", "add", &json!([1, 2]));
    console.send("{\"id\":7,\"services\":true}\n");
    let listed = console.json();
    let service = &listed["result"][0];
    assert_eq!((&listed["id"], &service["pool"], &service["name"]), (&json!(7), &json!("front"), &json!("front")));
    assert_eq!((&service["version"], &service["workers"]), (&json!("2.1"), &json!(1)));
    let add = service["methods"].as_array().expect("methods").iter().find(|method| method["name"] == "add");
    assert_eq!(add.expect("`add`")["figures"]["requests"], 1);
}

#[test]
fn a_worker_calls_another_service_and_the_trace_goes_along() {
    let (mut rig, _) = Rig::with("front", &asks());
    rig.service("back", ServiceSettings::default());
    let back = rig.python("back", &json!({"methods": {"params": {}}}), None);
    rig.is_ready(back);
    let mut console = rig.console();
    let inner = json!({"method": "call", "params": {"service": "back", "method": "params", "args": [1]}});
    let request = json!({"service": "front", "method": "asks", "args": inner, "traceparent": "00-aa-bb-01"});
    console.send(format!("{request}\n"));
    let answer = console.json();
    let params = &answer["result"]["result"];
    assert_eq!(
        (&params["args"], &params["peer"], &params["traceparent"]),
        (&json!([1]), &json!("front-1"), &json!("00-aa-bb-01"))
    );
    let inner = json!({"method": "push", "params": {"type": "x"}});
    let refused = console.call("front", "asks", &inner);
    assert_eq!(refused["result"]["error"]["code"], -32601);
}

#[test]
fn tables_are_shared_by_all_workers_and_shown() {
    let (rig, _) = Rig::with("front", &asks());
    let mut console = rig.console();
    for count in 1..=3 {
        let incr = json!({"method": "table.incr", "params": {"table": "stats", "key": "hits", "column": "n"}});
        assert_eq!(console.call("front", "asks", &incr)["result"]["result"], count);
    }
    console.send("{\"tables\":\"stats\"}\n");
    assert_eq!(console.json()["result"], json!({"hits": {"n": 3}}));
    console.send("{\"tables\":true}\n");
    assert_eq!(console.json()["result"], json!([{"name": "stats", "rows": 1, "bytes": 11, "durable": true}]));
    console.send("{\"tables\":\"none\"}\n");
    assert_eq!(console.json()["error"]["message"], "there is no table `none`");
}

#[test]
fn a_method_that_is_not_public_is_not_for_listeners() {
    let (_rig, path) = Rig::with("front", &asks());
    let mut client = crate::rig::Client::unix(&path);
    client.send("{\"action\":\"asks\"}\n");
    assert_eq!(client.json()["code"], -32601);
}
