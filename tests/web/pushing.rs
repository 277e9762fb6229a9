//! Pushing over HTTP, and waiting for what was pushed.

use super::http::Page;
use crate::support::Bench;

const JSON: &str = "application/json";
const LINES: &str = "application/x-ndjson";

#[test]
fn one_job_an_array_and_lines_are_pushed_whole_or_not_at_all() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let one = page.push(JSON, r#"{"type":"t","args":{"n":12345678901234567890},"queue":"a"}"#).expect(200).json();
    assert_eq!(one, serde_json::json!({"id": 1, "deduplicated": false}));
    assert!(bench.run(&["jobs", "show", "1", "--json"]).stdout.contains("12345678901234567890"));
    let many = page.push(JSON, r#"[{"type":"t","queue":"a"},{"type":"t","queue":"a"}]"#).expect(200).json();
    assert_eq!((&many["count"], &many["ids"]), (&2.into(), &serde_json::json!([2, 3])));
    let lines =
        page.push(LINES, "{\"type\":\"t\",\"queue\":\"a\"}\n{\"type\":\"t\",\"queue\":\"a\"}\n").expect(200).json();
    assert_eq!(lines["ids"], serde_json::json!([4, 5]));
    let unique = r#"{"type":"t","queue":"a","unique":"k"}"#;
    assert_eq!(page.push(JSON, unique).expect(200).json()["deduplicated"], false);
    assert_eq!(page.push(JSON, unique).expect(200).json(), serde_json::json!({"id": 6, "deduplicated": true}));
    let bad: [(&str, &str, &str); 7] = [
        (JSON, r#"[{"type":"t","queue":"a"},{"type":""}]"#, "job 2"),
        (LINES, "{\"type\":\"t\",\"queue\":\"a\"}\n{\"type\":\"t\",\"priority\":101}", "job 2: `priority`"),
        (LINES, "{\"type\":\"t\",\"queue\":\"a\"}\nnonsense", "job 2"),
        (JSON, "{", "EOF"),
        (JSON, "", "no job"),
        (JSON, r#"{"type":"t","nonsense":1}"#, "nonsense"),
        ("text/plain", r#"{"type":"t"}"#, "Content-Type"),
    ];
    for (kind, body, part) in bad {
        let refused = page.push(kind, body).expect(400).json();
        let message = refused["error"]["message"].as_str().expect("a text");
        assert!(message.contains(part), "{body}: {message}");
    }
    assert_eq!(bench.run(&["jobs", "list", "--json"]).json().as_array().map(Vec::len), Some(6));
    let long = format!(r#"{{"type":"t","args":"{}"}}"#, "a".repeat(21 << 20));
    page.push(JSON, &long).expect(413);
}

#[test]
fn whoever_waits_for_a_job_is_answered_at_its_end_or_after_so_long_with_the_job_as_it_is() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let pushed = page.push(JSON, r#"{"type":"exec","args":{"argv":["echo","hello"]}}"#).expect(200).json();
    let job = page.get(&format!("/api/jobs/{}?wait=30s", pushed["id"])).expect(200).json();
    assert_eq!((&job["state"], &job["result"]), (&"succeeded".into(), &"hello\n".into()));
    let slow = page.push(JSON, r#"{"type":"t","queue":"nobody"}"#).expect(200).json();
    let job = page.get(&format!("/api/jobs/{}?wait=100ms", slow["id"])).expect(200).json();
    assert_eq!(job["state"], "ready");
    page.get("/api/jobs/9999?wait=1s").expect(404);
    page.get("/api/jobs/1?wait=soon").expect(400);
}

#[test]
fn without_a_master_a_push_is_refused_with_the_reason() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    let refused = page.push(JSON, r#"{"type":"t"}"#).expect(503).json();
    assert_eq!(refused["error"]["code"], 3);
    assert!(refused["error"]["message"].as_str().expect("a text").contains("start one with"), "{refused}");
}
