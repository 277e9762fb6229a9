//! Pieces of pages: texts, numbers, times, tables, buttons.

use maud::{Markup, html};

use super::ansi::coloured;
use crate::model::UnixMicros;
use crate::report::words;

/// Characters of a text in a row of a table.
const CELL: usize = 160;

/// A text of somebody else on one line, as it is in a row.
pub(in crate::web) fn text(text: &str) -> String {
    words::one_line(text, CELL)
}

/// The same, so long at most.
pub(in crate::web) fn line(text: &str, most: usize) -> String {
    words::one_line(text, most)
}

/// A number that is read at a glance: `2,401,410`.
pub(in crate::web) fn number(n: u64) -> String {
    let digits = n.to_string();
    let first = (digits.len() - 1) % 3 + 1;
    let (mut out, rest) = (digits[..first].to_owned(), &digits[first..]);
    for three in rest.as_bytes().chunks(3) {
        out.push(',');
        out.extend(three.iter().map(|&byte| char::from(byte)));
    }
    out
}

/// `1 job`, `1,204 jobs`.
pub(in crate::web) fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n), if n == 1 { "" } else { "s" })
}

pub(in crate::web) fn seconds(s: f64) -> String {
    words::seconds(s)
}

pub(in crate::web) fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "–".to_owned(), words::bytes)
}

/// A time, as long ago or to come; what it is exactly stands behind it, and the browser says it in the zone of its user.
pub(in crate::web) fn ago(now: UnixMicros, at: UnixMicros) -> Markup {
    let exact = at.to_timestamp().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    html! { time datetime=(exact) title=(exact) { (words::ago(now, at)) } }
}

/// A text of somebody else with its lines; a long one can be scrolled by keys.
pub(in crate::web) fn pre(title: &str, text: &str) -> Markup {
    html! { pre tabindex="0" role="region" aria-label=(title) { (coloured(&words::escape(text))) } }
}

/// A table with its headings; one that begins with `#` is of numbers, and one with `~` is left out on a phone.
pub(in crate::web) fn table(caption: &str, headings: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr {
                    @for heading in headings {
                        @let bare = heading.trim_start_matches(['#', '~']);
                        @if bare.is_empty() { td {} } @else {
                            th scope="col" .n[heading.contains('#')] .hide[heading.contains('~')] { (bare) }
                        }
                    }
                } }
                tbody { (rows) }
            }
        }
    }
}

/// A button that does something. What cannot be undone is asked for twice.
pub(in crate::web) fn button(action: &str, label: &str, is_dangerous: bool) -> Markup {
    let form = |label: &str, class: Option<&str>| html! { form method="post" action=(action) { button class=[class] { (label) } } };
    if is_dangerous {
        return html! { details.ask { summary { (label) " …" } (form(label, Some("danger"))) } };
    }
    form(label, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let table = [(0, "0"), (999, "999"), (1000, "1,000"), (12_345, "12,345"), (2_401_410, "2,401,410")];
        for (n, text) in table {
            assert_eq!(number(n), text);
        }
    }
}
