//! The page behind a proxy: which user and which path it believes, and from whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use super::http::Page;
use crate::support::{Bench, DEADLINE};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const OWN: (&str, &str) = ("Sec-Fetch-Site", "same-origin");

fn write(bench: &Bench, web: &str) {
    std::fs::write(bench.path().join("queue-work.toml"), format!("[web]\n{web}\n")).expect("a file");
}

/// What a request with these headers, and no token, is answered.
fn asked(page: &Page, method: &str, path: &str, more: &[(&str, &str)]) -> u16 {
    let host = page.at.to_string();
    page.ask(method, path, &[&[("Host", host.as_str()), FORM, OWN], more].concat(), "").status
}

#[test]
fn a_trusted_proxy_says_who_asks_and_each_user_has_the_role_of_the_list() {
    let bench = Bench::new();
    write(
        &bench,
        "auth = \"proxy\"\ntrusted = [\"127.0.0.0/8\"]\nadmins = [\"alice\"]\noperators = [\"bob\"]\nviewers = [\"carol\"]",
    );
    bench.push(&["t"]);
    let page = Page::start(&bench, &[]);
    let table =
        [("alice", 200, 404, 404), ("bob", 200, 404, 403), ("carol", 200, 403, 403), ("mallory", 403, 403, 403)];
    for (user, look, retry, delete) in table {
        let user = [("X-Forwarded-User", user)];
        assert_eq!(asked(&page, "GET", "/jobs", &user), look, "{user:?}");
        // There is no such job, or no master to ask.
        for (path, status) in [("/jobs/7/retry", retry), ("/jobs/7/delete", delete)] {
            let found = asked(&page, "POST", path, &user);
            assert!(found == status || status == 404 && found == 503, "{user:?} {path}: {found}");
        }
    }
    let of_two = [("X-Forwarded-User", "alice"), ("X-Forwarded-User", "carol")];
    assert_eq!(asked(&page, "GET", "/", &of_two), 401, "a browser has sent one of them");
    assert_eq!(asked(&page, "GET", "/", &[("X-Forwarded-User", " ")]), 401);
    page.get("/").expect(200);
    let other = [("Sec-Fetch-Site", "cross-site"), ("X-Forwarded-User", "alice")];
    let host = page.at.to_string();
    page.ask("POST", "/jobs/7/retry", &[&[("Host", host.as_str()), FORM], &other[..]].concat(), "").expect(403);
}

#[test]
fn whoever_is_not_trusted_is_nobody_whatever_is_said() {
    let bench = Bench::new();
    let alice = [("X-Forwarded-User", "alice"), ("X-Forwarded-Prefix", "/elsewhere")];
    for web in [
        "auth = \"proxy\"\ntrusted = [\"10.0.0.0/8\", \"unix\"]\nadmins = [\"*\"]",
        "trusted = [\"127.0.0.1\"]\nadmins = [\"*\"]",
    ] {
        write(&bench, web);
        let page = Page::start(&bench, &[]);
        assert_eq!(asked(&page, "GET", "/", &alice), 401, "{web}");
        let html = page.as_role("viewer", "GET", "/", &alice, "").expect(200).body;
        assert_eq!(html.contains("/elsewhere/"), web.starts_with("trusted"), "{web}");
    }
    write(&bench, "auth = \"proxy\"");
    let refused = bench.run(&["web", "--listen", "127.0.0.1:0"]).expect_code(2);
    assert!(refused.stderr.contains("add `trusted = [\"127.0.0.1\"]`"), "{refused:?}");
}

#[test]
fn the_header_is_that_of_the_settings_and_a_user_changes_nothing_where_all_is_read_only() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let proxy = "auth = \"proxy\"\ntrusted = [\"127.0.0.1\"]\nadmins = [\"alice\"]";
    write(&bench, &format!("{proxy}\nuser_header = \"Remote-User\""));
    let page = Page::start(&bench, &[]);
    for (header, status) in [("Remote-User", 200), ("X-Forwarded-User", 401)] {
        assert_eq!(asked(&page, "GET", "/", &[(header, "alice")]), status, "{header}");
    }
    let alice = [("X-Forwarded-User", "alice")];
    for (read_only, status) in [(false, 303), (true, 403)] {
        write(&bench, &format!("{proxy}\nread_only = {read_only}"));
        let page = Page::start(&bench, &[]);
        assert_eq!(asked(&page, "POST", "/queues/default/pause", &alice), status, "{read_only}");
    }
}

