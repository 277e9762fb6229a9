//! The guard of the page: who is answered, by token, by the name that is asked for, by the site that asks, by role.

use std::os::unix::fs::PermissionsExt;

use super::http::Page;
use crate::support::{Bench, now};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn basic(password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("qw:{password}")))
}

#[test]
fn nobody_is_answered_without_a_token_and_the_tokens_are_for_their_user_alone() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    let host = page.at.to_string();
    for path in ["/", "/queues", "/metrics", "/app.css", "/nope", "/api/jobs", "/login"] {
        let refused = page.ask("GET", path, &[("Host", &host)], "").expect(401);
        assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"queue-work\", charset=\"UTF-8\""));
    }
    for (shown, status) in [(basic(page.token("viewer")), 200), (basic("wrong"), 401), (basic(""), 401)] {
        page.ask("GET", "/", &[("Host", &host), ("Authorization", &shown)], "").expect(status);
    }
    for open in ["/healthz", "/readyz"] {
        let answer = page.ask("GET", open, &[("Host", &host)], "");
        assert!(answer.body.len() < 20, "{answer:?}");
    }
    let file = format!("{}.web-token", bench.database().display());
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("our file");
    let refused = bench.run(&["web", "link"]).expect_code(1);
    assert!(refused.stderr.contains("others can read it"), "{refused:?}");
}

#[test]
fn an_address_that_tries_many_tokens_is_told_to_wait_and_the_right_one_is_still_let_in() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    let host = page.at.to_string();
    let statuses: Vec<u16> = (0..8)
        .map(|_| page.ask("GET", "/", &[("Host", &host), ("Authorization", "Bearer wrong")], "").status)
        .collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429, 429]);
    page.get("/").expect(200);
}

#[test]
fn a_name_that_is_not_ours_is_not_answered() {
    let bench = Bench::new();
    let page = Page::start(&bench, &["--host", "queue.example.org"]);
    let bearer = format!("Bearer {}", page.token("admin"));
    let port = page.at.port();
    let ask = |host: &str| page.ask("GET", "/queues", &[("Host", host), ("Authorization", &bearer)], "").status;
    for ours in
        ["127.0.0.1".to_owned(), format!("localhost:{port}"), "[::1]".to_owned(), "Queue.Example.org".to_owned()]
    {
        assert_eq!(ask(&ours), 200, "{ours}");
    }
    for other in ["evil.test", "127.0.0.1.evil.test", "queue.example.org.evil.test", "", "169.254.0.1"] {
        assert_eq!(ask(other), 421, "{other}");
    }
    // Also where the request line has a name.
    let line = format!(
        "GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n"
    );
    assert!(page.raw(line.as_bytes()).starts_with("HTTP/1.1 421"));
}

#[test]
fn a_page_of_another_site_can_neither_read_nor_change_anything() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let (host, login) = (page.at.to_string(), basic(page.token("admin")));
    let own = [("Host", host.as_str()), ("Authorization", login.as_str()), FORM];
    let origin = format!("http://{host}");
    let table: [(&[(&str, &str)], u16); 7] = [
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", "http://evil.test")], 403),
        (&[("Origin", "null")], 403),
        (&[], 403),
        (&[("Sec-Fetch-Site", "same-origin")], 303),
        (&[("Origin", &origin)], 303),
    ];
    for (more, status) in table {
        page.ask("POST", "/queues/default/pause", &[&own[..], more].concat(), "x=1").expect(status);
        let paused = &bench.status()["queues"][0]["paused"];
        assert_eq!(paused, status == 303, "{more:?}");
        bench.ok(&["resume", "--all"]);
    }
    let navigation = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    page.ask("GET", "/", &[&own[..2], &navigation].concat(), "").expect(200);
    page.ask("GET", "/", &[&own[..2], &navigation[..1]].concat(), "").expect(403);
}

#[test]
fn each_answer_forbids_the_browser_to_run_frame_or_keep_anything() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    for path in ["/", "/jobs", "/api/jobs", "/nope", "/healthz"] {
        let answer = page.get(path);
        let policy = answer.header("content-security-policy").expect("a policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"));
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
    let html = page.get("/").body;
    assert!(!html.contains("style=") && !html.contains("onclick") && !html.contains("<script>"), "{html}");
    for asset in ["css", "js"] {
        let at = html.split('"').find(|part| part.ends_with(&format!(".{asset}"))).expect("an asset");
        let answer = page.get(at).expect(200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(answer.body.len() < 9_000, "{asset} has {} bytes", answer.body.len());
    }
}

