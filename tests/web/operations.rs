//! Many jobs at once: what is shown before, what is changed, and how far it is.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

const FORM: [(&str, &str); 2] =
    [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];

fn push(bench: &Bench, count: usize) {
    let lines = "{\"queue\":\"bulk\",\"type\":\"<b>t</b>\"}\n".repeat(count);
    bench.verb(&["push", "--jsonl", "-q"]).stdin(lines).run().expect_code(0);
}

/// The value of a hidden field.
fn field<'p>(page: &'p str, name: &str) -> &'p str {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).expect("the field");
    rest.split('"').next().expect("a value")
}

#[test]
fn what_was_shown_is_changed_and_nothing_that_came_later() {
    let bench = Bench::new();
    push(&bench, 1_200);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    assert!(page.get("/jobs?queue=bulk").body.contains("/jobs/change/delete?queue=bulk"));
    let shown = page.get("/jobs/change/cancel?queue=bulk").expect(200).body;
    assert!(shown.contains("1,200 jobs") && shown.contains("of `bulk`") && !shown.contains("<b>t</b>"), "{shown}");
    let until = field(&shown, "until").to_owned();
    push(&bench, 3);
    let body = format!("queue=bulk&until={}", until.replace(':', "%3A").replace('+', "%2B"));
    let moved = page.as_role("operator", "POST", "/jobs/change/cancel", &FORM, &body).expect(303);
    assert_eq!(moved.header("location"), Some("/operations"));
    bench.wait_for("the operation to end", DEADLINE, |_| page.get("/api/operations").json()[0]["state"] == "done");
    let over = page.get("/api/operations").json();
    assert_eq!((&over[0]["done"], &over[0]["expected"]), (&1_200.into(), &1_200.into()));
    let shown = page.get("/operations").expect(200).body;
    assert!(shown.contains("the page (operator)") && shown.contains("cancel "), "{shown}");
    let status = bench.status();
    assert_eq!(status["queues"][0]["ready"], 3, "{status}");
    page.post("/operations/9/stop", "").expect(404);
}

#[test]
fn who_deletes_very_many_jobs_types_how_many_and_an_operator_deletes_none() {
    let bench = Bench::new();
    push(&bench, 1_001);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let shown = page.get("/jobs/change/delete?queue=bulk").expect(200).body;
    // As far as they could be counted in a moment.
    let counted = field(&shown, "count");
    assert!((1_000..=1_001).contains(&counted.parse().unwrap_or(0)), "{counted}");
    let wrong = "queue=bulk&count=1001&typed=100";
    page.as_role("admin", "POST", "/jobs/change/delete", &FORM, wrong).expect(409);
    page.as_role("operator", "POST", "/jobs/change/delete", &FORM, "queue=bulk").expect(403);
    page.as_role("viewer", "POST", "/jobs/change/retry", &FORM, "queue=bulk").expect(403);
    assert_eq!(page.get("/api/operations").json(), serde_json::json!([]));
    let right = "queue=bulk&count=1001&typed=1001";
    page.as_role("admin", "POST", "/jobs/change/delete", &FORM, right).expect(303);
    bench.wait_for("all to be deleted", DEADLINE, |_| page.get("/api/operations").json()[0]["done"] == 1_001);
    page.get("/jobs/change/explode").expect(404);
    let nothing = page.as_role("admin", "POST", "/jobs/change/delete", &FORM, "").expect(400);
    assert!(nothing.body.contains("say which jobs"), "{nothing:?}");
}

#[test]
fn a_program_changes_many_jobs_by_the_params_of_the_control_socket() {
    let bench = Bench::new();
    push(&bench, 10);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let looked = page.get("/api/jobs/change/cancel?queue=bulk").json();
    assert_eq!((&looked["count"], &looked["count_is_exact"]), (&10.into(), &true.into()));
    let json = [("Content-Type", "application/json")];
    let body = r#"{"filter": {"queue": "bulk"}}"#;
    let began = page.as_role("operator", "POST", "/api/jobs/change/cancel", &json, body).expect(200).json();
    assert_eq!((&began["verb"], &began["expected"]), (&"cancel".into(), &10.into()));
    page.as_role("operator", "POST", "/api/jobs/change/cancel", &json, r#"{"ids": [1]}"#).expect(400);
}
