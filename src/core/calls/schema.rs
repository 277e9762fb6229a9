//! Schemas of arguments: the part of JSON Schema that services need, compiled once and checked at each call.
//!
//! Knows `type`, `enum`, `const`, `items`, `prefixItems`, `properties`, `required`, `additionalProperties` and the limits of
//! numbers, lengths and counts. A keyword that is not checked is told as a warning and refuses nothing. Invariant: recursion
//! goes as deep as the schema at most, whatever the arguments are, and a schema at most [`DEEPEST`].

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Number, Value};

/// Levels of a schema that are checked.
const DEEPEST: usize = 64;
/// Keywords that describe and check nothing.
const ANNOTATIONS: [&str; 10] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$schema",
    "$id",
    "$comment",
];
/// The longest value that a message shows, in characters.
const SHOWN: usize = 60;

/// What a value must be.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// `false` as a schema: no value will do.
    is_never: bool,
    types: Vec<Type>,
    one_of: Option<Vec<Value>>,
    items: Option<Box<Schema>>,
    prefix: Vec<Schema>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    additional: Option<Box<Schema>>,
    /// Limits of a number.
    bounds: Vec<(Bound, Number)>,
    length: Span,
    count: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

/// The least and the most.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    least: Option<u64>,
    most: Option<u64>,
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
    let keywords = match schema {
        Value::Object(_) if depth == DEEPEST => {
            warnings.push(format!("`{path}` is more than {DEEPEST} levels deep"));
            return compiled;
        }
        Value::Object(keywords) => keywords,
        Value::Bool(is_any) => {
            compiled.is_never = !is_any;
            return compiled;
        }
        other => {
            warnings.push(format!("`{path}` is {}, no schema", Type::of(other).name()));
            return compiled;
        }
    };
    for (keyword, value) in keywords {
        let path = format!("{path}/{keyword}");
        if compiled.take(keyword, value, &path, depth, warnings).is_none() {
            warnings.push(format!("`{path}` is not checked"));
        }
    }
    compiled
}

impl Schema {
    /// Takes in a keyword; `None` if it, or what it says, is not known.
    fn take(&mut self, keyword: &str, value: &Value, path: &str, depth: usize, warn: &mut Vec<String>) -> Option<()> {
        let mut nested = |value: &Value, name: &str| compile_at(value, &format!("{path}{name}"), depth + 1, warn);
        match keyword {
            "type" => self.types = types_of(value)?,
            "enum" => self.narrow(value.as_array()?),
            "const" => self.narrow(std::slice::from_ref(value)),
            "items" => self.items = Some(Box::new(nested(value, ""))),
            "prefixItems" => {
                let each = value.as_array()?.iter().enumerate();
                self.prefix = each.map(|(at, value)| nested(value, &format!("/{at}"))).collect();
            }
            "properties" => {
                let each = value.as_object()?.iter();
                self.properties =
                    each.map(|(name, value)| (name.clone(), nested(value, &format!("/{name}")))).collect();
            }
            "required" => {
                let names = value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
                self.required = names.collect::<Option<_>>()?;
            }
            "additionalProperties" => self.additional = Some(Box::new(nested(value, ""))),
            "minimum" => self.bounds.push((Bound::AtLeast, value.as_number()?.clone())),
            "exclusiveMinimum" => self.bounds.push((Bound::MoreThan, value.as_number()?.clone())),
            "maximum" => self.bounds.push((Bound::AtMost, value.as_number()?.clone())),
            "exclusiveMaximum" => self.bounds.push((Bound::LessThan, value.as_number()?.clone())),
            "minLength" => self.length.least = Some(value.as_u64()?),
            "maxLength" => self.length.most = Some(value.as_u64()?),
            "minItems" => self.count.least = Some(value.as_u64()?),
            "maxItems" => self.count.most = Some(value.as_u64()?),
            annotation if ANNOTATIONS.contains(&annotation) => {}
            _ => return None,
        }
        Some(())
    }

    /// Only these values, of those that were possible before.
    fn narrow(&mut self, values: &[Value]) {
        let possible = |value: &&Value| self.one_of.as_ref().is_none_or(|before| before.iter().any(|b| same(b, value)));
        self.one_of = Some(values.iter().filter(possible).cloned().collect());
    }

