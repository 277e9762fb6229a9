//! Lines or records of input, with their numbers and a limit on their length.
//!
//! Invariant: what stands between two ends arrives byte for byte; nothing is guessed away.

use std::io::{self, BufRead, BufReader, Read};

/// End of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// A line feed.
    Lf,
    /// A line feed, or a carriage return and a line feed.
    CrLf,
    /// A NUL byte.
    Nul,
}

impl End {
    /// Name of a record in messages.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Lf | Self::CrLf => "line",
            Self::Nul => "record",
        }
    }
}

/// Next piece of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without its end.
    Bytes(&'a [u8]),
    /// A line that cannot be used, and why.
    Bad(&'static str),
}

/// Reads lines one at a time; memory holds one of them.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    end: End,
    limit: usize,
    buffer: Vec<u8>,
    /// Number of the last line, from 1.
    pub(super) number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: BufReader<R>, end: End, limit: usize) -> Self {
        Self { reader, end, limit, buffer: Vec::new(), number: 0 }
    }

    const fn end_byte(&self) -> u8 {
        match self.end {
            End::Nul => 0,
            End::Lf | End::CrLf => b'\n',
        }
    }

    /// Whether the next line is there without waiting for it.
    pub(super) fn has_next(&self) -> bool {
        memchr::memchr(self.end_byte(), self.reader.buffer()).is_some()
    }

    /// The next line; `None` at the end. A last line needs no end of its own.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let byte = self.end_byte();
        self.buffer.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if available.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(byte, available);
            let text = &available[..end.unwrap_or(available.len())];
            too_long = too_long || self.buffer.len() + text.len() > self.limit;
            if !too_long {
                self.buffer.extend_from_slice(text);
            }
            let used = text.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if too_long {
            return Ok(Some(Line::Bad("it is longer than 16 MiB")));
        }
        let bytes = match self.end {
            End::CrLf => self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer),
            End::Lf | End::Nul => &self.buffer,
        };
        Ok(Some(Line::Bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(input: &[u8], end: End, expected: impl IntoIterator<Item = Line<'a>>) {
        let mut lines = Lines::new(io::BufReader::with_capacity(3, input), end, 10);
        let mut number = 0;
        for line in expected {
            assert_eq!(lines.next().expect("read"), Some(line));
            number += 1;
        }
        assert_eq!(lines.next().expect("read"), None);
        assert_eq!(lines.number, number);
    }

    #[test]
    fn lines_are_split_counted_and_limited() {
        use Line::{Bad, Bytes};
        let input = b"one\r\n\nlonger than ten\n\xff\nlast\r";
        let long = || Bad("it is longer than 16 MiB");
        read(input, End::Lf, [Bytes(b"one\r"), Bytes(b""), long(), Bytes(b"\xff"), Bytes(b"last\r")]);
        read(input, End::CrLf, [Bytes(b"one"), Bytes(b""), long(), Bytes(b"\xff"), Bytes(b"last")]);
        read(b"two\nlines\0\r\0\0-", End::Nul, [Bytes(b"two\nlines"), Bytes(b"\r"), Bytes(b""), Bytes(b"-")]);
    }
}
