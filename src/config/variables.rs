//! `${NAME}` and `${NAME:-default}` in the texts of a file become values of the environment.
//!
//! Knows no keys and no places. Invariant: a value is filled in once and as it is: what it holds is not looked at again.

use super::environment::Environment;

/// A text with its variables filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// The variables in it, and whether the environment has them.
    pub(super) variables: Vec<(String, bool)>,
}

/// A variable that cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfilled {
    /// As it is written.
    pub(super) written: String,
    pub(super) message: String,
    /// The text is right, but the environment lacks the variable.
    pub(super) is_unset: bool,
}

/// Fills in all of them; `$${` stands for `${`.
pub(super) fn fill(text: &str, env: &Environment) -> Result<Filled, Unfilled> {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            filled.text.extend([before, "${"]);
            rest = &rest[at + 2..];
            continue;
        }
        filled.text.push_str(&rest[..at]);
        let (inside, after) = rest[at + 2..].split_once('}').ok_or_else(|| malformed(&rest[at..]))?;
        let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, text)| (name, Some(text)));
        let written = &rest[at..at + inside.len() + 3];
        if !is_name(name) || default.is_some_and(|text| text.contains("${")) {
            return Err(malformed(written));
        }
        let value = value(name, default, env).map_err(|message| Unfilled {
            written: written.to_owned(),
            message,
            is_unset: true,
        })?;
        filled.text.push_str(value.or(default).unwrap_or_default());
        filled.variables.push((name.to_owned(), value.is_some()));
        rest = after;
    }
    filled.text.push_str(rest);
    Ok(filled)
}

/// The value in the environment; `None`: the default counts, as for a shell also where the variable is empty.
fn value<'e>(name: &str, default: Option<&str>, env: &'e Environment) -> Result<Option<&'e str>, String> {
    match env.text(name) {
        Some("") if default.is_some() => Ok(None),
        Some(value) => Ok(Some(value)),
        None if env.has(name) => Err(format!("the value of the variable `{name}` is not valid UTF-8")),
        None if default.is_some() => Ok(None),
        None => Err(format!(
            "the variable `{name}` is not set; set it, or write `${{{name}:-…}}` with a default, or `$${{{name}}}` for this \
             text itself"
        )),
    }
}

fn malformed(written: &str) -> Unfilled {
    let message =
        format!("`{written}` is no variable; write `${{NAME}}` or `${{NAME:-default}}`, or `$${{` for the text `${{`");
    Unfilled { written: written.to_owned(), message, is_unset: false }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_once_and_two_dollars_stand_for_the_text() {
        let env: Environment = [("A", "1"), ("EMPTY", ""), ("SLY", "${A} $(id)")].into_iter().collect();
        let filled = |text: &str| fill(text, &env).map(|filled| filled.text).map_err(|e| e.written);
        let table = [
            ("plain $A $$ { } $(x)", Ok("plain $A $$ { } $(x)")),
            ("${A}${A:-2}-${B:-2}", Ok("11-2")),
            ("<${EMPTY}|${EMPTY:-x}|${B:-}>", Ok("<|x|>")),
            ("$${A} $$${A}", Ok("${A} $${A}")),
            ("${SLY}", Ok("${A} $(id)")),
            ("é${A}é", Ok("é1é")),
            ("a ${B} b", Err("${B}")),
            ("${}", Err("${}")),
            ("${1A}", Err("${1A}")),
            ("${A-2}", Err("${A-2}")),
            ("${A:-${B}}", Err("${A:-${B}")),
            ("x ${A", Err("${A")),
        ];
        for (text, expected) in table {
            assert_eq!(filled(text), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
        let variables = fill("${A} ${B:-2}", &env).unwrap().variables;
        assert_eq!(variables, [("A".to_owned(), true), ("B".to_owned(), false)]);
    }
}
