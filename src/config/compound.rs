//! The keys of a pool that hold more than one value: `queues`, `command`, `env`, and tables of keys of their own.
//!
//! Part of the walk of [`super::document`]; each element is checked by itself and reported at its own place.

use std::collections::BTreeSet;

use config::{Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Reader, Table, entries, shown};
use super::values::{Written, path_text};
use crate::model::QueueName;
use crate::model::key::{Inner, Key, Kind};
use crate::model::payload::check_key;

/// Programs that take a script after `-c`.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "ash"];

const WEIGHT: Key = Key::new("weight", Kind::Count(1, 1000));

impl Reader<'_> {
    /// `["high", "mail"]` or `{ high = 3, mail = 1 }`, as texts `high` or `high=3` in the order written.
    pub(super) fn queues(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let names = match value.get_ref() {
            DeValue::Array(names) => names.iter().map(|name| self.queue(path, name)).collect::<Vec<_>>(),
            DeValue::Table(weights) => {
                let weights = entries(weights).into_iter();
                weights.map(|(name, at, weight)| self.weighted(path, name, at, weight)).collect()
            }
            other => {
                let is = shown(other);
                let example = if other.is_str() { is.clone() } else { "\"high\"".into() };
                let message =
                    format!("`queues` is {is}; write a list, such as [{example}], or {{ high = 3, low = 1 }}");
                self.problem(at, path, message);
                return None;
            }
        };
        if names.is_empty() {
            let message = "`queues` is empty; name a queue, or leave the key out to serve the queue of the pool's name";
            self.problem(at, path, message.into());
            return None;
        }
        let names: Vec<String> = names.into_iter().collect::<Option<_>>()?;
        self.no_name_twice(at, path, &names)?;
        Some(Value::new(Some(&self.origin(at)), names))
    }

    fn no_name_twice(&mut self, at: usize, path: &str, names: &[String]) -> Option<()> {
        let mut seen = BTreeSet::new();
        let Some(twice) = names.iter().find(|name| !seen.insert(*name)) else { return Some(()) };
        self.problem(at, path, format!("`queues` names `{twice}` twice"));
        None
    }

    fn queue(&mut self, path: &str, name: &Spanned<DeValue<'_>>) -> Option<String> {
        let at = name.span().start;
        let DeValue::String(text) = name.get_ref() else {
            let is = shown(name.get_ref());
            self.problem(at, path, format!("`queues` contains {is}; each queue is a name in quotes"));
            return None;
        };
        let text = self.fill(path, name, text)?;
        self.queue_name(path, at, &text)
    }

    fn queue_name(&mut self, path: &str, at: usize, name: &str) -> Option<String> {
        QueueName::new(name).map_err(|error| self.problem(at, path, error.to_string())).ok()?;
        Some(name.to_owned())
    }

    fn weighted(&mut self, path: &str, name: &str, at: usize, weight: &Spanned<DeValue<'_>>) -> Option<String> {
        let checked = self.queue_name(path, at, name);
        let text = match weight.get_ref() {
            DeValue::String(text) if text.contains("${") => self.fill(path, weight, text)?,
            other => shown(other),
        };
        let written = match (weight.get_ref(), WEIGHT.written(&text)) {
            (DeValue::Integer(_), _) => Written::Whole(text.parse().ok(), &text),
            (DeValue::String(_), number @ Written::Whole(..)) => number,
            _ => Written::Other(text),
        };
        match WEIGHT.check(&written) {
            Ok(number) => checked.map(|name| format!("{name}={number}")),
            Err(refusal) => {
                self.problem(weight.span().start, path, refusal.of_key(&format!("queues.{name}")));
                None
            }
        }
    }

    /// A program and its arguments, none where the word of the key stands instead; never a line for a shell.
    pub(super) fn command(&mut self, key: Key, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let (at, name) = (value.span().start, key.name);
        if key.word.is_some() && value.get_ref().as_str() == key.word {
            return Some(Value::new(Some(&self.origin(at)), Vec::<String>::new()));
        }
        let DeValue::Array(words) = value.get_ref() else {
            let message = as_an_array(key, value.get_ref());
            self.problem(at, path, message);
            return None;
        };
        if words.is_empty() {
            let or = key.word.map(|word| format!(", or \"{word}\"")).unwrap_or_default();
            self.problem(at, path, format!("`{name}` is empty; write the program and its arguments{or}"));
            return None;
        }
        let mut filled: Vec<Option<String>> = Vec::new();
        for word in words {
            let before = filled.iter().flatten().map(String::as_str);
            let is_script = is_script_after(&before.collect::<Vec<_>>());
            filled.push(self.word(key, path, filled.is_empty(), is_script, word));
        }
        self.keep_unfilled(path, words.iter().filter_map(|word| Some(word.get_ref().as_str()?.to_owned())));
        let words: Vec<String> = filled.into_iter().collect::<Option<_>>()?;
        Some(Value::new(Some(&self.origin(at)), words))
    }

    fn word(
        &mut self,
        key: Key,
        path: &str,
        is_program: bool,
        is_script: bool,
        word: &Spanned<DeValue<'_>>,
    ) -> Option<String> {
        let (at, name) = (word.span().start, key.name);
        let DeValue::String(text) = word.get_ref() else {
            let is = shown(word.get_ref());
            self.problem(at, path, format!("`{name}` contains {is}; each argument is a text in quotes"));
            return None;
        };
        if text.contains('\0') {
            self.problem(at, path, format!("`{name}` contains {text:?}; an argument cannot contain a zero byte"));
            return None;
        }
        let text = if is_script { text.to_string() } else { self.fill(path, word, text)? };
        if is_program && let Err(refusal) = path_text(&text) {
            self.problem(at, path, refusal.of_key(&format!("{name}[0]")));
            return None;
        }
        Some(text)
    }

    /// `{ vip = 3 }`, as JSON.
    pub(super) fn weights(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("`weights` is {}; write a table, such as {{ vip = 3 }}", shown(value.get_ref()));
            self.problem(at, path, message);
            return None;
        };
        let mut weights = serde_json::Map::new();
        for (name, at, weight) in entries(table) {
            self.begin_value();
            if let Err(error) = check_key(name) {
                self.problem(at, path, format!("`weights.{name}`: {error}"));
                return None;
            }
            let number = Key { name: "weight", ..WEIGHT };
            let text = self.scalar(number, path, at, weight)?;
            let number: u32 = text.to_string().parse().ok()?;
            weights.insert(name.to_owned(), number.into());
        }
        Some(Value::new(Some(&self.origin(at)), serde_json::Value::Object(weights).to_string()))
    }

    /// A table of keys of its own, or one of the words that may stand instead.
    pub(super) fn inner(
        &mut self,
        key: Key,
        inner: &'static Inner,
        path: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let at = value.span().start;
        let text = match value.get_ref() {
            DeValue::Table(_) => {
                let table = self.table(path, at, value, &[inner.keys]);
                return Some(Value::new(None, ValueKind::Table(table)));
            }
            DeValue::String(text) => self.fill(path, value, text)?,
            other => shown(other),
        };
        if inner.words.contains(&&*text) {
            return Some(Value::new(Some(&self.origin(at)), text));
        }
        let words: Vec<String> = inner.words.iter().map(|word| format!("\"{word}\"")).collect();
        let is = if value.get_ref().is_str() { format!("{text:?}") } else { text };
        let (name, words) = (key.name, words.join(" or "));
        self.problem(at, path, format!("`{name}` is {is}; it must be {words}, or a table such as {}", inner.example));
        None
    }

    /// Variables. Their values may be secrets: no message shows one.
    pub(super) fn env(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let DeValue::Table(table) = value.get_ref() else {
            let message = "`env` is not a table; write { NAME = \"value\" }".to_owned();
            self.problem(value.span().start, path, message);
            return None;
        };
        Some(Value::new(None, ValueKind::Table(self.variables(path, table))))
    }

    fn variables(&mut self, path: &str, table: &DeTable<'_>) -> Table {
        let mut variables = Table::new();
        for (name, at, value) in entries(table) {
            let path = format!("{path}.{name}");
            self.begin_value();
            match value.get_ref() {
                _ if name.is_empty() || name.contains(['=', '\0']) => {
                    self.problem(at, &path, format!("{name:?} cannot be the name of a variable"));
                }
                DeValue::String(text) if text.contains('\0') => {
                    self.problem(at, &path, format!("`env.{name}` contains a zero byte"));
                }
                DeValue::String(text) => {
                    let Some(text) = self.fill(&path, value, text) else { continue };
                    variables.insert(name.to_owned(), Value::new(Some(&self.origin(at)), text));
                }
                _ => self.problem(at, &path, format!("`env.{name}` is not a text; write it in quotes")),
            }
        }
        variables
    }
}

/// Whether the word after these is a script for a shell, which has variables of its own.
#[must_use]
pub fn is_script_after(words: &[&str]) -> bool {
    let is_shell = |word: &&str| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word));
    words.iter().any(is_shell) && words.last().is_some_and(|word| word.starts_with('-') && word.ends_with('c'))
}

/// The message for a command that is not an array, with the array it would be.
fn as_an_array(key: Key, value: &DeValue<'_>) -> String {
    let is = shown(value);
    let words = match value.as_str() {
        Some(line) if !line.trim().is_empty() => line.split_whitespace().map(|w| format!("{w:?}")).collect(),
        _ => vec!["\"python3\"".to_owned(), "\"worker.py\"".to_owned()],
    };
    format!("`{}` is {is}; no shell reads it, so write an array: [{}]", key.name, words.join(", "))
}
