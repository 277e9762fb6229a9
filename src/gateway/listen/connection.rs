//! One connection of a listener that is not HTTP: requests in, answers out in their order.
//!
//! The task of a connection reads, and writes what could not be written at once; an answer is written by whoever has it, in the moment that it
//! is there. Invariants: answers are in the order of requests; requests that are not answered when the client goes are
//! cancelled; a client that sends half a request, or does not read, is given up after [`PATIENCE`].

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::super::form::Form;
use super::super::shell::Shell;
use super::answers::{Answer, Shared, State, now};
use super::framing::Found;
use super::outside;
use super::stream::{ReadHalf, Stream};
use super::{Listener, Member};
use crate::model::service::{CallError, code};
use crate::wire::gateway::Framing;

/// How long a request may take to come, and a client to read an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection that is over on our side may take to be over on the other.
const LINGER: Duration = Duration::from_secs(2);
/// A client that has closed its side is looked at so often: whether it has gone altogether is not told.
const GONE_CHECK: Duration = Duration::from_millis(500);

/// A connection.
struct Connection<'a> {
    shell: &'a Rc<Shell>,
    listener: &'a Listener,
    member: &'a Rc<Member>,
    peer: Arc<str>,
    raw_idle: Duration,
    shared: Rc<Shared>,
    /// When the request that is coming began, or the connection; when its last byte came.
    began: Instant,
    last_byte: Instant,
    finished: Option<Instant>,
}

/// Why the task goes on.
enum Woke {
    Read(io::Result<usize>),
    Otherwise,
    Late,
}

/// Serves a connection until it is over.
pub(super) async fn serve(
    shell: &Rc<Shell>,
    listener: &Rc<Listener>,
    member: &Rc<Member>,
    stream: Stream,
    peer: Arc<str>,
) {
    let (mut reader, writer) = stream.split();
    let state = State::new(listener.framing, shell.budget.share());
    let shared = Rc::new(Shared::new(writer, Rc::clone(member), state));
    let raw_idle = shell.with_settings(&listener.pool, |settings| settings.raw_idle).unwrap_or_default();
    let (began, last_byte) = (now(), now());
    let mut connection =
        Connection { shell, listener, member, peer, raw_idle, shared, began, last_byte, finished: None };
    while connection.turn(&mut reader).await {}
    connection.leave();
}

/// Tells a connection that there is no room for it.
pub(super) async fn turn_away(stream: Stream, framing: Framing) {
    let message = format!("this listener has {} connections, which is the most; try again", super::MOST);
    let error = CallError { code: code::QUEUE_FULL, message, data: None };
    let mut answer = Form::Action.answer(false, &Err(error)).unwrap_or_default();
    if framing == Framing::Http {
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n";
        let head = format!("{head}Content-Length: {}\r\n\r\n", answer.len());
        answer.splice(0..0, head.into_bytes());
    }
    let (_reader, writer) = stream.split();
    // A new connection takes what fits into its buffer; who does not listen is not waited for.
    if poll_fn(|cx| writer.poll_write_ready(cx)).await.is_ok() {
        let _ = writer.try_write(&answer);
    }
}

