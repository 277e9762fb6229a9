//! The keys of a pool about its scaling: `autoscale`, and in it `schedule`.
//!
//! Part of the walk of [`super::document`], beside [`super::compound`].

use config::{Value, ValueKind};
use toml::Spanned;
use toml::de::DeValue;

use super::autoscale;
use super::document::{Reader, Table, shown};
use super::{raw, schema};
use crate::model::key::Key;

impl Reader<'_> {
    /// `true`, `1..8` or a table.
    pub(super) fn autoscale(&mut self, key: Key, path: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        if let DeValue::Table(_) = value.get_ref() {
            let table = self.table(path, at, value, &[schema::AUTOSCALE]);
            return Some(autoscale::of_table(table, &self.origin(at)));
        }
        let checked = self.scalar(key, path, at, value)?;
        Some(autoscale::of_text(&checked.to_string(), &self.origin(at)))
    }

    /// `[[pools.NAME.autoscale.schedule]]`
    pub(super) fn windows(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let DeValue::Array(windows) = value.get_ref() else {
            let is = shown(value.get_ref());
            self.problem(at, path, format!("`schedule` is {is}; write a table `[[{path}]]` for each time"));
            return None;
        };
        let windows: Vec<Option<Value>> = windows.iter().map(|window| self.window(path, window)).collect();
        let windows: Vec<Value> = windows.into_iter().collect::<Option<_>>()?;
        Some(Value::new(Some(&self.origin(at)), ValueKind::Array(windows)))
    }

    fn window(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let DeValue::Table(written) = value.get_ref() else {
            let is = shown(value.get_ref());
            self.problem(at, path, format!("`schedule` contains {is}; write a table `[[{path}]]` for each time"));
            return None;
        };
        let table = self.table(path, at, value, &[schema::WINDOW]);
        if table.len() < written.len() {
            return None;
        }
        let problem = if let Some(key) = ["cron", "for"].into_iter().find(|key| !table.contains_key(*key)) {
            Some(format!("a time of `schedule` has no `{key}`; write when it begins and for how long"))
        } else {
            contradiction(&table)
        };
        if let Some(message) = problem {
            self.problem(at, path, message);
            return None;
        }
        Some(Value::new(None, ValueKind::Table(table)))
    }
}

fn contradiction(table: &Table) -> Option<String> {
    let number = |key| raw::text(table, key).ok().and_then(|text| text.parse::<u32>().ok());
    match (number("min"), number("max")) {
        (None, None) => Some("a time of `schedule` changes nothing; write `min` or `max`".to_owned()),
        (Some(min), Some(max)) if min > max => {
            Some(format!("`min` is {min}, but `max` is {max}; `min` must not be above it"))
        }
        _ => None,
    }
}
