//! What a worker of a service declares: its methods, their schemas, caches and rates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::json_text;

/// The declaration of a worker in `ready`, or as the result of `init`. Unknown members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    pub name: Option<String>,
    pub version: Option<String>,
    pub concurrency: Option<u32>,
    /// Whether it answers `health`.
    pub health: bool,
    /// Whether it wants `shutdown` before its input is closed.
    pub shutdown: bool,
    pub methods: BTreeMap<String, Method>,
}

impl Declared {
    /// Reads what a worker declares in `place`, or says what is wrong with it.
    pub fn read(place: &str, text: &RawValue) -> Result<Self, String> {
        let bytes = text.get().len();
        if bytes > MOST_DECLARED_BYTES {
            return Err(format!("its `{place}` has {bytes} bytes; the limit is {MOST_DECLARED_BYTES}"));
        }
        // A list would be read as the fields in their order.
        if text.get().starts_with('[') {
            return Err(format!("its `{place}` is not understood: it is an array and must be an object"));
        }
        let declared: Option<Self> = serde_json::from_str(text.get())
            .map_err(|error| format!("its `{place}` is not understood: {}", json_text::words(&error)))?;
        let declared = declared.unwrap_or_default();
        match declared.methods.len() {
            methods if methods > MOST_METHODS => {
                Err(format!("it declares {methods} methods; the limit is {MOST_METHODS}"))
            }
            _ => Ok(declared),
        }
    }
}

/// A method that workers answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Method {
    pub description: String,
    /// A schema of the arguments; `null`: anything.
    pub params: Value,
    pub result: Value,
    /// Callable from a listener; else by pools only.
    pub public: bool,
    pub cache: Option<CacheRule>,
    pub rate_limit: Option<RateLimit>,
    pub timeout_s: Option<f64>,
    /// A call whose worker died is tried once more by another.
    pub idempotent: bool,
}

impl Method {
    /// Whether its arguments are an object, as its schema says.
    #[must_use]
    pub fn takes_object(&self) -> bool {
        match &self.params["type"] {
            Value::Array(types) => types.first().is_some_and(|first| first == "object"),
            Value::Null => self.params.get("properties").is_some(),
            one => one == "object",
        }
    }
}

impl Default for Method {
    fn default() -> Self {
        Self {
            description: String::new(),
            params: Value::Null,
            result: Value::Null,
            public: true,
            cache: None,
            rate_limit: None,
            timeout_s: None,
            idempotent: false,
        }
    }
}

/// Answers are kept for the same arguments.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheRule {
    pub ttl_s: f64,
    /// Answers that are kept, the last used.
    #[serde(default = "CacheRule::default_max")]
    pub max: u32,
}

impl CacheRule {
    const fn default_max() -> u32 {
        1000
    }
}

/// `limit` calls at once, which are granted anew over `per_s` seconds, of each key if one is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RateLimit {
    pub limit: u32,
    #[serde(default = "RateLimit::default_per_s")]
    pub per_s: f64,
    /// A JSON pointer into the arguments.
    #[serde(default)]
    pub key: Option<String>,
}

impl RateLimit {
    const fn default_per_s() -> f64 {
        1.0
    }
}

/// The most methods that a worker can declare.
pub const MOST_METHODS: usize = 400;
/// The longest declaration, in bytes of JSON text.
pub const MOST_DECLARED_BYTES: usize = 64 * 1024;
