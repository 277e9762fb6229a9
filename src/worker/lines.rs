//! The master's lines, put together from what was read.
//!
//! Knows nothing of JSON. Invariant: memory holds at most one line of the longest length that is allowed; a longer one
//! is passed over and the stream stays in step.

use crate::model::payload::MAX_LINE_BYTES;

/// What is kept of a line that is too long.
const START_BYTES: usize = 256;
/// A buffer larger than this is given back after its line.
const KEEP_BYTES: usize = 64 * 1024;

/// One line, without its newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    TooLong { start: &'a [u8] },
}

/// Splits a stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Hands each line that is complete now to `each`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let line = &bytes[..end];
            bytes = &bytes[end + 1..];
            if self.partial.is_empty() && !self.too_long {
                each(Line::Whole(without_cr(line)));
                continue;
            }
            self.add(line);
            if self.too_long {
                each(Line::TooLong { start: &self.partial });
            } else {
                each(Line::Whole(without_cr(&self.partial)));
            }
            self.too_long = false;
            self.partial.clear();
            self.partial.shrink_to(KEEP_BYTES);
        }
        self.add(bytes);
    }

    /// Whether there is a line without its end.
    pub(super) fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.too_long {
            return;
        }
        if self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            self.partial.extend_from_slice(&bytes[..bytes.len().min(START_BYTES)]);
            self.partial.truncate(START_BYTES);
            self.partial.shrink_to_fit();
            self.too_long = true;
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(lines: &mut Lines, chunk: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        lines.feed(chunk, |line| {
            out.push(match line {
                Line::Whole(l) => String::from_utf8_lossy(l).into_owned(),
                Line::TooLong { start } => format!("too long, {} kept", start.len()),
            });
        });
        out
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let stream = b"one\ntwo\r\n\nthree\nrest";
        for at in 0..=stream.len() {
            let mut lines = Lines::default();
            let mut got = split(&mut lines, &stream[..at]);
            got.extend(split(&mut lines, &stream[at..]));
            assert_eq!(got, ["one", "two", "", "three"], "cut at {at}");
            assert!(lines.is_partial());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_its_memory_given_back() {
        let mut lines = Lines::default();
        let mut chunk = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            assert_eq!(split(&mut lines, &chunk), Vec::<String>::new());
        }
        assert!(lines.partial.capacity() <= 2 * START_BYTES);
        chunk.extend_from_slice(b"\nnext\n");
        assert_eq!(split(&mut lines, &chunk), ["too long, 256 kept", "next"]);
    }
}
