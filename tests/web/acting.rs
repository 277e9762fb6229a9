//! Actions: each does what its verb does, and leads back to where it shows.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

#[test]
fn an_operator_pauses_scales_restarts_retries_and_cancels_by_the_page() {
    let bench = Bench::new();
    let bad = bench.push(&["--max-attempts", "1", "--", "false"]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    bench.wait_for_job(bad, "dead");
    let page = Page::start(&bench, &[]);
    let paused = page.post("/queues/default/pause", "").expect(200).json();
    assert_eq!(paused["queues"][0]["paused"], true);
    let retried = page.post(&format!("/jobs/{bad}/retry"), "").expect(200).json();
    assert_eq!((&retried["count"], &bench.job(bad)["state"]), (&1.into(), &"ready".into()));
    let refused = page.post(&format!("/jobs/{bad}/retry"), "").expect(409).json();
    assert_eq!(refused["error"]["code"], 5);
    page.post(&format!("/jobs/{bad}/cancel"), "").expect(200);
    assert_eq!(bench.job(bad)["state"], "cancelled");
    page.post(&format!("/jobs/{bad}/delete"), "").expect(200);
    page.get(&format!("/jobs/{bad}")).expect(404);
    page.post("/jobs/9999/delete", "").expect(404);
    assert_eq!(page.post("/queues/default/resume", "").expect(200).json()["queues"][0]["paused"], false);
    let scaled = page.post("/pools/default/scale", "workers=%2B2").expect(200).json();
    assert_eq!((&scaled["pools"][0]["was"], &scaled["pools"][0]["wanted"]), (&1.into(), &3.into()));
    page.post("/pools/default/scale", "workers=many").expect(400);
    page.post("/pools/nope/scale", "workers=1").expect(404);
    bench.wait_for("three workers", DEADLINE, |bench| bench.status()["pools"][0]["ready"] == 3);
    let before = bench.status()["workers"][0]["pid"].clone();
    page.post("/workers/default-1/restart", "").expect(200);
    bench.wait_for("another process", DEADLINE, |bench| {
        let worker = &bench.status()["workers"][0];
        worker["pid"] != before && worker["state"] == "idle"
    });
    page.post("/pools/default/restart", "").expect(200);
    page.post("/queues/nope/pause", "").expect(404);
    page.post("/jobs/1/explode", "").expect(404);
    page.as_role("admin", "DELETE", "/jobs/1", &[], "").expect(405);
}

#[test]
fn without_a_master_the_page_changes_in_the_store_what_the_command_line_does() {
    let bench = Bench::new();
    std::fs::write(
        bench.path().join("queue-work.toml"),
        "[processors.nightly]\ncron = \"0 3 1 1 *\"\ncommand = [\"true\"]\n",
    )
    .expect("a file");
    let waits = bench.push(&["t"]);
    let page = Page::start(&bench, &[]);
    let html = page.get(&format!("/jobs/{waits}")).expect(200).body;
    assert!(html.contains("/cancel\"") && html.contains("/delete\""), "{html}");
    page.post(&format!("/jobs/{waits}/cancel"), "").expect(200);
    assert_eq!(bench.job(waits)["state"], "cancelled");
    page.post(&format!("/jobs/{waits}/retry"), "").expect(200);
    assert_eq!(bench.job(waits)["state"], "ready");
    let html = page.get("/queues").expect(200).body;
    assert!(html.contains("/queues/default/pause\""), "{html}");
    page.post("/queues/default/pause", "").expect(200);
    assert_eq!(bench.status()["queues"][0]["paused"], true);
    page.post("/processors/nightly/disable", "reason=later").expect(200);
    let nightly = bench.run(&["processors", "show", "nightly", "--json"]).json();
    assert_eq!((&nightly["enabled"], &nightly["changed_by"]), (&false.into(), &"the page (admin)".into()), "{nightly}");
    page.post(&format!("/jobs/{waits}/delete"), "").expect(200);
    page.get(&format!("/jobs/{waits}")).expect(404);
    let audit = bench.run(&["audit", "--json"]).json();
    let verbs: Vec<_> =
        audit.as_array().expect("deeds").iter().map(|deed| deed["verb"].as_str().expect("a verb")).collect();
    assert_eq!(verbs, ["delete", "disable", "pause", "retry", "cancel"]);
    for deed in audit.as_array().expect("deeds") {
        assert_eq!(
            (&deed["via"], &deed["role"], &deed["who"]),
            (&"web".into(), &"admin".into(), &serde_json::Value::Null),
            "{deed}"
        );
        assert_eq!((&deed["address"], &deed["outcome"]), (&"127.0.0.1".into(), &"done".into()), "{deed}");
    }
    for needs_one in
        ["/pools/default/scale", "/workers/default-1/restart", "/processors/nightly/run", "/jobs/change/retry"]
    {
        let refused = page.post(needs_one, "workers=1&type=t").expect(503);
        assert!(refused.body.contains("no master runs"), "{needs_one}: {refused:?}");
    }
}

#[test]
fn a_browser_is_led_to_the_page_on_which_the_change_shows() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
    let moved = page.as_role("operator", "POST", "/queues/default/pause", &form, "").expect(303);
    assert_eq!(moved.header("location"), Some("/queues"));
    assert!(page.get("/queues").body.contains("Resume"));
    let refused = page.as_role("operator", "POST", "/jobs/7/retry", &form, "").expect(404);
    assert!(refused.body.contains("<!DOCTYPE html>") && refused.body.contains("there is no job 7"), "{refused:?}");
}

