//! Talks to a running master over its control socket: one request at a time, blocking.
//!
//! Does not know what the methods mean. Invariants: the stream stays in step; a notification that comes between a
//! request and its answer is kept for [`Client::notifications`]; no answer counts before the master has said that it
//! serves the store that is meant.

pub mod calls;
mod connection;
mod error;
mod heard;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use error::ClientError;
pub use heard::Notification;
use heard::as_notification;

use crate::wire::control::{AWAITED, Awaited, NOTE};
use crate::wire::rpc::{self, RpcError};
use crate::wire::store_name::{STORE, StoreName};

/// The longest answer we take, in bytes: a list of jobs may be larger than any line the master takes.
const MAX_ANSWER: u64 = 1 << 30;
/// How often it is looked how long an answer has been waited for.
const TICK: Duration = Duration::from_secs(1);
/// How long an answer that waits for jobs is waited for without a word.
const MOMENT: Duration = Duration::from_millis(200);
/// Ticks after which the master is asked whether it is there, the first time and from one time to the next.
const ASK_AFTER: u32 = 3;
const ASK_EVERY: u32 = 10;
/// Ticks after which it is said what is waited for.
const TELL_AFTER: u32 = 5;
/// Methods whose answer may take long, as whoever calls them knows.
const LONG: [&str; 3] = ["jobs.wait", "logs.follow", "work"];
/// The longest that a connection may take where answers may not take long.
const CONNECT_WITHIN: Duration = Duration::from_millis(300);

/// How long a client waits for the master.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// As long as it takes; it is told once per request when that is long, and why.
    Endless(fn(Delay)),
    /// Timeout of each answer.
    Limited(Duration),
}

/// Why there is no answer yet. A process id is 0 where it is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    Silent { pid: u32 },
    Slow { pid: u32 },
    Jobs(Awaited),
}

/// A connection to a master.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    pid: u32,
    reader: BufReader<UnixStream>,
    next_id: u64,
    kept: VecDeque<Notification>,
    patience: Patience,
    /// Bytes of the next line that have arrived.
    line: Vec<u8>,
    asked: Asked,
    store: Option<StoreName>,
    /// For whom it asks, if not for its own user.
    pub by: Option<crate::model::audit::By>,
    /// The master has said that it serves this store, or any will do.
    confirmed: bool,
}

/// The request that is open.
#[derive(Debug, Default)]
enum Asked {
    /// None.
    #[default]
    Nothing,
    /// The request is being written, or its answer waited for.
    Open {
        /// Its answer may take long.
        long: bool,
        /// Ticks since it was begun.
        ticks: u32,
        /// The user was told what is waited for.
        told: bool,
        /// The id of the question whether the master is there, once that is asked.
        ping: Option<u64>,
        /// The master has said so.
        is_alive: bool,
        /// The jobs that the answer waits for, until they are told.
        awaited: Option<Awaited>,
    },
}

