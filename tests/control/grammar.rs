//! The grammar of the control socket: lines, ids, notifications, and what is none of these.

use serde_json::{Value, json};

use crate::peer::{Peer, error_of};
use crate::support::Bench;

/// The longest line.
const LIMIT: usize = 16 * 1024 * 1024;

#[test]
fn an_id_of_any_json_type_comes_back_as_it_was() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let ids = [
        "1",
        "-7",
        "1.50",
        "1e3",
        "\"a \\u00e9\"",
        "null",
        "true",
        "[1, 2]",
        "{\"b\":1,\"a\":2}",
        "18446744073709551616",
    ];
    for id in ids {
        let line = peer.say(format!("{{\"id\":{id},\"method\":\"ping\"}}\n")).hear_text();
        assert_eq!(line, format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"generation\":1}}}}\n"));
    }
}

#[test]
fn a_notification_is_not_answered_but_a_push_in_one_packet_with_others_is() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    // Empty lines, a carriage return, members nobody knows and params that are left out are all taken.
    let packet = "{\"method\":\"ping\"}\n\r\n\n{\"jsonrpc\":\"2.0\",\"method\":\"no.such\",\"params\":[]}\r\n\
                  {\"id\":1,\"method\":\"ping\",\"more\":0}\r\n\
                  {\"id\":2,\"method\":\"push\",\"params\":{\"type\":\"exec\",\"args\":{\"argv\":[\"true\"]}}}\n\
                  {\"params\":null,\"method\":\"status\",\"id\":3}\n";
    peer.say(packet);
    let mut ids: Vec<Value> = (0..3).map(|_| peer.hear()["id"].take()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, [json!(1), json!(2), json!(3)]);
    bench.wait_for_job(1, "succeeded");
}

#[test]
fn a_request_may_come_in_any_number_of_packets() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let (mut slow, mut other) = (Peer::new(&bench), Peer::new(&bench));
    for byte in b"{\"id\":\"slow\",\"method\":\"ping\"}\r\n" {
        slow.say([*byte]);
        // It is handed over one by one: the master turns in between.
        other.call("ping", &Value::Null);
    }
    assert_eq!(slow.hear()["id"], "slow");
}

#[test]
fn what_is_no_request_gets_an_error_and_the_stream_stays_in_step() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let nested = format!("{{\"id\":1,\"method\":\"push\",\"params\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: [(&[u8], i64, Value); 12] = [
        (b"hello", -32700, Value::Null),
        (b"{\"id\":1,\"method\":\"ping\"", -32700, Value::Null),
        (b"{\"id\":1,\"method\":\"pi\xffng\"}", -32700, json!(1)),
        (b"\0", -32700, Value::Null),
        (nested.as_bytes(), -32602, json!(1)),
        (b"[]", -32600, Value::Null),
        (b"[{\"id\":1,\"method\":\"ping\"}]", -32600, Value::Null),
        (b"[1, \"ping\", null]", -32600, Value::Null),
        (b"17", -32600, Value::Null),
        (b"{\"id\":5}", -32600, json!(5)),
        (b"{\"id\":\"x\",\"method\":5}", -32600, json!("x")),
        (b"{\"id\":9,\"method\":\"jobs.no\"}", -32601, json!(9)),
    ];
    for (line, code, id) in cases {
        let shown = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        let answer = peer.say(line).say("\n").hear();
        assert_eq!((error_of(&answer).0, &answer["id"]), (code, &id), "{shown}: {answer}");
        peer.call("ping", &Value::Null);
    }
    assert_eq!(peer.refusal("no.such", &Value::Null).1, "there is no method `no.such`");
}

