//! Workers in the browser: their memory over time, the processes below them, what they did.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

#[test]
fn a_worker_shows_its_memory_and_all_processes_below_it_and_lanes_lead_to_the_job() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let id = bench.push(&["--", "sh", "-c", "sleep 61.5 & sh -c 'sleep 62.5; true'; wait"]);
    bench.wait_for_job(id, "running");
    let page = Page::start(&bench, &[]);
    for path in ["/workers/default-1", "/"] {
        bench.wait_for("the processes", DEADLINE, |_| {
            let html = page.get(path).expect(200).body;
            ["sleep 61.5", "sleep 62.5"]
                .iter()
                .all(|command| html.matches(&format!("<code>{command}</code>")).count() == 1)
        });
        let html = page.as_role("operator", "GET", path, &[], "").expect(200).body;
        assert!(html.contains("<code>sleep</code>") && !html.contains("62.5"), "only an admin sees arguments: {html}");
    }
    bench.wait_for("a point of the line", DEADLINE, |_| {
        let html = page.get("/workers/default-1").expect(200).body;
        let chart = html.split("Memory of the last ten minutes").last().expect("a part");
        chart.split("</figure>").next().is_some_and(|chart| chart.contains("class=\"line\" d=\"M"))
    });
    assert!(page.get("/workers").expect(200).body.contains("svg class=\"spark\""));
    let link = format!("<a href=\"/jobs/{id}\" tabindex=\"-1\" aria-label=\"job {id}\"><path class=\"b\"");
    bench.wait_for("the block of the job", DEADLINE, |_| page.get("/").expect(200).body.contains(&link));
}
