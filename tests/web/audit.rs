//! Who has changed what: the page says for whom it asks.

use super::http::Page;
use crate::support::{Bench, DEADLINE};

const FORM: [(&str, &str); 2] =
    [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];

#[test]
fn what_is_changed_at_the_page_is_on_record_with_the_role_and_the_address() {
    let bench = Bench::new();
    bench.push(&["--queue", "mail", "<b>t</b>"]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    page.as_role("operator", "POST", "/queues/mail/pause", &FORM, "").expect(303);
    page.as_role("viewer", "POST", "/queues/mail/resume", &FORM, "").expect(403);
    page.as_role("admin", "POST", "/jobs/change/delete", &FORM, "queue=mail&type=%3Cb%3Et%3C%2Fb%3E").expect(303);
    bench.wait_for("both to be over", DEADLINE, |_| {
        let all = page.get("/api/audit").json();
        all.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|deed| deed["outcome"] == "done"))
    });
    let all = page.get("/api/audit").json();
    for (deed, (verb, role)) in all.as_array().expect("deeds").iter().zip([("delete", "admin"), ("pause", "operator")])
    {
        assert_eq!((&deed["verb"], &deed["role"], &deed["via"]), (&verb.into(), &role.into(), &"web".into()), "{deed}");
        assert_eq!((&deed["who"], &deed["address"]), (&serde_json::Value::Null, &"127.0.0.1".into()), "{deed}");
    }
    assert_eq!(all[0]["operation"], 1);
    let html = page.get("/audit").expect(200).body;
    for text in ["the page (operator)", "queue `mail`", "operation 1", "127.0.0.1", "&lt;b&gt;t&lt;/b&gt;"] {
        assert!(html.contains(text), "{text}: {html}");
    }
    assert!(!html.contains("<b>t</b>"), "{html}");
    let first = page.get("/audit?limit=1").expect(200).body;
    let next = format!("/audit?limit=1&amp;before={}", all[0]["id"]);
    assert!(first.contains(&next) && !first.contains("queue `mail`"), "{first}");
    assert!(page.get(&next.replace("&amp;", "&")).expect(200).body.contains("queue `mail`"));
    let filtered = page.get("/audit?verb=pause&since=1h").expect(200).body;
    assert!(filtered.contains("queue-work audit --verb pause --since 1h"), "{filtered}");
    page.get("/audit?before=x").expect(400);
    let job = bench.push(&["--queue", "mail", "t"]);
    page.as_role("operator", "POST", &format!("/jobs/{job}/retry"), &FORM, "").expect(409);
    page.as_role("operator", "POST", "/processors/nosuch/disable", &FORM, "reason=slow").expect(404);
    bench.ok(&["pause", "mail", "default"]);
    let latest = page.get("/api/audit?limit=3").json();
    let [by_hand, unknown, refused] = [&latest[0], &latest[1], &latest[2]];
    assert!(unknown["outcome"].as_str().is_some_and(|outcome| outcome.contains("no processor")), "{unknown}");
    assert_eq!((&by_hand["via"], &by_hand["affected"]), (&"cli".into(), &2.into()), "{by_hand}");
    assert!(by_hand["who"].as_str().is_some_and(|who| !who.is_empty()), "{by_hand}");
    assert!(refused["outcome"].as_str().is_some_and(|outcome| outcome.contains("ready")), "{refused}");
    let from_now_on = page.get(&format!("/api/audit?since={}", jiff::Timestamp::now())).expect(200);
    assert_eq!(from_now_on.json(), serde_json::json!([]));
    let mistyped = bench.run(&["audit", "--verb", "puase"]);
    assert!(mistyped.code == 2 && mistyped.stderr.contains("pause"), "{mistyped:?}");
}

#[test]
fn an_error_that_is_new_says_so_and_one_of_its_jobs_is_retried_as_a_probe() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let jobs: Vec<i64> = (0..2).map(|_| bench.push(&["--max-attempts", "1", "--", "false"])).collect();
    for &job in &jobs {
        bench.wait_for_job(job, "dead");
    }
    let page = Page::start(&bench, &[]);
    let is_new = |page: &Page| page.get("/failures").expect(200).body.contains(">new</span>");
    bench.wait_for("the start to be on record", 2 * DEADLINE, |_| is_new(&page));
    let error = page.get("/api/failures").json()[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let probe = format!("/failures/{error}/probe");
    assert!(page.get(&format!("/failures/{error}")).expect(200).body.contains(&format!("action=\"{probe}\"")));
    let moved = page.as_role("operator", "POST", &probe, &FORM, "").expect(303);
    assert_eq!(moved.header("location"), Some(&*format!("/jobs/{}", jobs[1])));
    bench.wait_for("the probe to be over", DEADLINE, |bench| {
        bench.runs(jobs[1]).len() == 2 && bench.job(jobs[1])["state"] == "dead"
    });
    assert_eq!(bench.runs(jobs[0]).len(), 1, "the others are left as they are");
    page.as_role("operator", "POST", "/failures/0000000000000001/probe", &FORM, "").expect(404);
    let post =
        |what: &str, body: &str| page.as_role("operator", "POST", &format!("/failures/{error}/{what}"), &FORM, body);
    post("note", "note=disk+of+web3+%3Cb%3E").expect(303);
    post("mute", "until=3d").expect(303);
    post("mute", "until=soon").expect(400);
    assert!(page.get("/failures").expect(200).body.contains("No run has failed"));
    assert!(page.get("/failures?muted=1").expect(200).body.contains("disk of web3 &lt;b&gt;"));
    assert_eq!(page.get(&format!("/api/failures/{error}")).json()["note"], "disk of web3 <b>");
    post("unmute", "").expect(303);
    assert!(is_new(&page));
    bench.ok(&["restart", "--all"]);
    assert!(!is_new(&page), "it was there before the restart");
    let deeds = page.get("/api/audit?verb=retry").json();
    assert_eq!((&deeds[0]["target"], &deeds[0]["role"]), (&format!("job {}", jobs[1]).into(), &"operator".into()));
}
