//! The end of a stream: the last bytes or lines that a child printed.
//!
//! Knows nothing of pipes. Invariant: memory stays below twice what is kept, whatever is pushed, and nothing is
//! allocated before the first byte.

/// Lines of a stream that go on record at most.
const LINES: usize = 20;
/// Bytes of these at most: what to keep of a stream of which nothing else is wanted.
pub const BYTES: usize = 4 * 1024;

/// Mark in front of a text whose beginning was dropped.
const CUT: char = '…';

/// Keeps the last `keep` bytes of what is pushed.
#[derive(Debug)]
pub struct Tail {
    keep: usize,
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// Keeps nothing yet.
    #[must_use]
    pub const fn new(keep: usize) -> Self {
        Self { keep, bytes: Vec::new(), cut: false }
    }

    /// Adds to the end.
    pub fn push(&mut self, new: &[u8]) {
        let new = if new.len() > self.keep {
            self.cut = true;
            self.bytes.clear();
            &new[new.len() - self.keep..]
        } else {
            new
        };
        if self.bytes.len() + new.len() > 2 * self.keep {
            self.cut = true;
            self.bytes.drain(..self.bytes.len() + new.len() - self.keep);
        }
        self.bytes.extend_from_slice(new);
    }

    /// Forgets what was pushed.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.cut = false;
    }

    /// The text, with `…` in front if its beginning is missing; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        self.end(self.keep)
    }

    fn end(&self, most: usize) -> String {
        let start = self.bytes.len().saturating_sub(most.min(self.keep));
        if !self.cut && start == 0 {
            return String::from_utf8_lossy(&self.bytes).into_owned();
        }
        let mut kept = &self.bytes[start..];
        // The cut may have gone through a character: its rest (at most three bytes) is dropped.
        for _ in 0..3 {
            match kept {
                [b, rest @ ..] if b & 0b1100_0000 == 0b1000_0000 => kept = rest,
                _ => break,
            }
        }
        format!("{CUT}{}", String::from_utf8_lossy(kept))
    }

    /// The last lines of the text, without the final newline.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let text = self.end(BYTES);
        let text = text.trim_end_matches(['\n', '\r']);
        match text.rmatch_indices('\n').nth(LINES - 1) {
            Some((at, _)) => text[at + 1..].to_owned(),
            None => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(keep: usize, pushes: &[&[u8]]) -> Tail {
        let mut tail = Tail::new(keep);
        for push in pushes {
            tail.push(push);
            assert!(tail.bytes.len() <= 2 * keep);
        }
        tail
    }

    #[test]
    fn the_end_is_kept_and_a_cut_is_marked() {
        let table: &[(usize, &[&[u8]], &str)] = &[
            (4, &[], ""),
            (4, &[b"abcd"], "abcd"),
            (4, &[b"ab", b"cd"], "abcd"),
            (4, &[b"abcde"], "…bcde"),
            (4, &[b"abc", b"de"], "…bcde"),
            (4, &[b"abcd", b"efgh", b"i"], "…fghi"),
            (4, &[b"abcd", b"efgh", b"ijkl", b"mnop"], "…mnop"),
            (4, &[b"abcdefghij"], "…ghij"),
            (4, &["aäöü".as_bytes()], "…öü"),
            (3, &["aäö".as_bytes()], "…ö"),
            (4, &[b"\xff\xfeab"], "\u{fffd}\u{fffd}ab"),
        ];
        for (keep, pushes, text) in table {
            assert_eq!(tail(*keep, pushes).text(), *text, "{keep} of {pushes:?}");
        }
    }

    #[test]
    fn the_last_lines_come_without_the_final_newline_and_within_bounds_of_number_and_size() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"one", "one"),
            (b"one\n", "one"),
            (b"one\ntwo\n\n", "one\ntwo"),
            (b"one\r\ntwo\r\n", "one\r\ntwo"),
        ];
        for (bytes, text) in table {
            assert_eq!(tail(100, &[bytes]).last_lines(), *text, "{bytes:?}");
        }
        assert_eq!(tail(5, &[b"one\ntwo\n"]).last_lines(), "…\ntwo");
        let last = tail(BYTES, &[b"first\n", &b"line\n".repeat(100)]).last_lines();
        assert_eq!((last.lines().next(), last.lines().count()), (Some("line"), LINES));
        let long = tail(3 * BYTES, &[&[b'x'; 2 * BYTES], b"\nend\n"]).last_lines();
        assert_eq!(long, format!("…{}\nend", "x".repeat(BYTES - 5)));
    }

    #[test]
    fn a_flood_does_not_grow_it() {
        let mut tail = Tail::new(1000);
        for n in 0..100_000_u32 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        assert!(tail.bytes.capacity() <= 4000, "{}", tail.bytes.capacity());
        assert!(tail.text().ends_with("line 99999\n"));
    }
}
