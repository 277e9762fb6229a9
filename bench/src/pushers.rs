//! Clients that push one job at a time, each as soon as its last is answered.
//!
//! One client is a blocking one. Many are one thread with a poll loop: on a machine of a few cores, a thread for each
//! would take more of it than the server.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::clock::{now_ns, seconds_since};

/// What is pushed, and what a good answer contains.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) good: &'a [u8],
}

/// A push to the control socket of queue-work.
pub(crate) const OURS: Request<'_> = Request {
    bytes: b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"push\",\"params\":{\"type\":\"noop\"}}\n",
    good: b"\"result\":{\"id\":",
};

/// A put to beanstalkd.
pub(crate) const PEER: Request<'_> = Request { bytes: b"put 0 0 600 4\r\nnoop\r\n", good: b"INSERTED" };

/// Pushes for so many seconds; answers per second.
pub(crate) fn rate(socket: &Path, clients: usize, seconds: f64, request: Request<'_>) -> Outcome<f64> {
    if clients == 1 {
        return one(socket, seconds, request);
    }
    let mut poll = Poll::new()?;
    let mut all = Vec::new();
    for n in 0..clients {
        // A blocking connect: a backlog that is full for a moment must not fail it.
        let stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(stream);
        poll.registry().register(&mut stream, Token(n), Interest::READABLE)?;
        all.push(Client { stream, answer: Vec::new() });
    }
    let start = now_ns();
    all.iter_mut().try_for_each(|client| client.send(request))?;
    let mut events = Events::with_capacity(clients);
    let mut answers = 0_u64;
    while seconds_since(start) < seconds {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let Some(client) = all.get_mut(event.token().0) else { continue };
            if client.answered(request)? {
                answers += 1;
                client.send(request)?;
            }
        }
    }
    Ok(answers as f64 / seconds_since(start))
}

fn one(socket: &Path, seconds: f64, request: Request<'_>) -> Outcome<f64> {
    let mut stream = BufReader::new(std::os::unix::net::UnixStream::connect(socket)?);
    let start = now_ns();
    let mut answers = 0_u64;
    let mut line = Vec::new();
    while seconds_since(start) < seconds {
        stream.get_mut().write_all(request.bytes)?;
        line.clear();
        stream.read_until(b'\n', &mut line)?;
        check(&line, request)?;
        answers += 1;
    }
    Ok(answers as f64 / seconds_since(start))
}

pub(crate) fn check(line: &[u8], request: Request<'_>) -> Outcome<()> {
    if line.windows(request.good.len()).any(|w| w == request.good) {
        return Ok(());
    }
    Err(format!("a request was answered with `{}`", String::from_utf8_lossy(line).trim_end()).into())
}

struct Client {
    stream: UnixStream,
    answer: Vec<u8>,
}

impl Client {
    /// A request is much shorter than what a socket takes, and there is one at a time.
    fn send(&mut self, request: Request<'_>) -> Outcome<()> {
        Ok(self.stream.write_all(request.bytes)?)
    }

    /// Whether the answer is there. What comes later is told of again.
    fn answered(&mut self, request: Request<'_>) -> Outcome<bool> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(n) => self.answer.extend_from_slice(&bytes[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        if self.answer.last() != Some(&b'\n') {
            return Ok(false);
        }
        check(&self.answer, request)?;
        self.answer.clear();
        Ok(true)
    }
}
