//! Several calls in one request.

use queue_work::testing::model::service::ServiceSettings;
use queue_work::testing::wire::gateway::Framing;
use serde_json::json;

use crate::rig::{Client, Rig};

fn declared() -> serde_json::Value {
    json!({"concurrency": 4, "methods": {"add": {}, "big": {}}})
}

#[test]
fn an_array_of_calls_is_answered_as_an_array_in_its_order() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    let add = |id: u32| json!({"jsonrpc": "2.0", "method": "add", "params": [id, 1], "id": id});
    let sum = |id: u32| json!({"jsonrpc": "2.0", "id": id, "result": id + 1});
    let wrong = |id: &serde_json::Value, code: i32, answer: &serde_json::Value| {
        assert_eq!((&answer["id"], &answer["error"]["code"]), (id, &json!(code)), "{answer}");
    };
    client.send(format!("{}\n", json!([add(1), {"name": "add", "args": [2, 2], "id": "x"}, add(3)])));
    assert_eq!(client.json(), json!([sum(1), {"id": "x", "result": 4}, sum(3)]));

    let notice = json!({"jsonrpc": "2.0", "method": "add", "params": [1, 1]});
    client.send(format!("{}\n", json!([5, {"jsonrpc": "2.0"}, {"method": "no", "id": 7}, notice, add(8)])));
    let answer = client.json();
    assert_eq!((answer.as_array().map(Vec::len), &answer[3]), (Some(4), &sum(8)), "{answer}");
    wrong(&json!(null), -32600, &answer[0]);
    wrong(&json!(null), -32600, &answer[1]);
    wrong(&json!(7), -32601, &answer[2]);

    // Only what wants an answer has one.
    client.send(format!("{}\n{}\n", json!([notice, notice]), add(9)));
    assert_eq!(client.json(), sum(9));
    client.send("[]\n");
    wrong(&json!(null), -32600, &client.json());
    let calls: Vec<_> = (0..1000).map(add).collect();
    client.send(format!("{}\n", json!(calls)));
    assert_eq!(client.json(), json!((0..1000).map(sum).collect::<Vec<_>>()));
    let calls: Vec<_> = (0..1001).map(add).collect();
    client.send(format!("{}\n", json!(calls)));
    wrong(&json!(null), -32600, &client.json());
}

#[test]
fn the_answers_of_an_array_are_together_no_longer_than_one_may_be() {
    let (_rig, path) = Rig::with("calc", &declared());
    let mut client = Client::unix(&path);
    for (count, is_answered) in [(9, true), (20, false), (9, true)] {
        let calls: Vec<_> = (0..count).map(|id| json!({"method": "big", "params": [1 << 20], "id": id})).collect();
        client.send(format!("{}\n", json!(calls)));
        let answer = client.json();
        assert_eq!(answer.as_array().map(Vec::len), is_answered.then_some(count));
        assert!(is_answered || answer["error"]["message"].to_string().contains("longer than"), "{answer}");
    }
}

#[test]
fn a_service_without_methods_has_an_array_as_it_is() {
    let mut rig = Rig::start();
    rig.service("whole", ServiceSettings::default());
    let worker = rig.python("whole", &json!({}), None);
    rig.is_ready(worker);
    let path = rig.listen_unix("whole", Framing::Auto);
    let mut client = Client::unix(&path);
    client.send("[1, 2]\n");
    assert_eq!(client.json(), json!([1, 2]));
}
