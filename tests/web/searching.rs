//! The search in the list of jobs: slice after slice to the end, and never in what is hidden.

use super::http::Page;
use crate::support::{Bench, DEADLINE, fixture};

/// So many that no slice has them all.
const MANY: usize = 60_000;

fn ids(html: &str) -> Vec<i64> {
    html.split("/jobs/").skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

#[test]
fn a_search_goes_on_where_it_stopped_until_all_was_looked_at() {
    let bench = Bench::new();
    let job = |n: usize| {
        let (kind, color) = (["resize", "mail"][n % 2], if n % 30_000 == 7 { "puce" } else { "red" });
        format!("{{\"type\":\"{kind}\",\"args\":{{\"n\":{n},\"color\":\"{color}\"}}}}\n")
    };
    let jobs: String = (1..=MANY).map(job).collect();
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let page = Page::start(&bench, &[]);
    let mut slices = 0;
    for (q, wanted) in [
        ("puce", vec![30_007, 7]),
        ("args.color:puce", vec![30_007, 7]),
        ("args.n:1 state:ready", vec![1]),
        ("state:ready type:resize puce", vec![]),
    ] {
        let q = q.replace(' ', "+");
        let (mut path, mut found) = (format!("/jobs?q={q}"), Vec::new());
        loop {
            let html = page.get(&path).expect(200).body;
            assert!(html.contains("searched <b>"), "{html}");
            found.extend(ids(&html));
            slices += 1;
            let links = html.split("<a href=\"").filter(|rest| rest.contains("rel=\"next\">continue"));
            let Some(link) = links.last() else { break };
            path = link.split('"').next().expect("a link").replace("&amp;", "&");
        }
        assert_eq!(found, wanted, "{q}");
    }
    assert!(slices > 4, "one slice had all of it");
    // Programs have the same link in a header.
    let (mut path, mut found) = ("/api/jobs?q=puce".to_owned(), Vec::new());
    loop {
        let answer = page.get(&path).expect(200);
        found.extend(answer.json().as_array().expect("a list").iter().map(|job| job["id"].as_i64().expect("an id")));
        let Some(link) = answer.header("link") else { break };
        path = format!("/api{}", link.trim_start_matches('<').split('>').next().expect("a link"));
    }
    assert_eq!(found, [30_007, 7]);
    let listed = bench.verb(&["jobs", "list", "--text", "puce", "--json"]).run().json();
    assert_eq!(listed.as_array().expect("a list").len(), 2);
    for (q, to) in [("31", "/jobs/31"), ("%2331", "/jobs/31"), ("id:31", "/jobs/31")] {
        assert_eq!(page.get(&format!("/jobs?q={q}")).expect(303).header("location"), Some(to));
    }
    assert_eq!(ids(&page.get("/jobs?q=id:20-22+type:mail").expect(200).body), [21]);
    page.get("/jobs?q=id:x").expect(400);
}

#[test]
fn each_word_of_a_search_must_be_true_of_a_job_and_every_page_of_it_goes_on_where_the_last_ended() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    bench.push(&["mail", r#"{"to":"ann lee"}"#, "--label", "night", "--queue", "a"]);
    bench.push(&["mail", r#"{"to":"lee ann"}"#, "--unique", "k:1", "--queue", "b"]);
    let between = jiff::Timestamp::now();
    bench.push(&["resize", r#"{"to":"ann"}"#, "--queue", "b"]);
    let dead = bench.push(&["--max-attempts", "1", "--", "sh", "-c", "echo the disk is full >&2; exit 3"]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    bench.wait_for_job(dead, "dead");
    let error = bench.job(dead)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let (since, until) = (format!("since:{between} ann"), format!("until:{between} ann"));
    let by_error = format!("error:{error}");
    let table: [(&str, &[i64]); 12] = [
        ("label:night", &[1]),
        ("unique:k:1", &[2]),
        ("queue:b", &[3, 2]),
        ("type:mail", &[2, 1]),
        ("state:dead", &[dead]),
        (&by_error, &[dead]),
        (&since, &[3]),
        (&until, &[2, 1]),
        ("ann lee", &[2, 1]),
        ("\"ann lee\"", &[1]),
        ("ann nosuch", &[]),
        ("type:mail queue:b ann", &[2]),
    ];
    for (q, wanted) in table {
        let query: String = form_urlencoded::byte_serialize(q.as_bytes()).collect();
        assert_eq!(ids(&page.get(&format!("/jobs?q={query}")).expect(200).body), wanted, "{q}");
    }
    let first = page.get("/jobs?q=ann&limit=1").expect(200);
    assert!(first.body.contains("/jobs/change/cancel?q=ann"), "what is changed is what was found: {}", first.body);
    let (mut path, mut found) = ("/api/jobs?q=ann&limit=1".to_owned(), Vec::new());
    loop {
        let answer = page.get(&path).expect(200);
        found.extend(answer.json().as_array().expect("a list").iter().map(|job| job["id"].as_i64().expect("an id")));
        let Some(link) = answer.header("link") else { break };
        path = format!("/api{}", link.trim_start_matches('<').split('>').next().expect("a link"));
    }
    assert_eq!(found, [3, 2, 1]);
}

#[test]
fn what_is_hidden_is_found_by_an_admin_alone() {
    let bench = Bench::new();
    bench.push(&["t", r#"{"user":"ann","password":"xyzzy","list":[{"api_token":"plugh"}]}"#]);
    let page = Page::start(&bench, &[]);
    let found = |role: &str, q: &str| {
        let answer = page.as_role(role, "GET", &format!("/api/jobs?q={q}"), &[], "");
        let jobs = answer.expect(200).json().as_array().expect("a list").len();
        let preview = page.as_role(role, "GET", &format!("/api/jobs/change/cancel?q={q}"), &[], "").expect(200).json();
        assert_eq!(preview["count"], jobs, "{role} {q}");
        let html = page.as_role(role, "GET", &format!("/jobs?q={q}"), &[], "").expect(200).body;
        let rows = html.split("<tbody>").nth(1).unwrap_or_default();
        assert_eq!(rows.contains("xyzzy") || rows.contains("plugh"), role == "admin" && jobs > 0, "{role} {q}: {html}");
        jobs
    };
    for hidden in ["xyzzy", "plugh", "args.password:xyzzy", "args.list.0.api_token:plugh", "%22password%22:%22xyz"] {
        assert_eq!((found("viewer", hidden), found("operator", hidden)), (0, 0), "{hidden}");
    }
    for hidden in ["xyzzy", "plugh", "args.password:xyzzy", "args.list.0.api_token:plugh"] {
        assert_eq!(found("admin", hidden), 1, "{hidden}");
    }
    for seen in ["ann", "args.user:ann", "password"] {
        assert_eq!((found("viewer", seen), found("admin", seen)), (1, 1), "{seen}");
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];
    let _master = bench.start(&["--queue", "other", "--workers", "1"]);
    bench.wait_for("the page to see the master", crate::support::DEADLINE, |_| {
        let answer = page.as_role("operator", "POST", "/api/jobs/change/cancel", &form, "q=xyzzy");
        answer.status == 200 && answer.json()["expected"] == 0
    });
    let body = r#"{"filter": {"args": {"text": ["xyzzy"]}, "state": ["ready"]}}"#;
    let json = [("Content-Type", "application/json"), ("Accept", "application/json")];
    let operation = page.as_role("operator", "POST", "/api/jobs/change/cancel", &json, body).expect(200).json();
    assert_eq!(operation["expected"], 0, "{operation}");
    assert_eq!(bench.job(1)["state"], "ready");
}

#[test]
fn runs_are_found_by_what_was_said_in_them_page_after_page_and_never_by_what_is_hidden() {
    let bench = Bench::new();
    let program = fixture("echo.py");
    let words: Vec<&str> = program.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers", "2", "--queue", "default", "--"], &words[..]].concat());
    let color = |n: usize| ["puce", "red"][n % 2];
    let job = |n: usize| format!("{{\"type\":\"t\",\"args\":{{\"n\":{n},\"color\":\"{}\"}}}}\n", color(n));
    let jobs: String = (1..=120).map(job).collect();
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    let last = bench.push(&["t", r#"{"user":"<b>ann","password":"xyzzy"}"#]);
    bench.wait_for("all runs", DEADLINE, |bench| bench.status()["queues"][0]["succeeded_total"] == 121);
    let _other = bench.push(&["--queue", "cmd", "--max-attempts", "1", "--", "sh", "-c", "echo aubergine >&2; exit 3"]);
    bench.ok(&["spawn", "--queue", "cmd", "--workers", "1"]);
    bench.wait_for("the failed run", DEADLINE, |bench| !bench.runs(122).is_empty());
    let page = Page::start(&bench, &[]);
    let found = |role: &str, q: &str| {
        let runs = page.as_role(role, "GET", &format!("/api/runs?limit=1000&q={q}"), &[], "").expect(200).json();
        runs.as_array().expect("a list").len()
    };
    for (q, runs) in [
        ("puce", 60),
        ("red+outcome:succeeded", 60),
        ("%22%3A+77%2C%22", 1),
        ("aubergine", 1),
        ("aubergine+queue:cmd", 1),
        ("aubergine+queue:default", 0),
        ("nosuch", 0),
        ("outcome:failed", 1),
        ("job:3", 1),
        ("ann+job:3", 0),
    ] {
        assert_eq!(found("viewer", q), runs, "{q}");
    }
    assert_eq!(["viewer", "operator", "admin"].map(|role| found(role, "xyzzy")), [0, 0, 1]);
    assert_eq!(["viewer", "admin"].map(|role| found(role, "ann")), [1, 1]);
    let (mut path, mut ids) = ("/runs?q=puce".to_owned(), Vec::new());
    loop {
        let html = page.get(&path).expect(200).body;
        assert!(html.contains("searched <b>"), "{html}");
        ids.extend(self::ids(&html));
        let links = html.split("<a href=\"").filter(|rest| rest.contains("rel=\"next\">"));
        let Some(link) = links.last() else { break };
        path = link.split('"').next().expect("a link").replace("&amp;", "&");
    }
    assert_eq!(ids, (1..=120).rev().filter(|n| n % 2 == 0).collect::<Vec<_>>());
    let html = page.get("/runs?q=%3Cb%3Eann").expect(200).body;
    assert_eq!(self::ids(&html), [last]);
    assert!(
        html.contains("queue-work runs --text &#39;&lt;b&gt;ann&#39;")
            || html.contains("queue-work runs --text '&lt;b&gt;ann'"),
        "{html}"
    );
    page.get("/runs?q=outcome:x").expect(400);
    let listed = bench.run(&["runs", "--text", "aubergine", "--json"]).expect_code(0).json();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["job_id"]), (Some(1), &122.into()));
    assert!(bench.run(&["runs", "--text", "nosuch"]).expect_code(0).stderr.contains("no run is like that"));
}
