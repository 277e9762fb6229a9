//! What is wrong now: kept until it is over, for `status`, and said, but not over and over where it comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::Mono;

/// A problem that is still there, or again, is not said sooner.
const SAME_AGAIN: Duration = Duration::from_mins(1);
/// Another of the same kind is not said sooner.
const ANOTHER: Duration = Duration::from_secs(5);

/// Problems by kind, one of each.
#[derive(Debug, Default)]
pub(super) struct Problems {
    now: BTreeMap<&'static str, String>,
    /// Last text of each kind, and when it was said.
    said: BTreeMap<&'static str, (String, Mono)>,
}

impl Problems {
    /// Something is wrong; true if it is to be said.
    pub(super) fn begin(&mut self, kind: &'static str, text: &str, now: Mono) -> bool {
        if self.now.get(kind).is_none_or(|before| before != text) {
            self.now.insert(kind, text.to_owned());
        }
        let pause = |last: &str| if last == text { SAME_AGAIN } else { ANOTHER };
        let says = self.said.get(kind).is_none_or(|(last, at)| now.since(*at) >= pause(last));
        if says {
            self.said.insert(kind, (text.to_owned(), now));
        }
        says
    }

    /// It is over.
    pub(super) fn end(&mut self, kind: &'static str) {
        self.now.remove(kind);
    }

    /// The text of one, while it is there.
    pub(super) fn get(&self, kind: &'static str) -> Option<&String> {
        self.now.get(kind)
    }

    /// The texts of all.
    pub(super) fn all(&self) -> Vec<String> {
        self.now.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_there_until_it_is_over_and_said_again_only_after_a_while() {
        let mut problems = Problems::default();
        let start = Mono(0);
        let mut begin = |text: &str, after: Duration| problems.begin("store", text, start + after);
        assert!(begin("full", Duration::ZERO));
        assert!(!begin("full", SAME_AGAIN / 2));
        assert!(begin("full", SAME_AGAIN));
        assert!(!begin("gone", SAME_AGAIN + ANOTHER / 2));
        assert!(begin("gone", SAME_AGAIN + ANOTHER));
        assert_eq!(problems.all(), ["gone"]);
        problems.end("store");
        assert_eq!((problems.get("store"), problems.all().len()), (None, 0));
    }
}
