//! A store that moves: from a file to a server and back, with all that is on record; killed at any point; and what is refused.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::server::new_url;
use super::{Host, eventually, support};

/// Questions whose answers are the same wherever the store is.
const ASKED: [&[&str]; 9] = [
    &["jobs", "list", "--limit", "100000", "--json"],
    &["jobs", "graph", "3", "--json"],
    &["runs", "--limit", "100000", "--json"],
    &["queues", "--json"],
    &["batches", "--json"],
    &["processors", "runs", "--json"],
    &["errors", "--json"],
    &["audit", "--json"],
    &["workers", "--json"],
];

fn answers(host: &Host) -> Vec<(String, Value)> {
    // Without a master some end with 3.
    let answer = |asked: &[&str]| (asked.join(" "), serde_json::from_str(&host.run(asked).0).unwrap_or_default());
    let mut answers: Vec<(String, Value)> = ASKED.iter().map(|asked| answer(asked)).collect();
    // Its age is another at each question.
    for queue in answers[3].1.as_array_mut().unwrap() {
        queue.as_object_mut().unwrap().retain(|name, _| !name.contains("oldest") && !name.contains("age"));
    }
    answers
}

/// A host with a file, and jobs of all kinds.
fn with_jobs() -> Host {
    let mut host = Host::new("");
    host.home.path().join("q.db").to_str().unwrap().clone_into(&mut host.url);
    host.ok(&["push", "--", "echo", "done"]);
    host.ok(&["push", "--max-attempts", "1", "--", "sh", "-c", "echo broken >&2; exit 7"]);
    host.ok(&["push", "--", "echo", "parent"]);
    host.ok(&["push", "--after", "3", "--queue", "later", "--", "echo", "child"]);
    host.ok(&["push", "--batch", "night", "--", "echo", "of a batch"]);
    host.start(&["--workers=2", "--queue=default"]);
    eventually("all have ended", || {
        let jobs = host.json(&["jobs", "list", "--queue", "default", "--json"]);
        jobs.as_array().unwrap().iter().all(|job| ["succeeded", "dead"].contains(&job["state"].as_str().unwrap()))
    });
    host.ok(&["stop"]);
    host.master.take().unwrap().wait().unwrap();
    host.ok(&["push", "--unique", "once", "--priority", "5", "--key", "customer42", "--label", "l", "--", "echo", "ä"]);
    host.ok(&["push", "--delay", "1h", "--expires", "2h", "--timeout", "5s", "--", "echo", "late"]);
    let gone = host.ok(&["push", "--", "echo", "cancelled"]);
    host.ok(&["jobs", "cancel", gone.trim()]);
    host.ok(&["pause", "later"]);
    host
}

