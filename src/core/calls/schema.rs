//! Schemas of arguments: the part of JSON Schema that services need, compiled once and checked at each call.
//!
//! Knows `type`, `enum`, `const`, `items`, `prefixItems`, `properties`, `required`, `additionalProperties` and the limits of
//! numbers, lengths and counts. A keyword that is not checked is told as a warning and refuses nothing. Invariant: recursion
//! goes as deep as the schema at most, whatever the arguments are, and a schema at most [`DEEPEST`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::arguments;

/// Levels of a schema that are checked.
const DEEPEST: usize = 64;
/// Keywords that describe and check nothing.
const ANNOTATIONS: &str = " title description default examples deprecated readOnly writeOnly $schema $id $comment ";
/// The longest value that a message shows, in characters.
const SHOWN: usize = 60;
/// Types, and how they are called.
const TYPES: [(&str, &str); 7] = [
    ("null", "null"),
    ("boolean", "true or false"),
    ("number", "a number"),
    ("string", "a string"),
    ("array", "an array"),
    ("object", "an object"),
    ("integer", "an integer"),
];
type Limit = (&'static str, Of, fn(Ordering) -> bool, &'static str);
/// Keywords with a limit: what is compared, how, and how that is called.
const LIMITS: [Limit; 8] = [
    ("minimum", Of::Number, Ordering::is_ge, "at least"),
    ("exclusiveMinimum", Of::Number, Ordering::is_gt, "more than"),
    ("maximum", Of::Number, Ordering::is_le, "at most"),
    ("exclusiveMaximum", Of::Number, Ordering::is_lt, "less than"),
    ("minLength", Of::Characters, Ordering::is_ge, "at least"),
    ("maxLength", Of::Characters, Ordering::is_le, "at most"),
    ("minItems", Of::Items, Ordering::is_ge, "at least"),
    ("maxItems", Of::Items, Ordering::is_le, "at most"),
];

/// The shape that a value must have.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// `false` as a schema: no value will do.
    is_never: bool,
    types: Vec<&'static str>,
    one_of: Option<Vec<Value>>,
    items: Option<Box<Schema>>,
    prefix: Vec<Schema>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    additional: Option<Box<Schema>>,
    /// By their place in [`LIMITS`].
    limits: Vec<(usize, Number)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Number,
    Characters,
    Items,
}

/// Where a value is not what it must be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// A JSON pointer into the arguments.
    pub(super) path: String,
    pub(super) expected: String,
    /// As a part of a sentence: `must be a number, not a string`.
    pub(super) text: String,
}

impl Mismatch {
    fn new(expected: String, found: &str) -> Self {
        Self { path: String::new(), text: format!("must be {expected}, not {found}"), expected }
    }

    fn under(mut self, name: &str) -> Self {
        self.path = format!("/{}{}", name.replace('~', "~0").replace('/', "~1"), self.path);
        self
    }
}

/// Reads a schema. What is not understood is added to `warnings`, by its path.
pub(super) fn compile(schema: &Value, warnings: &mut Vec<String>) -> Schema {
    compile_at(schema, "", 0, warnings)
}

fn compile_at(schema: &Value, path: &str, depth: usize, warnings: &mut Vec<String>) -> Schema {
    let mut compiled = Schema::default();
    match schema {
        Value::Object(_) if depth == DEEPEST => warnings.push(format!("`{path}` is more than {DEEPEST} levels deep")),
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                let path = format!("{path}/{keyword}");
                if compiled.take(keyword, value, &path, depth, warnings).is_none() {
                    warnings.push(format!("`{path}` is not checked"));
                }
            }
        }
        Value::Bool(is_any) => compiled.is_never = !is_any,
        other => warnings.push(format!("`{path}` is {}, no schema", words(type_of(other)))),
    }
    compiled
}

impl Schema {
    /// Takes in a keyword; `None` if it, or what it says, is not known.
    fn take(&mut self, keyword: &str, value: &Value, path: &str, depth: usize, warn: &mut Vec<String>) -> Option<()> {
        let mut nested = |value: &Value, name: &str| compile_at(value, &format!("{path}{name}"), depth + 1, warn);
        match keyword {
            "type" => {
                let names = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                let known = |name: &Value| TYPES.iter().map(|&(kind, _)| kind).find(|kind| name.as_str() == Some(kind));
                self.types = names.iter().map(known).collect::<Option<_>>()?;
            }
            "enum" => self.narrow(value.as_array()?),
            "const" => self.narrow(std::slice::from_ref(value)),
            "items" => self.items = Some(Box::new(nested(value, ""))),
            "prefixItems" => {
                let each = value.as_array()?.iter().enumerate();
                self.prefix = each.map(|(at, value)| nested(value, &format!("/{at}"))).collect();
            }
            "properties" => {
                let each = value.as_object()?.iter();
                let each = each.map(|(name, value)| (name.clone(), nested(value, &format!("/{name}"))));
                self.properties = each.collect();
            }
            "required" => {
                let names = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
                self.required = names.collect::<Option<_>>()?;
            }
            "additionalProperties" => self.additional = Some(Box::new(nested(value, ""))),
            limit => match LIMITS.iter().position(|(name, ..)| *name == limit) {
                Some(at) => self.limits.push((at, value.as_number()?.clone())),
                None if ANNOTATIONS.contains(&format!(" {keyword} ")) => {}
                None => return None,
            },
        }
        Some(())
    }

