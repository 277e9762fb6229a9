//! Texts of `report` as lines of the screen: colours become styles, and nothing else in them is obeyed.
//!
//! Invariant: of all escape sequences only those of colours have an effect, also in a text that was worded badly.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthChar as _;

use crate::report::words;

/// Each line of a text, cut into several where it is wider than the screen.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<Line<'static>> {
    text.lines().flat_map(|line| wrap(self::line(line), width.max(1))).collect()
}

/// A line of a text.
pub(super) fn line(text: &str) -> Line<'static> {
    let mut style = Style::new();
    let mut parts = text.split('\u{1b}');
    let mut spans = vec![Span::raw(words::escape(parts.next().unwrap_or_default()))];
    for part in parts {
        let text = match colour(part) {
            Some((code, text)) => {
                style = styled(style, code);
                words::escape(text)
            }
            None => words::escape(&format!("\u{1b}{part}")),
        };
        spans.push(Span::styled(text, style));
    }
    spans.retain(|span| !span.content.is_empty());
    // A tab has no width of its own here.
    for span in &mut spans {
        if span.content.contains('\t') {
            span.content = span.content.replace('\t', "    ").into();
        }
    }
    Line::from(spans)
}

/// `[31m`, as anstyle writes a colour, and what comes behind it.
fn colour(part: &str) -> Option<(u8, &str)> {
    let (code, text) = part.strip_prefix('[')?.split_once('m')?;
    Some((code.parse().ok()?, text))
}

fn styled(before: Style, code: u8) -> Style {
    match code {
        1 => before.add_modifier(Modifier::BOLD),
        31 => before.fg(Color::Red),
        32 => before.fg(Color::Green),
        33 => before.fg(Color::Yellow),
        36 => before.fg(Color::Cyan),
        _ => Style::new(),
    }
}

fn wrap(line: Line<'static>, width: usize) -> Vec<Line<'static>> {
    if line.width() <= width {
        return vec![line];
    }
    let mut lines = vec![Line::default()];
    let mut left = width;
    for span in line.spans {
        let mut text = String::new();
        for c in span.content.chars() {
            let wide = c.width().unwrap_or(0);
            if wide > left {
                push(&mut lines, std::mem::take(&mut text), span.style);
                lines.push(Line::default());
                left = width;
            }
            text.push(c);
            left = left.saturating_sub(wide);
        }
        push(&mut lines, text, span.style);
    }
    lines
}

fn push(lines: &mut [Line<'static>], text: String, style: Style) {
    if let Some(last) = lines.last_mut() {
        last.push_span(Span::styled(text, style));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_styles_and_everything_else_is_shown_as_what_it_is() {
        let text = "a \x1b[31mred\x1b[0m \x1b[1m\x1b[32mb\x1b[0m \x1b[2J\x1b]0;x\x07 \u{202e}\x1b";
        let line = line(text);
        assert_eq!(line.to_string(), "a red b \\x1b[2J\\x1b]0;x\\x07 \\u{202e}\\x1b");
        assert_eq!(line.spans[1], Span::styled("red", Style::new().fg(Color::Red)));
        assert_eq!(line.spans[3], Span::styled("b", Style::new().bold().fg(Color::Green)));
        assert!(line.spans[4..].iter().all(|span| span.style == Style::new()), "{line:?}");
    }

    #[test]
    fn a_line_that_is_too_wide_goes_on_below_by_columns_not_bytes() {
        let lines: Vec<String> = wrapped("abc\x1b[31mdef漢字\nx\n\ny", 4).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["abcd", "ef漢", "字", "x", "", "y"]);
    }
}
