//! Lines that come: the output of a job, of a worker, and everything at once.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::http::Page;
use crate::support::{Bench, DEADLINE, fixture, now};

/// The rows of a pane.
struct Rows {
    from: BufReader<TcpStream>,
    seen: String,
}

impl Rows {
    fn of(page: &Page, path: &str) -> Self {
        Self::of_role(page, "viewer", path)
    }

    fn of_role(page: &Page, role: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(page.at).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let (token, host) = (page.token(role), page.at);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        Self { from: BufReader::new(stream), seen: String::new() }
    }

    /// Reads until there is a row with this text.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        let began = now();
        while !self.seen.contains(text) {
            assert!(began.elapsed() < DEADLINE, "no row has {text}: {}", self.seen);
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).expect("it goes on") > 0, "it ended before {text}: {}", self.seen);
            let Some(json) = line.strip_prefix("data: ") else { continue };
            let message: Value = serde_json::from_str(json).expect("JSON");
            if message["first"] == true {
                self.seen.clear();
            }
            self.seen += message["rows"].as_str().expect("a text");
        }
    }
}

#[test]
fn a_job_that_runs_shows_what_it_prints_at_once_with_its_colours_and_afterwards_what_is_stored() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let go = bench.path().join("go");
    let script = format!(
        "echo before; until [ -e '{}' ]; do sleep 0.02; done; printf '\\033[1;31mred\\033[0m<b>\\033[2J\\n'; sleep 60",
        go.display()
    );
    let id = bench.push(&["--", "sh", "-c", &script]);
    bench.wait_for_job(id, "running");
    let page = Page::start(&bench, &[]);
    let mut rows = Rows::of(&page, &format!("/jobs/{id}/output"));
    rows.wait_for("before");
    std::fs::write(&go, "").expect("a file");
    rows.wait_for("<span class=\"ab f1\">red</span>&lt;b&gt;\\x1b[2J");
    assert_eq!(rows.seen.matches("before").count(), 1, "{}", rows.seen);
    let html = page.get(&format!("/jobs/{id}")).expect(200).body;
    assert!(html.contains("data-stream=") && html.contains("before") && html.contains("ab f1"), "{html}");
    let text = page.get(&format!("/jobs/{id}/output")).expect(200).body;
    assert!(text.contains("before\n") && text.contains("red"), "{text}");
    bench.ok(&["jobs", "cancel", &id.to_string()]);
    bench.wait_for("the stored output", DEADLINE, |_| {
        let html = page.get(&format!("/jobs/{id}")).body;
        html.contains("Last lines on stdout") && html.contains("before") && !html.contains("data-stream=")
    });
}

#[test]
fn the_live_page_has_events_and_output_of_all_and_of_those_that_are_wanted() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "2"]);
    let first = bench.push(&["--", "echo", "hello"]);
    bench.wait_for_job(first, "succeeded");
    let page = Page::start(&bench, &[]);
    let mut all = Rows::of(&page, "/live/stream");
    all.wait_for("hello");
    all.wait_for("master_started");
    let dies = bench.push(&["--max-attempts", "1", "--", "sh", "-c", "echo '<img src=x>'; exit 3"]);
    all.wait_for("job_dead");
    all.wait_for("&lt;img src=x&gt;");
    assert!(!all.seen.contains("<img"), "{}", all.seen);
    for row in ["hello", "master_started", "</a> &lt;img src=x&gt;"] {
        assert_eq!(all.seen.matches(row).count(), 1, "{row}: {}", all.seen);
    }
    let text = |query: &str| page.get(&format!("/live/stream?{query}")).expect(200).body;
    let only = text(&format!("job={dies}"));
    assert!(only.contains("<img src=x>") && only.contains("job_dead") && !only.contains("hello"), "{only}");
    let events = text("level=info,warn");
    assert!(events.contains("master_started") && !events.contains("hello"), "{events}");
    let problems = text("level=warn");
    assert!(problems.contains("job_dead") && !problems.contains("master_started"), "{problems}");
    assert!(text("worker=nope-1&level=output").is_empty() && text("text=hel").contains("hello"));
    page.get("/live?level=nonsense").expect(400);
    let html = page.get("/live?text=hel").expect(200).body;
    assert!(html.contains("hello") && !html.contains("job_dead"), "{html}");
    let html = page.get("/workers/default-1?text=nosuch").expect(200).body;
    assert!(html.contains("/output?text=nosuch") && !html.contains("hello"), "{html}");
}

