//! A worker that is fed by hand, as a master would feed it.

use std::path::Path;

use serde_json::{Value, json};

use super::support::DEADLINE;
use super::{find, tell};

/// Job lines as the master writes them.
pub(crate) fn lines(jobs: &[(&str, Value)]) -> String {
    let line = |(n, (kind, args)): (usize, &(&str, Value))| {
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"job\",\"params\":{{\"job_id\":{},\"type\":{},\"args\":{args},\
             \"queue\":\"default\",\"attempt\":1,\"max_attempts\":3,\"timeout_s\":300.0,\
             \"deadline\":\"2030-01-01T00:00:00Z\",\"pushed_at\":\"2029-01-01T00:00:00Z\"}}}}\n",
            n + 1,
            n + 41,
            json!(kind),
        )
    };
    jobs.iter().enumerate().map(line).collect()
}

/// Feeds a worker by hand, closes its input, and returns what it wrote; it must end with 0.
#[track_caller]
pub(crate) fn talk(program: &Path, args: &[&str], folder: &Path, input: String) -> Vec<Value> {
    let mut command = assert_cmd::Command::new(program);
    let out = command.args(args).current_dir(folder).write_stdin(input).timeout(DEADLINE).output().expect("a worker");
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{}: {stderr}", program.display());
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    let value = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line:?}\n{stderr}"));
    text.lines().map(value).collect()
}

/// A worker of the manual answers what it is given, also what it cannot do, and leaves with 0 when its input ends.
#[track_caller]
pub(crate) fn adds_numbers(at: &str, command: &[String], folder: &Path) {
    let (language, args) = command.split_first().expect("a command");
    let Some(program) = find(language) else {
        return tell(&format!("skipped: {language} is not installed, so the worker at {at} was not tried"));
    };
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let jobs = [("add", json!([2, 3])), ("no-such-type", json!([1])), ("add", json!([40, 2]))];
    let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{\"id\":1,\"reason\":\"timeout\"}}\n";
    let said = talk(&program, &args, folder, lines(&jobs) + cancel);
    let [two, other, three] = &said[..] else { panic!("{at}: {said:?}") };
    assert_eq!((&two["id"], &two["result"]), (&json!(1), &json!(5)), "{at}: {said:?}");
    assert_eq!((&three["id"], &three["result"]), (&json!(3), &json!(42)), "{at}: {said:?}");
    assert!(other["id"] == 2 && (other["error"]["message"].is_string() || other["result"] == 1), "{at}: {said:?}");
}
