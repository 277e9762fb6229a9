//! The command of `--exec -- CMD ARGS…`, with its placeholders.
//!
//! `{}` is the job's args, `{name}` is `args.name`: a string as it is, anything else as compact JSON with its
//! numbers and the order of its keys unchanged. `{{}}` and `{{name}}` stand for `{}` and `{name}` themselves; every
//! other brace is an ordinary character. Knows nothing of processes. Invariants: a placeholder fills within exactly
//! one argument, so no value can add an argument; the program name is never taken from a job; no shell is involved.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde_json::value::RawValue;

/// A command to fill in for every job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    program: OsString,
    args: Vec<Vec<Part>>,
}

/// A piece of one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(Vec<u8>),
    Args,
    Member(String),
}

/// Why a command cannot be a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// No program was given.
    #[error("`--exec` needs a command after `--`")]
    Empty,
    /// The program name has a placeholder.
    #[error("the program `{0}` contains a placeholder; only arguments are filled in from a job")]
    Program(String),
}

/// Why a job does not fit the template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    /// `{name}`, but there is no such member.
    #[error("the command needs `{{{0}}}`, but the job's args have no `{0}`")]
    Missing(String),
    /// `{name}`, but the args have no members at all.
    #[error("the command needs `{{{0}}}`, but the job's args are not an object")]
    NotObject(String),
    /// A string that cannot be decoded, such as a lone surrogate.
    #[error("`{{{0}}}` cannot be made an argument: {1}")]
    Undecodable(String, String),
}

impl Template {
    /// Reads the command as it was typed.
    pub(crate) fn parse(command: Vec<OsString>) -> Result<Self, TemplateError> {
        let mut words = command.into_iter();
        let program = words.next().filter(|p| !p.is_empty()).ok_or(TemplateError::Empty)?;
        if parts(program.as_bytes()).iter().any(|p| !matches!(p, Part::Literal(_))) {
            return Err(TemplateError::Program(program.to_string_lossy().into_owned()));
        }
        Ok(Self { program, args: words.map(|w| parts(w.as_bytes())).collect() })
    }

    /// The argument list for a job, program first; as many elements as the template has.
    pub(crate) fn fill(&self, args: &RawValue) -> Result<Vec<OsString>, FillError> {
        let wants_members = self.args.iter().flatten().any(|p| matches!(p, Part::Member(_)));
        let members: Option<BTreeMap<String, &RawValue>> =
            if wants_members { serde_json::from_str(args.get()).ok() } else { None };
        let mut filled_in = Vec::with_capacity(self.args.len() + 1);
        filled_in.push(self.program.clone());
        for arg in &self.args {
            let mut filled = Vec::new();
            for part in arg {
                match part {
                    Part::Literal(text) => filled.extend_from_slice(text),
                    Part::Args => filled.extend_from_slice(as_text("", args)?.as_bytes()),
                    Part::Member(name) => {
                        let members = members.as_ref().ok_or_else(|| FillError::NotObject(name.clone()))?;
                        let value = members.get(name).ok_or_else(|| FillError::Missing(name.clone()))?;
                        filled.extend_from_slice(as_text(name, value)?.as_bytes());
                    }
                }
            }
            filled_in.push(OsString::from_vec(filled));
        }
        Ok(filled_in)
    }
}

/// A string as it is, anything else as compact JSON.
fn as_text(name: &str, value: &RawValue) -> Result<String, FillError> {
    let json = value.get();
    if json.starts_with('"') {
        serde_json::from_str(json).map_err(|e| FillError::Undecodable(name.to_owned(), e.to_string()))
    } else {
        Ok(compact(json))
    }
}

/// Valid JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            if escaped {
                escaped = false;
            } else if c == '"' {
                in_string = !in_string;
            } else if c == '\\' {
                escaped = in_string;
            }
            in_string || !c.is_ascii_whitespace()
        })
        .collect()
}

