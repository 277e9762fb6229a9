//! Reading the output of a worker, line by line.
//!
//! Invariants: one chunk is read before others have their turn; a worker that asks without reading is not heard until it reads;
//! what is in the pipe when it ends is taken in before the end is told.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::shell::Shell;
use super::{Open, Worker};
use crate::core::calls::CallEvent;
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::service::{Body, CallError};
use crate::model::worker::EndReason;
use crate::wire::gateway::FromGateway;
use crate::wire::lines::{Line, Lines};
use crate::wire::service::{FromService, failed, parse};
use crate::wire::worker::id_in_head;

/// How long a worker may go on without its output; it ends then, or is ended.
const WITHOUT_OUTPUT: Duration = Duration::from_secs(1);
/// Bytes that are read from the pipe of a worker that has ended.
const LAST_WORDS: usize = 2 * MAX_LINE_BYTES;
/// A printed line is cut to this, in bytes; and so many are told at a time.
const MOST_OF_LINE: usize = 8000;
const MOST_OF_LINES: usize = 12_000;

/// Reads until the worker has ended.
pub(super) async fn read(shell: Rc<Shell>, worker: Rc<Worker>, mut pipe: pipe::Receiver, is_inherited: bool) {
    let mut heard =
        Heard { lines: Lines::new(MAX_LINE_BYTES), printed: Vec::new(), bytes: 0, is_cut: is_inherited, is_one: false };
    loop {
        match heard.read_some(&shell, &worker, &mut pipe).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        while worker.input.is_full() {
            worker.input.emptied().await;
        }
    }
    if worker.ended.get().is_none() && timeout(WITHOUT_OUTPUT, worker.has_ended.notified()).await.is_err() {
        let why = "it has closed its standard output".to_owned();
        shell.channel.say(&FromGateway::Replace { worker: worker.id, reason: EndReason::Unhealthy, why });
        worker.has_ended.notified().await;
    }
    heard.last_words(&shell, &worker, &pipe);
    worker.mark.clear();
    shell.workers.borrow_mut().remove(&worker.id);
    worker.writer.get().inspect(|writer| writer.abort());
    shell.feed(CallEvent::Gone { worker: worker.id, how: worker.ended.get().cloned().unwrap_or_default() });
}

/// The lines that were read of one worker.
struct Heard {
    lines: Lines,
    printed: Vec<String>,
    /// In `printed`.
    bytes: usize,
    /// The first line may have begun before.
    is_cut: bool,
    /// The chunk that was read last is the end of one line and nothing else.
    is_one: bool,
}

