//! The worker's own three streams: lines in, answers out, log out.
//!
//! Knows nothing of jobs. Invariants: nothing here waits (a pipe or socket is made non-blocking; a file is always
//! ready); what could not be written yet is kept in order; a reader that is gone is remembered, not an error.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::model::payload::MAX_LINE_BYTES;
use crate::process::pipes::{self, Left, set_nonblocking};
use crate::wire::lines::{Line, Lines};

/// Most bytes taken from one stream in one turn.
pub(super) const TURN_BYTES: usize = 64 * 1024;
/// Bytes read at once; on the stack.
pub(super) const CHUNK_BYTES: usize = 8 * 1024;
/// A buffer larger than this is given back when it is empty.
const KEEP_BYTES: usize = 64 * 1024;

/// The stream of lines from the master.
pub(super) struct Input {
    file: File,
    lines: Lines,
    /// There may be something to read.
    pub(super) ready: bool,
    /// The end has not been seen.
    pub(super) open: bool,
}

impl Input {
    pub(super) fn new(fd: OwnedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        let file = File::from(fd);
        let watched = watch(&file, registry, token, Interest::READABLE)?;
        if watched {
            set_nonblocking(&file)?;
        }
        Ok(Self { file, lines: Lines::new(MAX_LINE_BYTES), ready: !watched, open: true })
    }

    /// Hands over the lines that are there, for one turn. True if the stream ended within a line.
    pub(super) fn read(&mut self, mut each: impl FnMut(Line<'_>)) -> bool {
        let lines = &mut self.lines;
        let chunk = &mut [0; CHUNK_BYTES];
        let left = pipes::read(&mut self.file, TURN_BYTES, true, chunk, |bytes| lines.push(bytes, &mut each));
        self.ready = left == Left::More;
        self.open = left != Left::Ended;
        !self.open && lines.is_inside()
    }
}

/// A stream out of the worker.
pub(super) struct Outbox {
    file: File,
    waiting: Vec<u8>,
    /// The reader has gone: writes are dropped from now on.
    pub(super) gone: bool,
    at_line_start: bool,
}

impl Outbox {
    pub(super) fn new(fd: OwnedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        let file = File::from(fd);
        watch(&file, registry, token, Interest::WRITABLE)?;
        let kind = file.metadata()?.file_type();
        // A terminal or file may be shared with others, who would not expect it; it takes what is written.
        if kind.is_fifo() || kind.is_socket() {
            set_nonblocking(&file)?;
        }
        Ok(Self { file, waiting: Vec::new(), gone: false, at_line_start: true })
    }

    /// Bytes that could not be written yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes, or keeps for later.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.at_line_start = *last == b'\n';
            self.waiting.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// Ends a line that was begun, so that the next text has one of its own.
    pub(super) fn end_line(&mut self) {
        if !self.at_line_start {
            self.push(b"\n");
        }
    }

    /// Adds a line of our own to the log.
    pub(super) fn note(&mut self, text: &str) {
        self.end_line();
        self.push(format!("queue-work: {text}\n").as_bytes());
    }

    /// Writes what it can.
    pub(super) fn flush(&mut self) {
        let mut written = 0;
        while written < self.waiting.len() && !self.gone {
            match self.file.write(&self.waiting[written..]) {
                Ok(n) if n > 0 => written += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Ok(_) | Err(_) => self.gone = true,
            }
        }
        if self.gone {
            self.waiting.clear();
        } else {
            self.waiting.drain(..written);
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(KEEP_BYTES);
        }
    }
}

/// Asks for news of a stream; false for a file, which never has any.
fn watch(file: &File, registry: &Registry, token: Token, interest: Interest) -> io::Result<bool> {
    match registry.register(&mut SourceFd(&file.as_raw_fd()), token, interest) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(e) => Err(e),
    }
}