#[test]
fn params_that_do_not_fit_are_refused_and_named() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let cases = [
        ("push", json!(null), ""),
        ("push", json!({}), "type"),
        ("push", json!({"type": ""}), "type"),
        ("push", json!({"type": "a", "queue": "a/b"}), "a/b"),
        ("push", json!({"type": "a", "queue": "x".repeat(300)}), "queue"),
        ("push", json!({"type": "a", "priority": 101}), "priority"),
        ("push", json!({"type": "a", "prio": 1}), "prio"),
        ("push", json!({"type": "a", "delay": -1}), "delay"),
        ("push", json!({"type": "a", "delay": 1, "at": "2030-01-01T00:00:00Z"}), "delay"),
        ("push", json!({"type": "a", "at": "tomorrow"}), "tomorrow"),
        ("push", json!({"type": "a", "args": nested(129)}), "nested"),
        ("push_many", json!({"jobs": [{"type": "a"}, {"type": "a", "max_attempts": 0}]}), "job 2"),
        ("scale", json!({"workers": 10_001}), "10000"),
        ("scale", json!({"workers": -1}), "-1"),
        ("scale", json!({"workers": 1, "queue": "default", "pool": "default"}), "one of"),
        ("spawn", json!({"queues": []}), "queue"),
        ("spawn", json!({"queues": ["a\nb"]}), ""),
        ("spawn", json!({"queues": ["a"], "kind": "magic"}), "magic"),
        ("work", json!({"queues": []}), "queue"),
        ("work", json!({"queues": ["a"], "kind": "opaque", "command": ["x"]}), "opaque"),
        ("work", json!({"queues": ["a"], "max_time_s": -1}), "max_time_s"),
        ("restart", json!({}), "what to restart"),
        ("stop", json!({"timeout_s": -1}), "timeout_s"),
        ("pause", json!({"queues": []}), "queues"),
        ("jobs.show", json!({"id": "one"}), "one"),
        ("jobs.wait", json!({}), "id"),
        ("jobs.cancel", json!({"ids": []}), "say which jobs"),
        ("jobs.cancel", json!({"ids": [1], "filter": {"queue": "a"}}), "by `ids`, by a `filter`, or with `all`"),
        ("jobs.cancel", json!({"filter": {}}), "say `all` if that is meant"),
        ("jobs.delete", json!({"filter": {"queue": "a", "limit": 1}}), "no `limit`"),
        ("jobs.delete", json!({"filter": {"after": 5}}), "`after`"),
        ("jobs.retry", json!({"queue": "a", "filter": {"type": "x"}}), "`queue` goes with `all`"),
        ("jobs.retry", json!({"ids": [1], "priority": 5}), "`jobs.set`"),
        ("jobs.set", json!({"ids": [1]}), "say what is to be changed"),
        ("jobs.set", json!({"ids": [1], "priority": 101}), "101"),
        ("jobs.delete", json!({"filter": {"ids": [1]}}), "invalid type"),
        ("jobs.list", json!({"state": "happy"}), "happy"),
        ("runs.list", json!({"outcome": "fine"}), "fine"),
        ("errors.list", json!({"fingerprint": "7"}), "is no fingerprint"),
        ("workers.list", json!([1, 2, 3, 4]), "expected an object"),
        ("push", json!(["a", 1]), "expected an object"),
        ("push_many", json!({"jobs": [["a", 1]]}), "expected an object"),
        ("push_many", json!([[{"type": "a"}]]), "expected an object"),
        ("jobs.cancel", json!([[1]]), "expected an object"),
        ("scale", json!([3]), "expected an object"),
        ("stop", json!([]), "expected an object"),
        ("push", json!({"type": "exec", "args": [["true"]]}), "argv"),
        ("logs.follow", json!({"since": 1}), "since"),
    ];
    for (method, params, part) in cases {
        let (code, text) = peer.refusal(method, &params);
        assert_eq!(code, -32602, "{method} {params}: {text}");
        assert!(text.contains(part), "{method} {params}: {text}");
        assert!(!text.contains('\n') && !text.ends_with('.'), "{method} {params}: {text}");
    }
    assert_eq!(bench.status()["queues"].as_array().map_or(0, Vec::len), 0, "nothing was added");
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn a_line_over_the_limit_is_refused_and_not_held() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let mut peer = Peer::new(&bench);
    let block = vec![b'x'; 1 << 20];
    peer.say("{\"id\":1,\"method\":\"push\",\"params\":{\"type\":\"a\",\"args\":\"");
    for _ in 0..40 {
        peer.say(&block);
    }
    let memory = bench.status()["master"]["memory_bytes"].as_u64().expect("its memory");
    assert!(memory < 100 << 20, "{memory} bytes");
    let (code, text) = error_of(&peer.say("\"}}\n").hear());
    assert_eq!(code, -32600, "{text}");
    assert!(text.contains(&LIMIT.to_string()), "{text}");
    peer.call("ping", &Value::Null);
    // The largest job is taken.
    let args = "x".repeat(LIMIT - 64 * 1024 - 2);
    let pushed = peer.call("push", &json!({"type": "large", "queue": "nobody", "args": args}));
    assert_eq!(peer.call("jobs.show", &pushed_id(&pushed))["args"], args);
}

fn pushed_id(pushed: &Value) -> Value {
    json!({"id": pushed["id"]})
}

#[test]
fn a_line_that_is_an_array_is_no_job() {
    let bench = Bench::new();
    let refused = bench.verb(&["push", "--jsonl"]).stdin("{\"type\":\"a\"}\n[\"a\",1]\n").run().expect_code(1);
    assert!(refused.stderr.contains("line 2: it is not a JSON object"), "{}", refused.stderr);
    assert_eq!(bench.ok(&["jobs", "list", "--oldest", "--jsonl"]), "");
}
