//! The methods of the control socket.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::support::{Bench, DEADLINE};
use super::{bench, processor, runs};

/// The answer to one request.
#[track_caller]
fn ask(bench: &Bench, method: &str, params: &Value) -> Value {
    let mut path = bench.database().as_os_str().to_owned();
    path.push(".sock");
    let mut stream = UnixStream::connect(path).expect("a master listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    stream.write_all(format!("{request}\n").as_bytes()).expect("it reads");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    serde_json::from_str(&line).expect("JSON")
}

#[track_caller]
fn result(bench: &Bench, method: &str, params: &Value) -> Value {
    let answer = ask(bench, method, params);
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

#[track_caller]
fn refused(bench: &Bench, method: &str, params: &Value) -> (i64, String) {
    let error = &ask(bench, method, params)["error"];
    (error["data"]["exit_code"].as_i64().expect("refused"), error["message"].to_string())
}

#[test]
fn processors_are_looked_at_switched_and_run_by_the_socket() {
    let bench = bench();
    let _master = bench.start(&[]);
    bench.wait_for("the processors to be armed", DEADLINE, |bench| !processor(bench, "ocr")["next_at"].is_null());
    let all = result(&bench, "processors.list", &Value::Null);
    assert_eq!(all, bench.run(&["processors", "--json"]).expect_code(0).json());
    assert_eq!(result(&bench, "processors.show", &json!({"processor": "ocr"})), processor(&bench, "ocr"));
    let off = json!({"processors": ["ocr", "report"], "enabled": false, "reason": "a move"});
    let now = json!([{"name": "ocr", "enabled": false}, {"name": "report", "enabled": false}]);
    assert_eq!(result(&bench, "processors.set", &off), now);
    assert_eq!(
        (&processor(&bench, "ocr")["enabled"], &processor(&bench, "ocr")["reason"]),
        (&json!(false), &json!("a move"))
    );
    assert!(processor(&bench, "ocr")["changed_by"].is_string());
    let reset = result(&bench, "processors.set", &json!({"processors": ["ocr"], "enabled": null}));
    assert_eq!(reset, json!([{"name": "ocr", "enabled": true}]));
    let next =
        result(&bench, "processors.next", &json!({"processor": "report", "count": 1, "from": "2027-03-27T12:00:00Z"}));
    assert_eq!(next, json!([{"tick": "2027-03-28T03:00:00+02:00", "moved": true}]));
    let ran = result(&bench, "processors.run", &json!({"processor": "ocr"}));
    assert_eq!(ran["run"], 1);
    result(&bench, "jobs.wait", &json!({"id": ran["job_id"]}));
    assert_eq!(result(&bench, "processors.runs", &json!({"state": "succeeded"}))[0]["id"], 1);
    assert_eq!(refused(&bench, "processors.run", &json!({"processor": "report"})).0, 5);
}

#[test]
fn runs_outside_are_recorded_by_the_socket_and_null_says_that_a_processor_is_disabled() {
    let bench = bench();
    let _master = bench.start(&[]);
    let pid = std::process::id();
    let run = result(&bench, "processors.begin", &json!({"processor": "backup", "pid": pid, "timeout_s": 60}));
    assert_eq!(run, runs(&bench)[0]);
    let ended = result(&bench, "processors.end", &json!({"id": run["id"], "note": "done"}));
    assert_eq!((&ended["state"], &ended["note"]), (&json!("succeeded"), &json!("done")));
    assert_eq!(refused(&bench, "processors.end", &json!({"id": run["id"]})).0, 5);
    assert_eq!(refused(&bench, "processors.end", &json!({"id": 77})).0, 4);
    assert_eq!(result(&bench, "processors.begin", &json!({"processor": "mail"})), Value::Null);
    assert_eq!(runs(&bench).len(), 1);
}

#[test]
fn params_that_make_no_sense_are_refused() {
    let bench = bench();
    let _master = bench.start(&[]);
    for (method, params) in [
        ("processors.set", json!({"processors": ["ocr"]})),
        ("processors.set", json!({"processors": [], "enabled": true})),
        ("processors.set", json!({"processors": ["a/b"], "enabled": true})),
        ("processors.show", json!({})),
        ("processors.run", json!({"processor": "ocr", "args": 1})),
        ("processors.next", json!({"count": -1})),
        ("processors.runs", json!({"state": "dead"})),
        ("processors.begin", json!({"processor": "backup", "timeout_s": -1})),
        ("processors.end", json!({"id": 1, "state": "lost"})),
        ("processors.end", json!({"id": 1, "sate": "failed"})),
    ] {
        assert_eq!(refused(&bench, method, &params).0, 2, "{method} {params}");
    }
    for method in ["processors.show", "processors.run", "processors.begin", "processors.next"] {
        let (code, text) = refused(&bench, method, &json!({"processor": "orc"}));
        assert_eq!(code, 4, "{method}");
        assert!(text.contains("`orc`"), "{text}");
    }
    let unknown = json!({"processors": ["ocr", "orc"], "enabled": false});
    assert_eq!(refused(&bench, "processors.set", &unknown).0, 4);
    assert_eq!(processor(&bench, "ocr")["enabled"], true);
}
