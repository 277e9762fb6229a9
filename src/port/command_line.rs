//! Command lines of other systems as words, and as words of the configuration.
//!
//! Invariant: a text that comes out of here is read by the configuration as it was meant: `${` in it is no variable unless
//! it was one.

use std::borrow::Cow;
use std::str::Chars;

use toml::Value;

use crate::config;

/// Signs that have a meaning for a shell.
const SHELL_SIGNS: &str = "|&;<>()$`\\*?[]#~!{}\n";
/// Words that only a shell knows.
const BUILT_IN: [&str; 14] =
    [".", ":", "cd", "eval", "exec", "exit", "export", "if", "for", "set", "source", "trap", "ulimit", "while"];

/// Splits by the quotes of a shell, without any other meaning of a shell; the fault where quotes are left open.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    words(text, false)
}

/// Splits as systemd does: the escapes of C, within both kinds of quotes.
pub(super) fn split_systemd(text: &str) -> Result<Vec<String>, String> {
    words(text, true)
}

fn words(text: &str, of_c: bool) -> Result<Vec<String>, String> {
    let (mut out, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', Some('\'')) if !of_c => word.get_or_insert_default().push(c),
            ('\\', _) => {
                let next = rest.next().ok_or_else(|| "it ends in a backslash".to_owned())?;
                let word = word.get_or_insert_default();
                if of_c {
                    escape_of_c(next, &mut rest, word)?;
                } else {
                    word.push(next);
                }
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, None) if c.is_whitespace() => out.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quote {open} is not closed"));
    }
    out.extend(word);
    Ok(out)
}

fn escape_of_c(letter: char, rest: &mut Chars<'_>, word: &mut String) -> Result<(), String> {
    let meant = match letter {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        's' => ' ',
        'x' => {
            let digits: String = rest.by_ref().take(2).collect();
            let code = u8::from_str_radix(&digits, 16).map_err(|_| format!("`\\x{digits}` is no character"))?;
            char::from(code)
        }
        '\\' | '"' | '\'' | ' ' => letter,
        // systemd warns, and leaves it as it is.
        other => {
            word.push('\\');
            other
        }
    };
    word.push(meant);
    Ok(())
}

/// The words of a command line of a shell that need none: no signs, no variables, no words that only a shell knows.
pub(super) fn without_shell(line: &str) -> Option<Vec<String>> {
    let line = line.trim();
    let line = line.strip_prefix("exec ").unwrap_or(line);
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('$' | '`' | '\\', Some('"')) => return None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if SHELL_SIGNS.contains(c) => return None,
            _ => {}
        }
    }
    let words = split(line).ok()?;
    let first = words.first()?;
    (!BUILT_IN.contains(&first.as_str()) && !first.contains('=')).then_some(words)
}

/// A command line of a shell as words: its own where it needs no shell.
pub(super) fn of_shell(shell: &str, line: &str) -> Value {
    match without_shell(line) {
        Some(words) => argv(words),
        None => argv([shell, "-c", line.trim()]),
    }
}

/// Words that are meant as they are.
pub(super) fn argv<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Value {
    filled_argv(words.into_iter().map(|word| escaped(word.as_ref()).into_owned()))
}

/// Words in which `${NAME}` is a variable of the configuration.
pub(super) fn filled_argv(words: impl IntoIterator<Item = String>) -> Value {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let is_script = config::is_script_after(&out.iter().map(String::as_str).collect::<Vec<_>>());
        // The configuration leaves the script of a shell alone.
        out.push(if is_script { word.replace("$${", "${") } else { word });
    }
    Value::from(out)
}

/// A text that is meant as it is.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains("${") { Cow::Owned(text.replace("${", "$${")) } else { Cow::Borrowed(text) }
}

/// A word for a shell, in quotes if need be.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    // A NUL cannot stand in a file that was read as lines of words.
    shlex::try_quote(word).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_by_the_quotes_of_each_system() {
        let strings = |words: &[&str]| Ok(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        for (text, expected) in [
            (r#"a "b c" 'd"e' f\ g #h"#, strings(&["a", "b c", "d\"e", "f g", "#h"])),
            (r#"a'b'"c" "" "#, strings(&["abc", ""])),
            ("a 'b", Err("a quote ' is not closed".to_owned())),
            ("a \\", Err("it ends in a backslash".to_owned())),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
        assert_eq!(split_systemd(r#"a\x20b "c\n" 'd\e' \s"#), strings(&["a b", "c\n", "d\\e", " "]));
    }

    #[test]
    fn a_command_line_keeps_its_shell_only_where_it_needs_one() {
        for (line, expected) in [
            ("exec php artisan 'a b'", Some(vec!["php", "artisan", "a b"])),
            ("node app.js --name=x", Some(vec!["node", "app.js", "--name=x"])),
            ("A=1 node app.js", None),
            ("cd /srv && ./run", None),
            ("run $PORT", None),
            ("run '$PORT'", Some(vec!["run", "$PORT"])),
            ("run \"$PORT\"", None),
            ("cd /srv", None),
        ] {
            let expected = expected.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(without_shell(line), expected, "{line}");
        }
        assert_eq!(of_shell("/bin/sh", "a ${B}").to_string(), argv(["/bin/sh", "-c", "a ${B}"]).to_string());
        assert_eq!(argv(["a", "${B}"])[1].as_str(), Some("$${B}"));
    }
}
