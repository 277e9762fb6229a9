//! Requests in the bytes of a connection.
//!
//! | framing | a request is | its answer | afterwards |
//! | --- | --- | --- | --- |
//! | `auto`, first byte `{` or `[` | the JSON value | if a newline (or the next value) follows before it is there: a line; else without a newline, in one write | lines go on; else the connection is closed |
//! | `auto`, any other first byte | all bytes until half-close, or until none came for `raw_idle` | as the worker gave it | closed |
//! | `once` | as `auto` | without a newline | closed |
//! | `lines` | each line that is not empty, JSON or not; the rest at half-close | a line | goes on |
//!
//! Knows nothing of sockets and clocks. Invariants: how the bytes were cut into packets makes no difference, but for raw
//! requests; at most [`MAX_LINE_BYTES`] are held; after a bad request in a line the next line is read.

use crate::model::payload::MAX_LINE_BYTES;
use crate::wire::gateway::Framing;

use super::json::{Scanned, Scanner};

/// Capacity that is kept for the next request, in bytes.
const KEPT: usize = 64 * 1024;

/// A piece that was found in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The text of a JSON object or array, as far as brackets tell.
    Json(Vec<u8>),
    Raw(Vec<u8>),
    /// No request, and why.
    Bad(String),
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before the first byte.
    Start,
    /// In the first JSON value.
    First,
    /// After the first JSON value, when nothing has followed it.
    Undecided,
    Lines,
    /// In a line that is no request, up to its newline.
    Skipping,
    Raw,
    /// The rest is of no interest.
    Over,
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    framing: Framing,
    mode: Mode,
    held: Vec<u8>,
    /// Where in `held` the next request begins; what is before was taken.
    start: usize,
    /// So many bytes of it were looked at.
    seen: usize,
    scanner: Scanner,
    /// A byte has come.
    has_begun: bool,
    /// Answers are lines.
    is_lines: bool,
}

impl Requests {
    pub(super) fn new(framing: Framing) -> Self {
        let is_lines = framing == Framing::Lines;
        let mode = if is_lines { Mode::Lines } else { Mode::Start };
        Self {
            framing,
            mode,
            held: Vec::new(),
            start: 0,
            seen: 0,
            scanner: Scanner::default(),
            has_begun: false,
            is_lines,
        }
    }

