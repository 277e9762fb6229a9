//! The last line that a process printed: the one that says why, as a rule.
//!
//! Invariant: a line comes without escape sequences and without what is never shown as it is.

use super::characters::is_unprintable;

/// Characters of the line that are kept.
const MOST: usize = 200;

/// The last line of a text in which something stands.
#[must_use]
pub fn last_line(text: &str) -> Option<String> {
    last_line_within(text, MOST)
}

/// The same, with so many characters of it.
#[must_use]
pub fn last_line_within(text: &str, most: usize) -> Option<String> {
    text.rsplit(['\n', '\r']).find_map(|line| {
        let plain = anstream::adapter::strip_str(line).to_string();
        let spaced = plain.trim().chars().map(|c| if c == '\t' { ' ' } else { c });
        let mut kept = spaced.filter(|c| !is_unprintable(*c));
        let mut shown: String = kept.by_ref().take(most).collect();
        if kept.next().is_some() {
            shown.push('…');
        }
        (!shown.is_empty()).then_some(shown)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_found_and_cleaned() {
        let table = [
            ("", None),
            (" \n\r\n\t", None),
            ("one\n two \n\n", Some("two")),
            ("10%\r20%\rdone\r\n", Some("done")),
            ("why\n\u{1b}[0m\n", Some("why")),
            ("sent\t3\n", Some("sent 3")),
            ("\u{1b}[1;31merror:\u{1b}[0m \u{7}bad\u{202e}\n", Some("error: bad")),
        ];
        for (text, line) in table {
            assert_eq!(last_line(text).as_deref(), line, "{text:?}");
        }
        let long = last_line(&"é".repeat(MOST + 1)).unwrap();
        assert_eq!(long, "é".repeat(MOST) + "…");
        assert_eq!(last_line(&"é".repeat(MOST)).unwrap(), "é".repeat(MOST));
    }
}