impl Connection<'_> {
    /// Waits for something and deals with it; whether the connection goes on.
    async fn turn(&mut self, reader: &mut ReadHalf) -> bool {
        self.take_requests();
        self.shared.settle();
        if self.shared.is_broken() || self.is_over() {
            return false;
        }
        match self.wait(reader).await {
            Woke::Read(Ok(0)) => {
                self.ended();
                if self.shared.writer.is_hung_up() {
                    return false;
                }
            }
            Woke::Read(Ok(_)) | Woke::Otherwise => {}
            Woke::Read(Err(_)) => return false,
            Woke::Late => return self.late(),
        }
        if self.member.is_evicted.get() && !self.member.has_spoken.get() {
            self.member.has_spoken.set(true);
            self.refuse("another connection has taken the place of this one, which was silent");
        }
        true
    }

    /// Makes calls of the requests that have come.
    fn take_requests(&mut self) {
        loop {
            let found = {
                let mut state = self.shared.state.borrow_mut();
                if state.has_room() { state.requests.next() } else { None }
            };
            let Some(found) = found else { return };
            self.began = now();
            self.request(found);
        }
    }

    fn request(&self, found: Found) {
        let request = outside::request(self.shell, &self.listener.pool, &self.peer, found);
        let calls = self.shell.next_calls(request.calls());
        let (shared, number) = (Rc::clone(&self.shared), self.shared.push(Answer::Awaited(calls)));
        request.make(self.shell, calls, move |answer| shared.answered(number, answer));
    }

    /// Answers with an error whatever comes next, and ends.
    fn refuse(&mut self, why: &str) {
        self.shared.state.borrow_mut().requests.over();
        self.request(Found::Bad(why.to_owned()));
    }

    /// The client has closed its side.
    fn ended(&mut self) {
        self.shared.is_ended.set(true);
        let last = self.shared.state.borrow_mut().requests.ended();
        if let Some(last) = last {
            self.request(last);
        }
    }

    /// Something has taken too long; whether the connection goes on.
    fn late(&mut self) -> bool {
        let (is_raw, is_inside, is_stuck, has_begun) = {
            let state = self.shared.state.borrow();
            (state.requests.is_raw(), state.is_inside(), state.unread() > 0, state.requests.has_begun())
        };
        if self.finished.is_some() {
            return false;
        }
        if is_stuck && now() >= self.shared.state.borrow().last_written + PATIENCE {
            return false;
        }
        if is_raw {
            let raw = self.shared.state.borrow_mut().requests.idle();
            if let Some(raw) = raw {
                self.request(raw);
            }
        } else if self.shared.is_ended.get() {
            return !self.shared.writer.is_hung_up();
        } else if is_inside {
            self.refuse("the request was not complete within 30 s");
        } else if !has_begun {
            self.refuse("no request came within 30 s");
        }
        true
    }

    /// Whether nothing is left to do; says so to the other side, and waits for it a little.
    fn is_over(&mut self) -> bool {
        let is_done = {
            let state = self.shared.state.borrow();
            let goes_on = state.requests.goes_on() && !self.shared.is_ended.get() && !self.closes(&state);
            state.answers.is_empty() && state.unread() == 0 && !goes_on
        };
        if is_done && self.finished.is_none() {
            self.shared.writer.finish();
            self.finished = Some(now() + LINGER);
        }
        is_done && self.shared.is_ended.get()
    }

    /// Whether the listener is gone, and no request is coming.
    fn closes(&self, state: &State) -> bool {
        self.member.is_closing.get() && !state.requests.is_inside()
    }

    /// When something is late.
    fn deadline(&self, state: &State) -> Option<Instant> {
        if let Some(finished) = self.finished {
            return Some(finished);
        }
        let unread = (state.unread() > 0).then(|| state.last_written + PATIENCE);
        let coming = if state.requests.is_raw() {
            Some((self.last_byte + self.raw_idle).min(self.began + PATIENCE))
        } else if self.shared.is_ended.get() {
            Some(now() + GONE_CHECK)
        } else if state.is_inside() || !state.requests.has_begun() {
            Some(self.began + PATIENCE)
        } else {
            None
        };
        unread.into_iter().chain(coming).min()
    }

    async fn wait(&mut self, reader: &mut ReadHalf) -> Woke {
        let (until, writes, reads) = {
            let state = self.shared.state.borrow();
            (self.deadline(&state), state.unread() > 0, state.has_room() && !self.shared.is_ended.get())
        };
        let member = self.member;
        let mut woken = pin!(member.wake.notified());
        let mut late = pin!(until.map(sleep_until));
        poll_fn(|cx| {
            if reads && let Poll::Ready(read) = self.read(reader, cx) {
                return Poll::Ready(Woke::Read(read));
            }
            if writes && self.shared.writer.poll_write_ready(cx).is_ready() || woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Woke::Otherwise);
            }
            let late = late.as_mut().as_pin_mut();
            late.map_or(Poll::Pending, |late| late.poll(cx).map(|()| Woke::Late))
        })
        .await
    }

    fn read(&mut self, reader: &mut ReadHalf, cx: &mut std::task::Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = self.shell.scratch.borrow_mut();
        let read = reader.poll_read(cx, &mut scratch);
        if let Poll::Ready(Ok(bytes @ 1..)) = read {
            self.last_byte = now();
            let mut state = self.shared.state.borrow_mut();
            if !state.is_inside() {
                self.began = self.last_byte;
            }
            self.member.has_spoken.set(true);
            state.requests.push(&scratch[..bytes]);
        }
        read
    }

    /// Ends the connection: nobody reads the answers any more.
    fn leave(&self) {
        let answers = std::mem::take(&mut self.shared.state.borrow_mut().answers);
        for answer in answers {
            if let Answer::Awaited(calls) = answer {
                self.shell.left_all(calls);
            }
        }
    }
}