    /// Only these values, of those that were possible before.
    fn narrow(&mut self, values: &[Value]) {
        let possible = |value: &&Value| self.one_of.as_ref().is_none_or(|before| before.iter().any(|b| same(b, value)));
        self.one_of = Some(values.iter().filter(possible).cloned().collect());
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        if self.is_never {
            return Err(Mismatch::new("left out".into(), "given"));
        }
        if !self.types.is_empty() && !self.types.iter().any(|kind| is_of(kind, value)) {
            return Err(Mismatch::new(self.describe(), words(type_of(value))));
        }
        if self.one_of.as_ref().is_some_and(|values| !values.iter().any(|one| same(one, value))) {
            return Err(Mismatch::new(self.describe(), &shown(value)));
        }
        match value {
            Value::Number(number) => self.check_limits(Of::Number, "", || number.clone()),
            Value::String(text) => {
                self.check_limits(Of::Characters, " characters long", || text.chars().count().into())
            }
            Value::Array(items) => self.check_items(items),
            Value::Object(members) => self.check_members(members),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn check_limits(&self, of: Of, unit: &str, found: impl Fn() -> Number) -> Result<(), Mismatch> {
        for (at, limit) in &self.limits {
            let (_, compared, holds, words) = LIMITS[*at];
            if compared == of && !order(&found(), limit).is_some_and(holds) {
                return Err(Mismatch::new(format!("{words} {limit}{unit}"), &found().to_string()));
            }
        }
        Ok(())
    }

    fn check_items(&self, items: &[Value]) -> Result<(), Mismatch> {
        self.check_limits(Of::Items, " items long", || items.len().into())?;
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = self.prefix.get(at).or(self.items.as_deref()) {
                schema.check(item).map_err(|mismatch| mismatch.under(&at.to_string()))?;
            }
        }
        Ok(())
    }

    fn check_members(&self, members: &Map<String, Value>) -> Result<(), Mismatch> {
        if let Some(missing) = self.required.iter().find(|name| !members.contains_key(*name)) {
            let expected = self.properties.get(missing).map_or_else(|| "there".into(), Self::describe);
            return Err(Mismatch { path: String::new(), expected, text: "is missing".into() }.under(missing));
        }
        for (name, member) in members {
            if let Some(schema) = self.properties.get(name).or(self.additional.as_deref()) {
                schema.check(member).map_err(|mismatch| mismatch.under(name))?;
            }
        }
        Ok(())
    }

    /// The expected shape, in words.
    fn describe(&self) -> String {
        match &self.one_of {
            Some(values) if values.len() == 1 => shown(&values[0]),
            Some(values) => format!("one of {}", cut(values.iter().map(shown).collect::<Vec<_>>().join(", "))),
            None if self.types.is_empty() => "there".into(),
            None => self.types.iter().map(|kind| words(kind)).collect::<Vec<_>>().join(" or "),
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match value {
        // 5.0 is an integer, as JSON has one kind of number.
        Value::Number(number) if kind == "integer" => {
            integer(number).is_some() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        _ => kind == type_of(value),
    }
}

fn words(kind: &str) -> &'static str {
    TYPES.iter().find(|(name, _)| *name == kind).map_or("something else", |&(_, words)| words)
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn order(a: &Number, b: &Number) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => order(a, b) == Some(Ordering::Equal),
        _ => a == b,
    }
}

fn shown(value: &Value) -> String {
    cut(value.to_string())
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// What is wrong with a value by a schema.
#[must_use]
pub fn mismatch(schema: &Value, value: &RawValue) -> Option<String> {
    if schema.is_null() {
        return None;
    }
    let value = match arguments::parse(value) {
        Ok(value) => value,
        Err(why) => return Some(format!("it {why}")),
    };
    let mismatch = compile(schema, &mut Vec::new()).check(&value).err()?;
    let place = if mismatch.path.is_empty() { "it".to_owned() } else { format!("`{}`", mismatch.path) };
    Some(format!("{place} {}", mismatch.text))
}

/// Parts of a schema that are not checked.
#[must_use]
pub fn unchecked(schema: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    compile(schema, &mut warnings);
    warnings
}
