//! Splitting a stream of bytes into lines, in bounded memory.
//!
//! Knows nothing of what a line means. Invariants: at most `max` bytes of an unfinished line are held, and little when
//! the stream stands at a line's beginning; a line that is longer is handed out once, cut, when its newline comes, and
//! the stream stays in step; a fragment without its newline is never a line (see [`Lines::rest`]).

/// How much of a line over the limit is kept, to tell what it was.
pub const HEAD_BYTES: usize = 4096;

/// One line, without its newline (and without a carriage return before it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// A line over the limit: its first bytes and its length.
    TooLong {
        /// Its first [`HEAD_BYTES`].
        head: &'a [u8],
        /// Its length in bytes.
        bytes: u64,
    },
}

/// The unfinished line of one stream.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    /// Bytes thrown away of a line over the limit.
    skipped: u64,
    max: usize,
}

impl Lines {
    /// Lines of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { held: Vec::new(), skipped: 0, max }
    }

    /// Takes in what was read; `each` gets every line that is complete now.
    pub fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (line, rest) = (&chunk[..end], &chunk[end + 1..]);
            if self.held.is_empty() && self.skipped == 0 && line.len() <= self.max {
                each(Line::Whole(trim(line)));
            } else {
                self.hold(line);
                self.finish(&mut each);
            }
            chunk = rest;
        }
        self.hold(chunk);
    }

    /// Beginning of a line that has not ended.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.held
    }

    /// Whether a line has begun that has not ended.
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        !self.held.is_empty() || self.skipped > 0
    }

    /// Memory that an unfinished line takes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.held.capacity()
    }

    /// Gives the unfinished line up as if it were over the limit, to have its memory for others.
    pub fn give_up(&mut self) {
        if self.skipped == 0 && !self.held.is_empty() {
            self.skipped = self.held.len() as u64;
            self.held.truncate(HEAD_BYTES);
            self.held.shrink_to_fit();
        }
    }

    fn hold(&mut self, part: &[u8]) {
        if self.skipped > 0 {
            self.skipped += part.len() as u64;
            // The head is the same wherever the stream was cut.
            let missing = HEAD_BYTES.saturating_sub(self.held.len()).min(part.len());
            self.held.extend_from_slice(&part[..missing]);
        } else if self.held.len() + part.len() > self.max {
            self.skipped = (self.held.len() + part.len()) as u64;
            let missing = HEAD_BYTES.saturating_sub(self.held.len()).min(part.len());
            self.held.extend_from_slice(&part[..missing]);
            self.held.truncate(HEAD_BYTES);
            self.held.shrink_to_fit();
        } else {
            self.held.extend_from_slice(part);
        }
    }

    fn finish(&mut self, each: &mut impl FnMut(Line<'_>)) {
        if self.skipped > 0 {
            each(Line::TooLong { head: &self.held, bytes: self.skipped });
        } else {
            each(Line::Whole(trim(&self.held)));
        }
        self.skipped = 0;
        if self.held.capacity() > 64 * 1024 {
            self.held = Vec::new();
        } else {
            self.held.clear();
        }
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(max: usize, chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let mut lines = Lines::new(max);
        let mut seen = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |line| {
                seen.push(match line {
                    Line::Whole(text) => String::from_utf8_lossy(text).into_owned(),
                    Line::TooLong { head, bytes } => format!("<{bytes}:{}>", head.len()),
                });
            });
        }
        let rest = lines.rest().to_vec();
        (seen, rest)
    }

    #[test]
    fn a_fragment_without_its_newline_is_not_a_line() {
        assert_eq!(split(100, &[b"a\r\nb", b"c\n\nd"]), (vec!["a".into(), "bc".into(), String::new()], b"d".to_vec()));
    }

    #[test]
    fn a_line_over_the_limit_is_cut_and_the_stream_stays_in_step() {
        let long = [b'x'; 5000];
        let (seen, rest) = split(10, &[&long, &long, b"\nok\n"]);
        assert_eq!(seen, ["<10000:4096>", "ok"]);
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_line_that_is_given_up_is_cut_and_the_stream_stays_in_step() {
        let mut lines = Lines::new(100_000);
        lines.push(&vec![b'x'; 50_000], |_| panic!("it has no end"));
        assert!(lines.held_bytes() >= 50_000);
        lines.give_up();
        assert!(lines.held_bytes() <= HEAD_BYTES && lines.is_inside());
        let mut seen = Vec::new();
        lines.push(b"yz\nok\n", |line| match line {
            Line::Whole(text) => seen.push((text.len(), 0)),
            Line::TooLong { head, bytes } => seen.push((head.len(), bytes)),
        });
        assert_eq!(seen, [(HEAD_BYTES, 50_002), (2, 0)]);
    }

    proptest! {
        #[test]
        fn where_the_stream_is_cut_makes_no_difference(text in "[a\n]{0,60}", cuts in prop::collection::vec(0..60_usize, 0..6)) {
            let whole = split(8, &[text.as_bytes()]);
            let mut at: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            at.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for to in at.into_iter().chain([text.len()]) {
                chunks.push(&text.as_bytes()[from..to]);
                from = to;
            }
            prop_assert_eq!(split(8, &chunks), whole);
        }
    }
}
