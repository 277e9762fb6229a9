//! Every example worker speaks the protocol: it answers what it is given, goes on after a failed job, and leaves with 0
//! when its input ends. A language that is not on this machine is named on stderr.

use std::path::Path;

use serde_json::{Value, json};

use super::conversation::{lines, talk};
use super::support::{self, DEADLINE};
use super::{find, root, tell};

#[track_caller]
fn speaks_the_protocol(language: &str, file: &str) {
    let Some(program) = find(language) else {
        tell(&format!("skipped: {language} is not installed, so examples/{file} was not tried"));
        return;
    };
    let script = root().join("examples").join(file);
    let jobs = [
        ("add", json!([2, 3])),
        ("no-such-type", json!(null)),
        ("fail", json!(null)),
        ("echo", json!("a b")),
        ("sleep", json!([0])),
        ("progress", json!(null)),
        ("add", json!([40, 2])),
    ];
    let said = talk(&program, &[script.to_str().expect("UTF-8")], root(), lines(&jobs));
    let (notes, answers): (Vec<&Value>, Vec<&Value>) = said.iter().partition(|m| m.get("method").is_some());
    let ids: Vec<Value> = answers.iter().map(|a| a["id"].clone()).collect();
    assert_eq!(ids, (1..=7).map(Value::from).collect::<Vec<_>>(), "{said:?}");
    let results = [(0, json!(5)), (3, json!("a b")), (5, json!(4)), (6, json!(42))];
    for (at, result) in results {
        assert_eq!(answers[at]["result"], result, "{}", answers[at]);
    }
    assert!(answers[4].get("result").is_some(), "{}", answers[4]);
    assert_eq!(answers[1]["error"]["code"], -32601, "{}", answers[1]);
    assert_eq!(answers[2]["error"]["message"], "it was asked to fail", "{}", answers[2]);
    let percents: Vec<f64> = notes.iter().map(|n| n["params"]["percent"].as_f64().expect("a number")).collect();
    assert_eq!(percents, [25.0, 50.0, 75.0, 100.0]);
    assert!(notes.iter().all(|n| n["method"] == "progress" && n["params"]["id"] == 6), "{notes:?}");
}

#[test]
fn the_python_worker_speaks_the_protocol() {
    speaks_the_protocol("python3", "worker.py");
}

#[test]
fn the_node_worker_speaks_the_protocol() {
    speaks_the_protocol("node", "worker.js");
}

#[test]
fn the_bash_worker_speaks_the_protocol() {
    speaks_the_protocol("bash", "worker.sh");
}

#[test]
fn the_php_worker_speaks_the_protocol() {
    speaks_the_protocol("php", "worker.php");
}

#[test]
fn the_ruby_worker_speaks_the_protocol() {
    speaks_the_protocol("ruby", "worker.rb");
}

#[test]
fn the_perl_worker_speaks_the_protocol() {
    speaks_the_protocol("perl", "worker.pl");
}

#[test]
fn the_compiled_worker_answers_jobs_and_nothing_else() {
    let tests = std::env::current_exe().expect("this test has a path");
    let target = tests.parent().and_then(Path::parent).expect("target/<profile>/deps");
    let noop = target.join("examples/noop");
    assert!(noop.exists(), "{} is not there: cargo build --example noop", noop.display());
    let mut input = lines(&[("a", json!({"id": 9})), ("b", json!(null))]);
    input +=
        "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{\"id\":2,\"reason\":\"timeout\"}}\n{\"id\":3,\"met";
    assert_eq!(talk(&noop, &[], root(), input), [json!({"id": 1, "result": null}), json!({"id": 2, "result": null})]);
}

#[test]
fn the_fixtures_answer_as_they_say() {
    for name in ["echo.py", "garbage.py", "slow_start.py", "ready.py", "unknown_id.py", "retire.py", "crash.py"] {
        let words = support::fixture(name);
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let mut command = assert_cmd::Command::new(&words[0]);
        command.args(args).env("START_SECONDS", "0").write_stdin(lines(&[("x", json!({"seconds": 0}))]));
        let out = command.timeout(DEADLINE).output().expect("a worker");
        let text = String::from_utf8_lossy(&out.stdout);
        let answered = text.lines().any(|l| l == r#"{"id": 1, "result": {"seconds": 0}}"#);
        assert!(answered && out.status.success(), "{name}: {text}\n{}", String::from_utf8_lossy(&out.stderr));
    }
}
