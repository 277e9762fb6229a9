//! Files of sections with keys, as supervisor and systemd write them.
//!
//! Invariant: each key comes with its line, in the order of the file; what is no key is a fault with its line.

use super::Fault;

/// What the two systems do differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Keys in any case, `:` too, remarks behind a value, a line that is indented goes on.
    Supervisor,
    /// A line that ends in `\` goes on.
    Systemd,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) line: usize,
}

impl Key {
    /// As it is quoted in comments.
    pub(super) fn written(&self) -> String {
        format!("{}={}", self.name, self.value.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Sections of the same name are one.
pub(super) fn read(text: &str, dialect: Dialect) -> Result<Vec<Section>, Fault> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current = None;
    for (line, text) in lines(text.strip_prefix('\u{feff}').unwrap_or(text), dialect) {
        if let Some(name) = text.strip_prefix('[') {
            let (name, _) = name.split_once(']').ok_or((line, format!("`{text}` has no `]` at its end")))?;
            let name = name.trim().to_owned();
            current = sections.iter().position(|section| section.name == name).or_else(|| {
                sections.push(Section { name, keys: Vec::new() });
                Some(sections.len() - 1)
            });
            continue;
        }
        let end = text.find(|c| c == '=' || c == ':' && dialect == Dialect::Supervisor);
        let end = end.ok_or_else(|| (line, format!("`{text}` is neither a section nor a key with a value")))?;
        let name = text[..end].trim();
        let name = if dialect == Dialect::Supervisor { name.to_lowercase() } else { name.to_owned() };
        let keys = current.and_then(|at| sections.get_mut(at)).map(|section| &mut section.keys);
        let keys = keys.ok_or_else(|| (line, format!("the key `{name}` stands before any section")))?;
        if dialect == Dialect::Supervisor {
            // The later one counts.
            keys.retain(|key| key.name != name);
        }
        keys.push(Key { name, value: text[end + 1..].trim().to_owned(), line });
    }
    Ok(sections)
}

/// Lines without remarks, those that go on joined, each with the number of its first.
fn lines(text: &str, dialect: Dialect) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) || (trimmed.is_empty() && !goes_on) {
            continue;
        }
        let (content, more) = match dialect {
            Dialect::Supervisor => (without_remark(trimmed), false),
            Dialect::Systemd => trimmed.strip_suffix('\\').map_or((trimmed, false), |before| (before.trim_end(), true)),
        };
        let is_indented = dialect == Dialect::Supervisor && line.starts_with([' ', '\t']);
        match out.last_mut() {
            Some((_, before)) if goes_on || is_indented && !before.starts_with('[') => {
                let joint = if dialect == Dialect::Supervisor { '\n' } else { ' ' };
                before.push(joint);
                before.push_str(content);
            }
            _ => out.push((number + 1, content.to_owned())),
        }
        goes_on = more;
    }
    out
}

/// Remarks begin with a blank before them.
fn without_remark(line: &str) -> &str {
    let begins = |(at, c): (usize, char)| matches!(c, ';' | '#') && line[..at].ends_with([' ', '\t']);
    let end = line.char_indices().find(|&found| begins(found)).map_or(line.len(), |(at, _)| at);
    line[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_systems_come_with_their_lines() {
        let shown = |text: &str, dialect| match read(text, dialect) {
            Ok(sections) => sections
                .iter()
                .flat_map(|s| s.keys.iter().map(|k| format!("{}/{}:{}={:?}", s.name, k.name, k.line, k.value)))
                .collect::<Vec<_>>()
                .join(" "),
            Err((line, message)) => format!("{line}: {message}"),
        };
        for (text, dialect, expected) in [
            ("; one\n[a:b] ; two\nX = 1 ; three\ny: a;b\n", Dialect::Supervisor, r#"a:b/x:3="1" a:b/y:4="a;b""#),
            ("[a]\nx=1,\n  2\n\nx=3", Dialect::Supervisor, r#"a/x:5="3""#),
            ("[a]\nenv=A=1,\n  B=2\n[b]\n[a]\nc=1", Dialect::Supervisor, r#"a/env:2="A=1,\nB=2" a/c:6="1""#),
            ("[S]\nA=b \\\n# no\n c ; d\nA=e", Dialect::Systemd, r#"S/A:2="b c ; d" S/A:5="e""#),
            ("x=1", Dialect::Systemd, "1: the key `x` stands before any section"),
            ("[a]\n\nx", Dialect::Supervisor, "3: `x` is neither a section nor a key with a value"),
            ("[a\n", Dialect::Systemd, "1: `[a` has no `]` at its end"),
        ] {
            assert_eq!(shown(text, dialect), expected, "{text}");
        }
    }
}
