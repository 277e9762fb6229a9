//! Each page, with nothing, with what is ordinary, with what is hostile; with a master and without.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

const EMPTY: [&str; 18] = [
    "/",
    "/queues",
    "/jobs",
    "/jobs?state=dead",
    "/failures",
    "/runs",
    "/runs?outcome=failed",
    "/workers",
    "/processors",
    "/admin/control_processors",
    "/services",
    "/health",
    "/operations",
    "/batches",
    "/audit",
    "/settings",
    "/metrics-view",
    "/metrics-view?range=7d",
];

/// Pages that are the same document as a command.
const DOCUMENTS: [(&str, &[&str]); 17] = [
    ("/jobs", &["jobs", "list"]),
    ("/jobs?state=dead&queue=default", &["jobs", "list", "--state", "dead", "--queue", "default"]),
    ("/jobs?limit=2", &["jobs", "list", "--limit", "2"]),
    ("/jobs?q=hello+queue:default", &["jobs", "list", "--text", "hello", "--queue", "default"]),
    ("/jobs?q=args.argv.1:hello", &["jobs", "list", "--arg", "argv.1=hello"]),
    ("/jobs/1", &["jobs", "show", "1"]),
    ("/jobs/1/why", &["why", "1"]),
    ("/failures", &["errors"]),
    ("/runs", &["runs"]),
    ("/runs?job=1", &["runs", "--job", "1"]),
    ("/workers", &["workers"]),
    ("/processors", &["processors"]),
    ("/queues/default", &["status", "default"]),
    ("/health", &["health"]),
    ("/audit", &["audit"]),
    ("/settings", &["config", "show"]),
    ("/audit?verb=pause&limit=1", &["audit", "--verb", "pause", "--limit", "1"]),
];

#[test]
fn with_nothing_there_every_page_is_there_and_says_how_to_begin() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    for path in EMPTY {
        let html = page.get(path).expect(200).body;
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("no master runs"), "{path}: {html}");
        page.get(&format!("/api{path}")).expect(200).json();
    }
    assert!(page.get("/queues").body.contains("queue-work push"));
    for missing in [
        "/jobs/7",
        "/jobs/x",
        "/batches/7",
        "/jobs?batch=7",
        "/queues/nope",
        "/pools/nope",
        "/workers/nope-1",
        "/failures/nope",
        "/processors/nope",
        "/services/nope",
        "/nope",
    ] {
        let status = page.get(missing).status;
        assert!([404, 503].contains(&status), "{missing}: {status}");
    }
    assert!(!bench.database().exists(), "looking has made a database");
}

#[test]
fn a_page_is_the_document_of_its_command_and_shows_it_with_a_master_and_without() {
    let bench = Bench::new();
    std::fs::write(
        bench.path().join("queue-work.toml"),
        "[pools.default]\nworkers = 1\n[processors.nightly]\ncron = \"0 3 * * *\"\ncommand = [\"true\"]\n",
    )
    .expect("a file");
    let good = bench.push(&["--", "echo", "hello"]);
    let bad = bench.push(&["--max-attempts", "1", "--", "sh", "-c", "echo oh no >&2; exit 3"]);
    let later = bench.push(&["--delay", "1h", "--", "true"]);
    let mut master = bench.start(&[]);
    bench.wait_for_job(good, "succeeded");
    bench.wait_for_job(bad, "dead");
    let page = Page::start(&bench, &[]);
    let compare = || {
        for (path, command) in DOCUMENTS {
            let args: Vec<&str> = command.iter().copied().chain(["--json"]).collect();
            // Ages go on between the two.
            bench.wait_for(&format!("{path} to be as `{}`", command.join(" ")), DEADLINE, |bench| {
                let printed: serde_json::Value = serde_json::from_str(&bench.run(&args).stdout).unwrap_or_default();
                settled(page.get(&format!("/api{path}")).expect(200).json()) == settled(printed)
            });
            let accepts = page.as_role("admin", "GET", path, &[("Accept", "application/json")], "");
            accepts.expect(200).json();
            let html = page.get(path).body;
            assert!(path.ends_with("why") || html.contains("In a terminal"), "{path}");
        }
    };
    compare();
    for path in EMPTY {
        page.get(path).expect(200);
    }
    let html = page.get(&format!("/jobs/{bad}")).expect(200).body;
    assert!(html.contains("oh no") && html.contains("exit status 3") && html.contains("/retry\""), "{html}");
    let html = page.get("/").expect(200).body;
    assert!(html.contains("class=\"lanes\"") && html.contains("default-1: idle"), "{html}");
    assert!(page.get("/workers/default-1").expect(200).body.contains("Its processes"));
    assert!(page.get("/metrics").expect(200).body.contains("queue_work_up 1"));
    assert_eq!(page.get("/readyz").status, 200);
    let html = page.get(&format!("/jobs/{later}")).expect(200).body;
    assert!(html.contains("Run now"), "{html}");
    master.kill9();
    bench.wait_for("the page to see it", DEADLINE, |_| page.get("/").body.contains("no master runs"));
    assert_eq!(page.get("/readyz").status, 503);
    for path in EMPTY {
        let html = page.get(path).expect(200).body;
        for needs_one in ["/scale\"", "/restart\"", "/run\"", "/call\"", "/stop\""] {
            assert!(!html.contains(needs_one), "{path}: a button for {needs_one} without a master");
        }
    }
    let html = page.get(&format!("/jobs/{bad}")).expect(200).body;
    assert!(html.contains("oh no"), "{html}");
    let refused = page.post("/processors/nightly/run", "").expect(503).json();
    assert!(refused["error"]["message"].as_str().expect("a text").contains("no master runs"), "{refused}");
}

