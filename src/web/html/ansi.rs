//! Colours of what workers print.
//!
//! Invariant: of all that a text asks of a terminal only colours, weight and slant are done, by classes of the style; the rest is
//! shown as it stands. The text is escaped already: an escape is `\x1b`.

use maud::{Markup, html};

const BEGINS: &str = "\\x1b[";
/// Longest list of numbers in front of an `m`.
const LONGEST: usize = 40;

/// Styles that are no colours: the number that begins it, the one that ends it, and its class.
const LOOKS: [(u16, u16, &str); 5] = [(1, 22, "ab"), (2, 22, "ad"), (3, 23, "ai"), (4, 24, "au"), (7, 27, "ar")];

/// As the numbers up to here have it.
#[derive(Clone, Copy, Default, PartialEq)]
struct Look {
    /// A bit for each of [`LOOKS`].
    looks: u8,
    /// Of sixteen colours.
    colour: Option<u8>,
    behind: Option<u8>,
}

impl Look {
    fn classes(self) -> String {
        let looks = LOOKS.iter().enumerate().filter(|(bit, _)| self.looks & 1 << bit != 0);
        let mut classes: Vec<String> = looks.map(|(_, (_, _, class))| (*class).to_owned()).collect();
        classes.extend(self.colour.map(|colour| format!("f{colour}")));
        classes.extend(self.behind.map(|colour| format!("g{colour}")));
        classes.join(" ")
    }

    fn change(&mut self, numbers: &str) {
        let mut numbers = numbers.split(';').map(|number| number.parse::<u16>().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Self::default(),
                30..=37 => self.colour = Some(number as u8 - 30),
                40..=47 => self.behind = Some(number as u8 - 40),
                90..=97 => self.colour = Some(number as u8 - 82),
                100..=107 => self.behind = Some(number as u8 - 92),
                39 => self.colour = None,
                49 => self.behind = None,
                38 | 48 => {
                    // Of more colours those that are among the sixteen.
                    let colour = match numbers.next() {
                        Some(5) => numbers.next().and_then(|n| u8::try_from(n).ok()).filter(|n| *n < 16),
                        Some(2) => numbers.by_ref().take(3).last().and(None),
                        _ => None,
                    };
                    *(if number == 38 { &mut self.colour } else { &mut self.behind }) = colour;
                }
                number => {
                    for (bit, (begins, ends, _)) in LOOKS.iter().enumerate() {
                        if number == *begins {
                            self.looks |= 1 << bit;
                        } else if number == *ends {
                            self.looks &= !(1 << bit);
                        }
                    }
                }
            }
        }
    }
}

/// A text with its colours.
pub(in crate::web) fn coloured(text: &str) -> Markup {
    let mut look = Look::default();
    html! {
        @for (change, rest) in parts(text) {
            @if let Some(numbers) = change { ({ look.change(numbers); "" }) }
            @if look == Look::default() { (rest) } @else { span class=(look.classes()) { (rest) } }
        }
    }
}

/// The text between changes, each with the numbers of the change before it.
fn parts(text: &str) -> Vec<(Option<&str>, &str)> {
    let mut parts = Vec::new();
    let (mut change, mut begin, mut from) = (None, 0, 0);
    while let Some(at) = text[from..].find(BEGINS).map(|at| from + at) {
        let numbers = &text[at + BEGINS.len()..];
        let length = numbers.bytes().take(LONGEST).take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
        from = at + BEGINS.len() + length;
        if text[from..].starts_with('m') {
            parts.push((change, &text[begin..at]));
            change = Some(&numbers[..length]);
            from += 1;
            begin = from;
        }
    }
    parts.push((change, &text[begin..]));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_classes_and_all_else_is_text() {
        let table = [
            ("plain <b>", "plain &lt;b&gt;"),
            ("\\x1b[31mred\\x1b[0m no", "<span class=\"f1\">red</span> no"),
            ("\\x1b[1;93;44mx\\x1b[39mY\\x1b[m.", "<span class=\"ab f11 g4\">x</span><span class=\"ab g4\">Y</span>."),
            ("\\x1b[38;5;9ma\\x1b[38;2;1;2;3mb\\x1b[4mc", "<span class=\"f9\">a</span>b<span class=\"au\">c</span>"),
            ("\\x1b[2J\\x1b]0;x\\x07\\x1b[", "\\x1b[2J\\x1b]0;x\\x07\\x1b["),
            ("\\x1b[31", "\\x1b[31"),
            ("\\x1b[\\x1b[32m\\x1b[999999999999mé", "\\x1b[<span class=\"f2\"></span>é"),
        ];
        for (text, shown) in table {
            assert_eq!(coloured(text).into_string(), shown, "{text}");
        }
    }
}