    /// Takes in what was read; [`Self::next`] is to be called until it finds nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.has_begun = true;
        self.forget();
        if self.mode != Mode::Over {
            self.held.extend_from_slice(bytes);
        }
    }

    /// The next request that is complete.
    pub(super) fn next(&mut self) -> Option<Found> {
        loop {
            let found = match self.mode {
                Mode::Start => {
                    self.mode = match self.rest().first()? {
                        b'{' | b'[' => Mode::First,
                        _ => Mode::Raw,
                    };
                    continue;
                }
                Mode::First => self.value(Mode::Undecided),
                Mode::Undecided => {
                    if !self.decide() {
                        return None;
                    }
                    continue;
                }
                Mode::Lines => {
                    if self.framing == Framing::Lines {
                        self.line()
                    } else {
                        self.skip_white();
                        match self.rest().first()? {
                            b'{' | b'[' => self.value(Mode::Lines),
                            _ => self.line().map(|_| Found::Bad("a line is no JSON object or array".to_owned())),
                        }
                    }
                }
                Mode::Skipping => {
                    self.skip_line()?;
                    continue;
                }
                Mode::Raw | Mode::Over => None,
            };
            return found.or_else(|| self.too_long());
        }
    }

    /// No byte came for a while.
    pub(super) fn idle(&mut self) -> Option<Found> {
        (self.mode == Mode::Raw).then(|| self.raw())
    }

    /// No byte will come.
    pub(super) fn ended(&mut self) -> Option<Found> {
        match self.mode {
            Mode::Raw => Some(self.raw()),
            Mode::Lines if self.framing == Framing::Lines && !self.rest().is_empty() => {
                let line = self.rest().to_vec();
                self.over();
                Some(of_line(line))
            }
            Mode::First | Mode::Lines if !self.rest().is_empty() => {
                self.over();
                Some(Found::Bad("the connection was closed for writing in the middle of a JSON value".to_owned()))
            }
            Mode::Undecided => {
                self.over();
                None
            }
            _ => None,
        }
    }

    /// Whether a request has begun that is not complete.
    pub(super) fn is_inside(&self) -> bool {
        matches!(self.mode, Mode::First | Mode::Raw | Mode::Lines | Mode::Skipping) && !self.rest().is_empty()
    }

    pub(super) fn is_raw(&self) -> bool {
        self.mode == Mode::Raw
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether more requests may follow.
    pub(super) fn goes_on(&self) -> bool {
        self.mode != Mode::Over
    }

    pub(super) fn is_lines(&self) -> bool {
        self.is_lines
    }

    /// Whether the first answer decides how the connection goes on, as nothing has followed the first request.
    pub(super) fn is_undecided(&mut self) -> bool {
        self.mode == Mode::Undecided && !self.decide()
    }

    /// Nothing more is taken.
    pub(super) fn over(&mut self) {
        self.mode = Mode::Over;
        (self.held, self.start) = (Vec::new(), 0);
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Whether these bytes, which follow the first value, make it a connection of lines.
    pub(super) fn makes_lines(following: &[u8]) -> bool {
        let next = following.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
        matches!(next, Some(b'\n' | b'{' | b'['))
    }

    /// Whether what has followed the first value says how the connection goes on.
    fn decide(&mut self) -> bool {
        if self.framing == Framing::Once {
            self.over();
        } else if Self::makes_lines(self.rest()) {
            self.mode = Mode::Lines;
            self.is_lines = true;
        } else if self.rest().iter().any(|byte| !byte.is_ascii_whitespace()) {
            self.over();
        } else {
            self.take(self.rest().len());
            return false;
        }
        true
    }

    /// The JSON value at the beginning, if it is complete.
    fn value(&mut self, then: Mode) -> Option<Found> {
        match self.scanner.scan(&self.held[self.start + self.seen..]) {
            Scanned::More => {
                self.seen = self.rest().len();
                None
            }
            Scanned::End(length) => {
                let text = self.take(self.seen + length);
                self.mode = then;
                Some(Found::Json(text))
            }
            Scanned::Bad(why, at) => {
                if then == Mode::Lines {
                    self.take(self.seen + at);
                    self.mode = Mode::Skipping;
                } else {
                    self.over();
                }
                Some(Found::Bad(format!("the request is no JSON: {why}")))
            }
        }
    }

    /// The next line that is not empty.
    fn line(&mut self) -> Option<Found> {
        loop {
            let Some(end) = memchr::memchr(b'\n', &self.rest()[self.seen..]) else {
                self.seen = self.rest().len();
                return None;
            };
            let mut line = self.take(self.seen + end + 1);
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
            if !line.is_empty() {
                return Some(of_line(line));
            }
        }
    }

    fn skip_white(&mut self) {
        if self.seen == 0 {
            self.start += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        }
    }

    fn skip_line(&mut self) -> Option<()> {
        let end = memchr::memchr(b'\n', self.rest());
        self.take(end.map_or(self.rest().len(), |end| end + 1));
        end.map(|_| self.mode = Mode::Lines)
    }

    fn raw(&mut self) -> Found {
        let text = self.take(self.rest().len());
        self.over();
        Found::Raw(text)
    }

    /// The first bytes, which are given up; the next request begins behind them.
    fn take(&mut self, length: usize) -> Vec<u8> {
        self.seen = 0;
        self.scanner = Scanner::default();
        if length == self.held.len() {
            return std::mem::take(&mut self.held);
        }
        let taken = self.rest()[..length].to_vec();
        self.start += length;
        if self.start > KEPT {
            self.forget();
        }
        taken
    }

    /// Gives up the memory of what was taken.
    fn forget(&mut self) {
        if self.start > 0 {
            self.held.drain(..std::mem::take(&mut self.start));
            self.held.shrink_to(KEPT);
        }
    }

    /// The bytes that were not taken.
    fn rest(&self) -> &[u8] {
        &self.held[self.start..]
    }

    fn too_long(&mut self) -> Option<Found> {
        (self.rest().len() > MAX_LINE_BYTES).then(|| {
            self.over();
            Found::Bad(format!("the request is longer than {MAX_LINE_BYTES} bytes"))
        })
    }
}

fn of_line(line: Vec<u8>) -> Found {
    match line.trim_ascii_start().first() {
        Some(b'{' | b'[') => Found::Json(line),
        _ => Found::Raw(line),
    }
}

#[cfg(test)]
mod tests;
