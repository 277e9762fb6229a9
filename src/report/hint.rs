//! Commands that messages name as the next step, with the options that this command was given to find things.
//!
//! Each command of ours in backticks is completed where a message is printed, wherever it was worded, also by a master.
//! Invariant: a command does, typed as it is printed, what the message says.

use std::borrow::Cow;
use std::sync::OnceLock;

const PROGRAM: &str = "`queue-work";

/// An option and its value as a shell reads them: `--database`, `'my q.db'`.
type Typed = (&'static str, String);

/// The options that were typed; set once, before anything is said.
static TYPED: OnceLock<Vec<Typed>> = OnceLock::new();

/// Remembers the options that were typed.
pub fn remember(typed: Vec<Typed>) {
    // A second set would be of the same command line.
    let _ = TYPED.set(typed);
}

/// The text as it is printed: with the options that were typed in each command that it names.
#[must_use]
pub fn complete(text: &str) -> Cow<'_, str> {
    with(text, TYPED.get().map_or(&[], Vec::as_slice))
}

fn with<'a>(text: &'a str, typed: &[Typed]) -> Cow<'a, str> {
    if typed.is_empty() || !text.contains(PROGRAM) {
        return Cow::Borrowed(text);
    }
    let mut parts = text.split(PROGRAM);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let command = part.split('`').next().unwrap_or_default();
        out.push_str(PROGRAM);
        if needs_places(command) {
            for (option, value) in typed.iter().filter(|(option, _)| !command.contains(option)) {
                out.extend([" ", *option, " ", value.as_str()]);
            }
        }
        out.push_str(part);
    }
    Cow::Owned(out)
}

/// Whether the rest of a command looks at a database or a configuration: help does not, and neither does a new file.
fn needs_places(command: &str) -> bool {
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let is_ours = command.is_empty() || command.starts_with(' ');
    is_ours && !matches!(words[..], [.., "-h" | "--help"] | ["help", ..] | ["config", "init", ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_the_options_that_were_typed_where_it_needs_them() {
        let typed = [("--config", "q.toml".to_owned()), ("--database", "'my q.db'".to_owned())];
        let both = "--config q.toml --database 'my q.db'";
        for (text, expected) in [
            ("no job is like that", "no job is like that".to_owned()),
            ("see `queue-work jobs list`", format!("see `queue-work {both} jobs list`")),
            ("start one with `queue-work`", format!("start one with `queue-work {both}`")),
            (
                "`queue-work a`, then `queue-work b -- c`",
                format!("`queue-work {both} a`, then `queue-work {both} b -- c`"),
            ),
            (
                "`queue-work config check --config x`",
                "`queue-work --database 'my q.db' config check --config x`".to_owned(),
            ),
            ("see `queue-work push -h`", "see `queue-work push -h`".to_owned()),
            ("see `queue-work help options`", "see `queue-work help options`".to_owned()),
            ("write one with `queue-work config init x`", "write one with `queue-work config init x`".to_owned()),
            ("there is no file `queue-work.toml`", "there is no file `queue-work.toml`".to_owned()),
        ] {
            assert_eq!(with(text, &typed), expected);
            assert_eq!(with(text, &[]), text);
        }
    }
}
