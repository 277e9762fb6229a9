//! The pages of batches: how far one is, what comes after it, and the way to its jobs and from them.

use super::http::Page;
use crate::support::Bench;

#[test]
fn a_batch_says_how_far_it_is_and_leads_to_its_jobs_and_these_lead_back() {
    let bench = Bench::new();
    bench.push(&["--queue=other", "t"]);
    let push = ["push", "--jsonl", "--queue=other", "--batch=<b>night</b>", "--then", r#"{"type":"report"}"#];
    bench.verb(&push).stdin("{\"type\":\"t\"}\n".repeat(4)).run().expect_code(0);
    bench.ok(&["jobs", "cancel", "2"]);
    let _master = bench.start(&["--queue=default", "--workers=1"]);
    let page = Page::start(&bench, &[]);
    let shown = page.get("/batches").expect(200).body;
    assert!(
        shown.contains("href=\"/batches/1\"") && shown.contains("25.0 %") && !shown.contains("<b>night</b>"),
        "{shown}"
    );
    let shown = page.get("/batches/1").expect(200).body;
    for part in
        ["25.0 %", "4 jobs", "3 ready", "1 cancelled", "/jobs?batch=1&amp;state=ready", "href=\"/jobs/6\"", "report"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let json = page.get("/api/batches/1").expect(200).json();
    assert_eq!((&json["counts"]["ready"], &json["percent"], &json["then"]), (&3.into(), &25.0.into(), &6.into()));
    assert_eq!(page.get("/api/batches").expect(200).json()[0]["name"], "<b>night</b>");
    let jobs = page.get("/api/jobs?batch=1&state=ready").expect(200).json();
    assert_eq!(jobs.as_array().map(Vec::len), Some(3));
    let list = page.get("/jobs?batch=1").expect(200).body;
    assert!(list.contains("/jobs/change/cancel?batch=1") && !list.contains("href=\"/jobs/1\""), "{list}");
    assert!(page.get("/jobs/change/cancel?batch=1").expect(200).body.contains("3 jobs"));
    for job in ["/jobs/3", "/jobs/6"] {
        assert!(page.get(job).expect(200).body.contains("href=\"/batches/1\""), "{job}");
    }
    assert!(!page.get("/jobs/1").expect(200).body.contains("href=\"/batches/"));
}
