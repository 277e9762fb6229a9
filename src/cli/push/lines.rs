//! Lines of input, with their numbers and a limit on their length.

use std::io::{self, BufRead};

/// What came next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A line, without its line break (`\n` or `\r\n`).
    Text(&'a str),
    /// A line that cannot be used, and why.
    Bad(&'static str),
}

/// Reads lines one at a time; memory holds one of them.
pub(super) struct Lines<R> {
    reader: R,
    limit: usize,
    buffer: Vec<u8>,
    /// Number of the last line, from 1.
    pub(super) number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, limit, buffer: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end. A last line needs no line break.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
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
            let end = memchr::memchr(b'\n', available);
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
        let text = self.buffer.strip_suffix(b"\r").unwrap_or(&self.buffer);
        Ok(Some(std::str::from_utf8(text).map_or(Line::Bad("it is not UTF-8"), Line::Text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_counted_and_limited() {
        let input: &[u8] = b"one\r\n\nlonger than ten\n\xff\nlast";
        let mut lines = Lines::new(io::BufReader::with_capacity(3, input), 10);
        let expected = [
            Line::Text("one"),
            Line::Text(""),
            Line::Bad("it is longer than 16 MiB"),
            Line::Bad("it is not UTF-8"),
            Line::Text("last"),
        ];
        for line in expected {
            assert_eq!(lines.next().expect("read"), Some(line));
        }
        assert_eq!(lines.next().expect("read"), None);
        assert_eq!(lines.number, 5);
    }
}
