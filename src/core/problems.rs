//! Problems that last now, and when each is said: not over and over where it comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Action, Core};
use crate::model::problem::Topic;
use crate::model::{Mono, Notice, Now};

/// A problem that is still there, or again, is not said sooner.
const SAME_AGAIN: Duration = Duration::from_mins(1);
/// Another of the same topic is not said sooner.
const ANOTHER: Duration = Duration::from_secs(5);

/// Problems that are not over, and what was said last of each topic.
#[derive(Debug, Default)]
pub(super) struct Problems {
    now: BTreeMap<Topic, String>,
    said: BTreeMap<Topic, (String, Mono)>,
}

impl Core {
    /// Something is wrong until it is over; what is to be said of that now.
    pub fn problem(&mut self, topic: Topic, text: String, now: Now) -> Option<Notice> {
        let Problems { now: known, said } = &mut self.problems;
        known.insert(topic, text.clone());
        let pause = |last: &str| if last == text { SAME_AGAIN } else { ANOTHER };
        if said.get(&topic).is_some_and(|(last, at)| now.mono.since(*at) < pause(last)) {
            return None;
        }
        said.insert(topic, (text.clone(), now.mono));
        Some(Notice::Problem { text })
    }

    /// The problem is over.
    pub fn problem_over(&mut self, topic: Topic) {
        self.problems.now.remove(&topic);
    }

    /// The text of a problem that is not over.
    #[must_use]
    pub fn problem_of(&self, topic: Topic) -> Option<&str> {
        self.problems.now.get(&topic).map(String::as_str)
    }

    /// All problems that are not over.
    pub fn problems(&self) -> impl Iterator<Item = (Topic, &str)> {
        self.problems.now.iter().map(|(topic, text)| (*topic, text.as_str()))
    }

    pub(super) fn raise(&mut self, topic: Topic, text: String, now: Now, out: &mut Vec<Action>) {
        out.extend(self.problem(topic, text, now).map(Action::Tell));
    }

    /// Ends the problems of the core that are over.
    pub(super) fn end_problems(&mut self) {
        let lasting = [
            (Topic::Spawn, self.is_scarce()),
            (Topic::Commands, self.has_not_begun()),
            (Topic::Released, self.gives_back_again()),
        ];
        for (topic, _) in lasting.into_iter().filter(|(_, lasts)| !lasts) {
            self.problem_over(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{UnixMicros, WorkerId};

    #[test]
    fn a_problem_is_said_again_after_a_minute_and_another_of_its_topic_after_five_seconds() {
        let mut core = Core::new(WorkerId(1), 1);
        let mut said = |second: u64, text: &str| {
            let now = Now { mono: Mono(second * 1_000_000), wall: UnixMicros(0) };
            core.problem_over(Topic::Store);
            let said = core.problem(Topic::Store, text.to_owned(), now).is_some();
            assert_eq!(core.problem_of(Topic::Store), Some(text));
            said
        };
        let told = [said(0, "full"), said(4, "gone"), said(6, "gone"), said(59, "gone"), said(66, "gone")];
        assert_eq!(told, [true, false, true, false, true]);
        let other = Now { mono: Mono(66_000_000), wall: UnixMicros(0) };
        assert!(core.problem(Topic::Sync, String::from("gone"), other).is_some(), "topics do not silence each other");
        assert_eq!(core.problems().count(), 2);
    }
}