#[test]
fn nobody_who_looks_leaves_a_connection_to_the_master_and_one_that_does_not_read_holds_up_nobody() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let threads = || {
        let threads = std::fs::read_dir(format!("/proc/{}/task", page.pid())).expect("it runs").flatten();
        threads
            .filter(|thread| std::fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name == "tap\n"))
            .count()
    };
    let deaf: Vec<Rows> = (0..20).map(|_| Rows::of(&page, "/live/stream?level=output")).collect();
    let mut hears = Rows::of(&page, "/live/stream?level=output");
    bench.wait_for("a stream", DEADLINE, |_| threads() == 1);
    let id =
        bench.push(&["--", "sh", "-c", "yes 0123456789012345678901234567890123456789 | head -n 200000; echo at last"]);
    bench.wait_for_job(id, "succeeded");
    let last = bench.push(&["--", "echo", "really the last"]);
    bench.wait_for_job(last, "succeeded");
    hears.wait_for("really the last");
    drop((deaf, hears));
    bench.wait_for("no stream", DEADLINE, |_| threads() == 0);
}

#[test]
fn verbose_for_ten_minutes_shows_each_step_to_everybody_but_of_messages_only_an_admin_sees_all() {
    let bench = Bench::new();
    let program = fixture("echo.py");
    let words: Vec<&str> = program.iter().map(String::as_str).collect();
    let _master = bench.start(&[&["--workers", "1", "--queue", "default", "--"], &words[..]].concat());
    let page = Page::start(&bench, &[]);
    let (form, label) = ([("Content-Type", "application/x-www-form-urlencoded")], "verbose for 10 minutes");
    let html = |role: &str| page.as_role(role, "GET", "/live", &[], "").expect(200).body;
    assert!(html("operator").contains(label) && !html("viewer").contains(label));
    let [mut all, mut quiet] = ["/live/stream", "/live/stream?level=info,output"].map(|path| Rows::of(&page, path));
    let mut admin = Rows::of_role(&page, "admin", "/live/stream?level=debug");
    for rows in [&mut all, &mut quiet] {
        rows.wait_for("master_started");
    }
    page.as_role("operator", "POST", "/debug", &form, "").expect(303);
    for role in ["operator", "viewer"] {
        assert!(html(role).contains("verbose until <b>") && !html(role).contains(label));
    }
    let args = format!(r#"{{"seen":"<b>ann</b>","password":"hunter2","long":"{}"}}"#, "x".repeat(3000));
    // Steps are told from the turn on that comes after.
    bench.push(&["t", &args]);
    bench.push(&["t", &args]);
    for rows in [&mut all, &mut admin] {
        rows.wait_for("<b>decided</b>");
        rows.wait_for("class=\"step\"");
        rows.wait_for("&lt;b&gt;ann&lt;/b&gt;");
        rows.wait_for("<b>turns</b>");
        assert!(!rows.seen.contains("<b>ann"), "{}", rows.seen);
    }
    assert!(all.seen.contains("&quot;password&quot;:&quot;(hidden)&quot;,&quot;long&quot;:&quot;xxx"), "{}", all.seen);
    assert!(!all.seen.contains("hunter2") && admin.seen.contains("hunter2"), "{}", all.seen);
    bench.ok(&["restart", "default-1"]);
    all.wait_for("<b>spawned</b>");
    admin.wait_for("echo.py");
    assert!(!all.seen.contains("echo.py"), "{}", all.seen);
    quiet.wait_for("default-1");
    assert!(!quiet.seen.contains("class=\"step\""), "{}", quiet.seen);
    page.as_role("operator", "POST", "/api/debug", &form, "seconds=0").expect(200);
    all.wait_for("debug has ended");
    assert!(html("operator").contains(label));
    page.as_role("operator", "POST", "/api/debug", &form, "seconds=x").expect(400);
    let deeds = bench.run(&["audit", "--verb", "debug", "--json"]).expect_code(0).json();
    assert_eq!((&deeds[0]["via"], &deeds[0]["role"]), (&"web".into(), &"operator".into()));
}