#[test]
fn a_proxy_at_the_socket_is_believed_by_its_user() {
    let bench = Bench::new();
    let own = nix::unistd::getuid().as_raw();
    for (trusted, status) in
        [("unix".to_owned(), "200"), (format!("unix:{own}"), "200"), (format!("unix:{}", own + 1), "401")]
    {
        write(&bench, &format!("auth = \"proxy\"\ntrusted = [\"{trusted}\"]\nadmins = [\"alice\"]"));
        let mut web = bench
            .command(&["web", "--listen", "unix:web.sock"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary can be started");
        let connected = || UnixStream::connect(bench.path().join("web.sock"));
        bench.wait_for("the page to listen", DEADLINE, |_| connected().is_ok());
        let mut stream = connected().expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let head = "GET / HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\nX-Forwarded-User: alice\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert_eq!(answer.split(' ').nth(1), Some(status), "{trusted}");
        web.kill().and_then(|()| web.wait()).expect("it ends");
    }
}

#[test]
fn the_user_is_beside_what_was_changed() {
    let bench = Bench::new();
    write(&bench, "auth = \"proxy\"\ntrusted = [\"127.0.0.1\"]\noperators = [\"*\"]");
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let host = page.at.to_string();
    let headers = [("Host", host.as_str()), FORM, OWN, ("X-Forwarded-User", "bob <b>")];
    page.ask("POST", "/jobs/change/cancel", &headers, "type=x").expect(303);
    let began = bench.run(&["jobs", "operations", "--json"]).json();
    assert_eq!(began[0]["by"], "bob <b>");
    let found = |who: &str| page.get(&format!("/api/audit?who={who}")).json().as_array().expect("deeds").len();
    assert_eq!((found("bob+%3Cb%3E"), found("carol")), (1, 0));
    let long = "b".repeat(300);
    let headers = [&headers[..3], &[("X-Forwarded-User", long.as_str())]].concat();
    page.ask("POST", "/jobs/change/cancel", &headers, "type=x").expect(303);
    assert_eq!(found(&long[..100]), 1, "a name is cut");
}

/// A proxy for one path, which it takes off and names, or leaves as it is.
fn proxy(to: SocketAddr, takes_off: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a head");
                head.extend(byte);
            }
            let mut head = String::from_utf8(head).expect("a text");
            if takes_off {
                head =
                    head.replacen(" /team/jobs", " ", 1).replacen("\r\n", "\r\nX-Forwarded-Prefix: /team/jobs/\r\n", 1);
            }
            let mut behind = TcpStream::connect(to).expect("the page");
            behind.write_all(head.as_bytes()).expect("sent");
            std::io::copy(&mut behind, &mut stream).expect("an answer");
        }
    });
    at
}

#[test]
fn every_link_leads_through_the_proxy_whether_it_takes_its_path_off_or_not() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]);
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    bench.wait_for_job(id, "succeeded");
    write(&bench, "trusted = [\"127.0.0.1\"]");
    for (takes_off, args) in [(true, &[][..]), (false, &["--base-path", "/team/jobs"])] {
        let mut page = Page::start(&bench, args);
        page.at = proxy(page.at, takes_off);
        let (mut found, mut looked) = (vec!["/team/jobs/".to_owned(), format!("/team/jobs/jobs/{id}")], 0);
        while looked < found.len() {
            let answer = page.get(&found[looked]).expect(200);
            looked += 1;
            let links = ["href=\"", "src=\""].into_iter().flat_map(|name| answer.body.split(name).skip(1));
            for link in links.filter_map(|rest| rest.split('"').next()).filter(|link| !link.starts_with('#')) {
                assert!(link.starts_with("/team/jobs/"), "{link}");
                let link = link.split('?').next().expect("a path").to_owned();
                if !found.contains(&link) {
                    found.push(link);
                }
            }
        }
        assert!(found.len() > 15, "{found:?}");
        for scheme in ["http", "https"] {
            let moved =
                page.as_role("admin", "GET", "/team/jobs/login", &[("X-Forwarded-Proto", scheme)], "").expect(303);
            assert_eq!(moved.header("location"), Some(format!("{scheme}://{}/team/jobs/", page.at).as_str()));
        }
    }
    let page = Page::start(&bench, &[]);
    for prefix in ["//evil.test", "\"><b>", "evil", "/a/../b", "/a b"] {
        let html = page.as_role("admin", "GET", "/queues", &[("X-Forwarded-Prefix", prefix)], "").expect(200).body;
        assert!(html.contains("href=\"/queues\""), "{prefix} is no path: {html}");
    }
}
