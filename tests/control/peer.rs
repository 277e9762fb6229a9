//! A program on the control socket that writes bytes and reads lines.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE, now};

/// A connection to the master of a bench.
pub(crate) struct Peer {
    stream: BufReader<UnixStream>,
}

/// Where the master of a bench listens.
pub(crate) fn socket(bench: &Bench) -> PathBuf {
    let mut path = bench.database().as_os_str().to_owned();
    path.push(".sock");
    path.into()
}

impl Peer {
    #[track_caller]
    pub(crate) fn new(bench: &Bench) -> Self {
        let stream = UnixStream::connect(socket(bench)).expect("a master listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) fn stream(&mut self) -> &mut UnixStream {
        self.stream.get_mut()
    }

    /// Writes these bytes.
    #[track_caller]
    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream().write_all(bytes.as_ref()).expect("the master reads");
        self
    }

    /// Writes a request.
    #[track_caller]
    pub(crate) fn ask(&mut self, id: &Value, method: &str, params: &Value) -> &mut Self {
        let line = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(format!("{line}\n"))
    }

    /// How long the status takes, many times, the shortest first.
    pub(crate) fn status_takes(&mut self) -> Vec<Duration> {
        let mut took: Vec<Duration> = (0..21)
            .map(|_| {
                let begun = now();
                self.call("status", &Value::Null);
                begun.elapsed()
            })
            .collect();
        took.sort();
        took
    }

    /// The next line, as it is.
    #[track_caller]
    pub(crate) fn hear_text(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line in time");
        assert!(line.ends_with('\n'), "not a line: {line:?}");
        line
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> Value {
        let line = self.hear_text();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e} in {line:?}"))
    }

    /// Asks, and returns the whole answer.
    #[track_caller]
    pub(crate) fn exchange(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.ask(&json!(7), method, params).hear();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
        answer
    }

    /// Asks, and returns the result.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.exchange(method, params);
        answer.get("result").unwrap_or_else(|| panic!("no result of {method} {params}: {answer}")).clone()
    }

    /// Asks, and returns the code and the text of the error.
    #[track_caller]
    pub(crate) fn refusal(&mut self, method: &str, params: &Value) -> (i64, String) {
        let answer = self.exchange(method, params);
        error_of(&answer)
    }

    /// Whether the master has closed the connection; reads what is left.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut line = Vec::new();
        loop {
            line.clear();
            match self.stream.read_until(b'\n', &mut line) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(e) => return matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            }
        }
    }
}

/// The code and the text of an answer that is an error.
#[track_caller]
pub(crate) fn error_of(answer: &Value) -> (i64, String) {
    let error = answer.get("error").unwrap_or_else(|| panic!("not an error: {answer}"));
    assert!(answer.get("result").is_none(), "{answer}");
    let text = error["message"].as_str().expect("a text").to_owned();
    (error["code"].as_i64().expect("a code"), text)
}
