//! A client of the control socket whose master may die at any moment: everything can fail, and that is no finding.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::DEADLINE;

/// A connection to a master.
pub(crate) struct Talk {
    stream: BufReader<UnixStream>,
}

impl Talk {
    pub(crate) fn open(socket: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        // A master that is neither dead nor answers for so long is stuck; the caller says so.
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks; the result, or the error as a text. `Err` means that nobody knows what became of it.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> io::Result<Result<Value, String>> {
        let line = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string() + "\n";
        self.stream.get_mut().write_all(line.as_bytes())?;
        let mut text = String::new();
        self.stream.read_line(&mut text)?;
        if !text.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let mut answer: Value = serde_json::from_str(&text)?;
        assert!(answer["id"] == 1, "not the answer to {line}: {text}");
        Ok(match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(answer["error"]["message"].to_string()),
        })
    }
}

/// Asks once, on a connection of its own; `None` if there was no answer.
pub(crate) fn ask(socket: &Path, method: &str, params: &Value) -> Option<Result<Value, String>> {
    Talk::open(socket).and_then(|mut talk| talk.ask(method, params)).ok()
}
