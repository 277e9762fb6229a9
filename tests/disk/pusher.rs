//! A client that pushes numbered jobs and notes what became of each.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::DEADLINE;

/// The code of an error that says that the store cannot be written.
const UNAVAILABLE: i64 = -32001;

/// What was said to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is stored, under this id.
    Yes(i64),
    /// It is not.
    No(String),
    /// It may be.
    Unknown(String),
}

/// Everything that was pushed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    pub(crate) said: Vec<(u64, Said)>,
}

/// The client.
pub(crate) struct Pusher {
    stream: BufReader<UnixStream>,
    next: u64,
    /// Bytes that each job carries.
    ballast: usize,
    pub(crate) journal: Journal,
}

impl Pusher {
    /// Numbers its jobs from `first` on.
    pub(crate) fn connect(database: &Path, first: u64) -> Self {
        let mut socket = database.as_os_str().to_owned();
        socket.push(".sock");
        let stream = UnixStream::connect(Path::new(&socket)).expect("a master");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        Self { stream: BufReader::new(stream), next: first, ballast: 0, journal: Journal::default() }
    }

    pub(crate) fn with_ballast(self, bytes: usize) -> Self {
        Self { ballast: bytes, ..self }
    }

    /// Asks the master; `None` if it is gone.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Option<Value> {
        let line = json!({"id": 1, "method": method, "params": params}).to_string() + "\n";
        self.stream.get_mut().write_all(line.as_bytes()).ok()?;
        let mut answer = String::new();
        let read = self.stream.read_line(&mut answer);
        assert!(!read.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock), "`{method}` has no answer");
        read.ok().filter(|n| *n > 0)?;
        Some(serde_json::from_str(&answer).expect("JSON"))
    }

    /// Pushes the next job; `None` if the master is gone.
    pub(crate) fn push(&mut self) -> Option<Said> {
        let n = self.next;
        self.next += 1;
        let args = json!({"n": n, "ballast": "x".repeat(self.ballast)});
        let Some(answer) = self.call("push", &json!({"type": "echo", "args": args})) else {
            self.journal.said.push((n, Said::Unknown("the master is gone".to_owned())));
            return None;
        };
        let said = if let Some(id) = answer["result"]["id"].as_i64() {
            Said::Yes(id)
        } else {
            assert_eq!(answer["error"]["code"], UNAVAILABLE, "{answer}");
            assert_eq!(answer["error"]["data"]["exit_code"], 1, "{answer}");
            let text = answer["error"]["message"].as_str().expect("text").to_owned();
            if text.starts_with("nothing was changed: ") { Said::No(text) } else { Said::Unknown(text) }
        };
        self.journal.said.push((n, said.clone()));
        Some(said)
    }

    /// Waits until a job has ended.
    pub(crate) fn wait_for(&mut self, id: i64) {
        let answer = self.call("jobs.wait", &json!({ "id": id })).expect("a master");
        assert_eq!(answer["result"]["state"], "succeeded", "{answer}");
    }
}

impl Journal {
    pub(crate) fn count(&self, which: impl Fn(&Said) -> bool) -> usize {
        self.said.iter().filter(|(_, said)| which(said)).count()
    }
}
