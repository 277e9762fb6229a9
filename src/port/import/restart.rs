//! The rule for workers that end by themselves, as other systems have it.

use toml::{Table, Value};

use super::span;

/// What follows, and when a worker is given up.
#[derive(Debug, Default)]
pub(super) struct Restart {
    /// `always`, `failure` or `never`; empty: `always`.
    pub(super) on: &'static str,
    /// More deaths than this, within so many seconds, are too many.
    pub(super) most: Option<(u32, f64)>,
    /// The first wait, and the longest, in seconds.
    pub(super) waits: Option<(f64, f64)>,
    pub(super) is_linear: bool,
}

impl Restart {
    /// `None`: as it is anyway.
    pub(super) fn value(&self) -> Option<Value> {
        if self.on == "never" {
            return Some(Value::from("never"));
        }
        let mut table = Table::new();
        let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
        if !self.on.is_empty() && self.on != "always" {
            put("on", self.on.into());
        }
        if let Some((max, window)) = self.most {
            put("max", i64::from(max.min(1000)).into());
            put("window", span(window).into());
            put("then", "stop".into());
        }
        if self.is_linear {
            put("backoff", "linear".into());
        }
        if let Some((initial, most)) = self.waits {
            put("initial", span(initial).into());
            put("most", span(most).into());
        }
        match (table.len(), self.on) {
            (0, _) => None,
            (1, "failure") => Some(Value::from("failure")),
            _ => Some(Value::Table(table)),
        }
    }
}