/// Every action, with the role that it takes.
const ACTIONS: [(&str, &str); 25] = [
    ("/jobs", "admin"),
    ("/jobs/change/retry", "operator"),
    ("/jobs/change/cancel", "operator"),
    ("/jobs/change/delete", "admin"),
    ("/operations/1/stop", "operator"),
    ("/failures/0000000000000001/probe", "operator"),
    ("/failures/0000000000000001/note", "operator"),
    ("/failures/0000000000000001/mute", "operator"),
    ("/failures/0000000000000001/unmute", "operator"),
    ("/jobs/1/retry", "operator"),
    ("/jobs/1/cancel", "operator"),
    ("/jobs/1/delete", "admin"),
    ("/queues/default/pause", "operator"),
    ("/queues/default/resume", "operator"),
    ("/queues/default/keys/pause", "operator"),
    ("/queues/default/keys/resume", "operator"),
    ("/pools/default/scale", "operator"),
    ("/pools/default/restart", "operator"),
    ("/workers/default-1/restart", "operator"),
    ("/debug", "operator"),
    ("/processors/x/enable", "operator"),
    ("/processors/x/disable", "operator"),
    ("/processors/x/reset", "operator"),
    ("/processors/x/run", "operator"),
    ("/services/x/call", "admin"),
];

#[test]
fn a_role_does_what_it_may_and_a_page_for_looking_changes_nothing() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let page = Page::start(&bench, &[]);
    for (path, least) in ACTIONS {
        for role in ["viewer", "operator", "admin"] {
            let may = role == "admin" || role == least;
            let status = page.as_role(role, "POST", path, &[FORM], "").status;
            assert_eq!(status == 403, !may, "{role} {path}: {status}");
        }
        page.as_role("admin", "GET", &format!("{path}/"), &[], "");
    }
    let looking = Page::start(&bench, &["--read-only"]);
    for (path, _) in ACTIONS {
        looking.as_role("admin", "POST", path, &[FORM], "").expect(403);
    }
    let html = looking.get("/queues").expect(200).body;
    assert!(!html.contains("<form method=\"post\""), "{html}");
}

#[test]
fn secrets_in_args_are_for_an_admin_only() {
    let bench = Bench::new();
    let id = bench.push(&["mail", r#"{"to":"a","Password":"hunter2","deep":[{"api_token":"t0p"}]}"#]);
    let page = Page::start(&bench, &[]);
    for path in [format!("/jobs/{id}"), "/jobs".to_owned(), format!("/api/jobs/{id}"), "/api/jobs".to_owned()] {
        let seen = |role| page.as_role(role, "GET", &path, &[], "").expect(200).body;
        for role in ["viewer", "operator"] {
            let body = seen(role);
            assert!(!body.contains("hunter2") && !body.contains("t0p") && body.contains("(hidden)"), "{path}: {body}");
        }
        assert!(seen("admin").contains("hunter2"), "{path}");
    }
}

#[test]
fn half_a_request_is_cut_off_and_a_head_has_an_end() {
    let bench = Bench::new();
    let page = Page::start(&bench, &[]);
    let began = now();
    page.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Half");
    assert!(began.elapsed() < std::time::Duration::from_secs(25), "{:?}", began.elapsed());
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "a".repeat(400_000));
    let refused = page.raw(long.as_bytes());
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
    page.get("/").expect(200);
}

#[test]
fn below_a_base_path_every_link_begins_with_it_whatever_the_proxy_does() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let page = Page::start(&bench, &["--base-path", "/team/jobs"]);
    for path in ["/team/jobs/queues", "/queues"] {
        let html = page.get(path).expect(200).body;
        let links =
            html.split("href=\"").skip(1).chain(html.split("src=\"").skip(1)).chain(html.split("action=\"").skip(1));
        for link in links.map(|link| link.split('"').next().unwrap_or_default()) {
            assert!(link.starts_with("/team/jobs/") || link.starts_with('#'), "{link}");
        }
    }
    let moved = page.get("/team/jobs/login").expect(303);
    assert_eq!(moved.header("location"), Some(format!("http://{}/team/jobs/", page.at).as_str()));
    page.get("/team/jobs/api/queues").expect(200).json();
    page.get("/team/jobs/nope").expect(404);
}
