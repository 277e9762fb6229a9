//! A draft as the text of a configuration.
//!
//! Invariant: a text of the source cannot end its comment or its quotes.

use std::fmt::Write as _;

use toml::Value;

use super::draft::{At, Draft, Fate, Item, Section};
use crate::report::words;

/// The widest comment, in characters.
const WIDTH: usize = 118;

/// The text, and which item each of its lines belongs to.
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) items: Vec<Option<At>>,
}

pub(super) fn print(draft: &Draft) -> Printed {
    let mut printed = Printed { text: String::new(), items: Vec::new() };
    let intro = format!(
        "From {}, by `queue-work import`. `queue-work config check` says whether it is valid.",
        draft.sources()
    );
    printed.comment(&intro, None);
    for (number, section) in draft.sections.iter().enumerate().filter(|(_, section)| !section.items.is_empty()) {
        printed.line("", None);
        printed.section(number, section);
    }
    printed
}

impl Printed {
    fn line(&mut self, line: &str, at: Option<At>) {
        // A String takes everything.
        let _ = writeln!(self.text, "{line}");
        self.items.push(at);
    }

    /// As many lines as it takes.
    fn comment(&mut self, text: &str, at: Option<At>) {
        let text = words::escape(text);
        let mut line = "#".to_owned();
        for word in text.split_whitespace() {
            if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line, at);
                "#".clone_into(&mut line);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line, at);
    }

    fn section(&mut self, number: usize, section: &Section) {
        let is_empty = section.items.iter().all(|item| item.entries.is_empty() || matches!(item.fate, Fate::Lost(_)));
        let name = if section.name.is_empty() { String::new() } else { format!(".{}", key(&section.name)) };
        if !section.kind.is_empty() {
            let sign = if is_empty { "# " } else { "" };
            self.line(&format!("{sign}[{}{name}]", section.kind), Some((number, None)));
        }
        for (index, item) in section.items.iter().enumerate() {
            self.item((number, Some(index)), item);
        }
    }

    fn item(&mut self, at: At, item: &Item) {
        let Item { written, fate, entries } = item;
        match fate {
            Fate::TakenOver => {}
            Fate::Added(remark) if remark.is_empty() => {}
            Fate::Added(remark) => self.comment(remark, Some(at)),
            Fate::Changed(how) => self.comment(&format!("{written}: {how}"), Some(at)),
            Fate::Lost(why) => self.comment(&format!("not possible: {written}: {why}"), Some(at)),
        }
        let sign = if matches!(fate, Fate::Lost(_)) { "# " } else { "" };
        for (name, value) in entries {
            self.line(&format!("{sign}{name} = {}", shown(value)), Some(at));
        }
    }
}

/// A key, in quotes if it has to be.
fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(is_bare) { name.to_owned() } else { quoted(name) }
}

/// A value in one line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let entries: Vec<String> =
                table.iter().map(|(name, value)| format!("{} = {}", key(name), shown(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    }
}

/// A text in the quotes that need the fewest escapes.
fn quoted(text: &str) -> String {
    let is_plain = !text.chars().any(|c| c.is_control() || c == '"' || c == '\\');
    let is_literal = !text.chars().any(|c| c.is_control() || c == '\'');
    if is_plain {
        return format!("\"{text}\"");
    }
    if is_literal {
        return format!("'{text}'");
    }
    let mut out = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\""
}