    pub(super) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        let is_of = |kind: &Type| kind.includes(value);
        if self.is_never {
            return Err(Mismatch::new("left out".into(), "given"));
        }
        if !self.types.is_empty() && !self.types.iter().any(is_of) {
            return Err(Mismatch::new(self.describe(), Type::of(value).name()));
        }
        if self.one_of.as_ref().is_some_and(|values| !values.iter().any(|one| same(one, value))) {
            return Err(Mismatch::new(self.describe(), &shown(value)));
        }
        match value {
            Value::Number(number) => self.check_number(number),
            Value::String(text) => self.length.check("long", "characters", || text.chars().count()),
            Value::Array(items) => self.check_items(items),
            Value::Object(members) => self.check_members(members),
            Value::Null | Value::Bool(_) => Ok(()),
        }
    }

    fn check_number(&self, number: &Number) -> Result<(), Mismatch> {
        let broken = self.bounds.iter().find(|(bound, limit)| !bound.holds(number, limit));
        broken.map_or(Ok(()), |(bound, limit)| {
            Err(Mismatch::new(format!("{} {limit}", bound.words()), &number.to_string()))
        })
    }

    fn check_items(&self, items: &[Value]) -> Result<(), Mismatch> {
        self.count.check("in number", "items", || items.len())?;
        for (at, item) in items.iter().enumerate() {
            if let Some(schema) = self.prefix.get(at).or(self.items.as_deref()) {
                schema.check(item).map_err(|mismatch| mismatch.under(&at.to_string()))?;
            }
        }
        Ok(())
    }

    fn check_members(&self, members: &serde_json::Map<String, Value>) -> Result<(), Mismatch> {
        if let Some(missing) = self.required.iter().find(|name| !members.contains_key(*name)) {
            let expected = self.properties.get(missing).map_or_else(|| "there".into(), Self::describe);
            let text = "is missing".into();
            return Err(Mismatch { path: String::new(), expected, text }.under(missing));
        }
        for (name, member) in members {
            if let Some(schema) = self.properties.get(name).or(self.additional.as_deref()) {
                schema.check(member).map_err(|mismatch| mismatch.under(name))?;
            }
        }
        Ok(())
    }

    /// What is expected, in words.
    fn describe(&self) -> String {
        match &self.one_of {
            Some(values) if values.len() == 1 => shown(&values[0]),
            Some(values) => format!("one of {}", cut(values.iter().map(shown).collect::<Vec<_>>().join(", "))),
            None if self.types.is_empty() => "there".into(),
            None => self.types.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or "),
        }
    }
}

fn types_of(value: &Value) -> Option<Vec<Type>> {
    match value {
        Value::String(name) => Some(vec![Type::named(name)?]),
        Value::Array(names) => names.iter().map(|name| Type::named(name.as_str()?)).collect(),
        _ => None,
    }
}

impl Type {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    fn includes(self, value: &Value) -> bool {
        match (self, value) {
            // 5.0 is an integer, as JSON has one kind of number.
            (Self::Integer, Value::Number(number)) => {
                integer(number).is_some() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
            }
            _ => self == Self::of(value),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl Bound {
    fn holds(self, number: &Number, limit: &Number) -> bool {
        order(number, limit).is_some_and(|order| match self {
            Self::AtLeast => order.is_ge(),
            Self::MoreThan => order.is_gt(),
            Self::AtMost => order.is_le(),
            Self::LessThan => order.is_lt(),
        })
    }

    const fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::MoreThan => "more than",
            Self::AtMost => "at most",
            Self::LessThan => "less than",
        }
    }
}

impl Span {
    fn check(self, how: &str, unit: &str, count: impl Fn() -> usize) -> Result<(), Mismatch> {
        if self.least.is_none() && self.most.is_none() {
            return Ok(());
        }
        let count = count() as u64;
        let expected = match (self.least, self.most) {
            (Some(least), _) if count < least => format!("at least {least} {unit} {how}"),
            (_, Some(most)) if count > most => format!("at most {most} {unit} {how}"),
            _ => return Ok(()),
        };
        Err(Mismatch::new(expected, &count.to_string()))
    }
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
