//! Rate limits: for each key a bucket of `limit` calls, which fills again over `per_s`.
//!
//! Of a bucket only the moment is kept at which it is full (the generic cell rate algorithm of ATM). A bucket that is full is
//! forgotten. Invariant: at most [`MOST_KEYS`] buckets; beyond that, the one that is full first is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::arguments::part;
use crate::model::Mono;
use crate::model::service::RateLimit;

const MOST_KEYS: usize = 10_000;
/// Keys are told apart by their first bytes.
const KEY_BYTES: usize = 256;

#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) rule: RateLimit,
    /// When the bucket of each key is full, in nanoseconds.
    full_at: BTreeMap<Arc<str>, u64>,
    order: BTreeSet<(u64, Arc<str>)>,
}

impl Limiter {
    /// `None` if the rule makes no sense.
    pub(super) fn new(rule: &RateLimit) -> Option<Self> {
        let is_sound = rule.per_s > 0.0 && Duration::try_from_secs_f64(rule.per_s).is_ok();
        is_sound.then(|| Self { rule: rule.clone(), full_at: BTreeMap::new(), order: BTreeSet::new() })
    }

    /// Takes one call out of the bucket of its key, or says in how long there is one.
    pub(super) fn take(&mut self, arguments: Option<&Value>, now: Mono) -> Result<(), Duration> {
        let whole = Duration::from_secs_f64(self.rule.per_s);
        let Some(one) = (whole.as_nanos() as u64).checked_div(u64::from(self.rule.limit)) else { return Err(whole) };
        let now = now.0.saturating_mul(1000);
        while self.order.first().is_some_and(|&(full_at, _)| full_at <= now) {
            self.forget_first();
        }
        let key = self.key_of(arguments);
        let before = self.full_at.get(&key).copied();
        let full_at = before.unwrap_or(now).saturating_add(one.max(1));
        let latest = now.saturating_add(one.max(1).saturating_mul(u64::from(self.rule.limit)));
        if full_at > latest {
            return Err(Duration::from_nanos(full_at - latest));
        }
        match before {
            Some(before) => _ = self.order.remove(&(before, key.clone())),
            None if self.full_at.len() >= MOST_KEYS => self.forget_first(),
            None => {}
        }
        self.order.insert((full_at, key.clone()));
        self.full_at.insert(key, full_at);
        Ok(())
    }

    fn forget_first(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.full_at.remove(&key);
        }
    }

    /// Calls without the part that is asked for share a bucket.
    fn key_of(&self, arguments: Option<&Value>) -> Arc<str> {
        let key = self.rule.key.as_deref().zip(arguments).and_then(|(pointer, value)| part(value, pointer));
        let key = key.unwrap_or_default();
        key[..key.floor_char_boundary(KEY_BYTES)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(limit: u32, per_s: f64) -> Limiter {
        Limiter::new(&RateLimit { limit, per_s, key: Some("/user".into()) }).expect("a sound rule")
    }

    fn user(name: &str) -> Value {
        serde_json::json!({ "user": name })
    }

    #[test]
    fn a_bucket_holds_its_limit_and_fills_evenly() {
        let mut limiter = limiter(3, 1.0);
        let start = Mono(7_000_000);
        for _ in 0..3 {
            assert_eq!(limiter.take(None, start), Ok(()));
        }
        let wait = limiter.take(None, start).expect_err("the bucket is empty");
        assert!(wait.abs_diff(Duration::from_millis(333)) < Duration::from_millis(1), "{wait:?}");
        assert_eq!(limiter.take(None, start + wait + Duration::from_micros(1)), Ok(()));
        assert!(limiter.take(None, start + wait + Duration::from_micros(1)).is_err());
        for _ in 0..3 {
            assert_eq!(limiter.take(None, start + Duration::from_secs(9)), Ok(()));
        }
    }

    #[test]
    fn each_key_has_a_bucket_and_their_number_is_bounded() {
        let mut limiter = limiter(1, 3600.0);
        assert_eq!(limiter.take(Some(&user("ann")), Mono(0)), Ok(()));
        assert!(limiter.take(Some(&user("ann")), Mono(1)).is_err());
        for number in 0..MOST_KEYS + 10 {
            assert_eq!(limiter.take(Some(&user(&number.to_string())), Mono(2)), Ok(()));
        }
        assert_eq!((limiter.full_at.len(), limiter.order.len()), (MOST_KEYS, MOST_KEYS));
        let long = "ä".repeat(1_000_000);
        assert_eq!(limiter.take(Some(&user(&long)), Mono(3)), Ok(()));
        assert!(limiter.full_at.keys().all(|key| key.len() <= KEY_BYTES));
    }

    #[test]
    fn full_buckets_are_forgotten() {
        let mut limiter = limiter(1, 1.0);
        for number in 0..100 {
            assert_eq!(limiter.take(Some(&user(&number.to_string())), Mono(0)), Ok(()));
        }
        assert_eq!(limiter.take(None, Mono(1_000_000)), Ok(()));
        assert_eq!(limiter.full_at.len(), 1);
    }

    #[test]
    fn a_limit_of_none_refuses_all_and_a_rule_without_sense_is_none() {
        assert!(limiter(0, 2.0).take(None, Mono(0)).is_err());
        for per_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Limiter::new(&RateLimit { limit: 1, per_s, key: None }).is_none(), "{per_s}");
        }
    }
}
