//! A program on the control socket that expects the master to be gone at any moment.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::{Bench, DEADLINE};

/// A connection; `None` once it has failed.
pub(crate) struct Peer(Option<BufReader<UnixStream>>);

impl Peer {
    pub(crate) fn new(bench: &Bench) -> Self {
        let mut path = bench.database().as_os_str().to_owned();
        path.push(".sock");
        let stream = UnixStream::connect(path).ok();
        if let Some(stream) = &stream {
            stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        }
        Self(stream.map(BufReader::new))
    }

    /// The result; `None` for an error and when there is no answer. Panics if a master that is there does not answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Option<Value> {
        let stream = self.0.as_mut()?;
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut text = String::new();
        let heard =
            stream.get_mut().write_all(format!("{line}\n").as_bytes()).and_then(|()| stream.read_line(&mut text));
        if let Err(error) = &heard {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "no answer to {line}");
        }
        let answer =
            heard.ok().filter(|_| text.ends_with('\n')).and_then(|_| serde_json::from_str::<Value>(&text).ok());
        let Some(answer) = answer else {
            self.0 = None;
            return None;
        };
        answer.get("result").cloned()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }
}