#[test]
fn a_processor_is_switched_and_run_by_the_page() {
    let bench = Bench::new();
    std::fs::write(
        bench.path().join("queue-work.toml"),
        "[processors.nightly]\ncron = \"0 3 1 1 *\"\ncommand = [\"echo\", \"all done\"]\n",
    )
    .expect("a file");
    let _master = bench.start(&[]);
    let page = Page::start(&bench, &[]);
    page.post("/processors/nightly/disable", "reason=too+slow").expect(200);
    let shown = page.get("/admin/control_processors").expect(200).body;
    assert!(shown.contains("Switch on"), "{shown}");
    assert_eq!(bench.run(&["processors", "show", "nightly", "--json"]).json()["reason"], "too slow");
    let ran = page.post("/processors/nightly/run", "").expect(200).json();
    bench.wait_for_job(ran["job_id"].as_i64().expect("a job"), "succeeded");
    bench.wait_for("the run to be shown", DEADLINE, |_| page.get("/processors/nightly").body.contains("all done"));
    page.post("/processors/nightly/reset", "").expect(200);
    assert_eq!(page.get("/api/processors/nightly").json()["enabled"], true);
    page.post("/processors/nope/enable", "").expect(404);
}

#[test]
fn a_key_is_paused_and_resumed_by_the_page_of_its_queue_as_it_is_written() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("queue-work.toml"), "[queues.mail]\nfair = \"jobs\"\n").expect("a file");
    for key in ["b & <c>", "other"] {
        bench.push(&["--queue=mail", "--key", key, "t"]);
    }
    let page = Page::start(&bench, &[]);
    let paused = page.post("/queues/mail/keys/pause", "key=b+%26+%3Cc%3E").expect(200).json();
    let expected = serde_json::json!({"queues": [{"name": "mail", "key": "b & <c>", "paused": true}]});
    assert_eq!(paused, expected);
    // One without jobs is shown, too, and can be resumed.
    page.post("/queues/mail/keys/pause", "key=+idle").expect(200);
    for part in ["value=\" idle\"", "value=\"b &amp; &lt;c&gt;\"", "/queues/mail/keys/resume\"", "held back"] {
        let html = page.get("/queues/mail").expect(200).body;
        assert!(html.contains(part), "{part}: {html}");
    }
    let seen = page.as_role("viewer", "GET", "/queues/mail", &[], "").expect(200).body;
    assert!(!seen.contains("/keys/"), "{seen}");
    for (wrong, status) in [("", 400), ("key=", 400), ("x=1", 400)] {
        page.post("/queues/mail/keys/pause", wrong).expect(status);
    }
    page.post("/queues/nope/keys/pause", "key=a").expect(404);
    assert_eq!(bench.status()["queues"][0]["paused"], false);
    for key in ["key=b+%26+%3Cc%3E", "key=+idle"] {
        assert_eq!(page.post("/queues/mail/keys/resume", key).expect(200).json()["queues"][0]["paused"], false);
    }
    let html = page.get("/queues/mail").expect(200).body;
    assert!(!html.contains("/keys/resume\""), "{html}");
    let audit = bench.run(&["audit", "--json"]).json();
    let audit = audit.as_array().expect("deeds");
    let verbs: Vec<_> = audit.iter().map(|deed| deed["verb"].as_str().expect("a verb")).collect();
    assert_eq!(verbs, ["resume", "resume", "pause", "pause"]);
    assert!(audit.iter().all(|deed| deed["via"] == "web" && deed.to_string().contains("mail")), "{audit:?}");
    assert!(audit[3].to_string().contains("b & <c>"), "{}", audit[3]);
}
