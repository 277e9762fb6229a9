//! What peers write is shown as what it is: nothing of it commands a terminal.

use std::fs;

use serde_json::json;

use crate::support::{Bench, DEADLINE};

/// Writes to the clipboard, sets the title, clears, moves, overwrites the line, rings; in one and two bytes; turns the
/// direction of writing; ends lines in ways of its own; takes no room.
const EVIL: [&str; 9] = [
    "\u{1b}]52;c;ZXZpbA==\u{7}",
    "\u{1b}]0;title\u{1b}\\",
    "\u{1b}[2J\u{1b}[1;1Hgone",
    "fine\rover",
    "\u{9d}0;title\u{9c}\u{9b}31m",
    "\u{202e}txt.exe\u{2066}\u{200f}",
    "\u{8}\u{8}\u{7f}\u{85}",
    "\u{2028}\u{2029}\u{61c}",
    "a\u{200b}\u{200c}\u{200d}\u{200e}\u{2060}\u{2064}\u{180e}\u{feff}\u{ad}\u{e0041}\u{fe0f}",
];

/// Answers, tells and asks in every way there is, with evil in every text.
const WORKER: &str = r#"
import json, sys
def say(m): print(json.dumps(m, ensure_ascii=False), flush=True)
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") != "job": continue
    evil = m["params"]["args"]["evil"]
    print(evil, file=sys.stderr, flush=True)
    print(evil, flush=True)
    say({"method": "progress", "params": {"id": m["id"], "percent": 5, "message": evil}})
    say({"id": evil, "method": evil, "params": {evil: evil}})
    say({"id": 999, "result": evil})
    how = m["params"]["args"]["how"]
    run = {"signal": evil, "stderr_tail": evil, "exit_code": 3}
    if how == "hold":
        continue
    elif how == "die":
        sys.exit(3)
    elif how == "fail":
        say({"id": m["id"], "error": {"message": evil, "data": {"type": evil, "retry": False}}, "run": run})
    else:
        say({"id": m["id"], "result": {evil: evil}, "run": run})
"#;

fn is_raw(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe0f}' | '\u{feff}' | '\u{e0041}')
}

#[test]
fn nothing_that_a_peer_writes_anywhere_reaches_a_terminal_raw() {
    let bench = Bench::new();
    fs::write(bench.path().join("worker.py"), WORKER).expect("written");
    let command = json!(["/usr/bin/python3", "-S", "worker.py"]);
    let text =
        format!("[pools.default]\nworkers = 2\nmax_crashes = 1\ncommand = {command}\nenv = {{ PYTHONUTF8 = \"1\" }}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let master = bench.start(&["-vv"]);
    let push = |evil: &str, how: &str| {
        let (key, args) = (format!("{evil}{how}"), json!({"evil": evil, "how": how}).to_string());
        // A type has no control characters; what turns the direction is none.
        let kind: String = evil.chars().filter(|c| !c.is_control()).chain("x".chars()).collect();
        bench.push(&["--unique", &key, &kind, &args])
    };
    let mut jobs = Vec::new();
    for evil in EVIL {
        for (how, state) in [("fail", "dead"), ("answer", "succeeded"), ("die", "dead")] {
            let id = push(evil, how);
            bench.wait_for_job(id, state);
            jobs.push(id.to_string());
        }
    }
    // One that is on its way while the status is asked for, with its progress.
    let held = push(&EVIL.concat(), "hold");
    bench.wait_for("its progress", DEADLINE, |b| b.status()["workers"].to_string().contains("progress\":{"));
    let mut commands: Vec<Vec<&str>> = vec![
        vec!["status"],
        vec!["jobs", "list", "--oldest", "--limit", "100"],
        vec!["jobs", "list", "--oldest", "--jsonl"],
        vec!["runs"],
        vec!["runs", "--jsonl"],
        vec!["workers"],
        vec!["logs", "-n", "1000"],
        vec!["logs", "-n", "1000", "--jsonl"],
        vec!["status", "--json"],
    ];
    for id in &jobs {
        commands.push(vec!["jobs", "show", id]);
        commands.push(vec!["jobs", "show", id, "--json"]);
    }
    for id in jobs.iter().filter(|id| bench.job(id.parse().expect("an id"))["state"] == "dead") {
        commands.push(vec!["jobs", "wait", id]);
    }
    // What is wrong with words is said with the words.
    let evil = EVIL.concat();
    for words in [
        &["scale", "1", "--queue"][..],
        &["scale", "1", "--pool"],
        &["logs"],
        &["restart"],
        &["push", "--queue"],
        &["jobs", "list", "--oldest", "--state"],
        &["--config"],
        &["jobs", "show"],
        &[],
    ] {
        commands.push(words.iter().copied().chain([evil.as_str()]).collect());
    }
    for words in &commands {
        let run = bench.run(words);
        assert!(!run.stdout.contains(is_raw) && !run.stderr.contains(is_raw), "{words:?}: {run:?}");
    }
    bench.ok(&["jobs", "cancel", &held.to_string(), "--no-wait"]);
    let stderr = master.stderr();
    assert!(stderr.contains("]52;c;ZXZpbA==") && !stderr.contains(is_raw), "{stderr:?}");
}
