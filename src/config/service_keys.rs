//! The key of a service that holds more than one value: `listen`.
//!
//! Part of the walk of [`super::document`], beside [`super::compound`].

use config::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{Reader, shown};
use crate::model::listen::Address;

impl Reader<'_> {
    /// `"unix:/run/calc.sock"`, or a list of such addresses.
    pub(super) fn listen(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let at = value.span().start;
        let addresses: Vec<Option<String>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|one| self.address(path, one)).collect(),
            _ => vec![self.address(path, value)],
        };
        let addresses: Vec<String> = addresses.into_iter().collect::<Option<_>>()?;
        Some(Value::new(Some(&self.origin(at)), addresses))
    }

    fn address(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            let is = shown(value.get_ref());
            let next = "write an address in quotes, such as \"unix:calc.sock\", or a list of them";
            self.problem(at, path, format!("`listen` is {is}; {next}"));
            return None;
        };
        let text = self.fill(path, value, text)?;
        Address::read(&text).map_err(|why| self.problem(at, path, format!("`listen`: {why}"))).ok()?;
        Some(text)
    }
}