/// Splits one word at its placeholders.
fn parts(word: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = Vec::new();
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        if let Some((name, len)) = placeholder(after).filter(|_| first == b'{') {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(if name.is_empty() { Part::Args } else { Part::Member(name) });
            rest = &after[len..];
        } else if let Some(len) = escaped(rest) {
            literal.extend_from_slice(&rest[1..=len]);
            rest = &rest[len + 2..];
        } else {
            literal.push(first);
            rest = after;
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

/// `name}` at the start: the name, and the bytes it takes with its brace.
fn placeholder(rest: &[u8]) -> Option<(String, usize)> {
    let end = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')))?;
    let name = String::from_utf8_lossy(&rest[..end]).into_owned();
    (rest[end] == b'}').then_some((name, end + 1))
}

/// `{{name}}` at the start: the length of `{name}` in it.
fn escaped(rest: &[u8]) -> Option<usize> {
    let inner = rest.strip_prefix(b"{{")?;
    let (_, len) = placeholder(inner)?;
    (inner.get(len) == Some(&b'}')).then_some(len + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(command: &[&str], args: &str) -> Result<Vec<String>, FillError> {
        let template = Template::parse(command.iter().map(OsString::from).collect()).expect("a template");
        let args: Box<RawValue> = serde_json::from_str(args).expect("JSON");
        Ok(template.fill(&args)?.into_iter().map(|a| a.into_string().expect("UTF-8")).collect())
    }

    #[test]
    fn a_placeholder_is_filled_within_its_argument() {
        let table: &[(&[&str], &str, &[&str])] = &[
            (&["p", "{}"], r#""a b""#, &["p", "a b"]),
            (&["p", "x{}y{}z"], r#""-""#, &["p", "x-y-z"]),
            (&["p", "{}"], "null", &["p", "null"]),
            (
                &["p", "{}"],
                r#"{ "b" : [1, "x y", "q\" ]"] , "a" : 1e400 }"#,
                &["p", r#"{"b":[1,"x y","q\" ]"],"a":1e400}"#],
            ),
            (&["p", "{}"], "18446744073709551616.000", &["p", "18446744073709551616.000"]),
            (&["p", "--w={w}", "{h}"], r#"{"w": 3, "h": "x", "z": 0}"#, &["p", "--w=3", "x"]),
            (&["p", "{a-b_1}"], r#"{"a-b_1": true}"#, &["p", "true"]),
            (&["p", "{}"], r#""""#, &["p", ""]),
            (&["p"], "{}", &["p"]),
            (
                &["p", "{{}}", "{{w}}", "{", "}", "{ }", "{print $1}", r#"{"a":1}"#],
                "1",
                &["p", "{}", "{w}", "{", "}", "{ }", "{print $1}", r#"{"a":1}"#],
            ),
            (&["p", "{{}", "{}}"], "1", &["p", "{1", "1}"]),
        ];
        for (command, args, argv) in table {
            assert_eq!(fill(command, args).expect("it fits"), *argv, "{command:?} with {args}");
        }
    }

    #[test]
    fn nothing_in_a_job_adds_an_argument_or_reaches_a_shell() {
        for evil in ["$(id)", "`id`", "; rm -rf /", "a\nb", "--flag", "* ?", "{}", "{x}", "'\"\\", "a\0b", ""] {
            let args = serde_json::to_string(evil).expect("JSON");
            assert_eq!(fill(&["p", "-o", "{}"], &args).expect("it fits"), ["p", "-o", evil]);
        }
    }

    proptest::proptest! {
        #[test]
        fn a_job_changes_the_number_of_arguments_never_and_their_bytes_only_where_they_are_asked_for(
            words in proptest::collection::vec("(\\{\\}|\\{x\\}|\\{\\{\\}\\}|[a-z{} $;\"-]{0,6}){0,3}", 0..6),
            value in "[\\PC\n\t$`;|&'\" -]{0,20}",
        ) {
            let command: Vec<&str> = std::iter::once("p").chain(words.iter().map(String::as_str)).collect();
            let args = serde_json::json!({ "x": value }).to_string();
            let whole: serde_json::Value = serde_json::from_str(&args).expect("JSON");
            if let Ok(filled) = fill(&command, &args) {
                proptest::prop_assert_eq!(filled.len(), command.len());
                proptest::prop_assert_eq!(&filled[0], "p");
                for (word, argument) in words.iter().zip(&filled[1..]) {
                    if !word.contains('{') {
                        proptest::prop_assert_eq!(word, argument);
                    }
                    if word == "{x}" {
                        proptest::prop_assert_eq!(argument, &value);
                    }
                    if word == "{}" {
                        let argument: serde_json::Value = serde_json::from_str(argument).expect("JSON");
                        proptest::prop_assert_eq!(&argument, &whole);
                    }
                }
            }
        }
    }

    #[test]
    fn a_job_that_does_not_fit_is_an_error() {
        assert_eq!(fill(&["p", "{w}"], r#"{"h": 1}"#), Err(FillError::Missing("w".into())));
        assert_eq!(fill(&["p", "{w}"], "[1]"), Err(FillError::NotObject("w".into())));
        assert!(matches!(fill(&["p", "{}"], r#""\ud800""#), Err(FillError::Undecodable(..))));
    }

    #[test]
    fn the_program_is_never_taken_from_a_job() {
        let parse = |words: &[&str]| Template::parse(words.iter().map(OsString::from).collect());
        assert_eq!(parse(&[]), Err(TemplateError::Empty));
        assert_eq!(parse(&[""]), Err(TemplateError::Empty));
        assert_eq!(parse(&["{}", "x"]), Err(TemplateError::Program("{}".into())));
        assert_eq!(parse(&["./{tool}"]), Err(TemplateError::Program("./{tool}".into())));
    }
}
