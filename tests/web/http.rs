//! A page that runs for a test, and the least of an HTTP client.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Stdio};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::support::{Bench, DEADLINE};

/// A page that was started by a test; killed when dropped.
pub(crate) struct Page {
    child: Child,
    pub(crate) at: SocketAddr,
    tokens: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {self:#?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))
    }
}

impl Page {
    #[track_caller]
    pub(crate) fn start(bench: &Bench, args: &[&str]) -> Self {
        let mut command = bench.command(&["web", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(args).stderr(Stdio::piped()).spawn().expect("the binary can be started");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line.split("http://").nth(1).unwrap_or_else(|| panic!("no address in {line:?}"));
        let at = address.split('/').next().expect("an address").parse().expect("an address");
        // What else it says is for nobody.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let file = format!("{}.web-token", bench.database().display());
        let text = std::fs::read_to_string(file).expect("tokens");
        let tokens = text.lines().filter_map(|line| line.split_once(' '));
        Self { child, at, tokens: tokens.map(|(role, token)| (role.to_owned(), token.to_owned())).collect() }
    }

    pub(crate) fn token(&self, role: &str) -> &str {
        self.tokens.iter().find(|(name, _)| name == role).map_or("", |(_, token)| token)
    }

    /// Sends these bytes, and reads until the other side closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&self.exchange(bytes)).into_owned()
    }

    fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.at).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        // A client may be refused before the end of what it sends.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// The head of an answer, how many bytes follow it, and what they are when they are unpacked.
    #[track_caller]
    pub(crate) fn gzipped(&self, path: &str) -> (String, usize, String) {
        let (host, token) = (self.at, self.token("admin"));
        let head = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\nAccept-Encoding: gzip, br\r\n");
        let whole = self.exchange(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n{head}\r\n").as_bytes());
        let end = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let (head, body) = (String::from_utf8_lossy(&whole[..end]).to_lowercase(), &whole[end + 4..]);
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text).unwrap_or_else(|e| panic!("{path} is not gzip ({e}): {head}"));
        (head, body.len(), text)
    }

    /// A request with these headers and no others but `Connection`.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        if !body.is_empty() || method == "POST" {
            let _ = write!(text, "Content-Length: {}\r\n", body.len());
        }
        let whole = self.raw(format!("{text}\r\n{body}").as_bytes());
        let (head, body) = whole.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {text}: {whole:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let names = head.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
            None => String::new(),
        });
        Answer { status, head: names.collect(), body: body.to_owned() }
    }

    /// A request as a program makes it, in this role.
    #[track_caller]
    pub(crate) fn as_role(&self, role: &str, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let (host, bearer) = (self.at.to_string(), format!("Bearer {}", self.token(role)));
        let own = [("Host", host.as_str()), ("Authorization", bearer.as_str())];
        self.ask(method, path, &[&own[..], more].concat(), body)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.as_role("admin", "GET", path, &[], "")
    }

    /// A form, as a program sends it that wants JSON.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, form: &str) -> Answer {
        let more = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")];
        self.as_role("admin", "POST", path, &more, form)
    }

    /// Jobs, as a program pushes them.
    #[track_caller]
    pub(crate) fn push(&self, kind: &str, body: &str) -> Answer {
        self.as_role("admin", "POST", "/api/jobs", &[("Content-Type", kind)], body)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
