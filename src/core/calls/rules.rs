//! The methods of a service with their rules, ready to be followed at each call.
//!
//! The declaration of the worker that became ready last is in force. Invariant: buckets of a rate limit that has not changed
//! outlive a new declaration; kept answers do not, as they are those of other code.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cache::Cache;
use super::rate_limit::Limiter;
use super::schema::{self, Schema};
use crate::model::service::{Declared, Method};

/// Warnings that are told of one declaration.
const MOST_WARNINGS: usize = 20;

/// The rules of one method.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) is_idempotent: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) schema: Option<Schema>,
    pub(super) cache: Option<Cache>,
    pub(super) limiter: Option<Limiter>,
}

impl Rules {
    /// Whether arguments must be parsed.
    pub(super) fn look_into_arguments(&self) -> bool {
        let by_key = self.limiter.as_ref().is_some_and(|limiter| limiter.rule.key.is_some());
        self.schema.is_some() || self.cache.is_some() || by_key
    }

    /// Follows a rule, unless it makes no sense.
    fn new(name: &str, method: &Method, before: Option<Limiter>, warnings: &mut Vec<String>) -> Self {
        let mut unknown = Vec::new();
        let schema = (!method.params.is_null()).then(|| schema::compile(&method.params, &mut unknown));
        warnings.extend(unknown.into_iter().map(|text| format!("`params` of `{name}`: {text}")));
        let timeout =
            method.timeout_s.map(|seconds| Duration::try_from_secs_f64(seconds).ok().filter(|t| !t.is_zero()));
        let cache = method.cache.as_ref().map(Cache::new);
        let limiter = method.rate_limit.as_ref().map(|rule| match before {
            Some(limiter) if limiter.rule == *rule => Some(limiter),
            _ => Limiter::new(rule),
        });
        let senseless = [
            ("timeout_s", matches!(timeout, Some(None))),
            ("cache", matches!(cache, Some(None))),
            ("rate_limit", matches!(limiter, Some(None))),
        ];
        let senseless = senseless.iter().filter(|(_, is_senseless)| *is_senseless);
        warnings.extend(senseless.map(|(rule, _)| format!("`{rule}` of `{name}` makes no sense and is not followed")));
        Self {
            is_idempotent: method.idempotent,
            timeout: timeout.flatten(),
            schema,
            cache: cache.flatten(),
            limiter: limiter.flatten(),
        }
    }
}

/// Reads the rules of all methods, and what is to be said about them.
pub(super) fn rules_of(
    declared: &Declared,
    mut before: BTreeMap<String, Rules>,
) -> (BTreeMap<String, Rules>, Vec<String>) {
    let mut warnings = Vec::new();
    let rules = declared.methods.iter().map(|(name, method)| {
        let limiter = before.remove(name).and_then(|rules| rules.limiter);
        (name.clone(), Rules::new(name, method, limiter, &mut warnings))
    });
    let rules = rules.collect();
    let left_out = warnings.len().saturating_sub(MOST_WARNINGS);
    if left_out > 0 {
        warnings.truncate(MOST_WARNINGS);
        warnings.push(format!("and {left_out} more of this kind"));
    }
    (rules, warnings)
}
