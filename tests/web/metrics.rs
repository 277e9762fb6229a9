//! The numbers of a time: by queue, type and pool, what was before, and which jobs leave memory behind.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

#[test]
fn numbers_are_shown_by_queue_type_and_pool_for_a_time_and_are_the_document_of_the_command() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    let empty = page.get("/metrics-view").expect(200).body;
    assert!(empty.contains("Only a master that runs measures it") && empty.contains("a week earlier"), "{empty}");
    let _master = bench.start(&["--queue", "default,mail", "--workers", "1"]);
    let last = bench.push(&["--queue", "mail", "--", "true"]);
    bench.push(&["--max-attempts", "1", "--", "false"]);
    bench.wait_for_job(last, "succeeded");
    // What is counted is written every ten seconds.
    bench.wait_for("both to be counted", 2 * DEADLINE, |_| page.get("/api/metrics-view").json()["total"]["runs"] == 2);
    let html = page.get("/metrics-view?range=24h").expect(200).body;
    let parts = [
        "/metrics-view?range=24h&amp;queue=mail",
        "/metrics-view?range=24h&amp;type=exec",
        "class=\"heat\"",
        "queue-work metrics --history 24h",
        "50.0 %",
        "CPUs in use",
        "No job has been measured yet",
        "a day earlier",
    ];
    for part in parts {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(html.len() < 64 << 10, "{} bytes", html.len());
    let mail = page.get("/metrics-view?queue=mail").expect(200).body;
    assert!(mail.contains("queue-work metrics --history 1h --queue mail") && mail.contains("0.0 %"), "{mail}");
    assert!(page.get("/metrics-view?range=7d").expect(200).body.contains("a week earlier"));
    let of_type = page.get("/api/metrics-view?type=exec").json();
    let command = bench.run(&["metrics", "--history", "1h", "--type", "exec", "--json"]).json();
    assert_eq!(of_type["total"], command["total"]);
    page.get("/metrics-view?queue=%20%2F..").expect(400);
    page.get("/metrics-view?type=%3Cb%3Enone%3C%2Fb%3E").expect(200);
}

#[test]
fn methods_of_services_that_were_called_have_a_row() {
    let bench = Bench::new();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/calc.py");
    let config = format!("[pools.calc]\nkind = \"service\"\nworkers = 1\ncommand = [\"python3\", \"{program}\"]\n");
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("a file");
    let page = Page::start(&bench, &[]);
    let _master = bench.start(&[]);
    bench.wait_for("the service to answer", DEADLINE, |bench| bench.run(&["call", "calc", "add", "[1,2]"]).code == 0);
    let mut html = String::new();
    bench.wait_for("its method to be shown", DEADLINE, |_| {
        html = page.get("/metrics-view").expect(200).body;
        html.contains("<h2>Services</h2>")
    });
    let services = html.split("<h2>Services</h2>").nth(1).unwrap_or_default();
    assert!(services.contains("/services/calc\">calc</a>") && services.contains(">add</td>"), "{services}");
    assert!(!page.get("/metrics-view?queue=calc").expect(200).body.contains("<h2>Services</h2>"));
}
