//! The last lines that a worker printed on one stream, in bounded memory.

use std::collections::VecDeque;

/// How many lines, and bytes, are kept for the records.
const LINES: usize = 20;
const BYTES: usize = 4 * 1024;

/// The last lines of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    /// Adds a line; of a long one its end.
    pub(super) fn keep(&mut self, line: &[u8]) {
        let line = &line[line.len().saturating_sub(BYTES)..];
        self.0.push_back(String::from_utf8_lossy(line).into_owned());
        while self.0.len() > LINES || (self.0.len() > 1 && self.0.iter().map(String::len).sum::<usize>() > BYTES) {
            self.0.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The lines as one text.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds_of_number_and_size() {
        let mut tail = Tail::default();
        (0..100).for_each(|n| tail.keep(n.to_string().as_bytes()));
        assert_eq!(tail.text().lines().next(), Some("80"));
        tail.keep(&[b'x'; 10_000]);
        assert_eq!(tail.text().len(), BYTES, "a long line drives the others out");
        tail.keep(b"end");
        assert_eq!(tail.text(), "end");
    }
}
