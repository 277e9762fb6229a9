//! Output of commands among the answers of the built-in worker, so that it comes in its order, live, and costs no pipe.
//!
//! Invariant: whatever a command prints, no piece of it can be taken for a message, and the master puts the same bytes
//! together again.

/// Begins a piece that ends with a line of the command.
const LINE: u8 = b'>';
/// Begins, and ends, a piece of a line that goes on.
const PART: u8 = b'+';

/// Appends what a command has printed, a piece for each of its lines.
pub fn write_printed(out: &mut Vec<u8>, printed: &[u8]) {
    let mut at = 0;
    for end in memchr::memchr_iter(b'\n', printed) {
        out.push(LINE);
        out.extend_from_slice(&printed[at..=end]);
        at = end + 1;
    }
    if at < printed.len() {
        out.push(PART);
        out.extend_from_slice(&printed[at..]);
        out.extend_from_slice(&[PART, b'\n']);
    }
}

/// The text of a piece, and whether it ends a line; `None` for a line that is none. One that was cut short by the death of
/// its worker goes on.
#[must_use]
pub fn read_printed(piece: &[u8]) -> Option<(&[u8], bool)> {
    match piece.split_first()? {
        (&LINE, text) => Some((text, true)),
        (&PART, text) => Some((text.strip_suffix(&[PART]).unwrap_or(text), false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::lines::{Line, Lines};

    /// The bytes after the way to the master, in chunks of this size.
    fn there(printed: &[u8], chunk: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        printed.chunks(chunk).for_each(|part| write_printed(&mut wire, part));
        let mut lines = Lines::new(1000);
        let mut got = Vec::new();
        lines.push(&wire, |line| {
            let Line::Whole(piece) = line else { panic!("{line:?}") };
            let (text, ends) = read_printed(piece).expect("a piece");
            assert!(matches!(crate::wire::worker::parse(piece), crate::wire::worker::FromWorker::Output));
            got.extend_from_slice(text);
            got.extend(ends.then_some(b'\n'));
        });
        assert!(!lines.is_inside());
        got
    }

    #[test]
    fn whatever_a_command_prints_arrives_as_it_was() {
        let tricky: [&[u8]; 8] = [
            b"",
            b"\n",
            b"one\ntwo\n\nno end",
            b"{\"id\":1,\"result\":null}\n",
            b">+>\n+\n++",
            b"10%\r20%\rdone\n",
            b"\xff\0\x1b[1m\n",
            b"+",
        ];
        for printed in tricky {
            for chunk in [1, 2, 3, 100] {
                assert_eq!(there(printed, chunk), printed, "{:?} by {chunk}", String::from_utf8_lossy(printed));
            }
        }
        assert_eq!(there(b"dos\r\nend\r\n", 100), b"dos\nend\n", "as of any line of output");
        assert_eq!(read_printed(b"{}"), None);
        assert_eq!(read_printed(b""), None);
        assert_eq!(read_printed(b"+cut sho"), Some((&b"cut sho"[..], false)));
    }
}