/// Hears the messages that come before an answer; `None` keeps them.
pub type Hearing<'a> = Option<&'a mut dyn FnMut(Notification) -> Result<(), ClientError>>;

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
    /// Connects to the master of the store in `database`. [`ClientError::NoMaster`] if there is no socket or nobody behind
    /// it, [`ClientError::Stranger`] if it is of somebody who must not hear what we say.
    pub fn connect(path: &Path, database: &Path, patience: Patience) -> Result<Self, ClientError> {
        let (connecting, each) = match patience {
            Patience::Endless(_) => (TICK * TELL_AFTER, TICK),
            Patience::Limited(limit) => (limit.min(CONNECT_WITHIN), limit),
        };
        let opened = match (connection::open(path, database, connecting, each), patience) {
            (Err(ClientError::Silent { pid, .. }), Patience::Endless(tell)) => {
                tell(Delay::Silent { pid });
                connection::open(path, database, Duration::ZERO, each)
            }
            (opened, _) => opened,
        }?;
        Ok(Self {
            path: path.to_owned(),
            pid: opened.pid,
            reader: BufReader::new(opened.stream),
            next_id: 1,
            kept: VecDeque::new(),
            patience,
            line: Vec::new(),
            asked: Asked::Nothing,
            confirmed: opened.store.is_none(),
            store: opened.store,
            by: None,
        })
    }

    /// Asks and waits for the answer, as long as patience allows.
    pub fn call<R: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<R, ClientError> {
        self.call_hearing(method, params, None)
    }

    /// The same; `each` hears what the master sends meanwhile, as it comes, and may end the wait with an error.
    pub fn call_hearing<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
        each: Hearing<'_>,
    ) -> Result<R, ClientError> {
        let long = LONG.contains(&method);
        self.asked = Asked::Open { long, ticks: 0, told: false, ping: None, is_alive: false, awaited: None };
        let answer = self.ask(method, params, each);
        self.asked = Asked::Nothing;
        serde_json::from_str(answer?.get()).map_err(|e| ClientError::Garbled(e.to_string()))
    }

    fn ask(
        &mut self,
        method: &str,
        params: &impl Serialize,
        mut each: Hearing<'_>,
    ) -> Result<Box<RawValue>, ClientError> {
        let id = self.send(method, params)?;
        failpoint!("client.asked");
        loop {
            while let Some(each) = &mut each
                && let Some(kept) = self.kept.pop_front()
            {
                each(kept)?;
            }
            let incoming = self.receive()?;
            if let Some(notification) = as_notification(&incoming) {
                self.note(notification)?;
                continue;
            }
            // An answer without a readable id is about the only request there is.
            let ours = incoming.id.as_ref().is_none_or(|i| i.get() == "null" || i.get() == id.to_string());
            if !ours {
                self.heard_from(incoming.id.as_deref());
                continue;
            }
            // Of an older version it may be a method that it does not know.
            if !self.confirmed && incoming.error.as_ref().is_none_or(|error| error.code == rpc::METHOD_NOT_FOUND) {
                return Err(ClientError::Older { pid: self.pid });
            }
            if let Some(error) = incoming.error {
                return Err(ClientError::Refused(error));
            }
            return Ok(incoming.result.unwrap_or_else(|| RawValue::NULL.to_owned()));
        }
    }

    /// A text for people that the master sent before the last answer: why it came at once.
    pub fn take_note(&mut self) -> Option<String> {
        let at = self.kept.iter().position(|kept| kept.method == NOTE)?;
        self.kept.remove(at)?.note()
    }

    /// Asks whether anybody is there; also tells the master to look at the store.
    pub fn ping(&mut self) -> Result<(), ClientError> {
        self.call::<serde::de::IgnoredAny>("ping", &NONE).map(drop)
    }

    /// Waits until the master closes the connection, which it does when it has ended.
    pub fn wait_until_closed(mut self) {
        while self.receive().is_ok() {}
    }

    fn send(&mut self, method: &str, params: &impl Serialize) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.next_id += 1;
        // The store that is meant is said once: the master keeps it in mind for the connection.
        let store = self.store.as_ref().filter(|_| id == 1);
        let line = rpc::request(id, store, self.by.as_ref(), method, params);
        let line = line.map_err(|e| ClientError::Garbled(e.to_string()))?;
        let mut left = &line[..];
        while !left.is_empty() {
            match self.reader.get_mut().write(left) {
                Ok(n) => left = &left[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if is_late(&e) => self.tick(false)?,
                Err(e) => return Err(self.refused_unread().unwrap_or_else(|| self.io("write to", e))),
            }
        }
        Ok(id)
    }

    /// Why the master closed the connection in the middle of a request, if it said so.
    fn refused_unread(&mut self) -> Option<ClientError> {
        loop {
            self.line.clear();
            self.reader.read_until(b'\n', &mut self.line).ok().filter(|&bytes| bytes > 0)?;
            let error = serde_json::from_slice::<Incoming>(&self.line).ok().and_then(|incoming| incoming.error);
            if let Some(error) = error {
                return Some(ClientError::Refused(error));
            }
        }
    }

    fn receive(&mut self) -> Result<Incoming, ClientError> {
        loop {
            match self.receive_soon()? {
                Some(incoming) => return Ok(incoming),
                None => self.tick(true)?,
            }
        }
    }

    /// `None`: nothing whole has come for a while.
    fn receive_soon(&mut self) -> Result<Option<Incoming>, ClientError> {
        let room = MAX_ANSWER.saturating_sub(self.line.len() as u64);
        match self.reader.by_ref().take(room).read_until(b'\n', &mut self.line) {
            Ok(_) if self.line.last() != Some(&b'\n') => Err(ClientError::Closed),
            Ok(_) => {
                let incoming = serde_json::from_slice(&self.line);
                self.line.clear();
                incoming.map(Some).map_err(|e| ClientError::Garbled(e.to_string()))
            }
            Err(e) if is_late(&e) => Ok(None),
            Err(e) => Err(self.io("read from", e)),
        }
    }

    /// The answer waits for jobs, which is said if they are not done in a moment.
    fn wait_for_jobs(&mut self, jobs: Awaited) {
        if let (Asked::Open { long, awaited, .. }, Patience::Endless(_)) = (&mut self.asked, self.patience) {
            (*long, *awaited) = (true, Some(jobs));
            // A socket that is open takes any time but none.
            let _ = self.reader.get_ref().set_read_timeout(Some(MOMENT));
        }
    }

    /// Nothing has come for a while. `between`: no line is half written, so that the master can be asked.
    fn tick(&mut self, between: bool) -> Result<(), ClientError> {
        let Patience::Endless(tell) = self.patience else {
            return Err(ClientError::Silent { path: self.path.clone(), pid: self.pid });
        };
        let Asked::Open { long, ticks, told, ping, is_alive, awaited } = &mut self.asked else { return Ok(()) };
        if let Some(jobs) = awaited.take() {
            tell(Delay::Jobs(jobs));
            let _ = self.reader.get_ref().set_read_timeout(Some(TICK));
        }
        *ticks += 1;
        match *ticks % ASK_EVERY {
            ASK_AFTER if between => {
                (*ping, *is_alive) = (Some(self.next_id), false);
                self.send("ping", &NONE)?;
            }
            TELL_AFTER if !(*told || *is_alive && *long) => {
                *told = true;
                let pid = self.pid;
                tell(if *is_alive { Delay::Slow { pid } } else { Delay::Silent { pid } });
            }
            _ => {}
        }
        Ok(())
    }

    /// An answer to something else than what is waited for.
    fn heard_from(&mut self, id: Option<&RawValue>) {
        if let Asked::Open { ping: Some(ping), is_alive, .. } = &mut self.asked
            && id.is_some_and(|id| id.get() == ping.to_string())
        {
            *is_alive = true;
        }
    }

    /// The master says which store it serves, or something else that is for later.
    fn note(&mut self, notification: Notification) -> Result<(), ClientError> {
        if notification.method == AWAITED
            && let Ok(awaited) = serde_json::from_str(notification.params.get())
        {
            self.wait_for_jobs(awaited);
            return Ok(());
        }
        if notification.method != STORE {
            self.kept.push_back(notification);
            return Ok(());
        }
        let served: StoreName =
            serde_json::from_str(notification.params.get()).map_err(|e| ClientError::Garbled(e.to_string()))?;
        // Where the file cannot be seen from here, the master has compared the names.
        if let Some(meant) = self.store.as_ref().filter(|meant| meant.file.is_some())
            && !served.is_same(meant)
        {
            return Err(ClientError::Refused(RpcError::failed(5, served.instead_of(meant))));
        }
        self.confirmed = true;
        Ok(())
    }

    fn io(&self, doing: &'static str, source: std::io::Error) -> ClientError {
        match source.kind() {
            // Linux says so of a socket that was closed with something of ours unread, or before we wrote to it. There is
            // one request at a time, so that is the one; a part of a line is nothing. Unless the master was asked in
            // between whether it is there.
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => match self.asked {
                Asked::Open { ping: Some(_), .. } => ClientError::Closed,
                Asked::Open { ping: None, .. } | Asked::Nothing => ClientError::Unheard,
            },
            _ => ClientError::Io { doing, path: self.path.clone(), source },
        }
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Params of a method that takes none: `{}`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NoParams {}

/// See [`NoParams`].
pub const NONE: NoParams = NoParams {};

#[cfg(test)]
mod tests;
