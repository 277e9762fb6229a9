//! Where a JSON value ends, in bytes that arrive in pieces.
//!
//! Knows brackets and strings; whether the value is correct is for the reader of it. Invariants: each byte is looked at
//! once; memory is a few words; what cannot become a value is found at the byte that spoils it.

use memchr::memchr3;

use crate::model::payload::MAX_DEPTH;

/// How a scan went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The value goes on.
    More,
    /// The value ends before this byte.
    End(usize),
    /// Nothing that follows makes it a value; the reason, and where.
    Bad(&'static str, usize),
}

/// The place in a value: an array or an object, and what is in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    /// A bit for each open bracket, the innermost last: set for an object.
    open: u128,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    /// Looks at the next bytes of a value that begins with a bracket.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                match self.in_text(&bytes[at..]) {
                    Ok(skipped) => at += skipped,
                    Err(offset) => return Scanned::Bad("a string has a newline in it", at + offset),
                }
                continue;
            }
            let byte = bytes[at];
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    if self.depth == MAX_DEPTH {
                        return Scanned::Bad("arrays and objects are nested deeper than 128 levels", at);
                    }
                    self.open = self.open << 1 | u128::from(byte == b'{');
                    self.depth += 1;
                }
                b'}' | b']' => {
                    if self.open & 1 != u128::from(byte == b'}') {
                        return Scanned::Bad("a bracket is closed by one of the other kind", at);
                    }
                    self.open >>= 1;
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Scanned::End(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        Scanned::More
    }

    /// Skips the inside of a string; where a newline stands in it is an error.
    fn in_text(&mut self, bytes: &[u8]) -> Result<usize, usize> {
        if self.escaped {
            self.escaped = false;
            return Ok(1);
        }
        let Some(at) = memchr3(b'"', b'\\', b'\n', bytes) else { return Ok(bytes.len()) };
        match bytes[at] {
            b'"' => self.in_string = false,
            b'\\' => self.escaped = true,
            _ => return Err(at),
        }
        Ok(at + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Scanned {
        Scanner::default().scan(text.as_bytes())
    }

    #[test]
    fn the_end_of_a_value_is_found_and_what_spoils_one() {
        assert_eq!(whole(r#"{"a":[1,"}]\"{"]} x"#), Scanned::End(17));
        assert_eq!(whole("[] []"), Scanned::End(2));
        assert_eq!(whole(r#"{"a":"\\"}"#), Scanned::End(10));
        assert_eq!(whole(r#"{"a":{"#), Scanned::More);
        assert_eq!(whole("{]"), Scanned::Bad("a bracket is closed by one of the other kind", 1));
        assert!(matches!(whole("{\"a\n"), Scanned::Bad(_, 3)));
        assert_eq!(whole(&"[".repeat(128)), Scanned::More);
        assert!(matches!(whole(&"[".repeat(10_000)), Scanned::Bad(_, 128)));
    }

    proptest! {
        #[test]
        fn where_a_value_is_cut_makes_no_difference(text in r#"[\[\]\{\}"\\a\n]{0,40}"#, cut in 0..40_usize) {
            let text = format!("[{text}");
            let cut = cut.min(text.len());
            let mut scanner = Scanner::default();
            let pieces = match scanner.scan(&text.as_bytes()[..cut]) {
                Scanned::More => match scanner.scan(&text.as_bytes()[cut..]) {
                    Scanned::More => Scanned::More,
                    Scanned::End(at) => Scanned::End(cut + at),
                    Scanned::Bad(why, at) => Scanned::Bad(why, cut + at),
                },
                over => over,
            };
            prop_assert_eq!(pieces, whole(&text));
        }
    }
}