impl Heard {
    /// Reads a chunk; 0 when there will be none, or the worker has ended.
    async fn read_some(&mut self, shell: &Shell, worker: &Rc<Worker>, pipe: &mut pipe::Receiver) -> io::Result<usize> {
        let mut ended = pin!(worker.has_ended.notified());
        loop {
            let has_ended = {
                let mut readable = pin!(pipe.readable());
                poll_fn(|cx| match ended.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Ok(true)),
                    Poll::Pending => readable.as_mut().poll(cx).map_ok(|()| false),
                })
                .await?
            };
            if has_ended {
                worker.has_ended.notify_one();
                return Ok(0);
            }
            worker.mark_reading();
            let read = self.read_now(shell, worker, pipe).await;
            worker.mark_words(self.lines.is_inside());
            if let Some(read) = read {
                return read;
            }
            // Not even where there is something: the runtime wants others to have their turn.
            yield_now().await;
        }
    }

    /// Reads what is there; `None`: nothing is.
    async fn read_now(
        &mut self,
        shell: &Shell,
        worker: &Rc<Worker>,
        pipe: &mut pipe::Receiver,
    ) -> Option<io::Result<usize>> {
        poll_fn(|cx| {
            let mut scratch = shell.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *pipe).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => {
                    self.take(shell, worker, buffer.filled());
                    Poll::Ready(Some(Ok(buffer.filled().len())))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
                Poll::Pending => Poll::Ready(None),
            }
        })
        .await
    }

    /// Reads what is left in the pipe, whoever else may hold it open.
    fn last_words(&mut self, shell: &Shell, worker: &Rc<Worker>, pipe: &pipe::Receiver) {
        let mut scratch = shell.scratch.borrow_mut();
        let mut left = LAST_WORDS;
        while let Ok(bytes @ 1..) = rustix::io::read(pipe, &mut *scratch) {
            self.take(shell, worker, &scratch[..bytes]);
            left = left.saturating_sub(bytes);
            if left == 0 {
                break;
            }
        }
        // A line without its end is no answer.
        let rest = self.lines.rest();
        if !rest.is_empty() {
            let rest = rest.to_vec();
            self.print(worker, &rest);
            self.tell(worker);
        }
    }

    fn take(&mut self, shell: &Shell, worker: &Rc<Worker>, chunk: &[u8]) {
        self.is_one = memchr::memchr(b'\n', chunk) == chunk.len().checked_sub(1);
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        lines.push(chunk, |line| self.line(shell, worker, line));
        self.lines = lines;
        if !self.printed.is_empty() {
            // Of lines that were dropped is told once a second.
            shell.stir();
        }
        self.tell(worker);
    }

    fn line(&mut self, shell: &Shell, worker: &Rc<Worker>, line: Line<'_>) {
        let is_cut = std::mem::take(&mut self.is_cut);
        match line {
            Line::Whole(line) => {
                if !worker.hear(shell, line, self.is_one) && !is_cut {
                    worker.fail_garbled(shell, line);
                    self.print(worker, line);
                }
            }
            Line::TooLong { head, bytes } => {
                let error = format!("the answer has {bytes} bytes; the limit is {MAX_LINE_BYTES}");
                match id_in_head(head) {
                    Some(request) => worker.answered(shell, request, Err(failed(&error))),
                    None => self.print(worker, head),
                }
            }
        }
    }

    fn print(&mut self, worker: &Worker, line: &[u8]) {
        let mut text = String::from_utf8_lossy(&line[..line.len().min(MOST_OF_LINE)]).into_owned();
        text.truncate(text.floor_char_boundary(MOST_OF_LINE));
        self.bytes += text.len();
        self.printed.push(text);
        if self.bytes > MOST_OF_LINES {
            self.tell(worker);
        }
    }

    fn tell(&mut self, worker: &Worker) {
        if !self.printed.is_empty() {
            let lines = std::mem::take(&mut self.printed);
            worker.channel.say_if_room(&FromGateway::Printed { worker: worker.id, lines });
            self.bytes = 0;
        }
    }
}

impl Worker {
    /// Takes in a line, `is_one`: all that was read; false: it is printed text.
    fn hear(self: &Rc<Self>, shell: &Shell, line: &[u8], is_one: bool) -> bool {
        match parse(line) {
            FromService::Answer { request, answer } => {
                if is_one {
                    // Before the caller has it: from then on the worker waits for nothing.
                    self.mark_words(false);
                }
                self.answered(shell, request, answer);
            }
            FromService::Ready(params) => self.says_ready(shell, params),
            FromService::Metric(params) => self.counts(shell, params),
            FromService::Asks { id, method, params } => self.asks(shell, id, &method, params),
            FromService::Printed => return false,
        }
        true
    }

    /// Fails the call that a line is the answer to, where it would be one if it were JSON: nothing else comes of that call.
    fn fail_garbled(&self, shell: &Shell, line: &[u8]) {
        let is_like_one = line.trim_ascii_start().first() == Some(&b'{');
        let request = id_in_head(line).filter(|request| is_like_one && self.open.borrow().contains_key(request));
        let Some(request) = request else { return };
        let why = match std::str::from_utf8(line) {
            Err(error) => error.to_string(),
            Ok(text) => serde_json::from_str::<IgnoredAny>(text)
                .map_or_else(|error| error.to_string(), |_| "a member of it is of another type".to_owned()),
        };
        self.answered(shell, request, Err(failed(&format!("the answer of the worker cannot be read: {why}"))));
    }

    fn answered(&self, shell: &Shell, request: u64, answer: Result<Body, CallError>) {
        let open = self.open.borrow_mut().remove(&request);
        match open {
            Some(Open::Call { .. }) => {
                shell.feed(CallEvent::Answered { worker: self.id, request, answer });
                // The master knows at once that it was of use, should it die before the second is over.
                if !self.has_answered.replace(true) {
                    shell.tell_load_of(&self.pool, Some(self.id));
                }
            }
            Some(Open::Init) => match answer {
                Ok(Body::Json(result)) => self.initialised(shell, Ok(&result)),
                Ok(Body::Raw(_)) => self.refuse("its answer to `init` is no result".to_owned()),
                Err(error) => self.initialised(shell, Err(error)),
            },
            Some(Open::Health) => self.says_health(shell, answer),
            None => log::debug!("worker `{}` has answered request {request}, which nobody waits for", self.name),
        }
    }
}
