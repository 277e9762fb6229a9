//! The keys of a processor that hold more than one value: `cron`, `args`.
//!
//! Part of the walk of [`super::document`], beside [`super::compound`].

use config::{Value, ValueKind};
use serde_json::Value as Json;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{Reader, entries, shown};
use crate::model::payload;
use crate::schedule::Calendar;

impl Reader<'_> {
    /// A cron expression, or a list of them.
    pub(super) fn cron(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let expressions = match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() => list.iter().map(|one| self.expression(path, one)).collect(),
            _ => vec![self.expression(path, value)],
        };
        let expressions: Vec<String> = expressions.into_iter().collect::<Option<_>>()?;
        Some(Value::new(Some(&self.origin(at)), expressions))
    }

    fn expression(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            let is = shown(value.get_ref());
            let next = "write an expression in quotes, such as \"30 2 * * *\", or a list of them";
            self.problem(at, path, format!("`cron` is {is}; {next}"));
            return None;
        };
        let text = self.fill(path, value, text)?;
        Calendar::check(&text).map_err(|why| self.problem(at, path, format!("`cron`: {why}"))).ok()?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Any value, as JSON; its texts may hold variables.
    pub(super) fn json(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let json = self.json_value(path, value)?.to_string();
        payload::check_limits(&json).map_err(|error| self.problem(at, path, error.to_string())).ok()?;
        self.keep_unfilled(path, std::iter::once(self.written(value)));
        Some(Value::new(Some(&self.origin(at)), ValueKind::String(json)))
    }

    fn json_value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Json> {
        match value.get_ref() {
            DeValue::String(text) => self.fill(path, value, text).map(Json::from),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                number.map(Json::from).or_else(|| self.no_number(path, value))
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                number.map(Json::from).or_else(|| self.no_number(path, value))
            }
            DeValue::Boolean(yes) => Some(Json::from(*yes)),
            DeValue::Datetime(time) => Some(Json::from(time.to_string())),
            DeValue::Array(list) => list.iter().map(|one| self.json_value(path, one)).collect(),
            DeValue::Table(table) => {
                let member =
                    |(name, _, value): (&str, usize, _)| Some((name.to_owned(), self.json_value(path, value)?));
                entries(table).into_iter().map(member).collect::<Option<serde_json::Map<_, _>>>().map(Json::Object)
            }
        }
    }

    fn no_number(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Json> {
        let is = shown(value.get_ref());
        self.problem(value.span().start, path, format!("`{is}` cannot be a number of JSON; write it in quotes"));
        None
    }
}
