//! Answers of one method that are kept for the same arguments, and the call whose answer is awaited for them.
//!
//! Invariants: at most `max` answers and [`MOST_BYTES`], of which the one that was not used for longest goes first; an answer
//! is not given once its time is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Body, CallId};
use crate::model::Mono;
use crate::model::service::CacheRule;

/// The most memory that answers and their keys take together.
const MOST_BYTES: usize = 32 << 20;

#[derive(Debug)]
pub(super) struct Cache {
    ttl: Duration,
    max: usize,
    answers: BTreeMap<Arc<str>, Kept>,
    /// Keys by their last use.
    used: BTreeMap<u64, Arc<str>>,
    uses: u64,
    bytes: usize,
    /// Calls that are queued or sent, which others follow.
    pub(super) leaders: BTreeMap<Arc<str>, CallId>,
}

#[derive(Debug)]
struct Kept {
    answer: Body,
    until: Mono,
    used: u64,
}

impl Cache {
    /// `None` if the rule makes no sense.
    pub(super) fn new(rule: &CacheRule) -> Option<Self> {
        let ttl = Duration::try_from_secs_f64(rule.ttl_s).ok().filter(|ttl| !ttl.is_zero() && rule.max > 0)?;
        Some(Self {
            ttl,
            max: rule.max as usize,
            answers: BTreeMap::new(),
            used: BTreeMap::new(),
            uses: 0,
            bytes: 0,
            leaders: BTreeMap::new(),
        })
    }

    pub(super) fn get(&mut self, key: &Arc<str>, now: Mono) -> Option<Body> {
        let kept = self.answers.get_mut(key)?;
        if kept.until <= now {
            self.remove(key);
            return None;
        }
        self.used.remove(&kept.used);
        self.uses += 1;
        kept.used = self.uses;
        self.used.insert(self.uses, key.clone());
        Some(kept.answer.clone())
    }

    pub(super) fn put(&mut self, key: &Arc<str>, answer: &Body, now: Mono) {
        self.remove(key);
        let bytes = key.len() + answer.len();
        if bytes > MOST_BYTES {
            return;
        }
        while self.answers.len() >= self.max || self.bytes + bytes > MOST_BYTES {
            let Some(oldest) = self.used.first_key_value().map(|(_, key)| key.clone()) else { break };
            self.remove(&oldest);
        }
        self.uses += 1;
        self.bytes += bytes;
        self.used.insert(self.uses, key.clone());
        self.answers.insert(key.clone(), Kept { answer: answer.clone(), until: now + self.ttl, used: self.uses });
    }

    fn remove(&mut self, key: &Arc<str>) {
        if let Some(kept) = self.answers.remove(key) {
            self.used.remove(&kept.used);
            self.bytes -= key.len() + kept.answer.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::Raw(text.as_bytes().into())
    }

    fn key(number: usize) -> Arc<str> {
        number.to_string().into()
    }

    #[test]
    fn the_answer_that_was_not_used_for_longest_goes_first() {
        let mut cache = Cache::new(&CacheRule { ttl_s: 10.0, max: 3 }).expect("a sound rule");
        for number in 0..3 {
            cache.put(&key(number), &body("x"), Mono(0));
        }
        assert!(cache.get(&key(0), Mono(1)).is_some());
        cache.put(&key(3), &body("x"), Mono(1));
        let kept: Vec<bool> = (0..4).map(|number| cache.get(&key(number), Mono(2)).is_some()).collect();
        assert_eq!(kept, [true, false, true, true]);
        assert!(cache.get(&key(0), Mono(10_000_000)).is_none(), "its time is over");
        assert_eq!((cache.answers.len(), cache.used.len(), cache.bytes), (2, 2, 4));
    }

    #[test]
    fn answers_take_a_bounded_number_of_bytes() {
        let mut cache = Cache::new(&CacheRule { ttl_s: 10.0, max: 100 }).expect("a sound rule");
        let large = body(&"x".repeat(MOST_BYTES / 3));
        for number in 0..5 {
            cache.put(&key(number), &large, Mono(0));
            assert!(cache.bytes <= MOST_BYTES);
        }
        assert_eq!(cache.answers.len(), 2);
        cache.put(&key(9), &body(&"x".repeat(MOST_BYTES)), Mono(0));
        assert!(cache.get(&key(9), Mono(0)).is_none(), "larger than all that is kept");
        cache.put(&key(4), &body("x"), Mono(0));
        assert_eq!(cache.answers.len(), 2, "an answer takes the place of the one before");
    }

    #[test]
    fn a_rule_without_sense_keeps_nothing() {
        for (ttl_s, max) in [(0.0, 1), (-1.0, 1), (f64::NAN, 1), (1.0, 0)] {
            assert!(Cache::new(&CacheRule { ttl_s, max }).is_none());
        }
    }
}
