//! The page of a store that several hosts share.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use super::server::new_url;
use super::{Host, eventually};

struct Page {
    child: Child,
    at: String,
    token: String,
}

impl Page {
    fn start(host: &Host) -> Self {
        let mut child = host.command(&["web", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stderr, mut line) = (BufReader::new(child.stderr.take().unwrap()), String::new());
        stderr.read_line(&mut line).unwrap();
        let at = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let folder = std::fs::read_dir(host.home.path().join("queue-work")).unwrap().flatten();
        let file = folder.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|end| end == "web-token"));
        let tokens = std::fs::read_to_string(file.expect("tokens")).unwrap();
        let token = tokens.lines().find_map(|line| line.strip_prefix("viewer ")).unwrap().to_owned();
        Self { child, at, token }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        let (at, token) = (&self.at, &self.token);
        let head = format!("Host: {at}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n");
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_shows_every_host_to_who_may_only_look() {
    let url = new_url();
    let (mut a, mut b) = (Host::new(&url), Host::new(&url));
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=2", "--queue=mail"]);
    let job = a.ok(&["push", "--queue", "mail", "--", "sleep", "600"]);
    eventually("it runs", || a.state(job.trim()) == "running");
    let page = Page::start(&a);
    let hosts = || serde_json::from_str::<Value>(&page.get("/api/hosts")).unwrap();
    eventually("both have said what they serve", || hosts()[1]["serves"]["mail"] == serde_json::json!(["exec"]));
    assert_eq!(
        (&hosts()[1]["workers"], &hosts()[1]["busy"], &hosts()[1]["state"]),
        (&2.into(), &1.into(), &"running".into())
    );
    let name = hosts()[1]["name"].as_str().unwrap().to_owned();
    for path in ["/hosts", "/"] {
        let html = page.get(path);
        assert!(html.contains("Masters that share the store"), "{path}: {html}");
        assert!(html.matches(&name).count() >= 2 && html.contains("(this one)"), "{path}: {html}");
    }
}
