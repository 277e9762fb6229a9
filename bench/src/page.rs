//! The page in the browser as a process, and the least of a browser: one that keeps its connection, and those who look on.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::JoinHandle;

use crate::Outcome;
use crate::clock::{now_ns, seconds_since};
use crate::ours::{Master, queue_work};
use crate::setting::Setting;

/// A running `queue-work web`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Page {
    child: Child,
    at: SocketAddr,
    /// Lines of a role and its token.
    tokens: String,
}

/// An answer, and how long it took.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) millis: f64,
    /// In small letters.
    head: String,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The body of one that was asked for as JSON.
    pub(crate) fn json(&self) -> Outcome<serde_json::Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The page on which a list goes on.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link")?.strip_prefix('<')?;
        Some(link.split('>').next()?.to_owned())
    }
}

impl Page {
    pub(crate) fn start(setting: &Setting<'_>, database: &Path, master: Option<&Master>) -> Outcome<Self> {
        let mut command = queue_work(setting);
        command.arg("--database").arg(database);
        if let Some(master) = master {
            command.arg("--socket").arg(&master.socket);
        }
        command.args(["web", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut stderr = BufReader::new(child.stderr.take().ok_or("a page without stderr")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let at = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        let at = at.ok_or_else(|| format!("the page said `{}`", line.trim_end()))?;
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let tokens = fs::read_to_string(format!("{}.web-token", database.display()))?;
        Ok(Self { child, at, tokens })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A browser in which somebody with this role is logged in.
    pub(crate) fn browser(&self, role: &str) -> Outcome<Browser> {
        let token = self.tokens.lines().find_map(|line| line.strip_prefix(role)?.strip_prefix(' '));
        let token = token.ok_or_else(|| format!("there is no token of `{role}`"))?;
        let stream = TcpStream::connect(self.at)?;
        stream.set_nodelay(true)?;
        let headers = format!("Host: {}\r\nAuthorization: Bearer {token}\r\n", self.at);
        Ok(Browser { stream: BufReader::new(stream), headers })
    }

    /// So many who have a page open, each on a connection of its own.
    pub(crate) fn viewers(&self, pages: &[&str], viewers: usize) -> Outcome<Viewers> {
        let mut all = Viewers(Vec::new());
        for path in pages.iter().cycle().take(viewers) {
            let mut browser = self.browser("admin")?;
            browser.send(path, "text/event-stream")?;
            let stream = browser.stream.get_ref().try_clone()?;
            let reader = std::thread::Builder::new().stack_size(128 * 1024);
            let reader = reader.spawn(move || {
                drop(std::io::copy(&mut browser.stream, &mut std::io::sink()));
            });
            all.0.push((stream, Some(reader?)));
        }
        Ok(all)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Browser {
    stream: BufReader<TcpStream>,
    headers: String,
}

impl Browser {
    /// Asks for a page, which must be there; compressed, unless it is JSON.
    pub(crate) fn get(&mut self, path: &str) -> Outcome<Answer> {
        let start = now_ns();
        self.send(path, "text/html")?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err("the page closed a connection".into());
            }
        }
        let mut answer = Answer { millis: 0.0, head: head.to_ascii_lowercase(), body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let length: u64 = length.ok_or_else(|| format!("`{path}` has no length: {head}"))?;
        self.stream.by_ref().take(length).read_to_end(&mut answer.body)?;
        answer.millis = seconds_since(start) * 1e3;
        if answer.head.starts_with("http/1.1 200") {
            return Ok(answer);
        }
        Err(format!("`{path}` was answered with {}", head.lines().next().unwrap_or_default()).into())
    }

    fn send(&mut self, path: &str, accept: &str) -> Outcome<()> {
        let gzip = if path.starts_with("/api") { "" } else { "Accept-Encoding: gzip\r\n" };
        let request = format!("GET {path} HTTP/1.1\r\n{}{gzip}Accept: {accept}\r\n\r\n", self.headers);
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }
}

/// Pages that are open; closed when dropped.
#[derive(Debug)]
pub(crate) struct Viewers(Vec<(TcpStream, Option<JoinHandle<()>>)>);

impl Drop for Viewers {
    fn drop(&mut self) {
        for (stream, reader) in &mut self.0 {
            let _ = stream.shutdown(Shutdown::Both);
            drop(reader.take().map(JoinHandle::join));
        }
    }
}