/// Without ages, which go on.
fn settled(mut document: serde_json::Value) -> serde_json::Value {
    match &mut document {
        serde_json::Value::Object(members) => {
            let goes_on = |key: &str| {
                key.ends_with("_s") || ["memory_bytes", "cpu_percent", "peak_memory_bytes", "message"].contains(&key)
            };
            members.retain(|key, _| !goes_on(key));
            members.values_mut().for_each(|value| *value = settled(value.take()));
        }
        serde_json::Value::Array(all) => all.iter_mut().for_each(|value| *value = settled(value.take())),
        _ => {}
    }
    document
}

#[test]
fn nothing_of_a_job_a_worker_or_an_error_acts_in_the_page() {
    const EVIL: &str =
        "<script>alert(1)</script><img src=x onerror=alert(2)>\"'javascript:alert(3)\u{1b}[2J\u{202e}\u{200b}";
    let bench = Bench::new();
    let args = serde_json::json!({"a": EVIL, EVIL: [EVIL]}).to_string();
    let kind = "<b>evil</b>";
    let waits = bench.push(&[kind, &args, "--label", "<i>l</i>", "--unique", "<u>k</u>", "--queue", "other"]);
    let script =
        format!("printf '%s\\n' '{}' >&2; printf '%s\\n' '{}'; exit 1", EVIL.replace('\'', ""), EVIL.replace('\'', ""));
    let fails = bench.push(&["--max-attempts", "1", "--", "sh", "-c", &script]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    bench.wait_for_job(fails, "dead");
    let page = Page::start(&bench, &[]);
    let error = bench.job(fails)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let paths = [
        format!("/jobs/{waits}"),
        format!("/jobs/{fails}"),
        "/jobs".to_owned(),
        "/queues/other".to_owned(),
        "/failures".to_owned(),
        format!("/failures/{error}"),
        "/runs".to_owned(),
        "/".to_owned(),
        "/workers/default-1".to_owned(),
        format!("/jobs?type={}", "%3Cscript%3Ealert(1)%3C/script%3E"),
        "/jobs?queue=%22%3E%3Cscript%3E".to_owned(),
        "/jobs/%3Cscript%3E".to_owned(),
        "/queues/%3Cscript%3E".to_owned(),
        "/nope%3Cscript%3E".to_owned(),
        "/?range=%22%3E%3Cscript%3E".to_owned(),
    ];
    for path in paths {
        let answer = page.get(&path);
        let html = &answer.body;
        for acting in
            ["<script>", "<img", "<b>evil", "<i>l", "<u>k", "onerror=alert(2)>\"", "\u{1b}", "\u{202e}", "\u{200b}"]
        {
            assert!(!html.contains(acting), "{path} has {acting:?}: {html}");
        }
        assert!(!html.contains("href=\"javascript:"), "{path}");
    }
}

#[test]
fn a_list_goes_on_where_it_ended_and_a_number_leads_to_its_job() {
    let bench = Bench::new();
    let jobs = "{\"type\":\"t\"}\n".repeat(120);
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let page = Page::start(&bench, &[]);
    let (mut path, mut seen) = ("/jobs?type=t".to_owned(), Vec::new());
    loop {
        let html = page.get(&path).expect(200).body;
        let ids = html.split("/jobs/").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<i64>().ok());
        seen.extend(ids);
        let Some(next) = html
            .split("<a href=\"")
            .find(|rest| rest.contains("rel=\"next\"") && rest.find("rel=\"next\"") < rest.find("</a>"))
        else {
            break;
        };
        path = next.split('"').next().expect("a link").replace("&amp;", "&");
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
    assert_eq!(page.get("/jobs?id=%237").expect(303).header("location"), Some("/jobs/7"));
    page.get("/jobs?state=nonsense").expect(400);
    page.get("/jobs?before=x").expect(400);
}

#[test]
fn the_page_of_a_queue_shows_its_limits_who_has_set_them_and_the_keys_with_the_most_jobs() {
    let bench = Bench::new();
    for key in ["customer42", "customer42", "<b>"] {
        bench.push(&["--queue=mail", "--key", key, "letter"]);
    }
    bench.ok(&["queues", "set", "mail", "--rate", "5/m", "--for", "1h"]);
    bench.ok(&["pause", "mail", "--key", "customer42"]);
    bench.ok(&["queues", "set", "mail", "--fair", "jobs"]);
    let page = Page::start(&bench, &[]);
    let html = page.get("/queues/mail").expect(200).body;
    for part in ["fair jobs", "key `customer42` is paused", "Keys with the most jobs", "queue=mail&amp;key=customer42"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
}
