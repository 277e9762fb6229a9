//! Keys that hold one text or a list of them: `listen`, `needs` and `sidecars` of a pool, `hosts` of `[web]`.
//!
//! Part of the walk of [`super::document`], beside [`super::compound`].

use config::Value;
use toml::Spanned;
use toml::de::DeValue;

use super::document::{Reader, shown};
use crate::model::PoolName;
use crate::model::key::Key;
use crate::model::listen::Address;

impl Reader<'_> {
    /// `"unix:/run/calc.sock"`, or a list of such addresses.
    pub(super) fn listen(&mut self, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let next = "write an address in quotes, such as \"unix:calc.sock\", or a list of them";
        self.texts("listen", path, value, next, |text| Address::read(text).map(drop))
    }

    /// `"database"`, or a list of such names.
    pub(super) fn pool_names(&mut self, key: Key, path: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let check = |name: &str| PoolName::new(name).map(drop).map_err(|error| error.to_string());
        self.texts(key.name, path, value, "write the name of a pool in quotes, or a list of them", check)
    }

    /// A text, or a list of texts.
    pub(super) fn text_list(
        &mut self,
        key: Key,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<Value> {
        self.texts(key.name, path, value, "write a text in quotes, or a list of them", check)
    }

    fn texts(
        &mut self,
        key: &str,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        next: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<Value> {
        let at = value.span().start;
        let texts: Vec<Option<String>> = match value.get_ref() {
            DeValue::Array(list) => list.iter().map(|one| self.checked(key, path, one, next, check)).collect(),
            _ => vec![self.checked(key, path, value, next, check)],
        };
        let texts: Vec<String> = texts.into_iter().collect::<Option<_>>()?;
        Some(Value::new(Some(&self.origin(at)), texts))
    }

    fn checked(
        &mut self,
        key: &str,
        path: &str,
        value: &Spanned<DeValue<'_>>,
        next: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            let is = shown(value.get_ref());
            self.problem(at, path, format!("`{key}` is {is}; {next}"));
            return None;
        };
        let text = self.fill(path, value, text)?;
        check(&text).map_err(|why| self.problem(at, path, format!("`{key}`: {why}"))).ok()?;
        Some(text)
    }
}
