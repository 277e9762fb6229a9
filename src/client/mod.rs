//! Talks to a running master over its control socket: one request at a time, blocking.
//!
//! Does not know what the methods mean. Invariant: the stream stays in step; a notification that comes between a
//! request and its answer is kept for [`Client::notifications`].

mod error;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use error::ClientError;

use crate::wire::control::MAX_SOCKET_PATH_BYTES;
use crate::wire::rpc::{self, RpcError};

/// The longest answer we take, in bytes: a list of jobs may be larger than any line the master takes.
const MAX_ANSWER: u64 = 1 << 30;

/// A connection to a master.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    reader: BufReader<UnixStream>,
    next_id: u64,
    kept: VecDeque<Notification>,
}

/// What the master says without being asked again.
#[derive(Clone, Debug)]
pub struct Notification {
    /// What it is about.
    pub method: String,
    /// The rest, JSON text.
    pub params: Box<RawValue>,
}

/// Anything that comes from the master.
#[derive(Deserialize)]
struct Incoming {
    #[serde(default)]
    id: Option<Box<RawValue>>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<RpcError>,
}

impl Client {
    /// Connects. [`ClientError::NoMaster`] if there is no socket or nobody behind it.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let bytes = path.as_os_str().len();
        if bytes > MAX_SOCKET_PATH_BYTES {
            return Err(ClientError::PathTooLong { path: path.to_owned(), bytes, limit: MAX_SOCKET_PATH_BYTES });
        }
        let stream = UnixStream::connect(path).map_err(|source| match source.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
                ClientError::NoMaster { path: path.to_owned() }
            }
            _ => ClientError::Io { doing: "connect to", path: path.to_owned(), source },
        })?;
        Ok(Self { path: path.to_owned(), reader: BufReader::new(stream), next_id: 1, kept: VecDeque::new() })
    }

    /// How long to wait for each answer; `None`: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        let set = |s: &UnixStream| s.set_read_timeout(timeout).and_then(|()| s.set_write_timeout(timeout));
        set(self.reader.get_ref()).map_err(|e| self.io("set up", e))
    }

    /// Asks and waits for the answer, as long as it takes.
    pub fn call<R: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<R, ClientError> {
        let id = self.send(method, params)?;
        failpoint!("client.asked");
        loop {
            let incoming = self.receive()?;
            if let Some(notification) = as_notification(&incoming) {
                self.kept.push_back(notification);
                continue;
            }
            // An answer without a readable id is about the only request there is.
            let ours = incoming.id.as_ref().is_none_or(|i| i.get() == "null" || i.get() == id.to_string());
            if !ours {
                continue;
            }
            if let Some(error) = incoming.error {
                return Err(ClientError::Refused(error));
            }
            let text = incoming.result.as_deref().map_or("null", RawValue::get);
            return serde_json::from_str(text).map_err(|e| ClientError::Garbled(e.to_string()));
        }
    }

    /// Asks whether anybody is there; also tells the master to look at the store.
    pub fn ping(&mut self) -> Result<(), ClientError> {
        self.call::<serde::de::IgnoredAny>("ping", &NONE).map(drop)
    }

    /// What the master says from now on, until it closes the connection.
    pub fn notifications(&mut self) -> impl Iterator<Item = Result<Notification, ClientError>> {
        std::iter::from_fn(move || {
            loop {
                if let Some(kept) = self.kept.pop_front() {
                    return Some(Ok(kept));
                }
                match self.receive() {
                    Ok(incoming) => self.kept.extend(as_notification(&incoming)),
                    Err(ClientError::Closed) => return None,
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// Waits until the master closes the connection, which it does when it has ended.
    pub fn wait_until_closed(mut self) {
        while self.receive().is_ok() {}
    }

    fn send(&mut self, method: &str, params: &impl Serialize) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        let line = rpc::request(id, method, params).map_err(|e| ClientError::Garbled(e.to_string()))?;
        match self.reader.get_mut().write_all(&line) {
            Ok(()) => Ok(id),
            Err(e) => Err(self.io("write to", e)),
        }
    }

    fn receive(&mut self) -> Result<Incoming, ClientError> {
        let mut line = Vec::new();
        let read = self.reader.by_ref().take(MAX_ANSWER).read_until(b'\n', &mut line);
        match read {
            Ok(_) if line.last() != Some(&b'\n') => Err(ClientError::Closed),
            Ok(_) => serde_json::from_slice(&line).map_err(|e| ClientError::Garbled(e.to_string())),
            Err(e) => Err(self.io("read from", e)),
        }
    }

    fn io(&self, doing: &'static str, source: std::io::Error) -> ClientError {
        match source.kind() {
            // Linux says so of a socket that was closed with something of ours unread, or before we wrote to it. There is
            // one request at a time, so that is the one; a part of a line is nothing.
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => ClientError::Unheard,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => ClientError::Silent { path: self.path.clone() },
            _ => ClientError::Io { doing, path: self.path.clone(), source },
        }
    }
}

/// Params of a method that takes none: `{}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NoParams {}

/// See [`NoParams`].
pub const NONE: NoParams = NoParams {};

fn as_notification(incoming: &Incoming) -> Option<Notification> {
    let method = incoming.method.clone()?;
    let params = incoming.params.clone().unwrap_or_else(|| RawValue::NULL.to_owned());
    Some(Notification { method, params })
}

#[cfg(test)]
mod tests;