#[test]
fn all_that_is_on_record_goes_to_a_server_and_comes_back() {
    let mut host = with_jobs();
    let (before, file, url) = (answers(&host), host.url.clone(), new_url());
    let planned = host.json(&["migrate", "--to", &url, "--dry-run", "--json"]);
    assert!(planned["rows"].as_u64().unwrap() > 20 && planned["tables"]["jobs"].as_u64().unwrap() > 7, "{planned}");
    assert_eq!(answers(&host), before, "nothing has changed");
    let said = host.ok(&["migrate", "--to", &url]);
    assert!(said.contains(" rows from `") && said.contains("; use `--database 'postgres://"), "{said}");

    let (_, said, code) = host.run(&["push", "--", "true"]);
    assert!(code == 5 && said.contains(" was moved to `postgres://"), "{said}");
    let (_, said, code) = host.run(&["--workers=1"]);
    assert!(code == 5 && said.contains(" was moved to `postgres://"), "{said}");

    host.url.clone_from(&url);
    for (was, is) in before.iter().zip(answers(&host)) {
        assert_eq!(*was, is);
    }
    assert_eq!(host.ok(&["push", "--unique", "once", "--", "echo", "ä"]).trim(), "6", "its key is taken");
    host.start(&["--workers=2"]);
    eventually("the next job runs there", || host.state("6") == "succeeded");
    let (_, said, code) = host.run(&["migrate", "--to", &format!("{file}.back")]);
    assert!(code == 5 && said.contains("has not ended; stop it with `queue-work --database"), "{said}");
    host.ok(&["stop"]);
    host.master.take().unwrap().wait().unwrap();
    let before = answers(&host);

    let (_, said, code) = host.run(&["migrate", "--to", &file]);
    assert!(code == 1 && said.contains("it exists"), "{said}");
    let back = format!("{file}.back");
    let report = host.json(&["migrate", "--from", &url, "--to", &back, "--json"]);
    assert_eq!((&report["to"], &report["resumed"]), (&Value::from(&*back), &Value::from(false)));
    host.url.clone_from(&back);
    for (was, is) in before.iter().zip(answers(&host)) {
        assert_eq!(*was, is);
    }
    host.ok(&["resume", "later"]);
    host.start(&["--workers=2", "--queue=later"]);
    eventually("it goes on there", || host.state("4") == "succeeded");
    let runs = host.json(&["runs", "--json"]);
    let ids: std::collections::BTreeSet<_> = runs.as_array().unwrap().iter().map(|run| run["id"].as_i64()).collect();
    assert_eq!(ids.len(), runs.as_array().unwrap().len(), "no run has the id of another");
}

#[test]
fn a_move_that_is_killed_at_any_point_goes_on_when_it_is_typed_again() {
    let mut host = with_jobs();
    let jobs = "{\"type\": \"t\", \"args\": {\"text\": \"ä\"}}\n".repeat(20_000);
    let list = host.home.path().join("jobs.jsonl");
    std::fs::write(&list, jobs).unwrap();
    host.ok(&["push", "--jsonl", "--file", list.to_str().unwrap(), "--quiet"]);
    let before = answers(&host);
    let url = new_url();
    let mut kills = 0;
    for after in (0..).map(|n| Duration::from_millis(50 << n)) {
        let mut command = host.command(&["migrate", "--to", &url]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        support::eventually(after, || child.try_wait().unwrap().is_some());
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        kills += 1;
        // A move whose very last message was lost is over as well.
        if host.run(&["push", "--queue", "later", "--", "true"]).1.contains(" was moved to ") {
            let (_, said, code) = host.run(&["migrate", "--to", &url]);
            assert!(code == 0 || said.contains(" was moved to "), "{said}");
            break;
        }
    }
    assert!(kills > 2, "{kills}");
    host.url.clone_from(&url);
    let pushed = host.json(&["jobs", "list", "--queue", "later", "--limit", "1000", "--json"]);
    let extra = pushed.as_array().unwrap().len() - 1;
    let jobs = host.json(&["jobs", "list", "--limit", "100000", "--json"]);
    assert_eq!(jobs.as_array().unwrap()[extra..], before[0].1.as_array().unwrap()[..]);
    assert!(extra >= kills - 1, "what was pushed between two tries is there: {extra} of {kills}");
}

#[test]
fn a_store_in_use_stays_where_it_is() {
    let mut host = with_jobs();
    let url = new_url();
    let refused = |host: &Host, words: &str| {
        let (_, said, code) = host.run(&["migrate", "--to", &url]);
        assert!(code == 5 && said.contains(words), "{code} {said}");
    };
    host.start(&["--workers=1"]);
    refused(&host, "another master (pid ");
    host.signal(Signal::SIGKILL);
    host.master.take().unwrap().wait().unwrap();
    refused(&host, "if it was killed, start one first");
    host.start(&["--workers=1"]);
    host.ok(&["stop"]);
    host.master.take().unwrap().wait().unwrap();
    let other = Host::new(&url);
    other.ok(&["push", "--", "true"]);
    refused(&host, "is not empty");
    assert_eq!(other.json(&["jobs", "list", "--json"]).as_array().unwrap().len(), 1);
    host.ok(&["push", "--", "true"]);
}
