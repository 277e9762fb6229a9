//! A page that is open: it is told what has changed, also when the master goes and comes back.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::http::Page;
use crate::support::{Bench, DEADLINE, now};

/// The changes of a page.
struct Changes(BufReader<TcpStream>);

impl Changes {
    fn of(page: &Page, path: &str) -> Self {
        let mut stream = TcpStream::connect(page.at).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let token = page.token("viewer");
        let host = page.at;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("sent");
        Self(BufReader::new(stream))
    }

    /// Reads until a part of this name has this text in it; how many parts came.
    #[track_caller]
    fn wait_for(&mut self, id: &str, text: &str) -> usize {
        let (mut parts, began) = (0, now());
        loop {
            assert!(began.elapsed() < DEADLINE, "{id} did not come to have {text}");
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("it goes on") > 0, "it ended before {id} had {text}");
            let Some(json) = line.strip_prefix("data: ") else { continue };
            let part: Value = serde_json::from_str(json).expect("JSON");
            parts += 1;
            if part["id"] == id && part["html"].as_str().expect("a text").contains(text) {
                return parts;
            }
        }
    }
}

#[test]
fn an_open_page_is_told_what_has_changed_and_goes_on_when_the_master_does() {
    let bench = Bench::new();
    let mut master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    bench.push(&["t"]);
    let mut changes = Changes::of(&page, "/queues");
    changes.wait_for("queues", ">default</a>");
    bench.ok(&["pause", "default"]);
    changes.wait_for("queues", "paused");
    master.kill9();
    changes.wait_for("state", "no master runs");
    bench.wait_for("nothing of the dead master to be left", DEADLINE, |bench| {
        bench.leftovers().iter().all(|left| left.pid.cast_unsigned() == page.pid())
    });
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    changes.wait_for("state", "running");
}

#[test]
fn many_viewers_are_served_and_one_that_does_not_read_is_dropped() {
    let bench = Bench::new();
    let _master = bench.start(&["--queue", "default", "--workers", "1"]);
    let page = Page::start(&bench, &[]);
    let mut all: Vec<Changes> = (0..200).map(|_| Changes::of(&page, "/")).collect();
    for changes in &mut all {
        changes.wait_for("state", "running");
    }
    page.get("/").expect(200);
    let status = std::fs::read_to_string(format!("/proc/{}/status", page.pid())).expect("it runs");
    let memory =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    // A build without optimization is larger; a release has half of it.
    assert!(memory.is_some_and(|kib| kib < 60 * 1024), "{memory:?} KiB");
    drop(all);
    bench.wait_for("the page to have room again", DEADLINE, |_| page.get("/").status == 200);
}
