//! The socket of `queue-work call`: lines of JSON, from those who may speak to the master.
//!
//! | request | answer |
//! | --- | --- |
//! | `{"id"?, "service", "method"?, "args"?, …}` (see `inside`) | `{"id", "result"}` or `{"id", "error"}` |
//! | `{"id"?, "services": true}` | all services: name, version, health, workers, methods with their figures |
//! | `{"id"?, "metrics": true}` | the metrics of all services, see `exposition` |
//! | `{"id"?, "tables": true}`, or `"NAME"` | all tables with their sizes, or the rows of one |
//!
//! Answers come as they are there; ids tell them apart. Invariant: calls of a client that is gone are cancelled.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Notify;
use tokio::task::spawn_local;

use super::form::write_rpc;
use super::listen::Socket;
use super::listen::stream::{ReadHalf, Stream, WriteHalf};
use super::shell::Shell;
use super::{exposition, inside, listing};
use crate::core::calls::CallId;
use crate::model::json_text;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::service::{Body, CallError, code};
use crate::wire::lines::{Line, Lines};
use crate::wire::object;

/// Calls of one client that may be unanswered.
const MOST_UNANSWERED: usize = 1000;
/// Bytes that a client may leave unread.
const MOST_UNREAD: usize = 4 * MAX_LINE_BYTES;

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    services: bool,
    #[serde(default)]
    metrics: bool,
    tables: Option<Value>,
}

/// A client.
struct Client {
    writer: WriteHalf,
    peer: Arc<str>,
    /// Calls of this client by number, with the ids that it gave them.
    open: RefCell<HashMap<CallId, Box<RawValue>>>,
    out: RefCell<VecDeque<u8>>,
    is_broken: Cell<bool>,
    /// Whether the client has closed its side, and waits for its answers.
    is_ended: Cell<bool>,
    wake: Notify,
}

/// Begins to listen, and ceases to where it did before.
pub(super) fn start(shell: &Rc<Shell>, socket: OwnedFd) -> io::Result<()> {
    let socket = Socket::new(socket)?;
    let serving = Rc::clone(shell);
    let task = spawn_local(async move {
        loop {
            let (stream, _) = socket.accept().await;
            spawn_local(serve(Rc::clone(&serving), stream));
        }
    });
    if let Some(before) = shell.console.replace(Some(task.abort_handle())) {
        before.abort();
    }
    Ok(())
}

async fn serve(shell: Rc<Shell>, stream: Stream) {
    let (mut reader, writer) = stream.split();
    let client = Rc::new(Client {
        writer,
        peer: Arc::from("queue-work call"),
        open: RefCell::default(),
        out: RefCell::default(),
        is_broken: Cell::new(false),
        is_ended: Cell::new(false),
        wake: Notify::new(),
    });
    let mut lines = Lines::new(MAX_LINE_BYTES);
    while !client.is_broken.get() && client.turn(&shell, &mut reader, &mut lines).await {}
    let open = client.open.take();
    for call in open.into_keys() {
        shell.left(call);
    }
}

impl Client {
    /// Reads and writes what can be; whether the client is still there.
    async fn turn(self: &Rc<Self>, shell: &Rc<Shell>, reader: &mut ReadHalf, lines: &mut Lines) -> bool {
        let writes = !self.out.borrow().is_empty();
        let reads = self.open.borrow().len() < MOST_UNANSWERED && !self.is_ended.get();
        let mut woken = pin!(self.wake.notified());
        let read = poll_fn(|cx| {
            let mut scratch = shell.scratch.borrow_mut();
            if reads && let Poll::Ready(read) = reader.poll_read(cx, &mut scratch) {
                return Poll::Ready(read.map(|bytes| {
                    lines.push(&scratch[..bytes], |line| self.line(shell, line));
                    self.is_ended.set(bytes == 0);
                }));
            }
            if writes && self.writer.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            woken.as_mut().poll(cx).map(Ok)
        });
        let is_there = read.await.is_ok();
        self.flush();
        let is_over = self.is_ended.get() && self.open.borrow().is_empty() && self.out.borrow().is_empty();
        is_there && !is_over && !(self.is_ended.get() && self.writer.is_hung_up())
    }

    fn line(self: &Rc<Self>, shell: &Rc<Shell>, line: Line<'_>) {
        let text = match line {
            Line::Whole(b"") => return,
            Line::Whole(line) => std::str::from_utf8(line).map_err(|error| error.to_string()),
            Line::TooLong { bytes, .. } => Err(format!("it has {bytes} bytes; the limit is {MAX_LINE_BYTES}")),
        };
        let text = match text {
            Ok(text) => text,
            Err(why) => return self.answer(RawValue::NULL, &Err(not_json(&why))),
        };
        let members = match object::read::<Members<'_>>(text) {
            Ok(members) => members,
            Err(error) => return self.answer(RawValue::NULL, &Err(not_json(&json_text::words(&error)))),
        };
        let id = members.id.unwrap_or(RawValue::NULL);
        if members.services {
            return self.answer(id, &value(&listing::services(shell)));
        }
        if members.metrics {
            return self.answer(id, &value(&exposition::families(shell)));
        }
        if let Some(tables) = members.tables {
            return self.answer(id, &tables_of(shell, &tables));
        }
        let asking = match inside::read(text, &self.peer) {
            Ok(asking) => asking,
            Err(error) => return self.answer(id, &Err(error)),
        };
        let call = shell.next_call();
        self.open.borrow_mut().insert(call, id.to_owned());
        let client = Rc::clone(self);
        let reply = move |answer| {
            let id = client.open.borrow_mut().remove(&call);
            if let Some(id) = id {
                client.answer(&id, &answer);
                client.flush();
                client.wake.notify_one();
            }
        };
        shell.call(call, asking, Box::new(reply));
    }

    fn answer(&self, id: &RawValue, answer: &Result<Body, CallError>) {
        let mut line = b"{".to_vec();
        write_rpc(&mut line, Some(id), answer);
        line.push(b'\n');
        self.out.borrow_mut().extend(line);
    }

    fn flush(&self) {
        let mut out = self.out.borrow_mut();
        while !out.is_empty() {
            match self.writer.try_write(out.as_slices().0) {
                Ok(written) => drop(out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && out.len() <= MOST_UNREAD => break,
                Err(_) => {
                    out.clear();
                    self.is_broken.set(true);
                }
            }
        }
    }
}

fn tables_of(shell: &Shell, wanted: &Value) -> Result<Body, CallError> {
    let tables = shell.tables.borrow();
    match wanted.as_str() {
        None => value(&tables.sizes()),
        Some(name) => match tables.rows(name) {
            Some(rows) => value(&rows),
            None => Err(CallError {
                code: code::NO_SUCH_METHOD,
                message: format!("there is no table `{name}`"),
                data: None,
            }),
        },
    }
}

fn value(value: &impl Serialize) -> Result<Body, CallError> {
    let text = to_raw_value(value).map_err(|error| not_json(&error.to_string()))?;
    Ok(Body::Json(text.into()))
}

fn not_json(why: &str) -> CallError {
    CallError { code: code::NOT_JSON, message: format!("the line is no request: {why}"), data: None }
}
