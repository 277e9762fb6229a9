//! The form of a line: `<RFC 3339, microseconds> <out|err> <job id or -> <escaped text>`.
//!
//! Invariant: whatever a worker writes, a line stays one line, and shows on a terminal as what it is: no control
//! character, escape sequence, change of writing direction or character without width gets through. (It is for reading: a backslash is not
//! escaped, so the way back is not unique.)

use std::fmt::Write;

use super::{Line, Stream};
use crate::model::{JobId, UnixMicros};
use crate::report::words;

/// The longest text of a line, in bytes; the rest is cut and the cut marked.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A line of a log file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParsedLine<'a> {
    /// When it was read from the worker.
    pub at: UnixMicros,
    /// Where it came from.
    pub stream: Stream,
    /// The job that ran.
    pub job: Option<JobId>,
    /// The text, escaped.
    pub text: &'a str,
}

/// The line as it is in a file, with its newline. One `\r` at the end is taken off.
#[must_use]
pub(crate) fn format_line(line: &Line) -> String {
    let text = line.text.strip_suffix(b"\n").unwrap_or(&line.text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let kept = cut(text);
    let mut out = head(line.at, line.stream, line.job);
    escape_into(&mut out, kept);
    if kept.len() < text.len() {
        let _ = write!(out, " [{} more bytes cut]", text.len() - kept.len());
    }
    out.push('\n');
    out
}

/// Note that lines are missing.
pub(super) fn lost_line(count: u64) -> String {
    let now = UnixMicros::from_timestamp(jiff::Timestamp::now());
    let lines = if count == 1 { "line" } else { "lines" };
    head(now, Stream::Stderr, None) + &format!("[{count} {lines} dropped: the log could not keep up or be written]\n")
}

fn head(at: UnixMicros, stream: Stream, job: Option<JobId>) -> String {
    let stream = match stream {
        Stream::Stdout => "out",
        Stream::Stderr => "err",
    };
    match job {
        Some(job) => format!("{:.6} {stream} {job} ", at.to_timestamp()),
        None => format!("{:.6} {stream} - ", at.to_timestamp()),
    }
}

/// Takes a line of a file apart; `None` if it has another form.
#[must_use]
pub(crate) fn parse_line(line: &str) -> Option<ParsedLine<'_>> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let mut parts = line.splitn(4, ' ');
    let at = UnixMicros::from_timestamp(parts.next()?.parse().ok()?);
    let stream = match parts.next()? {
        "out" => Stream::Stdout,
        "err" => Stream::Stderr,
        _ => return None,
    };
    let job = match parts.next()? {
        "-" => None,
        id => Some(JobId(id.parse().ok()?)),
    };
    Some(ParsedLine { at, stream, job, text: parts.next()? })
}

/// At most [`MAX_TEXT_BYTES`], not in the middle of a character.
fn cut(text: &[u8]) -> &[u8] {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    let mut end = MAX_TEXT_BYTES;
    while end > MAX_TEXT_BYTES - 4 && text[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    &text[..end]
}

/// Makes output fit to be shown: control characters other than tab become `\x1b` or `\u{0085}`, so do marks that
/// change the direction of writing, line separators and what takes no room, joiners too (a picture that is joined from
/// several becomes several); what is not UTF-8 becomes U+FFFD.
#[must_use]
pub(crate) fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(&mut out, text);
    out
}

fn escape_into(out: &mut String, text: &[u8]) {
    if text.iter().all(|&b| matches!(b, b' '..=b'~' | b'\t')) {
        out.extend(text.iter().map(|&b| char::from(b)));
        return;
    }
    for chunk in text.utf8_chunks() {
        for (c, hidden) in words::marked(chunk.valid()) {
            let _ = match c {
                '\t' => out.write_char(c),
                '\0'..='\x1f' | '\x7f' => write!(out, "\\x{:02x}", u32::from(c)),
                _ if hidden => write!(out, "\\u{{{:04x}}}", u32::from(c)),
                _ => out.write_char(c),
            };
        }
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}
