//! Typed clients of a service, made from what its methods declare.
//!
//! Knows types, read from schemas; `typescript` and `python` word them. Invariants: what a schema does not say is unknown, never a
//! guess; names and texts that are no identifiers are quoted or changed, so that the module compiles whatever is declared.

mod python;
#[cfg(test)]
mod tests;
mod typescript;

use serde_json::Value;

use super::services::Service;
use crate::model::characters::is_unprintable;

/// Levels of a schema that are looked into.
const DEEPEST: usize = 16;

/// The language of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    TypeScript,
    Python,
}

/// A module with a class for the service. `socket`: where calls are taken, unless the environment says otherwise.
#[must_use]
pub fn module(service: &Service, language: Language, socket: &str) -> String {
    match language {
        Language::TypeScript => typescript::module(service, socket),
        Language::Python => python::module(service, socket),
    }
}

/// A type.
#[derive(Clone, Debug, PartialEq)]
enum Type {
    Unknown,
    Null,
    Boolean,
    Number,
    Integer,
    Text,
    /// One of these values.
    OneOf(Vec<Value>),
    List(Box<Type>),
    /// At least `least` of the first, then any number of the rest.
    Tuple {
        items: Vec<Type>,
        least: usize,
        rest: Option<Box<Type>>,
    },
    Map(Box<Type>),
    Object(Vec<Member>),
    Union(Vec<Type>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
struct Member {
    name: String,
    of: Type,
    is_required: bool,
}

impl Type {
    fn of(schema: &Value) -> Self {
        Self::at(schema, 0)
    }

    fn at(schema: &Value, depth: usize) -> Self {
        if depth > DEEPEST {
            return Self::Unknown;
        }
        if let Some(values) = schema["enum"].as_array().filter(|values| !values.is_empty()) {
            return Self::OneOf(values.clone());
        }
        if let Some(value) = schema.get("const") {
            return Self::OneOf(vec![value.clone()]);
        }
        match &schema["type"] {
            Value::String(name) => Self::named(name, schema, depth),
            Value::Array(names) if !names.is_empty() => {
                let each = names.iter().map(|name| Self::named(name.as_str().unwrap_or_default(), schema, depth));
                Self::Union(each.collect())
            }
            _ if schema.get("properties").is_some() => Self::object(schema, depth),
            _ if schema.get("prefixItems").is_some() || schema.get("items").is_some() => Self::list(schema, depth),
            _ => Self::Unknown,
        }
    }

    fn named(name: &str, schema: &Value, depth: usize) -> Self {
        match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "number" => Self::Number,
            "integer" => Self::Integer,
            "string" => Self::Text,
            "array" => Self::list(schema, depth),
            "object" => Self::object(schema, depth),
            _ => Self::Unknown,
        }
    }

    fn list(schema: &Value, depth: usize) -> Self {
        let rest = schema.get("items").filter(|items| items.is_object()).map(|items| Self::at(items, depth + 1));
        let Some(items) = schema["prefixItems"].as_array().filter(|items| !items.is_empty()) else {
            return Self::List(Box::new(rest.unwrap_or(Self::Unknown)));
        };
        let items: Vec<Self> = items.iter().map(|item| Self::at(item, depth + 1)).collect();
        let least = schema["minItems"].as_u64().map_or(items.len(), |least| items.len().min(least as usize));
        Self::Tuple { items, least, rest: rest.map(Box::new) }
    }

    fn object(schema: &Value, depth: usize) -> Self {
        let additional = schema.get("additionalProperties").filter(|schema| schema.is_object());
        let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
            return Self::Map(Box::new(additional.map_or(Self::Unknown, |schema| Self::at(schema, depth + 1))));
        };
        if additional.is_some() {
            return Self::Map(Box::new(Self::Unknown));
        }
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let member = |(name, schema): (&String, &Value)| Member {
            name: name.clone(),
            of: Self::at(schema, depth + 1),
            is_required: required.iter().any(|required| required == name),
        };
        Self::Object(properties.iter().map(member).collect())
    }
}

/// The name of a class: `api-proxy` is `ApiProxy`.
fn class_name(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let joined: String = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect();
    if joined.starts_with(|c: char| c.is_ascii_alphabetic()) { joined } else { format!("Service{joined}") }
}

fn is_identifier(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(is_part)
}

/// What the module is, and how it was made.
fn about(service: &Service, language: &str) -> String {
    let version = service.version.as_ref().map(|version| format!(" {}", one_line(version))).unwrap_or_default();
    let Service { pool, .. } = service;
    format!("Client of the service `{pool}`{version}, made by `queue-work services {pool} --types {language}`.")
}

fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || is_unprintable(c));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
