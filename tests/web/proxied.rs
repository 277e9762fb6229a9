//! The page behind a proxy: which user and which path it believes, and from whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::http::Page;
use crate::support::Bench;

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
        let moved = page.get("/team/jobs/login").expect(303);
        assert_eq!(moved.header("location"), Some(format!("http://{}/team/jobs/", page.at).as_str()));
    }
}
